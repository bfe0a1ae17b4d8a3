"""BertMaskedLM: what stood at the masked positions."""

import keras

from keras_bert import features
from keras_bert.models import MaskedLM
from keras_bert.preprocessing import MaskedLMPreprocessor
from keras_bert.tasks.packed_batches import for_encoder
from keras_bert.tasks.task import setting
from keras_bert.tasks.text_task import TextTask


@keras.saving.register_keras_serializable(package="keras_bert")
class BertMaskedLM(TextTask):
    """Masked language modelling.

        model = BertMaskedLM.from_pretrained("path/to/bert")
        logits = model(batch)       # batch: the contract and masked_positions; float32 [batch, max_predictions, vocab_size]

        model.answer(["Paris is the [MASK] of France."])    # [{"words": [["capital", ...]], "scores": [[0.9, ...]], "count": 1}]

    "[MASK]" in a text is the mask here. A batch without masked_positions asks about every position, and so does `predict` on texts:
    float32 [texts, longest, vocab_size], of which what stands beyond a text's end means nothing.

    Args:
        encoder: BertEncoder; with packed=True, from_pretrained(path, packed=True), the model takes packed batches as well as others.
        tokenizer: Tokenizer, or None to take only the contract.
        top_k: words of an answer.
        head_hidden_act, head_layer_norm_eps: see models.MaskedLM.
        max_length, pad_to_multiple_of, text_pair: see TextTask.
        network: MaskedLM that is there already, of this encoder; None makes one.
    To train: fit on (batch, masked_ids, masked_weights); the loss is divided by the sum of the weights, so that padding counts nothing.
    """

    NETWORK = MaskedLM
    NETWORK_OPTIONS = (*MaskedLM.OPTIONS, "packed")
    PREPROCESSOR = MaskedLMPreprocessor
    top_k = setting("top_k")
    packed = property(lambda self: self.encoder.packed, doc="Whether batches may be packed.")

    def __init__(self, encoder, tokenizer=None, *, top_k=5, head_hidden_act=None, head_layer_norm_eps=None, network=None, **kwargs):
        if network is None:
            network = MaskedLM(encoder, head_hidden_act=head_hidden_act, head_layer_norm_eps=head_layer_norm_eps)
        super().__init__(network, tokenizer, preprocessing={"top_k": top_k}, **kwargs)

    def call(self, features, training=None):
        return self.network(for_encoder(with_masked_positions(features), self.encoder), training=training)

    def default_loss(self):
        return masked_lm_loss()

    def default_weighted_metrics(self):
        return [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]

    def get_metrics_result(self):
        return with_perplexity(super().get_metrics_result(), "loss")


def with_perplexity(results, loss_name):
    """Args: results: dict of a model's metrics. loss_name: of the masked words' mean loss, in nats. Returns: results, with perplexity."""
    return results | ({"perplexity": keras.ops.exp(results[loss_name])} if loss_name in results else {})


def with_masked_positions(batch):
    """Returns: the batch, with every position as masked_positions where it has none."""
    if features.MASKED_POSITIONS in batch:
        return batch
    input_ids = batch[features.INPUT_IDS]
    positions = keras.ops.arange(keras.ops.shape(input_ids)[1], dtype=features.DTYPE)
    every = keras.ops.broadcast_to(positions[None], keras.ops.shape(input_ids))
    return {**batch, features.MASKED_POSITIONS: every}


def masked_lm_loss():
    """Cross-entropy over real targets: the sum of weighted losses divided by the sum of weights, not by all slots."""
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="mean_with_sample_weight")
