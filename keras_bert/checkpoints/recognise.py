"""Tell by its files what wrote a directory."""

import os

from keras_bert.checkpoints import hugging_face, native

NATIVE, HUGGING_FACE = "keras_bert", "hugging_face"

_READ = (
    f"a keras_bert directory ({native.DESCRIPTION}, {native.WEIGHTS}) or "
    f"a Transformers directory ({hugging_face.CONFIG}, {hugging_face.WEIGHTS}, {hugging_face.VOCABULARY})"
)


def recognise(directory):
    """Tell which reader a directory is for.

    Args: directory: path.
    Returns: NATIVE or HUGGING_FACE.
    Raises: FileNotFoundError where there is no directory; ValueError listing what was found where it is none of these,
        or where its weights are a pickle.
    """
    directory = os.fspath(directory)
    if not os.path.isdir(directory):
        raise FileNotFoundError(f"{directory} is not a directory; expected {_READ}")
    found = sorted(os.listdir(directory))
    if native.DESCRIPTION in found:
        return NATIVE
    if hugging_face.CONFIG in found and hugging_face.WEIGHTS in found:
        return HUGGING_FACE
    pickles = [name for name in found if name.endswith((".bin", ".pt", ".pth", ".pkl", ".ckpt"))]
    if pickles:
        raise ValueError(
            f"{directory} holds {', '.join(pickles)}, a pickle: loading one can run code that it carries, so keras_bert reads "
            f"none. Save the model as {hugging_face.WEIGHTS} (in Transformers: model.save_pretrained(path))"
        )
    raise ValueError(f"{directory} holds {', '.join(found) or 'nothing'}; expected {_READ}")
