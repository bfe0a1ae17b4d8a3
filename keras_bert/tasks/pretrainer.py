"""BertPretrainer: BERT with both heads of its pretraining."""

import keras

from keras_bert.models import Pretrainer
from keras_bert.preprocessing import PretrainingPreprocessor
from keras_bert.tasks.masked_lm import masked_lm_loss, with_masked_positions
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
        encoder: BertEncoder with a pooler.
        tokenizer: Tokenizer, or None to take only the contract.
        max_length, pad_to_multiple_of, text_pair: see TextTask.
        network: Pretrainer that is there already, of this encoder; None makes one.
    To train: fit on (batch, {"mlm_logits": masked_ids, "nsp_logits": labels}, {"mlm_logits": masked_weights, "nsp_logits": ones}).
    """

    NETWORK = Pretrainer
    PREPROCESSOR = PretrainingPreprocessor

    def __init__(self, encoder, tokenizer=None, *, network=None, **kwargs):
        super().__init__(Pretrainer(encoder) if network is None else network, tokenizer, **kwargs)

    def call(self, features, training=None):
        return self.network(with_masked_positions(features), training=training)

    def default_loss(self):
        return {"mlm_logits": masked_lm_loss(), "nsp_logits": keras.losses.SparseCategoricalCrossentropy(from_logits=True)}
