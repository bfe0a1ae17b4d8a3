"""Label names and ids, one place for all tasks: in memory, in TensorFlow ops, and one at a time as files give them.

    labels = Labels(["negative", "positive"])
    labels.encode(["positive", "negative"])               # int32 [1, 0]
    labels.encode_multi([["positive"], []])               # float32 [[0, 1], [0, 0]]
    labels.class_weights({"negative": 1, "positive": 5})  # {0: 1.0, 1: 5.0}
    encode_scores([[0.5], [2]])                           # float32 [0.5, 2]

`encode`, `encode_multi` and `encode_scores` take what users hold in memory; the functions of the same names with `_in_graph` take
batches of a tf.data.Dataset and make the same of them, with the same checks.
"""

import math
from collections.abc import Iterable, Mapping, Set
from numbers import Integral, Real

import numpy as np

SHOWN_NAMES = 20  # of a long list, in an error


def check_labels(names, *, least=2):
    """Check label names.

    Args: names: list or array of str, in the order of their ids. least: how many are needed.
    Returns: list of str.
    Raises: ValueError unless they are `least` or more different str. A set or a mapping has no order to take ids from.
    """
    is_list = isinstance(names, Iterable) and not isinstance(names, (str, bytes, Mapping, Set))
    names = list(names) if is_list else names
    if not is_list or not all(isinstance(name, str) for name in names):
        raise ValueError(f"labels={names!r} is not a list of label names (str)")
    names = [str(name) for name in names]  # of an array they are np.str_
    if len(names) < least:
        need = "a classifier chooses between 2 labels at least" if least == 2 else f"give {least} at least"
        raise ValueError(f"labels={names!r}: {need}")
    if len(set(names)) < len(names):
        double = next(name for index, name in enumerate(names) if name in names[:index])
        raise ValueError(f"labels={names!r} has {double!r} twice")
    return names


def whole_number(label, place):
    """One label that is its own id, as a file gives it.

    Args: label: int, whole float, or either as str or bytes of an int. place: file and line, for the error.
    Returns: int from 0 to 2**31 - 1.
    Raises: ValueError naming place and label.
    """
    label = _text(label)
    try:
        number = int(label)
        if not isinstance(label, str) and number != label:
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{place}: label {label!r} is not a whole number; name the labels with labels=[...]") from None
    if not 0 <= number < 2**31:
        raise ValueError(f"{place}: label {number} is not in 0 to {2**31 - 1}")
    return number


def label_name(label):
    """The name of a label as a file gives it: text as it is, a number as it is written, 3.0 as 3 is. Returns: str."""
    label = _text(label)
    return str(int(label)) if isinstance(label, float) and label.is_integer() else str(label)


