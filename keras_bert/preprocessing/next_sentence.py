"""NextSentencePreprocessor and PretrainingPreprocessor: whether the second text of a pair follows the first."""

import tensorflow as tf

from keras_bert import features
from keras_bert.preprocessing.classification import ClassificationPreprocessor
from keras_bert.preprocessing.text import TextPreprocessor
from keras_bert.problem_type import SOFTMAX, activate

IS_NEXT, NOT_NEXT = "is_next", "not_next"  # ids 0 and 1, as google-research and Transformers have them


class NextSentencePreprocessor(ClassificationPreprocessor):
    """Pairs to IS_NEXT or NOT_NEXT; the answers are those of a single-label classifier of these two.

    Args: see TextPreprocessor; text_pair: None is True here.
    """

    def __init__(self, tokenizer, *, text_pair=None, **options):
        super().__init__(tokenizer, labels=[IS_NEXT, NOT_NEXT], text_pair=True if text_pair is None else text_pair, **options)

    def get_config(self):
        return TextPreprocessor.get_config(self)


class PretrainingPreprocessor(NextSentencePreprocessor):
    """NextSentencePreprocessor for a network with both heads of pretraining, whose outputs and targets are dicts. Args: as there."""

    def encode_targets(self, targets):
        return targets

    def encode_targets_in_graph(self, targets):
        return targets

    def answer_inputs(self, inputs):
        # The other head is asked about no position: over all of them it would take longer than the encoder.
        nowhere = tf.zeros([tf.shape(inputs[features.INPUT_IDS])[0], 0], tf.int32)
        return inputs | {features.MASKED_POSITIONS: nowhere}

    def decode(self, predictions, inputs, rows):
        return super().decode(activate(predictions["nsp_logits"], SOFTMAX), inputs, rows)
