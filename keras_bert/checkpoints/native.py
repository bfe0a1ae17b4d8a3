"""keras_bert's own directory: what save_pretrained writes.

keras_bert.json     the class, and the arguments that make it again
model.safetensors   the weights, named by their paths in the model
vocab.txt           the vocabulary, where the model has a tokenizer
"""

import dataclasses
import json
import os
import warnings
from typing import Any

from safetensors.numpy import save_file

from keras_bert.checkpoints.assign import Row, assign_rows
from keras_bert.checkpoints.safetensors_file import SafetensorsFile
from keras_bert.files import replaced_directory
from keras_bert.text.vocabulary import load_vocabulary, save_vocabulary

DESCRIPTION, WEIGHTS, VOCABULARY = "keras_bert.json", "model.safetensors", "vocab.txt"
FORMAT = 1


@dataclasses.dataclass(frozen=True)
class Description:
    """What keras_bert.json says. class_name: a public class of keras_bert. settings: its arguments. vocabulary: pieces or None."""

    class_name: str
    settings: dict[str, Any]
    vocabulary: list[str] | None


def write(directory, description, weights):
    """Write the three files, aside, then renamed into place: an older model there is kept until the new one is whole.

    Args: directory: path. description: Description. weights: dict of path -> Keras variable.
    Raises: ValueError where the directory holds other things than such a model.
    """
    with replaced_directory(directory, (DESCRIPTION, WEIGHTS, VOCABULARY)) as building:
        with open(os.path.join(building, DESCRIPTION), "w", encoding="utf-8") as file:
            values = {"format": FORMAT, "class": description.class_name, "settings": description.settings}
            json.dump(values, file, indent=2, ensure_ascii=False)
            file.write("\n")
        if description.vocabulary is not None:
            save_vocabulary(description.vocabulary, os.path.join(building, VOCABULARY))
        arrays = {path: variable.numpy() for path, variable in weights.items()}
        save_file(arrays, os.path.join(building, WEIGHTS), metadata={"format": "keras_bert"})


def read_description(directory):
    """Read keras_bert.json and vocab.txt. Returns: Description. Raises: ValueError naming the file that cannot be used."""
    path = os.path.join(directory, DESCRIPTION)
    with open(path, encoding="utf-8") as file:
        try:
            values = json.load(file)
        except ValueError as error:
            raise ValueError(f"{path} is not JSON: {error}") from error
    if values.get("format") != FORMAT:
        raise ValueError(f"{path}: format {values.get('format')!r}; this version of keras_bert reads format {FORMAT}")
    vocabulary_path = os.path.join(directory, VOCABULARY)
    vocabulary = load_vocabulary(vocabulary_path) if os.path.exists(vocabulary_path) else None
    return Description(values["class"], values["settings"], vocabulary)


def load_weights(directory, weights, *, fresh=()):
    """Fill variables from model.safetensors.

    Args: directory: path. weights: dict of path -> Keras variable. fresh: paths that keep their new values.
    Returns: LoadReport. Raises: ValueError naming tensors that are missing or misshapen. Warns: naming `fresh`.
    """
    path = os.path.join(directory, WEIGHTS)
    rows = [Row(name, (name,), lambda tensors: tensors[0], "weights") for name in weights if name not in fresh]
    if fresh:
        warnings.warn(
            f"{path}: {', '.join(fresh)} newly initialised: asked for other labels or pooling than the checkpoint's", stacklevel=4
        )
    return assign_rows(weights, rows, SafetensorsFile(path), source=path, fresh=fresh)
