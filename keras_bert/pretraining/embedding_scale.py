"""Small embedding tables for a pretrained model, so that fine-tuning can move them."""

import math

_OF_TRUNCATED_NORMAL = 0.88  # standard deviation of what bert_initializer draws, of the one it is given


def shrink_embeddings(model):
    """Make the embedding tables of a pretrained model as small as new ones, without changing what it computes.

    Pretraining at a high rate makes them several times larger. Adam moves every weight by about the learning rate, however large it is, so
    that at the rates of fine-tuning large tables hardly turn: words of the task then learn more slowly than from random weights. The sum of
    the tables is normalised, which undoes a factor; in the masked language model's scores, the scale of the head's own norm does.

    The factor is a power of two, by which no digit changes. Tables that are small already stay as they are.

    Args: model: BertPretrainer or BertMaskedLM.
    Returns: float, the factor of the tables, 1 at most.
    Raises: ValueError where positions are sinusoids, which cannot be scaled.
    """
    embeddings, head = model.encoder.get_layer("embeddings"), model.network.get_layer("masked_lm")
    if embeddings.position_embeddings != "learned":
        raise ValueError(f"position_embeddings={embeddings.position_embeddings!r}: only learned tables can be scaled together")
    wanted = _OF_TRUNCATED_NORMAL * model.encoder.config.initializer_range
    found = float(embeddings.word_table.numpy().std())
    factor = 2.0 ** round(math.log2(wanted / found)) if found > wanted else 1.0
    for table in (embeddings.word_table, embeddings.position_table, embeddings.token_type_table):
        table.assign(table * factor)
    for scale in (head.norm.gamma, head.norm.beta):
        scale.assign(scale / factor)
    return factor
