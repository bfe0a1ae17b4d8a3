"""from_pretrained: the right class for a checkpoint."""

from keras_bert.checkpoints.networks import NETWORKS, as_checkpoint, load_network
from keras_bert.checkpoints.recognise import GOOGLE_TF1
from keras_bert.models import BertEncoder
from keras_bert.tasks.classifier import BertClassifier
from keras_bert.tasks.embedder import BertEmbedder
from keras_bert.tasks.masked_lm import BertMaskedLM
from keras_bert.tasks.pretrainer import BertPretrainer

_TASKS = {cls.__name__: cls for cls in (BertClassifier, BertEmbedder, BertMaskedLM, BertPretrainer)}
_TASK_OF_NETWORK = {cls.NETWORK.__name__: cls for cls in _TASKS.values()}


def from_pretrained(path, cls=None, *, format=None, **options):
    """Load a checkpoint.

    Args:
        path: a directory of any format in checkpoints.FORMATS, or hf://owner/name[@revision].
        cls: the class to load it as: a task, or one of keras_bert.models. None: what the checkpoint says it is (keras_bert.json,
            `architectures` in config.json, ...), else BertEncoder. BertEncoder: the bare encoder of any checkpoint.
        format: one of checkpoints.FORMATS; None tells it by the files.
        options: arguments of the class, and dtype and strict; see Task.from_pretrained.
    Returns: cls; its `load_report` says what was taken, what is new and what was ignored.
    Raises: ValueError, FileNotFoundError naming what does not fit.
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
    Raises: ValueError naming a class that this version of keras_bert has not.
    """
    name = checkpoint.task or checkpoint.network or BertEncoder.__name__
    name = _TASK_OF_NETWORK[name].__name__ if name in _TASK_OF_NETWORK and checkpoint.task is None else name
    known = _TASKS | NETWORKS
    if name not in known:
        raise ValueError(f"{checkpoint.path} holds a {name}; this version of keras_bert knows {', '.join(known)}")
    return known[name]
