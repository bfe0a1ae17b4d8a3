"""The words that ROUGE compares."""

import re

_WORD = re.compile("[a-z0-9]+")  # rouge-score's own tokenizer
_CHINESE = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]|[^\W_]+")  # a Chinese character, or a word of other letters


def rouge_words(text, language="en"):
    """Split a text. Args: text: str. language: "zh": Chinese characters; any other: words, as rouge-score does. Returns: list of str."""
    return (_CHINESE if language == "zh" else _WORD).findall(text.lower())
