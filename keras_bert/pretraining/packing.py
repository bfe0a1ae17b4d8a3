"""Several short examples in one row, so that little of a batch is padding."""

import numpy as np

OPEN_ROWS = 256


def pack_first_fit(lengths, row_length, *, open_rows=OPEN_ROWS):
    """Put each example into the first row that has room for it.

        pack_first_fit([90, 60, 30, 40, 38], 128)       # [[0, 2], [1, 3], [4]]: rows of 120, 100 and 38 tokens

    At most `open_rows` rows wait for more; when another is needed, the fullest of them is closed. So the time an example takes does
    not grow with their number, and the rows are the same in every run.

    Args: lengths: ints [examples], tokens of each. row_length: tokens of a row. open_rows: see above.
    Returns: list of lists of int, the examples of each row, in order of their first ones.
    Raises: ValueError where an example is longer than a row.
    """
    rows, open_numbers = [], np.zeros(open_rows, "int64")
    rooms = np.full(open_rows, -1, "int64")  # of rows that are not open
    num_open = 0
    for example, length in enumerate(map(int, lengths)):
        if length > row_length:
            raise ValueError(f"example {example} of {length} tokens is longer than row_length={row_length}")
        place = int((rooms[:num_open] >= length).argmax()) if num_open else 0
        if not num_open or rooms[place] < length:
            place = num_open if num_open < open_rows else int(rooms.argmin())
            num_open = min(num_open + 1, open_rows)
            open_numbers[place], rooms[place] = len(rows), row_length
            rows.append([])
        rows[open_numbers[place]].append(example)
        rooms[place] -= length
    return rows
