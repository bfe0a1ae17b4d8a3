"""BertPretrainer: BERT with both heads of its pretraining."""

import keras

from keras_bert import features
from keras_bert.models import Pretrainer
from keras_bert.preprocessing import PretrainingPreprocessor
from keras_bert.tasks.masked_lm import masked_lm_loss, with_masked_positions, with_perplexity
from keras_bert.tasks.packed_batches import for_encoder
from keras_bert.tasks.text_task import TextTask


@keras.saving.register_keras_serializable(package="keras_bert")
class BertPretrainer(TextTask):
    """Masked language modelling and next-sentence prediction.

        model = BertPretrainer.from_pretrained("uncased_L-12_H-768_A-12")
        outputs = model(batch)      # batch: the contract and masked_positions
        outputs["mlm_logits"]       # float32 [batch, max_predictions, vocab_size]
        outputs["nsp_logits"]       # float32 [batch, 2]; 0: the second text follows, 1: it is a random one

        model.answer([("a sentence .", "the next .")])  # [{"label": "is_next", "score": ..., "probabilities": [...]}]

    A batch without masked_positions asks about every position.

    Args:
        encoder: BertEncoder with a pooler; with packed=True, from_pretrained(path, packed=True), the model takes packed batches as well as
            others: nsp_logits are then [batch, sequences, 2], and so are labels and weights, [batch, sequences].
        tokenizer: Tokenizer, or None to take only the contract.
        max_length, pad_to_multiple_of, text_pair: see TextTask.
        network: Pretrainer that is there already, of this encoder; None makes one.
    To train: fit on (batch, {"mlm_logits": masked_ids, "nsp_logits": labels}, {"mlm_logits": masked_weights, "nsp_logits": ones}).
    """

    NETWORK = Pretrainer
    NETWORK_OPTIONS = ("packed",)
    PREPROCESSOR = PretrainingPreprocessor
    packed = property(lambda self: self.encoder.packed, doc="Whether batches may be packed.")

    def __init__(self, encoder, tokenizer=None, *, network=None, **kwargs):
        super().__init__(Pretrainer(encoder) if network is None else network, tokenizer, **kwargs)

    def call(self, batch, training=None):
        outputs = self.network(for_encoder(with_masked_positions(batch), self.encoder), training=training)
        if self.packed and features.FIRST_POSITIONS not in batch:
            outputs = outputs | {"nsp_logits": outputs["nsp_logits"][:, 0]}
        return outputs

    def default_loss(self):
        # By weights: places of a packed row where there is no sequence count nothing.
        next_sentence = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="mean_with_sample_weight")
        return {"mlm_logits": masked_lm_loss(), "nsp_logits": next_sentence}

    def default_weighted_metrics(self):
        return {name: [keras.metrics.SparseCategoricalAccuracy(name="accuracy")] for name in ("mlm_logits", "nsp_logits")}

    def get_metrics_result(self):
        return with_perplexity(super().get_metrics_result(), "mlm_logits_loss")