class Labels:
    """Names, whose index is the label's id.

    Args:
        names: list of str.
        least: how many are needed; 1 where the task does not choose one of them.
    Raises: ValueError as check_labels.
    """

    def __init__(self, names, *, least=2):
        self.names = check_labels(names, least=least)
        self._ids = {name: index for index, name in enumerate(self.names)}
        # A bool is an id, unless its own name is among the names: ["True", "False"] would turn it round.
        by_name = [self._ids.get("False"), self._ids.get("True")]
        self._ids_of_bools = [0, 1] if None in by_name else by_name

    def __len__(self):
        return len(self.names)

    def __repr__(self):
        return f"Labels({self.names!r})"

    # One label.

    def id_of(self, label, place):
        """The id of one label, as a file gives it.

        Args: label: str or bytes, or what str() makes a name of: 3 is the label "3", as is 3.0. place: file and line, for the error.
        Returns: int.
        Raises: ValueError naming place and label where it is none of the names.
        """
        name = label_name(label)
        if name not in self._ids:
            raise ValueError(f"{place}: unknown label {name!r}; labels are {self._shown()}")
        return self._ids[name]

    def class_weights(self, weights):
        """Weights of classes as Keras's fit takes them.

        Args: weights: mapping of name (str) or id (int) to a number from 0.
        Returns: dict of id to float.
        Raises: ValueError naming a key that is no label or stands twice, or a weight that is no such number.
        """
        if not isinstance(weights, Mapping):
            raise ValueError(f"class_weight={weights!r} is not a mapping of labels to weights, such as {{{self.names[0]!r}: 1.0}}")
        found = {}
        for key, weight in weights.items():
            index = self._id_of_key(key)
            if index in found:
                raise ValueError(f"class_weight names the label {self.names[index]!r} twice, by name and by id")
            if not isinstance(weight, Real) or not 0 <= weight < math.inf:
                raise ValueError(f"class_weight[{key!r}] is {weight!r}; expected a number from 0")
            found[index] = float(weight)
        return found

    def _id_of_key(self, key):
        if isinstance(key, (bool, np.bool_)):
            key = self._ids_of_bools[int(key)]
        index = int(key) if isinstance(key, Integral) else self._ids.get(key)
        if index is None or not 0 <= index < len(self):
            raise ValueError(f"class_weight has {key!r}; the labels are {self._shown()}, or their ids 0 to {len(self) - 1}")
        return index

    # One of the names for each text.

    def encode(self, labels):
        """Labels in memory -> ids, or rows as they are.

        Args: labels: list, array, tensor, pandas Series or DataFrame of
            names (str), [batch] or [batch, 1];
            ids (int, or whole float), [batch] or [batch, 1]; bools are ids 0 and 1, or names where "True" and "False" are; or
            one-hot or soft rows (float), [batch, labels]. The columns of a DataFrame are put in the order of the names.
        Returns: int32 array [batch], or float32 array [batch, labels].
        Raises: ValueError naming the first label that is none.
        """
        array = _array(self._ordered(labels))
        if array.dtype.kind == "f" and array.ndim == 2 and array.shape[1] != 1:
            self._check_columns(array.shape[1])
            return array.astype("float32")
        if array.dtype.kind not in "USOiufb" or not _is_column(array.shape):
            raise ValueError(self._wrong_shape(array.dtype, array.shape))
        array = array.reshape(-1)
        if array.dtype.kind in "USO":
            return np.array([self._id_of_item(label, index) for index, label in enumerate(array.tolist())], "int32")
        if array.dtype.kind == "b":
            return np.array(self._ids_of_bools, "int32")[array.astype("int32")]
        parted = np.flatnonzero(array != np.round(array))
        if parted.size:
            raise ValueError(f"label {parted[0]} is {array[parted[0]]}, {self._not_whole()}")
        outside = np.flatnonzero((array < 0) | (array >= len(self)))
        if outside.size:
            raise ValueError(f"label {outside[0]} is {array[outside[0]]}; ids of the {len(self)} labels are 0 to {len(self) - 1}")
        return array.astype("int32")

    def encode_in_graph(self, labels):
        """`encode` in TensorFlow ops.

        Args: labels: tensor of the types and shapes that `encode` takes.
        Returns: int32 [batch], or float32 [batch, labels].
        Raises: ValueError where shape or type do not fit; tf.errors.InvalidArgumentError where a label is none.
        """
        import tensorflow as tf

        shape = labels.shape
        if labels.dtype.is_floating and shape.rank != 1 and (shape.rank is None or shape[-1] != 1):
            if shape.rank not in (None, 2):
                raise ValueError(self._wrong_shape(labels.dtype.name, shape))
            if shape.rank == 2 and shape[1] is not None:
                self._check_columns(shape[1])
            return tf.cast(tf.ensure_shape(labels, [None, len(self)]), tf.float32)
        labels = _column_in_graph(labels, self._wrong_shape(labels.dtype.name, shape))
        if labels.dtype == tf.string:
            matches = tf.equal(labels[:, None], tf.constant(self.names))  # (B, L)
            with tf.control_dependencies([self._check_names(tf.reduce_any(matches, axis=1), labels)]):
                return tf.argmax(tf.cast(matches, tf.int32), axis=1, output_type=tf.int32)
        if labels.dtype == tf.bool:
            return tf.gather(self._ids_of_bools, tf.cast(labels, tf.int32))
        labels = tf.cast(labels, tf.float64 if labels.dtype.is_floating else tf.int64)
        checks = []
        if labels.dtype.is_floating:
            checks.append(_check(tf.equal(labels, tf.round(labels)), f"a label is {self._not_whole()}; labels:", labels))
        inside = (labels >= 0) & (labels < len(self))
        checks.append(_check(inside, f"a label id is not in 0 to {len(self) - 1}; labels:", labels))
        with tf.control_dependencies(checks):
            return tf.cast(labels, tf.int32)

    # Any number of the names for each text.

    def encode_multi(self, labels):
        """Labels in memory, any number a text -> a column for each label.

        Args: labels: lists of names, [["sport", "art"], []]; or rows of zeros and ones, or of shares between them, [batch, labels],
            as list, array, tensor or DataFrame, whose columns are put in the order of the names. A name "" is padding.
        Returns: float32 array [batch, labels].
        Raises: ValueError naming the first row that does not fit.
        """
        labels = self._ordered(labels)
        if hasattr(labels, "to_list"):  # a Series of lists, a tf.RaggedTensor
            labels = labels.to_list()
        array = _array(labels) if hasattr(labels, "dtype") else None
        if array is None or array.dtype.kind in "USO":
            rows = [self._row(row, index) for index, row in enumerate(labels if array is None else array)]
            if not any(rows) or any(isinstance(item, str) for row in rows for item in row):
                return self._multi_hot(rows)
            uneven = next((index for index, row in enumerate(rows) if len(row) != len(self)), None)
            if uneven is not None:
                raise ValueError(f"labels of text {uneven} are {rows[uneven]!r}; {self._multi_forms()}")
            array = _array(rows)
        if array.dtype.kind not in "iufb" or array.ndim != 2:
            raise ValueError(f"labels are {array.dtype} of shape {array.shape}; {self._multi_forms()}")
        self._check_columns(array.shape[1])
        outside = np.argwhere(~((array >= 0) & (array <= 1)))  # so NaN is one
        if outside.size:
            row, column = outside[0]
            raise ValueError(f"labels of text {row} have {array[row, column]} for {self.names[column]!r}; {self._multi_forms()}")
        return array.astype("float32")

    def encode_multi_in_graph(self, labels):
        """`encode_multi` in TensorFlow ops.

        Args: labels: string tf.RaggedTensor [batch, (names)]; string [batch, names], padded with ""; or numbers [batch, labels].
        Returns: float32 [batch, labels].
        Raises: ValueError where shape or type do not fit; tf.errors.InvalidArgumentError where a label is none.
        """
        import tensorflow as tf

        if labels.shape.rank not in (None, 2):
            raise ValueError(f"labels are {labels.dtype.name} of shape {labels.shape}; {self._multi_forms()}")
        if labels.dtype == tf.string:
            labels = labels.to_tensor("") if isinstance(labels, tf.RaggedTensor) else labels
            matches = tf.equal(labels[:, :, None], tf.constant(self.names))  # (B, names, L)
            check = self._check_names(tf.reduce_any(matches, axis=2) | tf.equal(labels, ""), labels)
            with tf.control_dependencies([check]):
                return tf.cast(tf.reduce_any(matches, axis=1), tf.float32)
        if labels.shape.rank == 2 and labels.shape[1] is not None:
            self._check_columns(labels.shape[1])
        labels = tf.cast(tf.ensure_shape(labels, [None, len(self)]), tf.float32)
        with tf.control_dependencies([_check((labels >= 0) & (labels <= 1), f"{self._multi_forms()}; labels:", labels)]):
            return tf.identity(labels)

    def _row(self, row, index):
        if isinstance(row, (str, bytes)):
            raise ValueError(f"labels of text {index} are {_text(row)!r}, one string; give a list of names: [{_text(row)!r}]")
        if not isinstance(row, Iterable) or isinstance(row, Mapping):  # a mapping's items are its keys, right or not
            raise ValueError(f"labels of text {index} are {row!r}; {self._multi_forms()}")
        return [_text(item) for item in row]

    def _multi_hot(self, rows):
        hot = np.zeros([len(rows), len(self)], "float32")
        for index, row in enumerate(rows):
            for name in row:
                if name != "" or name in self._ids:  # else it is padding
                    hot[index, self._id_of_item(name, index)] = 1
        return hot

    # What errors say, and the checks that both ways share.

    def _ordered(self, labels):
        """The columns of a DataFrame in the order of the names; anything else as it is."""
        columns = [str(column) for column in labels.columns] if hasattr(labels, "columns") else []
        if len(columns) < 2:
            return labels
        if sorted(columns) != sorted(self.names):
            raise ValueError(
                f"the frame's columns are {', '.join(columns[:SHOWN_NAMES])}; the model's labels are {self._shown()}: name the columns "
                "so, or give frame.to_numpy() with its columns in the order of the labels"
            )
        array = np.asarray(labels)[:, [columns.index(name) for name in self.names]]
        return array.astype("float32") if array.dtype.kind in "iub" else array  # pandas.get_dummies gives bools

    def _id_of_item(self, label, index):
        label = _text(label)
        if not isinstance(label, str) or label not in self._ids:
            raise ValueError(f"label {index} is {label!r}; the model's labels are {self._shown()}")
        return self._ids[label]

    def _shown(self):
        return ", ".join(self.names[:SHOWN_NAMES]) + (", ..." if len(self) > SHOWN_NAMES else "")

    def _not_whole(self):
        return f"not a whole number; ids of the {len(self)} labels are 0 to {len(self) - 1}, and soft labels have {len(self)} columns"

    def _wrong_shape(self, dtype, shape):
        return (
            f"labels are {dtype} of shape {shape}; expected names or ids, [batch] or [batch, 1], or one-hot or soft rows (float), "
            f"[batch, {len(self)}]"
        )

    def _multi_forms(self):
        return f"expected lists of names, or rows of {len(self)} numbers from 0 to 1"

    def _check_columns(self, columns):
        if columns != len(self):
            raise ValueError(f"labels have {columns} columns; the model has {len(self)} labels")

    def _check_names(self, known, labels):
        return _check(known, f"a label is none of {self._shown()}; labels:", labels)


