"""read_embedding_examples: files, tensorflow-datasets or columns -> pairs, triplets, or pairs with scores, for an embedder."""

import math

import tensorflow as tf

from keras_bert.data.tables import check_text, read_rows


def read_embedding_examples(
    source,
    *,
    text_columns=(0, 1),
    score_column=None,
    highest_score=1.0,
    header=None,
    format=None,
    data_dir=None,
    split="train",
):
    """Read examples of several texts. All rows are checked before anything is returned.

    Args:
        source, header, format, data_dir, split: see read_classification.
        text_columns: the columns of an example's texts: anchor and positive, and perhaps hard negatives; or the two texts of a score.
        score_column: column of how like the two are; None: there are no scores.
        highest_score: what scores are divided by, so that they are 1 at most: 5 for those of STS.
    Returns: unbatched tf.data.Dataset of ((text, text, ...),), scalar strings; or of ((text, text), score), a float32 scalar.
    Raises: ValueError naming file and line of what cannot be used: a missing column, a score that is no number or over highest_score.
    """
    text_columns = tuple(text_columns)
    if len(text_columns) < 2 or (score_column is not None and len(text_columns) != 2):
        wanted = "2 columns" if score_column is not None else "2 columns or more"
        raise ValueError(f"text_columns={text_columns!r}: an example {'with a score ' if score_column is not None else ''}has {wanted}")
    if not highest_score > 0:
        raise ValueError(f"highest_score={highest_score!r} is not positive")

    def read_row(place, values):
        texts = values[: len(text_columns)]
        for column, text in zip(text_columns, texts, strict=True):
            check_text(text, place, column)
        return (*texts, *(_score(value, place, highest_score) for value in values[len(text_columns) :]))

    columns = text_columns if score_column is None else (*text_columns, score_column)
    options = {"header": header, "format": format, "data_dir": data_dir, "split": split}
    rows = list(zip(*read_rows(source, columns, read_row, **options), strict=True))
    texts = tuple(map(list, rows[: len(text_columns)]))
    scores = () if score_column is None else (tf.constant(rows[-1], tf.float32),)
    return tf.data.Dataset.from_tensor_slices((texts, *scores))


def _score(value, place, highest):
    try:
        score = float(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{place}: the score is {value!r}, which is no number") from error
    if not math.isfinite(score):
        raise ValueError(f"{place}: the score is {value!r}, which is no finite number")
    if abs(score) > highest:
        raise ValueError(f"{place}: the score {score:g} is over highest_score={highest:g}; say what the scores go up to")
    return score / highest
