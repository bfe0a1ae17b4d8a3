"""Seeded lines of Unicode: everything that a tokenizer is tripped up by."""

import random
import unicodedata

POOLS = {
    "ascii": "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
    "space": " \t\n\r\x0b\x0c\u00a0\u2003\u2028\u2029\u3000\u0085\u200b\u200d\ufeff",
    "control": "".join(map(chr, range(32))) + "\x7f\u00ad\u0000\ufffd",
    "accents": "".join(map(chr, range(0xC0, 0x250))),
    "combining": "".join(map(chr, range(0x300, 0x370))),
    "full_width": "".join(map(chr, range(0xFF01, 0xFFEF))),
    "cjk": "".join(map(chr, range(0x4E00, 0x4F00))) + "".join(map(chr, range(0xF900, 0xFA00))) + "\U00020000\U0002a6d0\U0002b740\U0002f800",
    "emoji": "".join(map(chr, range(0x1F600, 0x1F650))) + "\ufe0f\U0001f3fb\u200d",
    "hangul": "".join(map(chr, range(0xAC00, 0xAE00))) + "".join(map(chr, range(0x1100, 0x11FF))),
    "arabic": "".join(map(chr, range(0x600, 0x700))),
    "greek_cyrillic": "".join(map(chr, range(0x370, 0x530))),
    "punctuation": "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~¡§«»‘’“”…–—、。「」",
    "case": "ßİıŒœſﬁﬃΣςǅª²ẞ",
}


def unicode_lines(count, seed=0):
    """Returns: `count` lines, without unassigned code points and lone surrogates."""
    generator = random.Random(seed)
    lines = []
    for _ in range(count):
        parts = []
        for _ in range(generator.randint(1, 12)):
            if generator.random() < 0.15:
                parts.append(any_character(generator))
            else:
                pool = POOLS[generator.choice(sorted(POOLS))]
                parts.append("".join(generator.choice(pool) for _ in range(generator.randint(1, 6))))
            if generator.random() < 0.3:
                parts.append(" ")
        if generator.random() < 0.02:  # about the limit of 200
            parts.append(generator.choice("aéд가") * generator.randint(195, 205))
        lines.append("".join(character for character in "".join(parts) if is_assigned(character)))
    return lines


def any_character(generator):
    while True:
        character = chr(generator.randrange(0x110000))
        if is_assigned(character):
            return character


def is_assigned(character):
    return unicodedata.category(character) not in ("Cn", "Cs")


# Code points without a character in Unicode 14 (Python 3.11) which TensorFlow's newer tables class: combining marks and
# punctuation of later versions. Here, and only here, ids differ from google-research's under that Python.
LATER_THAN_PYTHON_3_11 = frozenset(
    point
    for first, last in (
        (0x0ECE, 0x0ECE), (0x1B4E, 0x1B4F), (0x1B7F, 0x1B7F), (0x10D6E, 0x10D6E), (0x10EFD, 0x10EFF), (0x11241, 0x11241),
        (0x113D4, 0x113D5), (0x113D7, 0x113D8), (0x11B00, 0x11B09), (0x11BE1, 0x11BE1), (0x11F00, 0x11F01), (0x11F36, 0x11F3A),
        (0x11F40, 0x11F40), (0x11F42, 0x11F4F), (0x13439, 0x13440), (0x13447, 0x13455), (0x16D6D, 0x16D6F), (0x1E08F, 0x1E08F),
        (0x1E4EC, 0x1E4EF), (0x1E5FF, 0x1E5FF),
    )
    for point in range(first, last + 1)
)  # fmt: skip