# Numbers.


def encode_scores(scores, *, columns=1, most=math.inf):
    """Targets of a regression, or of a model with one score, in memory.

    Args:
        scores: list, array, tensor or Series of numbers, [batch] or [batch, 1]; of several columns [batch, columns].
        columns: numbers of a text. most: where this is a number, scores are from 0 to it, as the shares that a scorer learns.
    Returns: float32 array [batch], or [batch, columns].
    Raises: ValueError naming the first that is no finite number, or out of range.
    """
    array = _array(scores)
    if array.dtype.kind in "USO":
        index, score = next((index, score) for index, score in enumerate(array.reshape(-1).tolist()) if not isinstance(score, Real))
        raise ValueError(f"score {index} is {_text(score)!r}; expected numbers")
    if array.dtype.kind not in "iufb" or not (_is_column(array.shape) if columns == 1 else array.shape[1:] == (columns,)):
        raise ValueError(_wrong_scores(array.dtype, array.shape, columns))
    array = array.reshape(-1) if columns == 1 else array
    wrong = np.argwhere(~(np.isfinite(array) & ((array >= 0) & (array <= most) | (most == math.inf))))
    if wrong.size:
        place = tuple(wrong[0])
        raise ValueError(f"score {place[0]} is {array[place]}; expected {_score_range(most)}")
    return array.astype("float32")


