"""BERT for TensorFlow and Keras 3: raw text in, a SavedModel that answers raw text out.

Names are imported when they are first used, so that `import keras_bert`, BertConfig and BertEncoder need no TensorFlow
(the encoder then runs on any Keras backend).
"""

from keras_bert.lazy import lazy_names

_ROOMS = ("checkpoints", "data", "layers", "models", "pretraining", "tasks", "text", "training")
_HOMES = {
    "__version__": "keras_bert.version",
    "BertClassifier": "keras_bert.tasks",
    "BertConfig": "keras_bert.config",
    "BertEmbedder": "keras_bert.tasks",
    "BertEncoder": "keras_bert.models",
    "BertExtractiveSummarizer": "keras_bert.tasks",
    "BertIntentSlots": "keras_bert.tasks",
    "BertMaskedLM": "keras_bert.tasks",
    "BertMultipleChoice": "keras_bert.tasks",
    "BertNextSentence": "keras_bert.tasks",
    "BertPacker": "keras_bert.text",
    "BertPretrainer": "keras_bert.tasks",
    "BertQuestionAnswerer": "keras_bert.tasks",
    "BertSemanticRoleLabeler": "keras_bert.tasks",
    "BertSeq2Seq": "keras_bert.tasks",
    "BertTagger": "keras_bert.tasks",
    "BertTokenizer": "keras_bert.text",
    "CharacterTokenizer": "keras_bert.text",
    "SentencePieceTokenizer": "keras_bert.text",
    "WhitespaceTokenizer": "keras_bert.text",
    "from_pretrained": "keras_bert.tasks",
    "trim_vocabulary": "keras_bert.tasks",
} | {room: f"keras_bert.{room}" for room in _ROOMS}

__all__ = list(_HOMES)
__getattr__, __dir__ = lazy_names(globals(), _HOMES)
