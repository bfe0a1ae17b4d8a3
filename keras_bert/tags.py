"""Tags that mark entities word by word: which words an entity spans, and the schemes that the field writes this in.

    words     Mr.  Ban  Ki-moon  flew  to  Paris
    IOB1      O    I-PER  I-PER  O     O   I-LOC     B- only where an entity follows one of its own type at once
    IOB2      O    B-PER  I-PER  O     O   B-LOC     often called BIO
    BIOES     O    B-PER  E-PER  O     O   S-LOC     E- ends an entity, S- is one of a single word
    BILOU     O    B-PER  L-PER  O     O   U-LOC     the same with other letters

    spans(["O", "B-PER", "E-PER", "O", "O", "S-LOC"])       # [("PER", 1, 3), ("LOC", 5, 6)]

What a network puts out need not be well formed. Entities are then those that conlleval finds, which every score of the field counts:
a tag that cannot go on an entity begins one. A tag without a type, "B", marks an entity of the type "_", as seqeval has it.

Source: Ramshaw & Marcus 1995 (IOB), Tjong Kim Sang & Veenstra 1999 (its kinds), Ratinov & Roth 2009 (BILOU); conlleval of CoNLL-2000.
"""

import dataclasses
import warnings

import numpy as np

SCHEMES = ("IOB1", "IOB2", "BIOES", "BILOU")
NO_TYPE = "_"  # of the tags "B" and "I"
# Of the first, an inner, the last and the only word of an entity. IOB1's first is mostly "I", see _written.
_LETTERS = {"IOB1": "BIIB", "IOB2": "BIIB", "BIOES": "BIES", "BILOU": "BILU"}
_AS_BIOES = {"L": "E", "U": "S"}


def is_entity_tag(tag):
    """Whether a tag is "O", one of B I E S L U, or one of these letters with "-" and a type. Returns: bool."""
    return isinstance(tag, str) and (tag == "O" or (tag[:1] in tuple("BIESLU") and (len(tag) == 1 or (tag[1] == "-" and len(tag) > 2))))


def spans(tags):
    """The entities of one sentence, well formed or not, as conlleval and seqeval's default find them.

    Args: tags: list of str, of any scheme; L- and U- count as E- and S-.
    Returns: list of (type, start, stop): str, and the words' indexes, stop exclusive.
    Raises: ValueError naming a tag that marks no entity and is not "O".
    """
    found, start = [], 0
    parts = [*(_parts(tag) for tag in tags), ("O", NO_TYPE)]
    previous = ("O", NO_TYPE)
    for index, part in enumerate(parts):
        if _ends(previous, part):
            found.append((previous[1], start, index))
        if _starts(previous, part):
            start = index
        previous = part
    return found


def find_scheme(sentences):
    """Which scheme tags are written in.

    Args: sentences: iterable of lists of tags.
    Returns: one of SCHEMES. IOB1 and IOB2 are told apart by which of the two fewer tags break; where both fit, IOB2.
    Raises: ValueError where there is no tag at all, a tag that marks no entity, or letters of several schemes.
    """
    sentences = [list(tags) for tags in sentences]
    letters = {_parts(tag, as_bioes=False)[0]: tag for tags in sentences for tag in tags}
    if not letters:
        raise ValueError("there are no tags to find a scheme in")
    bioes, bilou = [letters[letter] for letter in "ES" if letter in letters], [letters[letter] for letter in "LU" if letter in letters]
    if bioes and bilou:
        raise ValueError(f"the tags {bioes[0]!r} and {bilou[0]!r} are of different schemes, BIOES and BILOU")
    if bioes or bilou:
        return "BIOES" if bioes else "BILOU"
    return min(("IOB2", "IOB1"), key=lambda scheme: sum(len(broken_tags(tags, scheme)) for tags in sentences))


def broken_tags(tags, scheme):
    """Which tags of a sentence break its scheme.

    Args: tags: list of str. scheme: one of SCHEMES.
    Returns: list of (index, tag that the words' entities have there), see spans.
    Raises: ValueError as spans.
    """
    mended = _written(spans(tags), tags, scheme)
    return [(index, there) for index, (tag, there) in enumerate(zip(tags, mended, strict=True)) if tag != there]


