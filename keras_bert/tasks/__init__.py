"""What users hold: text, model, checkpoints and training behind fit and predict on raw input."""

from keras_bert.tasks.classifier import BertClassifier
from keras_bert.tasks.embedder import BertEmbedder
from keras_bert.tasks.masked_lm import BertMaskedLM
from keras_bert.tasks.pretrained import class_of, from_pretrained
from keras_bert.tasks.pretrainer import BertPretrainer
from keras_bert.tasks.servable import Servable
from keras_bert.tasks.task import Task
from keras_bert.tasks.trimming import trim_vocabulary

__all__ = [
    "BertClassifier",
    "BertEmbedder",
    "BertMaskedLM",
    "BertPretrainer",
    "Servable",
    "Task",
    "class_of",
    "from_pretrained",
    "trim_vocabulary",
]
