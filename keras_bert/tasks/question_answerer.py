"""BertQuestionAnswerer: the part of a context that answers a question."""

import keras
from keras import ops

from keras_bert import features as feature_lib
from keras_bert.metrics.span_accuracy import SpanAccuracy
from keras_bert.metrics.squad_score import score_squad
from keras_bert.models import SpanClassifier
from keras_bert.preprocessing import QuestionAnsweringPreprocessor
from keras_bert.preprocessing.question_columns import CONTEXT, QUESTION
from keras_bert.tasks.task import Task, setting
from keras_bert.training import SpanCrossEntropy

_PADDING_LOGIT = -1e9


@keras.saving.register_keras_serializable(package="keras_bert")
class BertQuestionAnswerer(Task):
    """Extractive question answering, as SQuAD has it.

        model = BertQuestionAnswerer.from_pretrained("path/to/bert")
        model.fit({"question": ["Who came?"], "context": ["Anna came."]}, {"start": [0], "end": [4]})    # characters; -1, -1: no answer
        model.fit(data.squad_dataset(data.read_squad("train-v2.0.json")))
        model.answer({"question": ["Who came?"], "context": ["Yesterday Anna came."]})
        # [{"text": "Anna", "start": 10, "end": 14, "score": 0.93, "null_score": -7.1, "alternative_count": 9,
        #   "alternatives": [{"text": "Anna", "start": 10, "end": 14, "score": 0.93}, {"text": "Yesterday Anna", ...}, ...]}]

    Contexts of any length are taken, in several rows where one has no room; so that a batch of long contexts has many rows in training,
    while answers take 32 rows at a time. How an answer is found, and what the options of answering do, which change nothing of training:
    see QuestionAnsweringPreprocessor. For questions that may have no answer, train on some, then tune_null_threshold.

    `predict` gives a dict of arrays [examples], "start", "end", "score" and "null_score" of the answers; of ids alone, and so does calling
    the model, logits, float32 [rows, length, 2], of start and end, -1e9 at padding.

    Args:
        encoder: BertEncoder.
        tokenizer: Tokenizer, or None to take only the contract.
        max_length: most tokens of a row; None takes 384, or max_position_embeddings where that is less.
        pad_to_multiple_of, stride, max_query_length, max_answer_length, n_best, null_threshold: see QuestionAnsweringPreprocessor.
        network: SpanClassifier that is there already, of this encoder; None makes one.
    """

    NETWORK = SpanClassifier
    PREPROCESSOR = QuestionAnsweringPreprocessor
    DEFAULT_LENGTH = 384  # google-research's run_squad.py
    OWN_NONE = (*Task.OWN_NONE, "max_answer_length")
    stride, max_query_length, max_answer_length = (setting(name) for name in ("stride", "max_query_length", "max_answer_length"))
    n_best, null_threshold = setting("n_best"), setting("null_threshold")

    def __init__(
        self,
        encoder,
        tokenizer=None,
        *,
        stride=None,
        max_query_length=None,
        max_answer_length=30,
        n_best=20,
        null_threshold=None,
        network=None,
        **kwargs,
    ):
        preprocessing = {"stride": stride, "max_query_length": max_query_length, "max_answer_length": max_answer_length}
        preprocessing |= {"n_best": n_best, "null_threshold": null_threshold}
        super().__init__(SpanClassifier(encoder) if network is None else network, tokenizer, preprocessing=preprocessing, **kwargs)

    def call(self, features, training=None):
        logits = self.predictions(self.network(features, training=training))
        # A loss is then that of the row's own tokens, whatever it is batched with.
        return ops.where(ops.expand_dims(features[feature_lib.ATTENTION_MASK], -1) == 1, logits, _PADDING_LOGIT)

    def predictions(self, outputs):
        if not isinstance(outputs, dict):  # as `call` gives them
            return outputs
        return ops.stack([outputs["start_logits"], outputs["end_logits"]], axis=-1)

    def preprocess(self, questions, contexts):
        """Raw text to the batch contract.

        Args: questions, contexts: string tensors, lists or arrays [batch].
        Returns: dict of int32 tensors [rows, length]: the rows of an example, one or more, stand one after the other.
        Raises: ValueError where the model has no vocabulary.
        """
        self._check_vocabulary()
        return self.preprocessor.pad(self.preprocessor.rows({QUESTION: questions, CONTEXT: contexts}))[0]

    def class_weights(self, class_weight):
        if class_weight is not None:
            raise ValueError(f"class_weight={class_weight!r}: an answer is a place, not a class; give sample_weight instead")
        return None

    def default_loss(self):
        return SpanCrossEntropy()

    def default_metrics(self):
        return [SpanAccuracy()]

    def tune_null_threshold(self, examples, batch_size=None):
        """Set null_threshold to what is best for the F1 of these examples, some of which should have no answer.

        Args: examples: SquadExamples, see data.read_squad. batch_size: as answer.
        Returns: dict, metrics.score_squad's of version 2.0 with the answers of before.
        """
        answers = self.answer(examples, batch_size, null_threshold=None)
        answers = dict(zip((example.id for example in examples), answers, strict=True))
        texts, null_scores = ({id_: answer[name] for id_, answer in answers.items()} for name in ("text", "null_score"))
        scores = score_squad(examples, texts, null_scores, version="2.0")
        # Where it is best to answer nothing at all, no answer's score may be let through.
        nothing = min(null_scores.values()) - 1.0
        silent = sum(not example.answers for example in examples) / len(examples)
        self.null_threshold = scores["best_f1_threshold"] if scores["best_f1"] > silent else nothing
        return scores