def check_tags(tags, scheme, place, *, repair=False):
    """Check that one sentence keeps to its scheme.

    Args:
        tags: list of str.
        scheme: one of SCHEMES.
        place: where the tags are from, for errors: str; or function of a tag's index -> str.
        repair: whether tags that break the scheme become those of the entities that conlleval reads there.
    Returns: list of str.
    Raises: ValueError naming place and tag where one marks no entity, or breaks the scheme and is not to be repaired.
    Warns: of repairs, once: how many, and the first place.
    """
    place_of = place if callable(place) else lambda index: f"{place}, tag {index}"
    check_scheme(scheme)
    for index, tag in enumerate(tags):
        if not is_entity_tag(tag):
            raise ValueError(f"{place_of(index)}: {_not_a_tag(tag)}")
    broken = broken_tags(tags, scheme)
    if broken and not repair:
        index, there = broken[0]
        raise ValueError(breaks_scheme(place_of(index), tags[index], there, scheme))
    if broken:
        warnings.warn(repaired_message(len(broken), place_of(broken[0][0]), scheme), stacklevel=2)
    return repaired(tags, broken)


def repaired(tags, broken):
    """Args: tags: list of str. broken: as broken_tags gives it. Returns: list of str, with what belongs there."""
    tags = list(tags)
    for index, there in broken:
        tags[index] = there
    return tags


def breaks_scheme(place, tag, there, scheme):
    """What an error says of a tag. Args: place, tag: str. there: the tag that belongs there. Returns: str."""
    return (
        f"{place}: the tag {tag!r} breaks {scheme}, where {there!r} would stand; mend it, or read all such tags as conlleval does by "
        f"repair=True, or name another scheme of {', '.join(SCHEMES)}"
    )


def repaired_message(count, place, scheme):
    """What a warning says of repairs. Args: count: of tags. place: str, of the first. Returns: str."""
    return f"tags that break {scheme} and are repaired: {count}, the first at {place}; the entities are those that conlleval reads"


def convert(tags, scheme, to):
    """Write the tags of one sentence in another scheme.

    Args: tags: list of str. scheme: theirs. to: the scheme to write; both of SCHEMES.
    Returns: list of str.
    Raises: ValueError naming a tag that breaks its scheme; see check_tags.
    """
    check_scheme(to)
    tags = check_tags(tags, scheme, "the sentence")
    return _written(spans(tags), tags, to)


def tag_names(types, scheme):
    """The labels of a tagger: every tag that the entities of some types may have.

    Args: types: iterable of str. scheme: one of SCHEMES.
    Returns: list of str; "O" first, then those of each type, in their order.
    Raises: ValueError naming a type that is empty or no str, or stands twice.
    """
    check_scheme(scheme)
    types = list(types)
    for index, kind in enumerate(types):
        if not isinstance(kind, str) or not kind:
            raise ValueError(f"types[{index}] is {kind!r}; expected the name of a type of entities")
        if kind in types[:index]:
            raise ValueError(f"types={types!r} has {kind!r} twice")
    return ["O", *(_tag(letter, kind) for kind in types for letter in sorted(set(_LETTERS[scheme]), key="BILEUS".index))]


@dataclasses.dataclass(frozen=True)
class ChunkTables:
    """Where entities start and end, as tables over ids of labels, so that a graph finds them by gathers; see chunk_tables.

    Attributes:
        types: list of str, the types of entities.
        type_ids: int32 [labels]; index into types, -1 of "O".
        starts: bool [labels + 1, labels + 1]; whether between the first and the second of two neighbours an entity starts, at the second.
        ends: the same; whether one ends, at the first. The last index is what is beyond the sentence.
    """

    types: list
    type_ids: np.ndarray
    starts: np.ndarray
    ends: np.ndarray


def chunk_tables(labels):
    """The rules of `spans`, as tables.

    Args: labels: list of str, tags in the order of their ids.
    Returns: ChunkTables.
    Raises: ValueError naming a label that marks no entity and is not "O", or stands twice.
    """
    parts = _parts_of_labels(labels)
    types = list(dict.fromkeys(kind for letter, kind in parts if letter != "O"))
    with_beyond = [*parts, ("O", NO_TYPE)]
    return ChunkTables(
        types=types,
        type_ids=np.array([-1 if letter == "O" else types.index(kind) for letter, kind in parts], "int32"),
        starts=np.array([[_starts(first, second) for second in with_beyond] for first in with_beyond]),
        ends=np.array([[_ends(first, second) for second in with_beyond] for first in with_beyond]),
    )


