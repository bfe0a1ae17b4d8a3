"""What users hand to fit, evaluate and predict -> a batched tf.data.Dataset of the contract.

Raw text comes as
    ["a film", "another"]                           texts: list or array of str or bytes
    (["a film", "another"], ["b", "c"])             pairs: a tuple of two of these
    {"text": [...], "text_pair": [...]}             the same by name
    tf.data.Dataset of text | (text, label) | ((text, text_pair), label) | ({"text": ..., "text_pair": ...}, label)
                                                    batched or not; a sample weight may stand third
"""

import numpy as np
import tensorflow as tf

from keras_bert import features

TEXT, TEXT_PAIR = "text", "text_pair"


def is_raw_dataset(x):
    """Tell whether x is a tf.data.Dataset of raw text (and not of the contract)."""
    if not isinstance(x, tf.data.Dataset):
        return False
    first = x.element_spec[0] if isinstance(x.element_spec, tuple) else x.element_spec
    return all(getattr(spec, "dtype", None) == tf.string for spec in tf.nest.flatten(first))


def is_raw_texts(x):
    """Tell whether x is raw text in memory."""
    if isinstance(x, (str, bytes)):
        return True
    if isinstance(x, dict):
        return TEXT in x
    if isinstance(x, tf.Tensor):
        return x.dtype == tf.string
    if isinstance(x, np.ndarray):
        return x.dtype.kind in "USO"
    if isinstance(x, (list, tuple)):
        return not x or is_raw_texts(x[0])
    # A pandas column, and whatever else is array-like and holds str.
    return hasattr(x, "__array__") and np.asarray(x).dtype.kind in "USO"


def split_texts(x):
    """Raw text in memory as columns.

    Args: x: see the module.
    Returns: texts, text_pairs: lists of bytes or str; text_pairs is None where there are none.
    Raises: ValueError where x is one string, where an item is no text (naming it), or where the two differ in length.
    """
    if isinstance(x, (str, bytes)):
        raise ValueError(f"got one string, {_short(x)}; give a list of texts: [{_short(x)}]")
    if isinstance(x, dict):
        unknown = set(x) - {TEXT, TEXT_PAIR}
        if unknown:
            raise ValueError(f"raw text has the keys {TEXT!r} and {TEXT_PAIR!r}; got {', '.join(sorted(map(str, unknown)))} too")
        columns = [x[TEXT]] + ([x[TEXT_PAIR]] if TEXT_PAIR in x else [])
    elif isinstance(x, tuple) and len(x) == 2 and not isinstance(x[0], (str, bytes)):
        columns = list(x)
    elif isinstance(x, list) and x and isinstance(x[0], (list, tuple)):
        wrong = next((index for index, row in enumerate(x) if len(row) != 2), None)
        if wrong is not None:
            raise ValueError(f"item {wrong} of the texts has {len(x[wrong])} parts; a pair has 2")
        columns = [[row[0] for row in x], [row[1] for row in x]]
    else:
        columns = [x]
    columns = [_texts(column) for column in columns]
    if len(columns) == 2 and len(columns[0]) != len(columns[1]):
        raise ValueError(f"{len(columns[0])} texts but {len(columns[1])} second texts")
    return columns[0], columns[1] if len(columns) == 2 else None


def text_dataset(texts, text_pairs=None, y=None, sample_weight=None):
    """Columns -> unbatched dataset of text, (text, text_pair), (x, label) or (x, label, weight)."""
    x = texts if text_pairs is None else (texts, text_pairs)
    rows = len(texts)
    for name, column in (("labels", y), ("sample weights", sample_weight)):
        if column is not None and len(column) != rows:
            raise ValueError(f"{rows} texts but {len(column)} {name}")
    if y is None:
        return tf.data.Dataset.from_tensor_slices(x if text_pairs is None else (x,))
    return tf.data.Dataset.from_tensor_slices((x, y) if sample_weight is None else (x, y, sample_weight))


def dataset_parts(dataset):
    """How the elements of a raw dataset are to be read.

    Args: dataset: tf.data.Dataset of raw text.
    Returns: pairs: bool; batched: bool; parts: how many of x, label, weight an element holds.
    Raises: ValueError where the elements are none of what the module lists.
    """
    spec = dataset.element_spec
    parts = len(spec) if isinstance(spec, tuple) else 1
    x = spec[0] if isinstance(spec, tuple) else spec
    if isinstance(x, dict):
        ok = TEXT in x and set(x) <= {TEXT, TEXT_PAIR}
    else:
        ok = not isinstance(x, (tuple, list)) or len(x) == 2
    ranks = {spec.shape.rank for spec in tf.nest.flatten(x)}
    if not ok or parts > 3 or len(ranks) != 1 or not ranks <= {0, 1}:
        raise ValueError(
            f"a dataset of raw text holds text, (text, label) or ((text, text_pair), label), batched or not; got elements {spec}"
        )
    return len(tf.nest.flatten(x)) == 2, ranks == {1}, parts


