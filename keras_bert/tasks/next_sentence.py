"""BertNextSentence: whether the second text of a pair follows the first."""

import keras

from keras_bert.models import NextSentence
from keras_bert.preprocessing import NextSentencePreprocessor
from keras_bert.problem_type import SOFTMAX, activate
from keras_bert.tasks.text_task import TextTask


@keras.saving.register_keras_serializable(package="keras_bert")
class BertNextSentence(TextTask):
    """Next-sentence prediction alone: Transformers' BertForNextSentencePrediction.

        model = BertNextSentence.from_pretrained("path/to/bert")
        model.answer([("He opened the door.", "It was dark inside.")])  # [{"label": "is_next", "score": ..., "probabilities": [...]}]
        model.predict([("He opened the door.", "It was dark inside.")])  # float32 [1, 2], probabilities

    Args:
        encoder: BertEncoder with a pooler.
        tokenizer: Tokenizer, or None to take only the contract.
        max_length, pad_to_multiple_of, text_pair: see TextTask.
        network: NextSentence that is there already, of this encoder; None makes one.
    To train: fit on pairs and labels, "is_next" (0) or "not_next" (1).
    """

    NETWORK = NextSentence
    PREPROCESSOR = NextSentencePreprocessor

    def __init__(self, encoder, tokenizer=None, *, network=None, **kwargs):
        super().__init__(NextSentence(encoder) if network is None else network, tokenizer, **kwargs)

    def predictions(self, outputs):
        return activate(outputs, SOFTMAX)

    def default_loss(self):
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def default_metrics(self):
        return [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]
