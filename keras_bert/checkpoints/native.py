"""keras_bert's own directory: what save_pretrained writes.

keras_bert.json     the class, and the arguments that make it again
model.safetensors   the weights, named by their paths in the model
vocab.txt           the tokenizer's vocabulary (sentencepiece.model: its model), where the model has a tokenizer
"""

import functools
import os

from keras_bert.checkpoints.checkpoint import Checkpoint
from keras_bert.checkpoints.rows import Row
from keras_bert.checkpoints.weights import weights_to_write
from keras_bert.config import BertConfig
from keras_bert.files import read_json, replaced_directory, write_json
from keras_bert.safetensors_file import SafetensorsFile, write_safetensors

FORMAT = "keras_bert"
DESCRIPTION, WEIGHTS = "keras_bert.json", "model.safetensors"
VERSION = 1
_TOKENIZER_ASSETS = ("vocab.txt", "sentencepiece.model")


def open_checkpoint(directory):
    """Open a directory that save_pretrained wrote.

    Args: directory: path.
    Returns: Checkpoint.
    Raises: ValueError naming the file that cannot be used.
    """
    path = os.path.join(directory, DESCRIPTION)
    values = read_json(path)
    if values.get("format") != VERSION:
        raise ValueError(f"{path}: format {values.get('format')!r}; this version of keras_bert reads format {VERSION}")
    try:
        class_name, settings = values["class"], dict(values["settings"])
        encoder = settings.pop("encoder", None) or settings
        config = BertConfig.from_dict(encoder["config"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path}: no {error.args[0]}; it is not what save_pretrained wrote") from error
    tensors = SafetensorsFile(os.path.join(directory, WEIGHTS))
    labels, description = settings.pop("labels", None), settings.pop("tokenizer", None)
    for name in ("config", "pooler"):
        settings.pop(name, None)
    asset = next((name for name in _TOKENIZER_ASSETS if os.path.exists(os.path.join(directory, name))), None)
    return Checkpoint(
        path=directory,
        format=FORMAT,
        config=config,
        tensors=tensors,
        rows=tuple(Row(name, (name,)) for name in tensors.shapes),
        network=values.get("network") or {"BertClassifier": "SequenceClassifier"}.get(class_name, class_name),  # older files do not say
        task=class_name,
        labels=labels,
        tokenizer=None if asset is None else functools.partial(_make_tokenizer, directory, description or {}),
        settings=settings,
        is_expected=lambda name: not name.startswith(("embeddings/", "layer_")),
        is_of_encoder=lambda name: name.startswith(("embeddings/", "layer_")),
    )


def write(directory, network, *, task=None, settings=None, labels=None, tokenizer=None):
    """Write the files, aside, then renamed into place: an older model there is kept until the new one is whole.

    Args:
        directory: path.
        network: one of keras_bert.models.
        task: name of the class in keras_bert.tasks that it was saved from; None: the network alone.
        settings: dict of the task's or network's arguments, but the encoder, the labels and the tokenizer; those of the network that it
            leaves out are written too.
        labels: label names by id, of a classifier.
        tokenizer: Tokenizer, or None.
    Raises: ValueError where the directory holds other things than such a model, or two weights have one path.
    """
    encoder = getattr(network, "encoder", network)
    name = type(network).__name__
    own = network.settings() if hasattr(network, "settings") else {}
    own.pop("num_labels", None)  # the labels are counted
    values = {
        "format": VERSION,
        "class": task or name,
        "network": name,
        "settings": {"encoder": {"config": encoder.config.to_dict(), "pooler": encoder.pooler}} | own | (settings or {}),
    }
    if labels is not None:
        values["settings"]["labels"] = list(labels)
    weights = weights_to_write(network)
    with replaced_directory(directory, (DESCRIPTION, WEIGHTS, *_TOKENIZER_ASSETS)) as building:
        if tokenizer is not None:
            from keras_bert.text.serialization import tokenizer_to_dict

            values["settings"]["tokenizer"] = tokenizer_to_dict(tokenizer)
            tokenizer.save_asset(os.path.join(building, tokenizer.ASSET))
        write_json(os.path.join(building, DESCRIPTION), values)
        write_safetensors(
            os.path.join(building, WEIGHTS),
            {weight.path: weight.shape for weight in weights},
            ((weight.path, weight.read()) for weight in weights),
            metadata={"format": "keras_bert"},
        )


def _make_tokenizer(directory, description):
    from keras_bert.text.serialization import tokenizer_from_directory  # here, so that an encoder alone needs no TensorFlow

    return tokenizer_from_directory(directory, description)
