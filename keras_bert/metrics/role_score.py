"""Precision, recall and F1 of semantic roles, by the rules of CoNLL-2005's scorer.

    score = score_roles(gold, predicted)
    score["f1"], score["by_role"]["ARG0"]["recall"]
    print(role_table(score))

Both are lists of sentences such as read_propbank gives.
"""

import collections

_NOT_COUNTED = ("V",)  # the predicate itself, which is given


def score_roles(gold, predicted, *, skip_unmatched=False):
    """Compare predicted arguments with the gold ones, as srl-eval.pl does.

    The rules:
        An argument is correct where a gold one of the same predicate has its role, its first and its last word. Each gold argument is
        matched once. What is predicted and not correct is excess, what is gold and not matched is missed: a wrong role or a wrong
        border costs both.
        A predicate is the word where it stands; lemma and sense are not compared (srl-eval.pl compares lemmas, and takes another
        lemma for a frame that is missing). A gold predicate without a predicted frame has all its arguments missed. A frame predicted
        at a word that is no gold predicate has all its arguments excess; srl-eval.pl skips such frames with a warning, as
        `skip_unmatched` does. With gold predicates, as in the shared task, there is no difference.
        "V", the predicate itself, is not counted; it has a row of its own below the table, and is nothing to perfect propositions.
        "C-X" continues the last argument X (or continued X) before it: they are one argument of role X in several parts, correct
        only where all parts are, and no other. Where no X stands before, "C-X" is an argument X. So there is no row "C-X"; and "C-V" is
        a part of the "V".
        "R-X", a reference to an argument X, is an argument of its own role.
        A proposition is perfect where none of its arguments is missed and none is excess; one without arguments is, where none
        is predicted.
        Overall figures add up the counts of all roles (micro average). 0 / 0 is 0.

    Args:
        gold: sentences (PropbankSentence: words; frames with predicate and arguments).
        predicted: as many, of as many words.
        skip_unmatched: leave out frames predicted at words that are no gold predicates, as srl-eval.pl does.
    Returns: dict of
        correct, excess, missed (int); precision, recall, f1 (from 0 to 1), of all arguments;
        by_role: {role: the same six}, in the order of the roles' names;
        not_counted: {"V": the same six}, or empty;
        predicates: the same six, of the words that are predicates;
        sentences, propositions: how many, of the gold ones; perfect_propositions: the share of the latter, from 0 to 1.
    Raises: ValueError where the numbers of sentences or of words differ.
    Source: srl-eval.pl (Carreras & Màrquez 2005), whose figures this gives; they are checked against its printed table.
    """
    gold, predicted = list(gold), list(predicted)
    if len(gold) != len(predicted):
        raise ValueError(f"{len(gold)} gold sentences, but {len(predicted)} predicted ones")
    counts = collections.defaultdict(collections.Counter)  # of a role: correct, excess, missed
    predicates = collections.Counter()
    propositions = perfect = 0
    for number, (true, guess) in enumerate(zip(gold, predicted, strict=True)):
        if len(true.words) != len(guess.words):
            raise ValueError(f"sentence {number} has {len(true.words)} gold words, but {len(guess.words)} predicted ones")
        true, guess = _by_predicate(true), _by_predicate(guess)
        propositions += len(true)
        predicates.update(correct=len(true.keys() & guess.keys()), excess=len(guess.keys() - true.keys()))
        predicates["missed"] += len(true.keys() - guess.keys())
        for predicate in true if skip_unmatched else true.keys() | guess.keys():
            wanted, found = true.get(predicate, collections.Counter()), guess.get(predicate, collections.Counter())
            correct, excess, missed = wanted & found, found - wanted, wanted - found
            for name, arguments in (("correct", correct), ("excess", excess), ("missed", missed)):
                for (role, _), times in arguments.items():
                    counts[role][name] += times
            perfect += predicate in true and not any(role not in _NOT_COUNTED for role, _ in (*excess, *missed))
    by_role = {role: _rates(counts[role]) for role in sorted(counts) if role not in _NOT_COUNTED}
    overall = collections.Counter()
    for row in by_role.values():
        overall.update({name: row[name] for name in ("correct", "excess", "missed")})
    return {
        **_rates(overall),
        "by_role": by_role,
        "not_counted": {role: _rates(counts[role]) for role in _NOT_COUNTED if role in counts},
        "predicates": _rates(predicates),
        "sentences": len(gold),
        "propositions": propositions,
        "perfect_propositions": perfect / propositions if propositions else 0.0,
    }


def role_table(score):
    """A score as srl-eval.pl prints it, in percent. Args: score: dict, as score_roles gives. Returns: str, lines for people to read."""
    ruler = "-" * 60
    return "\n".join(
        [
            f"Number of Sentences    :      {score['sentences']:6d}",
            f"Number of Propositions :      {score['propositions']:6d}",
            f"Percentage of perfect props : {100 * score['perfect_propositions']:6.2f}",
            "",
            f"{'':10}   {'corr.':>6}  {'excess':>6}  {'missed':>6}   {'prec.':>6}  {'rec.':>6}  {'F1':>6}",
            ruler,
            _line("Overall", score),
            "-" * 10,
            *(_line(role, row) for role, row in score["by_role"].items()),
            ruler,
            *(_line(role, row) for role, row in score["not_counted"].items()),
            ruler,
            "",
        ]
    )


def _by_predicate(sentence):
    """The arguments of each predicate. Returns: {word: Counter of (role, parts)}."""
    return {frame.predicate: collections.Counter(_joined(frame.arguments)) for frame in sentence.frames}


def _joined(arguments):
    """Arguments with their continuations. Returns: list of (role, ((start, end) of each part, ...))."""
    joined, latest = [], {}
    for role, start, end in sorted(arguments, key=lambda argument: argument[1:]):
        continues = role.startswith("C-")
        role = role.removeprefix("C-")
        if continues and role in latest:
            latest[role].append((start, end))
        else:
            latest[role] = [(start, end)]
            joined.append((role, latest[role]))
    return [(role, tuple(parts)) for role, parts in joined]


def _rates(counts):
    correct, excess, missed = (counts[name] for name in ("correct", "excess", "missed"))
    precision = correct / (correct + excess) if correct else 0.0
    recall = correct / (correct + missed) if correct else 0.0
    f1 = 2 * precision * recall / (precision + recall) if correct else 0.0
    return {"correct": correct, "excess": excess, "missed": missed, "precision": precision, "recall": recall, "f1": f1}


def _line(name, row):
    counts = "  ".join(f"{row[key]:6d}" for key in ("correct", "excess", "missed"))
    return f"{name:>10}   {counts}   " + "  ".join(f"{100 * row[key]:6.2f}" for key in ("precision", "recall", "f1"))
