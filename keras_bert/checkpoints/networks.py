"""Networks from checkpoints, and to them."""

from keras_bert.checkpoints import hugging_face, native
from keras_bert.checkpoints.checkpoint import Checkpoint, load_weights
from keras_bert.checkpoints.recognise import open_checkpoint
from keras_bert.models import BertEncoder, MaskedLM, Pretrainer, SequenceClassifier, SpanClassifier, TextEmbedder, TokenClassifier

NETWORKS = {
    cls.__name__: cls for cls in (BertEncoder, MaskedLM, Pretrainer, SequenceClassifier, SpanClassifier, TextEmbedder, TokenClassifier)
}


def load_encoder(path, *, format=None, strict=False, **options):
    """Load the encoder of a checkpoint, whatever head it has.

    Args:
        path: a directory, or hf://owner/name[@revision].
        format: see open_checkpoint.
        strict: raise where anything is left over or new.
        options: those of BertEncoder but config.
    Returns: BertEncoder; its `load_report` says what was taken.
    Raises: ValueError, FileNotFoundError naming what does not fit.
    """
    checkpoint = as_checkpoint(path, format)
    if options.get("pooler") is None and checkpoint.format == native.FORMAT and not checkpoint.has("pooler"):
        options["pooler"] = False  # as it was saved
    encoder = BertEncoder(checkpoint.config, initialize=False, **options)
    encoder.load_report = load_weights(encoder, checkpoint, strict=strict)
    return encoder


def load_network(path, cls=None, *, format=None, dtype=None, strict=False, **options):
    """Load an encoder with its head.

    Args:
        path, format, strict: as load_encoder.
        cls: one of keras_bert.models; None: what the checkpoint says it is, else BertEncoder.
        dtype: Keras dtype policy of the encoder; None takes the global one.
        options: those of the class: num_labels, pooling, dropout, ...; absent: the checkpoint's.
    Returns: the network; its `load_report` says what was taken.
    Raises: ValueError naming what does not fit.
    """
    checkpoint = as_checkpoint(path, format)
    cls = NETWORKS[checkpoint.network or "BertEncoder"] if cls is None else cls
    if cls is BertEncoder:
        return load_encoder(checkpoint, dtype=dtype, strict=strict, **options)
    network, fresh = build_network(checkpoint, cls, dtype=dtype, **options)
    network.load_report = load_weights(network, checkpoint, fresh=fresh, strict=strict)
    return network


def build_network(checkpoint, cls, *, dtype=None, labels=None, **options):
    """Make a network of a checkpoint's sizes. Its head is new; its encoder waits to be filled.

    Args: checkpoint: Checkpoint. cls: one of keras_bert.models. dtype: see load_network. labels: label names, of a classifier.
    Returns: the network, and the parts of the checkpoint that do not fit it although they are there: a classifier of other labels.
    """
    kind = cls.__name__
    if checkpoint.network == kind:
        options = {name: value for name, value in checkpoint.settings.items() if name in _OPTIONS.get(kind, ())} | options
    pooling = options.get("pooling", _POOLINGS.get(kind))
    as_saved = checkpoint.format == native.FORMAT and checkpoint.network == kind and pooling == checkpoint.settings.get("pooling", pooling)
    saved_whole = as_saved and checkpoint.has("pooler")  # used or not, it comes back
    pooler = kind == "Pretrainer" or pooling == "pooler" or saved_whole
    encoder = BertEncoder(checkpoint.config, pooler=pooler, dtype=dtype, initialize=False)
    if kind in ("SequenceClassifier", "TokenClassifier"):
        theirs = checkpoint.labels if checkpoint.network in (None, kind) else None
        if labels is None and "num_labels" not in options:
            if theirs is None:
                raise ValueError(f"{checkpoint.path} names no labels; give labels=[...]")
            labels = theirs
        count = options.pop("num_labels", None) or len(labels)
        same_labels = hugging_face.names_agree(labels, theirs) if labels is not None else theirs is not None and count == len(theirs)
        taken = same_labels and pooling == _pooling_of(checkpoint, kind)
        return cls(encoder, count, **options), () if taken else ("classifier",)
    return cls(encoder, **options), ()


def _pooling_of(checkpoint, kind):
    """What a checkpoint's classifier was trained on: the pooler's output, wherever it does not say otherwise."""
    return checkpoint.settings.get("pooling", "pooler") if kind == "SequenceClassifier" else None


