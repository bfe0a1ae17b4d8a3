"""Networks: an encoder, and the encoder with each head. Keras only; text and files live elsewhere."""

from keras_bert.models.encoder import BertEncoder
from keras_bert.models.intent_slots import IntentSlots
from keras_bert.models.masked_lm import MaskedLM
from keras_bert.models.multiple_choice import MultipleChoice
from keras_bert.models.next_sentence import NextSentence
from keras_bert.models.pretrainer import Pretrainer
from keras_bert.models.role_labeler import RoleLabeler
from keras_bert.models.sentence_scorer import SentenceScorer
from keras_bert.models.seq2seq import Seq2Seq
from keras_bert.models.sequence_classifier import SequenceClassifier
from keras_bert.models.span_classifier import SpanClassifier
from keras_bert.models.tagger import Tagger
from keras_bert.models.text_embedder import TextEmbedder
from keras_bert.models.token_classifier import TokenClassifier

__all__ = [
    "BertEncoder",
    "IntentSlots",
    "MaskedLM",
    "MultipleChoice",
    "NextSentence",
    "Pretrainer",
    "RoleLabeler",
    "SentenceScorer",
    "Seq2Seq",
    "SequenceClassifier",
    "SpanClassifier",
    "Tagger",
    "TextEmbedder",
    "TokenClassifier",
]
