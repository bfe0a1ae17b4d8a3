"""What users hold: text, model, checkpoints and training behind fit and predict on raw input.

Names are imported when they are first used: from_pretrained gives a bare encoder without TensorFlow, which every task needs.
"""

from keras_bert.lazy import lazy_names

_HOMES = {
    "BertClassifier": "keras_bert.tasks.classes",
    "BertEmbedder": "keras_bert.tasks.classes",
    "BertExtractiveSummarizer": "keras_bert.tasks.classes",
    "BertIntentSlots": "keras_bert.tasks.classes",
    "BertMaskedLM": "keras_bert.tasks.classes",
    "BertMultipleChoice": "keras_bert.tasks.classes",
    "BertNextSentence": "keras_bert.tasks.classes",
    "BertPretrainer": "keras_bert.tasks.classes",
    "BertQuestionAnswerer": "keras_bert.tasks.classes",
    "BertSemanticRoleLabeler": "keras_bert.tasks.classes",
    "BertSeq2Seq": "keras_bert.tasks.classes",
    "BertTagger": "keras_bert.tasks.classes",
    "Servable": "keras_bert.tasks.servable",
    "Task": "keras_bert.tasks.task",
    "class_of": "keras_bert.tasks.pretrained",
    "extract_features": "keras_bert.tasks.token_features",
    "from_pretrained": "keras_bert.tasks.pretrained",
    "trim_vocabulary": "keras_bert.tasks.trimming",
}

__all__ = list(_HOMES)
__getattr__, __dir__ = lazy_names(globals(), _HOMES)