def pack_dataset(dataset, pack, encode_labels):
    """Batched raw text -> batched contract.

    Args:
        dataset: batched tf.data.Dataset of raw text.
        pack: (texts, text_pairs or None) -> contract, in TensorFlow ops.
        encode_labels: label tensor -> tensor that the loss takes, in TensorFlow ops.
    Returns: tf.data.Dataset of (contract[, label[, weight]]).
    """

    @tf.autograph.experimental.do_not_convert  # plain Python choices; an error then shows this code
    def convert(*element):
        x, rest = element[0], element[1:]
        if isinstance(x, dict):
            packed = pack(x[TEXT], x.get(TEXT_PAIR))
        else:
            packed = pack(*x) if isinstance(x, tuple) else pack(x, None)
        return (packed, *(encode_labels(part) if index == 0 else part for index, part in enumerate(rest)))

    # One dict is an element of its own to tf.data, not the arguments of convert.
    if not isinstance(dataset.element_spec, tuple):
        dataset = dataset.map(lambda x: (x,))
    return dataset.map(convert, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def packed_texts(columns, starts, pack, *, length=None):
    """Texts in memory -> batches of the contract, without labels.

    In a graph of tf.data, the tokenizer would be optimized anew for every iterator, which takes longer than to run it on
    thousands of texts.

    Args:
        columns: [texts] or [texts, text_pairs], lists.
        starts: int array, where each batch begins.
        pack: (texts[, text_pairs]) -> contract, of one batch, eagerly.
        length: of all rows, or None.
    Returns: tf.data.Dataset of known cardinality.
    """
    ends = [*starts[1:], len(columns[0])]

    def batches():
        for start, end in zip(starts, ends, strict=True):
            yield pack(*(column[start:end] for column in columns))

    specs = {name: tf.TensorSpec([None, length], tf.int32) for name in features.UNPACKED}
    dataset = tf.data.Dataset.from_generator(batches, output_signature=specs)
    return dataset.apply(tf.data.experimental.assert_cardinality(len(starts))).prefetch(2)


def _texts(column):
    items = column.numpy().tolist() if isinstance(column, tf.Tensor) else list(column)
    for index, item in enumerate(items):
        if not isinstance(item, (str, bytes)):
            raise ValueError(f"item {index} of the texts is {_short(item)}, a {type(item).__name__}; expected str")
    # tf.constant takes one type throughout, and a str with a lone surrogate has no UTF-8: "replace" is never fatal.
    return [item.encode("utf-8", "replace") if isinstance(item, str) else bytes(item) for item in items]


def _short(item):
    shown = repr(item)
    return shown if len(shown) <= 60 else shown[:57] + "..."


def evaluate_options(batch_size, max_tokens_per_batch):
    """For a Trainer, which evaluates what it knows nothing of: have raw text batched by the measure that training has.

    Returns: function of data -> arguments of the model's evaluate: the measure; none where the data has batches of its own.
    """
    measure = {"batch_size": batch_size} if max_tokens_per_batch is None else {"max_tokens_per_batch": max_tokens_per_batch}
    return lambda x: dict(measure) if is_raw_dataset(x) and not dataset_parts(x)[1] else {}


def holds_batches_of_the_contract(dataset):
    """Whether a dataset's elements are (contract, labels[, weights]), with one array of labels. Returns: bool."""
    spec = dataset.element_spec
    if not (isinstance(spec, tuple) and len(spec) in (2, 3) and features.is_contract(spec[0])):
        return False
    return isinstance(spec[1], tf.TensorSpec) and spec[1].shape.rank == 1  # several outputs have a dict of labels


def split_off(x, y, sample_weight, share):
    """Keep the last share of the rows for validation, as Keras does.

    Args: x: raw texts. y, sample_weight: arrays of as many rows, or None. share: in (0, 1).
    Returns: (x, y, sample_weight) of the first rows, and of the last.
    """
    if not 0 < share < 1:
        raise ValueError(f"validation_split={share!r} is not in (0, 1)")
    texts, text_pairs = split_texts(x)
    cut = int(len(texts) * (1 - share))

    def part(rows):
        columns = texts[rows] if text_pairs is None else (texts[rows], text_pairs[rows])
        return columns, None if y is None else y[rows], None if sample_weight is None else sample_weight[rows]

    return part(slice(None, cut)), part(slice(cut, None))
