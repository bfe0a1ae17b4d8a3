"""Predicates and their arguments (PropBank), and the tags of words that stand for them.

    sentence = PropbankSentence(["We", "eat", "here"], [Frame(1, "eat", "eat.01", [("ARG0", 0, 0), ("V", 1, 1), ("ARGM-LOC", 2, 2)])])
    frame_tags(sentence, sentence.frames[0])              # ["B-ARG0", "B-V", "B-ARGM-LOC"]
    arguments_of(["B-ARG0", "B-V", "B-ARGM-LOC"])         # (("ARG0", 0, 0), ("V", 1, 1), ("ARGM-LOC", 2, 2))

`role_labels` are the tags of a data set, and `propbank_dataset` its sentences with tags as ids.
"""

import dataclasses
import itertools
import re
from numbers import Integral

_ROLE = re.compile(r"[^\s()*]+")  # what the columns of CoNLL can hold


@dataclasses.dataclass(frozen=True)
class Frame:
    """One predicate of a sentence and its arguments.

    Args:
        predicate: index of its word.
        lemma: "eat"; "" where it is not known.
        sense: PropBank's roleset, "eat.01", or what the file has of it; "" where it is not known.
        arguments: (role, start, end) each: indexes of its first and its last word. Kept in the order of the sentence. The predicate
            itself is one of role "V", as in CoNLL's files. A discontinuous argument is one of role X and, for each part after the
            first, one of role "C-X"; what refers to an argument X has the role "R-X".
    Raises: ValueError naming an argument that is none, or two that share a word.
    """

    predicate: int
    lemma: str
    sense: str
    arguments: tuple

    def __post_init__(self):
        if not isinstance(self.predicate, Integral) or self.predicate < 0:
            raise ValueError(f"predicate {self.predicate!r} is not the index of a word")
        if not isinstance(self.lemma, str) or not isinstance(self.sense, str):
            raise ValueError(f"the predicate at word {self.predicate} has lemma {self.lemma!r} and sense {self.sense!r}; expected str")
        arguments = [self._checked(argument) for argument in self.arguments]
        arguments.sort(key=lambda argument: argument[1:])
        for (role, _, end), (next_role, next_start, _) in itertools.pairwise(arguments):
            if next_start <= end:
                raise ValueError(
                    f"the predicate at word {self.predicate} has {role} and {next_role} at word {next_start}; arguments of one predicate "
                    "share no word"
                )
        object.__setattr__(self, "predicate", int(self.predicate))
        object.__setattr__(self, "arguments", tuple(arguments))

    def _checked(self, argument):
        try:
            role, start, end = argument
            is_argument = isinstance(role, str) and _ROLE.fullmatch(role) and isinstance(start, Integral) and isinstance(end, Integral)
            is_argument = is_argument and 0 <= start <= end
        except (TypeError, ValueError):
            is_argument = False
        if not is_argument:
            raise ValueError(
                f"the predicate at word {self.predicate} has the argument {argument!r}; expected (role, first word, last word), the role "
                "without spaces, brackets and asterisks"
            )
        return str(role), int(start), int(end)


@dataclasses.dataclass(frozen=True)
class PropbankSentence:
    """A sentence in words, and its frames.

    Args:
        words: list of str.
        frames: its Frames, none or one a word. Kept in the order of their predicates.
    Raises: ValueError naming a predicate or an argument out of the sentence, or a word that is the predicate of two frames.
    """

    words: list
    frames: tuple

    def __post_init__(self):
        words = list(self.words) if not isinstance(self.words, (str, bytes)) else None
        if not words or not all(isinstance(word, str) for word in words):
            raise ValueError(f"words={self.words!r} is not a list of words (str), one at least")
        frames = sorted(self.frames, key=lambda frame: frame.predicate)
        for frame in frames:
            if frame.predicate >= len(words):
                raise ValueError(f"predicate {frame.predicate} is out of the sentence, whose words are 0 to {len(words) - 1}")
            if frame.arguments and frame.arguments[-1][2] >= len(words):  # the last one ends last
                raise ValueError(
                    f"the predicate at word {frame.predicate} has the argument {frame.arguments[-1]!r}, which is out of the sentence, "
                    f"whose words are 0 to {len(words) - 1}"
                )
        for frame, following in itertools.pairwise(frames):
            if frame.predicate == following.predicate:
                raise ValueError(f"word {frame.predicate} is the predicate of two frames")
        object.__setattr__(self, "words", words)
        object.__setattr__(self, "frames", tuple(frames))


def role_labels(sentences):
    """The tags that tag all arguments of a data set: the labels of a tagger.

    Args: sentences: PropbankSentences.
    Returns: list of str: "O", then "B-" and "I-" of each role, in the order of the roles' names. "V" is a role, since CoNLL's files
        tag the predicate so and it may have several words ("rust out"); "C-ARG1" and "R-ARG1" are roles of their own.
    Raises: ValueError where there is no argument.
    """
    roles = sorted({role for sentence in sentences for frame in sentence.frames for role, _, _ in frame.arguments})
    if not roles:
        raise ValueError("the sentences have no argument of any predicate, so there are no roles")
    return ["O", *(f"{prefix}-{role}" for role in roles for prefix in "BI")]


def frame_tags(sentence, frame):
    """The arguments of one predicate as IOB2 tags. Args: PropbankSentence, and a Frame of it. Returns: list of str, one a word."""
    tags = ["O"] * len(sentence.words)
    for role, start, end in frame.arguments:
        tags[start : end + 1] = [f"B-{role}"] + [f"I-{role}"] * (end - start)
    return tags


def arguments_of(tags):
    """The arguments that IOB2 tags stand for; frame_tags the other way round.

    Args: tags: list of str, one a word. An I- after a tag of another role, or after "O", begins an argument, as conlleval has it.
    Returns: tuple of (role, start, end): indexes of the first and the last word.
    Raises: ValueError naming a tag that is none.
    """
    arguments = []
    before = ""  # the role of the word before; "" for none
    for index, tag in enumerate(tags):
        prefix, _, role = tag.partition("-")
        if tag != "O" and (prefix not in ("B", "I") or not role):
            raise ValueError(f'tag {index} is {tag!r}; expected "O", or "B-" or "I-" and a name')
        if prefix == "I" and role == before:
            arguments[-1][2] = index
        elif role:
            arguments.append([role, index, index])
        before = role
    return tuple(map(tuple, arguments))


def propbank_dataset(sentences, labels):
    """The examples of a role labeller, as plain lists: one a sentence, with any number of predicates.

    Args: sentences: PropbankSentences. labels: list of str, as role_labels gives.
    Returns: (columns, targets). columns: {"words": [sentences][words] of str, "predicates": [sentences][predicates] of int, the indexes
        of their words}. targets: [sentences][predicates][words] of int, the tags' places in `labels`.
    Raises: ValueError naming sentence and role that the labels lack.
    """
    ids = {label: index for index, label in enumerate(labels)}
    columns, targets = {"words": [], "predicates": []}, []
    for number, sentence in enumerate(sentences):
        tags = [frame_tags(sentence, frame) for frame in sentence.frames]
        lacking = next((tag for row in tags for tag in row if tag not in ids), None)
        if lacking is not None:
            raise ValueError(f"sentence {number} ({' '.join(sentence.words[:8])} ...): the labels have no {lacking!r}")
        columns["words"].append(list(sentence.words))
        columns["predicates"].append([frame.predicate for frame in sentence.frames])
        targets.append([[ids[tag] for tag in row] for row in tags])
    return columns, targets