def encode_scores_in_graph(scores, *, columns=1, most=math.inf):
    """`encode_scores` in TensorFlow ops. Args: as there; scores: tensor. Returns: float32 tensor of the same shape. Raises: as there."""
    import tensorflow as tf

    message = _wrong_scores(scores.dtype.name, scores.shape, columns)
    if not (scores.dtype.is_floating or scores.dtype.is_integer or scores.dtype == tf.bool):
        raise ValueError(message)
    if columns > 1 and not scores.shape.is_compatible_with([None, columns]):
        raise ValueError(message)
    scores = tf.cast(_column_in_graph(scores, message) if columns == 1 else tf.ensure_shape(scores, [None, columns]), tf.float32)
    right = tf.math.is_finite(scores)
    right = right if most == math.inf else right & (scores >= 0) & (scores <= most)
    with tf.control_dependencies([_check(right, f"a score is not {_score_range(most)}; scores:", scores)]):
        return tf.identity(scores)


def _score_range(most):
    return "a finite number" if most == math.inf else f"a number from 0 to {most}"


def _wrong_scores(dtype, shape, columns):
    shapes = "[batch] or [batch, 1]" if columns == 1 else f"[batch, {columns}]"
    return f"scores are {dtype} of shape {shape}; expected numbers, {shapes}"


# What users hold, and tensors.


def _text(value):
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _array(values):
    """Whatever holds labels -> array, of numbers where all are (pandas keeps nullable numbers as objects)."""
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise ValueError(f"labels have rows of different lengths; expected one label a text: {error}") from error
    if array.dtype == object and array.size and all(isinstance(value, (Real, np.bool_)) for value in array.reshape(-1).tolist()):
        return np.array(array.tolist())
    return array


def _is_column(shape):
    return len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)


def _column_in_graph(labels, message):
    """[batch] or [batch, 1] -> [batch]. Raises: ValueError(message) where the shape is another."""
    import tensorflow as tf

    shape = labels.shape
    if shape.rank is None or (shape.rank == 2 and shape[1] is None):
        is_column = tf.equal(tf.size(labels), tf.shape(labels)[0])
        with tf.control_dependencies([_check(is_column, message, tf.shape(labels))]):
            return tf.reshape(labels, [-1])
    if not _is_column(shape):
        raise ValueError(message)
    return tf.reshape(labels, [-1])


def _check(holds, message, values):
    """An assertion for tf.control_dependencies."""
    import tensorflow as tf

    return tf.debugging.Assert(tf.reduce_all(holds), [message, values])
