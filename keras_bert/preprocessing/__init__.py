"""What stands between users' data and a network: one preprocessor a task, the same in tf.data, in predict and in the SavedModel."""

from keras_bert.preprocessing.classification import ClassificationPreprocessor
from keras_bert.preprocessing.embedding import EmbeddingPreprocessor
from keras_bert.preprocessing.extractive import ExtractivePreprocessor
from keras_bert.preprocessing.intent_slots import IntentSlotsPreprocessor
from keras_bert.preprocessing.masked_lm import MaskedLMPreprocessor
from keras_bert.preprocessing.multiple_choice import MultipleChoicePreprocessor
from keras_bert.preprocessing.next_sentence import NextSentencePreprocessor, PretrainingPreprocessor
from keras_bert.preprocessing.parts import split_parts
from keras_bert.preprocessing.preprocessor import Preprocessor, Rows, example_lengths, fill_up, take_examples
from keras_bert.preprocessing.question_answering import QuestionAnsweringPreprocessor
from keras_bert.preprocessing.role_labeling import RoleLabelingPreprocessor
from keras_bert.preprocessing.seq2seq import Seq2SeqPreprocessor
from keras_bert.preprocessing.tagging import TaggingPreprocessor
from keras_bert.preprocessing.text import TextPreprocessor

__all__ = [
    "ClassificationPreprocessor",
    "EmbeddingPreprocessor",
    "ExtractivePreprocessor",
    "IntentSlotsPreprocessor",
    "MaskedLMPreprocessor",
    "MultipleChoicePreprocessor",
    "NextSentencePreprocessor",
    "Preprocessor",
    "PretrainingPreprocessor",
    "QuestionAnsweringPreprocessor",
    "RoleLabelingPreprocessor",
    "Rows",
    "Seq2SeqPreprocessor",
    "TaggingPreprocessor",
    "TextPreprocessor",
    "example_lengths",
    "fill_up",
    "split_parts",
    "take_examples",
]
