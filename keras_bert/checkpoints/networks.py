"""Networks from checkpoints, and to them."""

import warnings

from keras_bert import models
from keras_bert.checkpoints import hugging_face, native, sentence_transformers
from keras_bert.checkpoints.checkpoint import Checkpoint, load_weights
from keras_bert.checkpoints.recognise import open_checkpoint
from keras_bert.models import BertEncoder

NETWORKS = {name: getattr(models, name) for name in models.__all__}
MOST_PADDING = 1024  # rows; embeddings are padded to multiples of 8, 64 or 128, of 1,024 where 8 devices share one


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

    Args:
        checkpoint: Checkpoint.
        cls: one of keras_bert.models but BertEncoder.
        dtype: see load_network.
        labels: label names, where cls has labels; None takes num_labels, or the checkpoint's.
        options: arguments of cls; absent: the checkpoint's, where it was saved from cls. packed: of the encoder.
    Returns: the network, and the parts of the checkpoint that do not fit it although they are there: a classifier of other labels.
    Raises: ValueError where there are no labels, or arguments that cls refuses.
    """
    is_same = checkpoint.network in (cls.__name__, *cls.LIKE)
    said = cls.options_from(checkpoint.settings) if is_same else {}
    options = said | options
    packed = options.pop("packed", False)
    fresh, num_labels = [], None
    if cls.LABELLED:
        theirs = checkpoint.labels if is_same or checkpoint.network is None else None
        num_labels, fits = _count_labels(checkpoint, labels, options.pop("num_labels", None), theirs)
        fresh += [] if fits else cls.LABELLED
    fresh += () if is_same or checkpoint.network is None else cls.OWN
    fresh += cls.fresh_parts(options, said)
    wanted = cls.wants_pooler(options)
    # Used or not, a pooler that was saved with the network comes back.
    saved = checkpoint.format == native.FORMAT and is_same and wanted == cls.wants_pooler(said) and checkpoint.has("pooler")
    encoder = BertEncoder(checkpoint.config, packed=packed, pooler=wanted or saved, dtype=dtype, initialize=False)
    return cls.from_options(encoder, options, num_labels), tuple(dict.fromkeys(fresh))


def _count_labels(checkpoint, labels, num_labels, theirs):
    """Args: labels: names that are asked for, or None. num_labels: or their number. theirs: the checkpoint's names, or None.
    Returns: number of labels, and whether the checkpoint's head is of these.
    """
    if labels is None and num_labels is None:
        if theirs is None:
            raise ValueError(f"{checkpoint.path} names no labels; give labels=[...]")
        return len(theirs), True
    if labels is None:
        return num_labels, theirs is not None and num_labels == len(theirs)
    if num_labels not in (None, len(labels)):
        raise ValueError(f"num_labels={num_labels} with {len(labels)} labels ({', '.join(labels)}); leave num_labels out")
    return len(labels), hugging_face.names_agree(labels, theirs)


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
    own, settings = getattr(model, "decoder_tokenizer", None), None if model is network else model.settings()
    hugging_face.write(path, network, labels=labels, tokenizer=tokenizer, decoder_tokenizer=own, settings=settings)


def to_model_garden(model, path, *, tokenizer=None):
    """Write a directory that Model Garden's tf.train.Checkpoint(encoder=...) restores. Args, Raises: as to_hugging_face."""
    from keras_bert.checkpoints import model_garden

    network, labels, tokenizer = parts_of(model, None, tokenizer)
    check_masked_lm_head(network)
    model_garden.write(path, network, labels=labels, tokenizer=tokenizer)


def to_sentence_transformers(model, path, *, tokenizer=None):
    """Write a directory that sentence-transformers' SentenceTransformer loads, with identical vectors.

    Args: model: a BertEmbedder, or models.TextEmbedder. path, tokenizer: as to_hugging_face.
    Raises: ValueError where sentence-transformers has no such model, or the directory holds other things.
    """
    network, _, tokenizer = parts_of(model, None, tokenizer)
    settings = None if model is network else model.settings()
    sentence_transformers.write(path, network, tokenizer=tokenizer, max_length=getattr(model, "max_length", None), settings=settings)


def save_network(network, path, *, labels=None, tokenizer=None):
    """Write a network to keras_bert's own directory.

    Args: network: one of keras_bert.models. path: the directory. labels: label names by id. tokenizer: Tokenizer or None.
    Raises: ValueError where the directory holds other things.
    """
    if labels is None and hasattr(network, "num_labels"):
        labels = [f"{hugging_face.PLACEHOLDER}{index}" for index in range(network.num_labels)]
    native.write(path, network, labels=labels, tokenizer=tokenizer)


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
    """See that every piece of a vocabulary has its row. Rows past the vocabulary, with which embeddings are padded, are no fault.

    Raises: ValueError where the vocabulary is longer than the word embedding, saying how to mend it.
    Warns: where it is shorter by more than padding explains.
    """
    pieces, rows = tokenizer.vocabulary_size, config.vocab_size
    if pieces > rows:
        named = "".join(f", such as {piece!r}," for piece in tokenizer.pieces[rows : rows + 1])
        raise ValueError(
            f"the vocabulary has {pieces} pieces but the word embedding has vocab_size={rows} rows: they come from different checkpoints; "
            f"or pieces from number {rows} on{named} have no row; if they were added, cut them off"
        )
    if rows - pieces > MOST_PADDING:
        warnings.warn(
            f"the vocabulary has {pieces} pieces and the word embedding vocab_size={rows} rows: {rows - pieces} more than are ever used. "
            "Do they come from one checkpoint?",
            stacklevel=3,
        )
