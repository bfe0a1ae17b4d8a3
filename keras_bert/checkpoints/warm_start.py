"""A decoder out of an encoder's checkpoint."""

import dataclasses

from keras_bert.checkpoints.rows import DECODER, DECODER_WORDS, ENCODER, part_of

_SIZES = ("hidden_size", "num_attention_heads", "intermediate_size", "max_position_embeddings", "type_vocab_size")


def warm_started(checkpoint, config, *, own_words=False):
    """The checkpoint of a BERT, with weights for a decoder that are the encoder's.

    Embeddings, blocks and masked-LM head come from the encoder's; the attention to the source has none, and a vocabulary of its own, or of
    another size, leaves the word embedding new. Of fewer layers the first are taken.

    Args: checkpoint: Checkpoint. config: BertConfig of the decoder. own_words: whether the decoder's vocabulary is another.
    Returns: Checkpoint; as it is, where the decoder is of another size.
    Source: Rothe et al. 2020, "Leveraging pre-trained checkpoints for sequence generation tasks", section 2.
    """
    theirs = checkpoint.config
    if any(getattr(theirs, name) != getattr(config, name) for name in _SIZES) or config.num_hidden_layers > theirs.num_hidden_layers:
        return checkpoint
    rows = []
    for row in checkpoint.rows:
        path = f"{DECODER}/{row.path}"
        is_of_decoder = part_of(row.path) in (ENCODER, "masked_lm")
        if is_of_decoder and not (path in DECODER_WORDS and (own_words or config.vocab_size != theirs.vocab_size)):
            rows.append(dataclasses.replace(row, path=path))
    return dataclasses.replace(checkpoint, rows=(*checkpoint.rows, *rows))
