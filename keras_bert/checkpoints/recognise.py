"""Tell by its files what wrote a directory, and open it."""

import importlib
import os

from keras_bert.files import retired_directory

KERAS_BERT, HUGGING_FACE, SENTENCE_TRANSFORMERS = "keras_bert", "hugging_face", "sentence_transformers"
KERAS_HUB, GOOGLE_TF1, MODEL_GARDEN = "keras_hub", "google_tf1", "model_garden"

# Format -> what of its files a reader needs, for errors. The module of that name in this package reads it, but for one.
FORMATS = {
    KERAS_BERT: "keras_bert.json and model.safetensors, as save_pretrained writes them",
    HUGGING_FACE: "config.json and model.safetensors, or shards and model.safetensors.index.json, as Transformers writes them",
    SENTENCE_TRANSFORMERS: "modules.json and what Transformers writes",
    KERAS_HUB: "config.json with a keras_hub class, and model.weights.h5, as KerasHub's save_to_preset writes them",
    GOOGLE_TF1: "bert_config.json and bert_model.ckpt.index and .data-*, as google-research/bert writes them",
    MODEL_GARDEN: "bert_config.json and a TensorFlow 2 checkpoint's .index and .data-*, as Model Garden writes them",
}
_MODULES = {KERAS_BERT: "native"}
_PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt")


def open_checkpoint(path, *, format=None):
    """Open a checkpoint, whatever wrote it.

    Args:
        path: a directory, or hf://owner/name[@revision] of the Hugging Face hub (extra `hub`).
        format: one of FORMATS; None tells it by the files.
    Returns: Checkpoint.
    Raises: FileNotFoundError where there is no directory; ValueError listing what was found where it is none of FORMATS or more
        than one of them, where its weights are a pickle, or naming file and tensor that cannot be used.
    """
    directory = _local(path)
    if format is None:
        format = recognise(directory)
    elif format not in FORMATS:
        raise ValueError(f"format={format!r} is not one of {', '.join(FORMATS)}")
    return importlib.import_module(f"keras_bert.checkpoints.{_MODULES.get(format, format)}").open_checkpoint(directory)


def recognise(directory):
    """Tell which format a directory has.

    Args: directory: path.
    Returns: one of FORMATS.
    Raises: as open_checkpoint.
    """
    directory = os.fspath(directory)
    expected = "expected one of\n" + "\n".join(f"  {name}: {files}" for name, files in FORMATS.items())
    if retired := retired_directory(directory):
        raise FileNotFoundError(
            f"{directory} is not there: a process is replacing it, or was killed while it did. What it held is whole in {retired}; if "
            f"no process is, rename that to {directory} or save there again"
        )
    if not os.path.isdir(directory):
        raise FileNotFoundError(f"{directory} is not a directory; {expected}")
    found = sorted(os.listdir(directory))
    formats = _formats_of(directory, set(found))
    if len(formats) == 1:
        return formats[0]
    listed = ", ".join(found) or "nothing"
    if formats:
        raise ValueError(f"{directory} holds {listed}: both {' and '.join(formats)}; say which by format={formats[0]!r}")
    pickles = [name for name in found if name.endswith(_PICKLES)]
    if pickles:
        raise ValueError(
            f"{directory} holds {', '.join(pickles)}, a pickle: loading one can run code that it carries, so keras_bert reads "
            f"none. Save the model as model.safetensors (in Transformers: model.save_pretrained(path)). Or {expected}"
        )
    raise ValueError(f"{directory} holds {listed}; {expected}")


def _formats_of(directory, found):
    if "keras_bert.json" in found:
        return [KERAS_BERT]
    formats = []
    if "modules.json" in found:
        formats.append(SENTENCE_TRANSFORMERS)
    elif "config.json" in found and found & {"model.safetensors", "model.safetensors.index.json"}:
        formats.append(HUGGING_FACE)
    if "config.json" in found and found & {"model.weights.h5", "model.weights.json"}:
        formats.append(KERAS_HUB)
    if any(name.endswith(".index") for name in found):
        from keras_bert.checkpoints import tensorflow_checkpoint

        prefix = tensorflow_checkpoint.find_prefix(directory)
        formats.append(MODEL_GARDEN if tensorflow_checkpoint.is_object_based(prefix) else GOOGLE_TF1)
    return formats


def _local(path):
    path = os.fspath(path)
    if path.startswith("hf://"):
        from keras_bert.checkpoints import hub

        return hub.fetch(path)
    return path
