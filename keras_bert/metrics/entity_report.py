"""What a tagger finds, beside what is there: the field's scores by seqeval, in all and by type, and which types are taken for which.

scores = score_entities(gold, predicted)                # lists of tags a sentence
print(format_scores(scores))
draw_confusions(gold, predicted, "confusions.png")
"""

import collections

import numpy as np

from keras_bert.metrics.confusion_picture import draw_table
from keras_bert.tags import is_entity_tag, spans

_AS_BIOES = {"L": "E", "U": "S"}
MISSED, SPURIOUS = "missed", "spurious"


def score_entities(gold, predicted):
    """Score entities as conlleval and seqeval's default do: one is correct where its type, its first and its last word are.

    Args: gold, predicted: lists of sentences, each a list of tags, of any scheme, well formed or not; L- and U- count as E- and S-.
    Returns: dict of plain numbers: "precision", "recall", "f1" of all entities together; "macro_f1", the mean over types; "support",
        the number of gold entities; "types": by type, in order, {"precision", "recall", "f1", "support"}. A share of nothing is 0.
    Raises: ValueError where there are no sentences, or naming the sentence whose tags differ in number, or are no tags of entities.
        ImportError without seqeval.
    Source: seqeval 1.2.2, metrics.precision_recall_fscore_support.
    """
    gold, predicted = _checked(gold, predicted)
    try:
        from seqeval.metrics.sequence_labeling import precision_recall_fscore_support
    except ImportError as error:
        raise ImportError("entities are scored by seqeval: pip install keras3-bert[metrics]") from error
    gold, predicted = _as_bioes(gold), _as_bioes(predicted)
    columns = precision_recall_fscore_support(gold, predicted, average=None, zero_division=0)
    types = sorted({kind for tags in (*gold, *predicted) for kind, _, _ in spans(tags)})  # seqeval's order
    by_type = {kind: _numbers(values) for kind, *values in zip(types, *columns, strict=True)}
    together = _numbers(precision_recall_fscore_support(gold, predicted, average="micro", zero_division=0))
    macro_f1 = 0.0  # seqeval's is the mean of nothing where there are no entities
    if types:
        macro_f1 = float(precision_recall_fscore_support(gold, predicted, average="macro", zero_division=0)[2])
    return {**together, "macro_f1": macro_f1, "types": by_type}


def format_scores(scores):
    """A table to print.

    Args: scores: as score_entities gives them.
    Returns: str of a line a type, one of all together and one of the mean F1, in percent, without a line break at its end.
    """
    rows = [*scores["types"].items(), ("all", scores)]
    width = max(len("mean of types"), *(len(kind) for kind, _ in rows))
    lines = [f"{'':{width}}  {'precision':>9}  {'recall':>6}  {'f1':>6}  {'support':>7}"]
    for kind, row in rows:
        precision, recall, f1 = (100 * row[name] for name in ("precision", "recall", "f1"))
        lines.append(f"{kind:{width}}  {precision:9.2f}  {recall:6.2f}  {f1:6.2f}  {row['support']:7}")
    lines.append(f"{'mean of types':{width}}  {'':9}  {'':6}  {100 * scores['macro_f1']:6.2f}")
    return "\n".join(lines)


def entity_confusions(gold, predicted):
    """Count which type each entity is found as.

    Each gold entity is paired with one predicted entity at most, and each of these with one gold entity: first those of the same
    words, then those that share most words; among equals, those of the same type, then the first.

    Args: gold, predicted: as score_entities.
    Returns: types: list of str, in order; same, other: int arrays [types + 1, types + 1], row: gold type, column: predicted type,
        of pairs with the same words, and of pairs that only share some. The last column of `same` is what is missed, its last row what
        is spurious.
    Raises: ValueError as score_entities.
    """
    gold, predicted = _checked(gold, predicted)
    pairs = {True: collections.Counter(), False: collections.Counter()}
    for truth, found in zip(gold, predicted, strict=True):
        for row, column, is_same in _pairs(spans(truth), spans(found)):
            pairs[is_same][row, column] += 1
    names = {name for counter in pairs.values() for pair in counter for name in pair if name is not None}
    types = sorted(names)
    index = {kind: number for number, kind in enumerate(types)} | {None: len(types)}
    tables = []
    for is_same in (True, False):
        table = np.zeros([len(types) + 1] * 2, "int64")
        for (row, column), count in pairs[is_same].items():
            table[index[row], index[column]] = count
        tables.append(table)
    return types, *tables


def draw_confusions(gold, predicted, path):
    """Draw which type each gold entity is found as, or that it is missed; and what is found where nothing is.

    Args: gold, predicted: as score_entities. path: PNG file to write; what was there stays whole until it is.
    Returns: the path.
    Raises: ValueError as score_entities, or where there are no entities. ImportError without matplotlib.
    """
    types, same, other = entity_confusions(gold, predicted)
    if not types:
        raise ValueError("there are no entities to draw, neither gold nor predicted ones")
    total = same + other
    texts = [
        [f"{a}\n+{b}" if b else str(a) for a, b in zip(*both, strict=True)] for both in zip(same.tolist(), other.tolist(), strict=True)
    ]
    title = "Entities, and what they are found as\n(+: only some of the words)"
    return draw_table(path, total, texts, rows=[*types, SPURIOUS], columns=[*types, MISSED], title=title)


def _checked(gold, predicted):
    """Returns: two lists of lists of tags, as long as each other."""
    gold, predicted = [[list(tags) for tags in sentences] for sentences in (gold, predicted)]
    if len(gold) != len(predicted) or not gold:
        raise ValueError(f"{len(gold)} gold sentences and {len(predicted)} predicted ones; expected the same number, 1 or more")
    for number, (truth, found) in enumerate(zip(gold, predicted, strict=True)):
        if len(truth) != len(found):
            raise ValueError(f"sentence {number} has {len(truth)} gold tags and {len(found)} predicted ones")
        wrong = next((tag for tag in (*truth, *found) if not is_entity_tag(tag)), None)
        if wrong is not None:
            raise ValueError(f"sentence {number} has {wrong!r}, which is no tag of entities, such as 'O' and 'B-PER'")
    return gold, predicted


def _as_bioes(sentences):
    return [[_AS_BIOES.get(tag[0], tag[0]) + tag[1:] for tag in tags] for tags in sentences]


def _numbers(values):
    precision, recall, f1, support = values
    return {"precision": float(precision), "recall": float(recall), "f1": float(f1), "support": int(support)}


def _pairs(gold, found):
    """Yields: (gold type or None, predicted type or None, whether their words are the same); None: missed, or spurious."""
    shared = []
    for row, (kind, start, stop) in enumerate(gold):
        for column, (found_kind, found_start, found_stop) in enumerate(found):
            words = min(stop, found_stop) - max(start, found_start)
            if words > 0:
                is_same = (start, stop) == (found_start, found_stop)
                shared.append((not is_same, -words, kind != found_kind, row, column))
    rows, columns = set(range(len(gold))), set(range(len(found)))
    for differs, _, _, row, column in sorted(shared):
        if row in rows and column in columns:
            rows.remove(row)
            columns.remove(column)
            yield gold[row][0], found[column][0], not differs
    yield from ((gold[row][0], None, True) for row in sorted(rows))
    yield from ((None, found[column][0], True) for column in sorted(columns))
