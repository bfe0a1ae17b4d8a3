"""Questions and their contexts as users hand them in -> columns of strings; and where answers stand, as numbers.

{"question": ["Who?"], "context": ["Anna came."]}     two lists, arrays or pandas columns, by name; also a DataFrame that has both
(["Who?"], ["Anna came."])                            the same as a tuple
[("Who?", "Anna came.")]                              pairs, a row each; an array or a DataFrame of two columns
[{"question": "Who?", "context": "Anna came."}]       dicts, or objects that have both, such as data.SquadExample

{"start": [0], "end": [4]}, or [[0, 4]]               characters of the answer, the end excluded; -1, -1: there is none
"""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from keras_bert.preprocessing import columns as column_lib

QUESTION, CONTEXT = "question", "context"
START, END = "start", "end"
NAMES = (QUESTION, CONTEXT)


def is_questions(x):
    """Tell whether x is questions in memory, in one of the forms above, or something like them that `question_columns` refuses."""
    if isinstance(x, Mapping) or hasattr(x, "columns"):
        return any(name in x for name in NAMES) or (hasattr(x, "columns") and column_lib.is_text(x))
    if isinstance(x, (list, tuple)) and x and _has_both(x[0]):
        return True
    return column_lib.is_text(x)


def question_columns(x):
    """Questions in memory as columns.

    Args: x: see the module.
    Returns: dict of QUESTION, CONTEXT -> list of bytes, of one length.
    Raises: ValueError where there are questions without contexts, or naming the item that is no text.
    """
    if isinstance(x, Mapping) or (hasattr(x, "columns") and set(NAMES) <= set(x.columns)):
        missing = [name for name in NAMES if name not in x]
        unknown = sorted(map(str, set(x) - set(NAMES))) if isinstance(x, Mapping) else []
        if missing or unknown:
            raise ValueError(f"a question is read with its context, {QUESTION!r} and {CONTEXT!r}; got {', '.join(map(str, x))}")
        x = {column_lib.TEXT: x[QUESTION], column_lib.TEXT_PAIR: x[CONTEXT]}
    elif isinstance(x, (list, tuple)) and x and _has_both(x[0]):
        x = [_both(item, index) for index, item in enumerate(x)]
    columns = column_lib.text_columns(x)
    if column_lib.TEXT_PAIR not in columns:
        raise ValueError(
            f"a question is read with its context: ([question, ...], [context, ...]); got {len(columns[column_lib.TEXT])} texts"
        )
    return {QUESTION: columns[column_lib.TEXT], CONTEXT: columns[column_lib.TEXT_PAIR]}


def element_columns(x):
    """The columns of a dataset's element. Args: x: (question, context) or a dict of both: tensors or specs. Returns: dict, or None."""
    if isinstance(x, dict):
        return dict(x) if set(x) == set(NAMES) else None
    return dict(zip(NAMES, x, strict=True)) if isinstance(x, (tuple, list)) and len(x) == 2 else None


def answer_places(targets, contexts):
    """Answers in memory as an array.

    Args: targets: see the module. contexts: list of bytes.
    Returns: int32 [examples, 2].
    Raises: ValueError naming the example whose answer is not in its context.
    """
    if isinstance(targets, Mapping) or hasattr(targets, "columns"):
        if not {START, END} <= set(targets):
            raise ValueError(f"answers have {START!r} and {END!r}, characters of the context; got {', '.join(map(str, targets))}")
        targets = np.stack([np.asarray(targets[START]), np.asarray(targets[END])], axis=-1)
    places = np.asarray(targets)
    if places.ndim != 2 or places.shape[1] != 2 or places.dtype.kind not in "iu":
        raise ValueError(
            f"answers are {{{START!r}: [...], {END!r}: [...]}} or [[start, end], ...], whole numbers; got {places.dtype} {places.shape}"
        )
    for index, ((start, end), context) in enumerate(zip(places.tolist(), contexts, strict=False)):
        characters = len(context.decode("utf-8", "replace"))
        if (start, end) != (-1, -1) and not 0 <= start < end <= characters:
            raise ValueError(
                f"the answer of example {index} is from {start} to {end}, and its context has {characters} characters; expected "
                "0 <= start < end, or -1 and -1 for none"
            )
    return places.astype("int32")


def join_places(targets):
    """The array of a dataset's element.

    Args: targets: dict of START, END, or integers [..., 2]. Returns: int32 [..., 2].
    Raises: ValueError where they are something else. Whether they are in their contexts, `places_in_graph` sees.
    """
    if isinstance(targets, dict):
        if set(targets) != {START, END}:
            raise ValueError(f"answers have {START!r} and {END!r}, characters of the context; got {', '.join(sorted(map(str, targets)))}")
        targets = tf.stack([targets[START], targets[END]], axis=-1)
    if not targets.dtype.is_integer or not targets.shape[-1:].is_compatible_with([2]):
        raise ValueError(
            f"answers are {{{START!r}: ..., {END!r}: ...}} or [start, end], whole numbers; got {targets.dtype.name} {targets.shape}"
        )
    return tf.cast(targets, tf.int32)


def places_in_graph(places, contexts):
    """The check of `answer_places` in TensorFlow ops, for answers of a dataset.

    Args: places: int32 [examples, 2]. contexts: string [examples], UTF-8. Returns: places.
    Raises: tf.errors.InvalidArgumentError with the first of those that are not in their contexts.
    """
    start, end = tf.unstack(places, axis=1)
    characters = tf.strings.length(contexts, unit="UTF8_CHAR")
    is_in = ((start == -1) & (end == -1)) | ((start >= 0) & (start < end) & (end <= characters))
    wrong = tf.boolean_mask(tf.stack([start, end, characters], axis=1), ~is_in)
    message = "an answer is not in its context; expected 0 <= start < end, or -1 and -1 for none; start, end and the context's characters:"
    with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(is_in), [message, wrong])]):
        return tf.identity(places)


def _has_both(item):
    if isinstance(item, Mapping):
        return any(name in item for name in NAMES)
    return all(hasattr(item, name) for name in NAMES)


def _both(item, index):
    try:
        return [item[name] if isinstance(item, Mapping) else getattr(item, name) for name in NAMES]
    except (KeyError, AttributeError) as error:
        raise ValueError(f"item {index} has no {error.args[0]!r}: a question is read with its context") from None
