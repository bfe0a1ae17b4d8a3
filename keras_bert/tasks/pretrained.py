"""from_pretrained: the right class for a checkpoint."""

from keras_bert.checkpoints.networks import NETWORKS, as_checkpoint, load_network
from keras_bert.checkpoints.recognise import GOOGLE_TF1
from keras_bert.models import BertEncoder

# The task of a network, where it has one. By name: tasks need TensorFlow, and are imported only where one is wanted.
_TASK_OF_NETWORK = {
    "IntentSlots": "BertIntentSlots",
    "MaskedLM": "BertMaskedLM",
    "MultipleChoice": "BertMultipleChoice",
    "NextSentence": "BertNextSentence",
    "Pretrainer": "BertPretrainer",
    "RoleLabeler": "BertSemanticRoleLabeler",
    "SentenceScorer": "BertExtractiveSummarizer",
    "Seq2Seq": "BertSeq2Seq",
    "SequenceClassifier": "BertClassifier",
    "SpanClassifier": "BertQuestionAnswerer",
    "Tagger": "BertTagger",
    "TextEmbedder": "BertEmbedder",
    "TokenClassifier": "BertTagger",
}


def from_pretrained(path, cls=None, *, format=None, **options):
    """Load a checkpoint.

    Args:
        path: a directory of any format in checkpoints.FORMATS, or hf://owner/name[@revision].
        cls: the class to load it as: a task, or one of keras_bert.models. None: what the checkpoint says it is (keras_bert.json,
            `architectures` in config.json, ...), else BertEncoder. BertEncoder: the bare encoder of any checkpoint.
        format: one of checkpoints.FORMATS; None tells it by the files.
        options: arguments of the class, and dtype and strict; see Task.from_pretrained.
    Returns: cls; its `load_report` says what was taken, what is new and what was ignored.
    Raises: ValueError, FileNotFoundError naming what does not fit. ImportError where a task is wanted and TensorFlow is not there.
    """
    checkpoint = as_checkpoint(path, format)
    if cls is None:
        # A TF1 directory nearly always holds the heads of pretraining, and is nearly always wanted without them.
        cls = BertEncoder if checkpoint.format == GOOGLE_TF1 else class_of(checkpoint)
    if cls.__name__ in NETWORKS and NETWORKS[cls.__name__] is cls:
        return load_network(checkpoint, cls, **options)
    return cls.from_pretrained(checkpoint, **options)


def class_of(checkpoint):
    """The class that holds all of a checkpoint, heads included.

    Args: checkpoint: Checkpoint.
    Returns: a task, or one of keras_bert.models.
    Raises: ValueError naming a class that this version of keras_bert has not. ImportError as from_pretrained.
    """
    name = checkpoint.task or checkpoint.network or BertEncoder.__name__
    if checkpoint.task is None:
        name = _TASK_OF_NETWORK.get(name, name)
    if name in NETWORKS:
        return NETWORKS[name]
    if name not in _TASK_OF_NETWORK.values():
        known = ", ".join([*_TASK_OF_NETWORK.values(), *NETWORKS])
        raise ValueError(f"{checkpoint.path} holds a {name}; this version of keras_bert knows {known}")
    from keras_bert.tasks.classes import TASKS

    return TASKS[name]