_POOLINGS = {"SequenceClassifier": "pooler", "TextEmbedder": "mean"}  # as their constructors have it
_OPTIONS = {
    "MaskedLM": ("head_hidden_act", "head_layer_norm_eps"),
    "SequenceClassifier": ("pooling", "dropout"),
    "TokenClassifier": ("dropout",),
    "TextEmbedder": ("pooling", "normalize"),
}


def as_checkpoint(path, format=None):
    """Returns: Checkpoint of a path; a Checkpoint is given back."""
    return path if isinstance(path, Checkpoint) else open_checkpoint(path, format=format)


def to_hugging_face(model, path, *, labels=None, tokenizer=None):
    """Write a directory that Transformers loads, with identical logits.

    Args:
        model: a task (BertClassifier, BertMaskedLM, ...) or one of keras_bert.models.
        path: the directory; what it held before is kept until the new one is whole.
        labels: label names by id; None takes the model's.
        tokenizer: BertTokenizer; None takes the model's.
    Raises: ValueError where Transformers has no such model, or the directory holds other things.
    """
    network, labels, tokenizer = parts_of(model, labels, tokenizer)
    check_masked_lm_head(network)
    hugging_face.write(path, network, labels=labels, tokenizer=tokenizer)


def to_model_garden(model, path, *, tokenizer=None):
    """Write a directory that Model Garden's tf.train.Checkpoint(encoder=...) restores. Args, Raises: as to_hugging_face."""
    from keras_bert.checkpoints import model_garden

    network, labels, tokenizer = parts_of(model, None, tokenizer)
    check_masked_lm_head(network)
    model_garden.write(path, network, labels=labels, tokenizer=tokenizer)


def save_network(network, path, *, labels=None, tokenizer=None):
    """Write a network to keras_bert's own directory.

    Args: network: one of keras_bert.models. path: the directory. labels: label names by id. tokenizer: Tokenizer or None.
    Raises: ValueError where the directory holds other things.
    """
    settings = network.settings() if hasattr(network, "settings") else {}
    settings.pop("num_labels", None)
    if labels is None and hasattr(network, "num_labels"):
        labels = [f"{hugging_face.PLACEHOLDER}{index}" for index in range(network.num_labels)]
    native.write(path, network, settings=settings, labels=labels, tokenizer=tokenizer)


def parts_of(model, labels=None, tokenizer=None):
    """Returns: network, labels, tokenizer of a task; or of a network, with those given. Raises: TypeError on anything else."""
    network = getattr(model, "network", model)
    if type(network).__name__ not in NETWORKS:
        raise TypeError(f"a {type(model).__name__} is no model of keras_bert: {', '.join(NETWORKS)} or a task of one of them")
    labels = getattr(model, "labels", None) if labels is None else labels
    tokenizer = getattr(model, "tokenizer", None) if tokenizer is None else tokenizer
    if tokenizer is not None:
        check_vocabulary_size(tokenizer, getattr(network, "encoder", network).config)
    return network, labels, tokenizer


def check_masked_lm_head(network):
    """Raises: ValueError on a head that other projects' files cannot say."""
    if not getattr(network, "head_is_as_the_encoder", True):
        config = network.encoder.config
        raise ValueError(
            f"the masked-LM head has hidden_act={network.head_hidden_act!r} and layer_norm_eps={network.head_layer_norm_eps!r}, "
            f"the encoder {config.hidden_act!r} and {config.layer_norm_eps!r}: only keras_bert's own format can say so"
        )


def check_vocabulary_size(tokenizer, config):
    """Raises: ValueError where a vocabulary and the word embedding differ in size, saying how to mend it."""
    pieces, rows = tokenizer.vocabulary_size, config.vocab_size
    if pieces == rows:
        return
    if pieces < rows:
        mend = f"if rows were added to the embedding, add as many pieces to the vocabulary: [unused_{pieces}] to [unused_{rows - 1}]"
    else:
        mend = f"pieces from number {rows} on, such as {tokenizer.vocabulary[rows]!r}, have no row; if they were added, cut them off"
    raise ValueError(
        f"the vocabulary has {pieces} pieces but the word embedding has vocab_size={rows} rows: "
        f"they come from different checkpoints; or {mend}"
    )
