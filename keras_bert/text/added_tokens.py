"""The tokens that stand whole in a text, as they are described: checked, each with its id."""

from collections.abc import Mapping

FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")

# The finder puts the first around what it finds, and the second for the first where a text holds it.
SEPARATOR, SEPARATORS_PLACE = "\x01", "\x02"


def as_added_tokens(tokens, vocabulary):
    """Check tokens and give each its id.

        as_added_tokens(["<ent>", {"content": "[unused1]", "lstrip": True}], vocabulary)

    Args:
        tokens: None, a dict from token to id, or a list whose items are a token (str) or a dict: "content", and as wanted "id"
            and the FLAGS. Without an id: that of the piece of the vocabulary, or the next beyond.
        vocabulary: list of the pieces; a token may be one of them.
    Returns: list of dicts with all these keys, by id.
    Raises: ValueError naming the token that is empty, stands twice, or has an id that is another piece's or leaves a gap.
    """
    if isinstance(tokens, Mapping):
        tokens = [{"content": content, "id": id_} for content, id_ in tokens.items()]
    described = {}
    for place, token in enumerate(tokens or ()):
        token = _described(token, place)
        if token["content"] in described:
            raise ValueError(f"added token {place}: {token['content']!r} stands there twice")
        described[token["content"]] = token
    ids = {piece: index for index, piece in enumerate(vocabulary)}
    taken = {}
    for token in described.values():
        _check_id(token, ids, vocabulary, taken)
    beyond = len(vocabulary)
    for token in described.values():
        if token["id"] is None:
            while beyond in taken:
                beyond += 1
            token["id"] = ids.get(token["content"], beyond)
            taken[token["id"]] = token["content"]
    numbers = sorted(id_ for id_ in taken if id_ >= len(vocabulary))
    for wanted, id_ in enumerate(numbers, len(vocabulary)):
        if id_ != wanted:
            raise ValueError(
                f"the added token {taken[id_]!r} has id {id_}, which leaves a gap: no token has id {wanted}, "
                f"and the vocabulary's {len(vocabulary)} pieces end at {len(vocabulary) - 1}"
            )
    return sorted(described.values(), key=lambda token: token["id"])


def _described(token, place):
    given = {"content": token} if isinstance(token, str) else token
    if not isinstance(given, Mapping) or "content" not in given:
        raise ValueError(f"added token {place}: {token!r} is neither a string nor a dict with 'content'")
    unknown = sorted(set(given) - {"content", "id", *FLAGS})
    if unknown:
        raise ValueError(f"added token {place}, {given['content']!r}, has {', '.join(unknown)}; known are id, {', '.join(FLAGS)}")
    content, id_ = given["content"], given.get("id")
    if not isinstance(content, str) or not content:
        raise ValueError(f"added token {place}: {content!r} is no token; a string that is not empty is wanted")
    if SEPARATOR in content or SEPARATORS_PLACE in content:
        raise ValueError(f"added token {place}: {content!r} holds one of the control characters {SEPARATOR!r} and {SEPARATORS_PLACE!r}")
    if id_ is not None and (isinstance(id_, bool) or not isinstance(id_, int)):
        raise ValueError(f"added token {place}, {content!r}: id={id_!r} is no whole number")
    for flag in FLAGS:
        if not isinstance(given.get(flag, False), bool):
            raise ValueError(f"added token {place}, {content!r}: {flag}={given[flag]!r} is not True or False")
    return {"content": content, "id": id_} | {flag: given.get(flag, False) for flag in FLAGS}


def _check_id(token, ids, vocabulary, taken):
    """Check an id that was given, and note it as taken."""
    content, id_ = token["content"], token["id"]
    if id_ is None:
        return
    if content in ids and id_ != ids[content]:
        raise ValueError(f"the added token {content!r} has id {id_}, but in the vocabulary it has id {ids[content]}")
    owner = vocabulary[id_] if 0 <= id_ < len(vocabulary) else taken.get(id_, content)
    if id_ < 0 or owner != content:
        raise ValueError(
            f"the added token {content!r} has id {id_}, " + ("which is below 0" if id_ < 0 else f"which is taken by {owner!r}")
        )
    taken[id_] = content
