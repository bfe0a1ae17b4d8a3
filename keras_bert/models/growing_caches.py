"""A loop that writes, whose caches grow as the answers do: what is not written yet is not read in each step."""

import keras
from keras import ops

_FIRST = 16  # tokens; each time that the room is full, it doubles


def rooms(length):
    """How many tokens the caches have room for, one loop after the other. Args: length: most tokens. Returns: list of int, it the last."""
    found = [_FIRST]
    while 2 * found[-1] <= length:
        found.append(2 * found[-1])
    return [*found[:-1], length]


def write_in_rooms(goes_on, one_more, begun, length):
    """ops.while_loop over state whose first part counts the tokens written, and whose last are the caches.

    Args: goes_on, one_more, begun: as while_loop takes them; caches: nested tensors [rows, tokens, features], with the first room; or ().
        length: most tokens.
    Returns: the state in the end.
    """
    state = begun
    for room in rooms(length) if begun[-1] else [length]:
        *state, caches = state
        caches = keras.tree.map_structure(lambda cache, room=room: _with_room(cache, room), caches)

        def has_room(count, *rest, room=room):
            return ops.logical_and(count <= room, goes_on(count, *rest))

        state = ops.while_loop(has_room, one_more, (*state, caches))
    return state


def _with_room(cache, room):
    """Args: cache: [rows, tokens, features]. Returns: [rows, room, features]."""
    return ops.pad(cache, ((0, 0), (0, room - cache.shape[1]), (0, 0)))
