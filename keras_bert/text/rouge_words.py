"""The words that ROUGE compares."""

import re

_WORD = re.compile("[a-z0-9]+")  # rouge-score's own tokenizer
_CHINESE = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]|[^\W_]+")  # a Chinese character, or a word of other letters

LANGUAGES = ("en", "zh")


def rouge_words(text, language="en"):
    """Split a text.

    Args: text: str. language: "en": words of a to z and digits, as rouge-score does; "zh": Chinese characters, and words of other letters.
    Returns: list of str. Raises: ValueError on another language.
    """
    if language not in LANGUAGES:
        raise ValueError(f"language={language!r} is none of {', '.join(LANGUAGES)}")
    return (_CHINESE if language == "zh" else _WORD).findall(text.lower())
