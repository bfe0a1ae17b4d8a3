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


# Characters of Unicode 8 or later which `tokenizers` 0.23, whose tables are older, does not take for the punctuation, combining
# marks or format characters that they are; and what Unicode has re-classed since.
NEWER_THAN_TOKENIZERS = frozenset(
    point
    for first, last in (
        (0x61D, 0x61D), (0x7FD, 0x7FD), (0x890, 0x891), (0x898, 0x89F), (0x8CA, 0x8E2), (0x9FD, 0x9FE), (0xA76, 0xA76), (0xAFA,
        0xAFF), (0xB55, 0xB55), (0xC04, 0xC04), (0xC3C, 0xC3C), (0xC77, 0xC77), (0xC84, 0xC84), (0xD00, 0xD00), (0xD3B, 0xD3C),
        (0xD81, 0xD81), (0xEBA, 0xEBA), (0x166D, 0x166D), (0x1734, 0x1734), (0x180F, 0x180F), (0x1885, 0x1886), (0x1ABF, 0x1ACE),
        (0x1B7D, 0x1B7E), (0x1DF6, 0x1DFB), (0x2E43, 0x2E4F), (0x2E52, 0x2E5D), (0xA82C, 0xA82C), (0xA8C5, 0xA8C5), (0xA8FF,
        0xA8FF), (0xA9BD, 0xA9BD), (0x10D24, 0x10D27), (0x10EAB, 0x10EAD), (0x10F46, 0x10F50), (0x10F55, 0x10F59), (0x10F82,
        0x10F89), (0x11070, 0x11070), (0x11073, 0x11074), (0x110C2, 0x110C2), (0x110CD, 0x110CD), (0x111C9, 0x111C9), (0x111CF,
        0x111CF), (0x1123E, 0x1123E), (0x1133B, 0x1133B), (0x11438, 0x1143F), (0x11442, 0x11444), (0x11446, 0x11446), (0x1144B,
        0x1144F), (0x1145A, 0x1145B), (0x1145D, 0x1145E), (0x11660, 0x1166C), (0x116B9, 0x116B9), (0x1182F, 0x11837), (0x11839,
        0x1183B), (0x1193B, 0x1193C), (0x1193E, 0x1193E), (0x11943, 0x11946), (0x119D4, 0x119D7), (0x119DA, 0x119DB), (0x119E0,
        0x119E0), (0x119E2, 0x119E2), (0x11A01, 0x11A0A), (0x11A33, 0x11A38), (0x11A3B, 0x11A47), (0x11A51, 0x11A56), (0x11A59,
        0x11A5B), (0x11A8A, 0x11A96), (0x11A98, 0x11A9C), (0x11A9E, 0x11AA2), (0x11C30, 0x11C36), (0x11C38, 0x11C3D), (0x11C3F,
        0x11C3F), (0x11C41, 0x11C45), (0x11C70, 0x11C71), (0x11C92, 0x11CA7), (0x11CAA, 0x11CB0), (0x11CB2, 0x11CB3), (0x11CB5,
        0x11CB6), (0x11D31, 0x11D36), (0x11D3A, 0x11D3A), (0x11D3C, 0x11D3D), (0x11D3F, 0x11D45), (0x11D47, 0x11D47), (0x11D90,
        0x11D91), (0x11D95, 0x11D95), (0x11D97, 0x11D97), (0x11EF3, 0x11EF4), (0x11EF7, 0x11EF8), (0x11FFF, 0x11FFF), (0x12FF1,
        0x12FF2), (0x13430, 0x13438), (0x16E97, 0x16E9A), (0x16F4F, 0x16F4F), (0x16FE2, 0x16FE2), (0x16FE4, 0x16FE4), (0x1CF00,
        0x1CF2D), (0x1CF30, 0x1CF46), (0x1E000, 0x1E006), (0x1E008, 0x1E018), (0x1E01B, 0x1E021), (0x1E023, 0x1E024), (0x1E026,
        0x1E02A), (0x1E130, 0x1E136), (0x1E2AE, 0x1E2AE), (0x1E2EC, 0x1E2EF), (0x1E944, 0x1E94A), (0x1E95E, 0x1E95F),
    )
    for point in range(first, last + 1)
)  # fmt: skip

# `tokenizers` begins Chinese extension E at U+2B920, where google-research begins it at U+2B820.
NOT_CHINESE_TO_TOKENIZERS = frozenset(range(0x2B820, 0x2B920))