def allowed_moves(labels, scheme):
    """Which tags may stand next to one another, for a CRF that only gives what its scheme allows.

    Args: labels: list of str, tags in the order of their ids. scheme: one of SCHEMES.
    Returns: start: bool [labels], which may begin a sentence; end: bool [labels], which may end one; transitions: bool
        [labels, labels], whether the second may follow the first.
    Raises: ValueError naming a label that is no tag of the scheme, or stands twice.
    """
    check_scheme(scheme)
    letters = "O" + _LETTERS[scheme]
    for label, (letter, _) in zip(labels, _parts_of_labels(labels, as_bioes=False), strict=True):
        if letter not in letters:
            raise ValueError(f"the label {label!r} is no tag of {scheme}; its letters are {', '.join(sorted(set(letters)))}")
    parts = _parts_of_labels(labels)
    beyond = ("O", NO_TYPE)
    start = np.array([_may_follow(beyond, part, scheme) for part in parts])
    end = np.array([_may_follow(part, beyond, scheme) for part in parts])
    return start, end, np.array([[_may_follow(first, second, scheme) for second in parts] for first in parts])


def check_scheme(scheme):
    """Raises: ValueError unless it is one of SCHEMES."""
    if scheme not in SCHEMES:
        raise ValueError(f"scheme {scheme!r} is none of {', '.join(SCHEMES)}")


# Two neighbours, each (letter, type), with E and S for L and U.


def _starts(first, second):
    """Whether an entity starts at the second. Source: startOfChunk of conlleval."""
    return second[0] != "O" and (second[0] in "BS" or first[0] in "OES" or first[1] != second[1])


def _ends(first, second):
    """Whether an entity ends at the first. Source: endOfChunk of conlleval."""
    return first[0] != "O" and (first[0] in "ES" or second[0] in "OBS" or first[1] != second[1])


def _may_follow(first, second, scheme):
    goes_on = first[0] in "BI" and second[0] in "IE" and first[1] == second[1]
    if scheme == "IOB2":
        return second[0] != "I" or goes_on
    if scheme == "IOB1":
        return second[0] != "B" or (first[0] in "BI" and first[1] == second[1])
    return goes_on if first[0] in "BI" or second[0] in "IE" else True


# Tags as they are written.


def _parts(tag, as_bioes=True):
    """Returns: (letter, type) of a tag. Raises: ValueError where it is none."""
    if not is_entity_tag(tag):
        raise ValueError(_not_a_tag(tag))
    letter = _AS_BIOES.get(tag[0], tag[0]) if as_bioes else tag[0]
    return letter, tag[2:] or NO_TYPE


def _not_a_tag(tag):
    return f"{tag!r} is no tag of entities; expected 'O', or a letter of B I E S L U with '-' and a type, such as 'B-PER'"


def _parts_of_labels(labels, as_bioes=True):
    for index, label in enumerate(labels):
        if label in labels[:index]:
            raise ValueError(f"labels={labels!r} has {label!r} twice")
    return [_parts(label, as_bioes) for label in labels]


def _tag(letter, kind):
    return letter if kind == NO_TYPE else f"{letter}-{kind}"


def _written(entities, tags, scheme):
    """The tags of entities. Args: entities: as spans gives them. tags: those they were found in. Returns: list of str."""
    first, inner, last, only = _LETTERS[scheme]
    written, previous = ["O"] * len(tags), (None, None)
    for kind, start, stop in entities:
        begin, single = first, only
        if scheme == "IOB1":
            begin = single = "B" if previous == (kind, start) else "I"
        letters = [single] if stop == start + 1 else [begin, *[inner] * (stop - start - 2), last]
        dashed = tags[start] != tags[start][0]  # "B-_" is written so, and "B" without a type
        written[start:stop] = [f"{letter}-{kind}" if dashed else letter for letter in letters]
        previous = (kind, stop)
    return written
