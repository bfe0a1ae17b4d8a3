"""BertMultipleChoice: which of several choices goes with a text."""

import keras

from keras_bert.models import MultipleChoice
from keras_bert.preprocessing import MultipleChoicePreprocessor, split_parts
from keras_bert.tasks.task import Task, setting


@keras.saving.register_keras_serializable(package="keras_bert")
class BertMultipleChoice(Task):
    """Multiple choice: the answer to a question, how a story goes on. Transformers' BertForMultipleChoice.

        model = BertMultipleChoice.from_pretrained("path/to/bert")
        questions = {"text": ["The sky is"], "choices": [["blue .", "a fish .", "on foot ."]]}
        model.fit(questions, [0])
        model.answer(questions)         # [{"choice": 0, "text": "blue .", "score": 0.9, "probabilities": [0.9, 0.1, 0.0], "count": 3}]
        model.predict(questions)        # float32 [1, 3], probabilities

    Questions may also come as a tuple (texts, lists of choices), as a list of (text, choices), or as a dataset of such with labels:
    data.read_multiple_choice reads files. They may have different numbers of choices. The loss is softmax cross-entropy over a question's
    own choices. Calling the model on its inputs gives logits.

    Args:
        encoder: BertEncoder with a pooler.
        tokenizer: Tokenizer, or None to take only the contract.
        dropout: rate before the dense layer; None takes the encoder's hidden_dropout_prob.
        max_length: most tokens of a text with one choice; pad_to_multiple_of: see Task; max_choices: see MultipleChoicePreprocessor.
        network: MultipleChoice that is there already, of this encoder; None makes one, by dropout.
    """

    NETWORK = MultipleChoice
    NETWORK_OPTIONS = MultipleChoice.OPTIONS
    PREPROCESSOR = MultipleChoicePreprocessor
    max_choices = setting("max_choices")

    def __init__(self, encoder, tokenizer=None, *, dropout=None, max_choices=None, network=None, **kwargs):
        network = MultipleChoice(encoder, dropout=dropout) if network is None else network
        super().__init__(network, tokenizer, preprocessing={"max_choices": max_choices}, **kwargs)

    def preprocess(self, texts, choices):
        """Raw text to the model inputs.

        Args: texts: as answer takes them. choices: lists of str. Returns: dict of int32 [batch, choices * length], and part_mask.
        Raises: ValueError where the model has no vocabulary.
        """
        self._check_vocabulary()
        return self.preprocessor.pad(self.preprocessor.rows(as_strings(self.preprocessor.columns((texts, choices)))))[0]

    def through(self, network, inputs):
        return self.preprocessor.join_parts(network(split_parts(inputs)), inputs)

    def default_loss(self):
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def default_metrics(self):
        return [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]


def as_strings(columns):
    return {name: keras.ops.convert_to_tensor(column, "string") for name, column in columns.items()}
