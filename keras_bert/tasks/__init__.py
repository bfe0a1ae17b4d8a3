"""What users hold: text, model, checkpoints and training behind fit and predict on raw input."""

from keras_bert.tasks.classifier import BertClassifier
from keras_bert.tasks.pretrained import from_pretrained

__all__ = ["BertClassifier", "from_pretrained"]
