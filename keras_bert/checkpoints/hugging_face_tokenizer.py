"""From and to the tokenizer files of a Transformers directory: vocab.txt, tokenizer_config.json, tokenizer.json."""

import functools
import os

from keras_bert.files import read_json, write_json

VOCABULARY, SETTINGS, WHOLE = "vocab.txt", "tokenizer_config.json", "tokenizer.json"
FILES = (VOCABULARY, SETTINGS, WHOLE)
MAX_WORD_CHARACTERS = 100  # where tokenizer.json does not say; `tokenizers`' own default


def find(directory):
    """Returns: function that makes the directory's tokenizer, or None where it has no vocabulary."""
    if any(os.path.exists(os.path.join(directory, name)) for name in (VOCABULARY, WHOLE)):
        return functools.partial(read, directory)
    return None


def read(directory):
    """Make the tokenizer that a directory describes.

    The vocabulary is vocab.txt's, or else tokenizer.json's; settings are tokenizer_config.json's where it says, as in
    Transformers, or else tokenizer.json's, or else those of an uncased BERT.

    Args: directory: path.
    Returns: BertTokenizer.
    Raises: ValueError naming the file and what is not BERT's.
    """
    from keras_bert.text import BertTokenizer  # here, so that an encoder alone needs no TensorFlow

    vocabulary, settings = None, {"max_word_characters": MAX_WORD_CHARACTERS}
    if os.path.exists(os.path.join(directory, WHOLE)):
        vocabulary, settings = _read_whole(os.path.join(directory, WHOLE))
    settings |= read_settings(os.path.join(directory, SETTINGS))
    path = os.path.join(directory, VOCABULARY)
    if os.path.exists(path) or vocabulary is None:
        return BertTokenizer(path, **settings)
    try:
        return BertTokenizer(vocabulary, **settings)
    except ValueError as error:
        raise ValueError(f"{os.path.join(directory, WHOLE)}: {error}") from error


def read_settings(path):
    """What tokenizer_config.json says. Returns: dict of those BertTokenizer arguments. Raises: ValueError on what is not BERT's."""
    if not os.path.exists(path):
        return {}
    values = read_json(path)
    class_name = values.get("tokenizer_class", "BertTokenizer")
    if class_name not in ("BertTokenizer", "BertTokenizerFast", "PreTrainedTokenizerFast", "TokenizersBackend"):
        raise ValueError(f"{path}: tokenizer_class={class_name!r}; only BERT's WordPiece is read (BertTokenizer, BertTokenizerFast)")
    names = {"do_lower_case": "lower_case", "strip_accents": "strip_accents", "tokenize_chinese_chars": "tokenize_chinese_chars"}
    settings = {ours: values[theirs] for theirs, ours in names.items() if theirs in values}
    for theirs, ours in names.items():
        allowed = (bool, type(None)) if ours == "strip_accents" else bool
        if ours in settings and not isinstance(settings[ours], allowed):
            raise ValueError(f"{path}: {theirs}={settings[ours]!r} is not true or false")
    return settings


def write(directory, tokenizer, max_length):
    """Write the three files.

    Args: directory: path. tokenizer: BertTokenizer. max_length: most tokens that the model takes.
    Raises: ValueError where the tokenizer is another one.
    """
    if type(tokenizer).__name__ != "BertTokenizer":
        raise ValueError(f"a {type(tokenizer).__name__} cannot be written for Transformers' BERT; only a BertTokenizer can")
    tokenizer.save_asset(os.path.join(directory, VOCABULARY))
    specials = {"pad": tokenizer.PAD, "unk": tokenizer.UNK, "cls": tokenizer.CLS, "sep": tokenizer.SEP}
    if tokenizer.MASK in tokenizer.vocabulary:
        specials["mask"] = tokenizer.MASK
    settings = {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": tokenizer.lower_case,
        "strip_accents": tokenizer.strip_accents,
        "tokenize_chinese_chars": tokenizer.tokenize_chinese_chars,
        "model_max_length": max_length,
    } | {f"{name}_token": piece for name, piece in specials.items()}
    write_json(os.path.join(directory, SETTINGS), settings)
    ids = {piece: tokenizer.id_of(piece) for piece in specials.values()}
    cls, sep = tokenizer.CLS, tokenizer.SEP

    def piece_of(name, type_id):
        return {"SpecialToken": {"id": name, "type_id": type_id}}

    def text_of(name, type_id):
        return {"Sequence": {"id": name, "type_id": type_id}}

    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    whole = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": id_, "content": piece} | flags for piece, id_ in sorted(ids.items(), key=lambda item: item[1])],
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": tokenizer.tokenize_chinese_chars,
            "strip_accents": tokenizer.strip_accents,
            "lowercase": tokenizer.lower_case,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [piece_of(cls, 0), text_of("A", 0), piece_of(sep, 0)],
            "pair": [piece_of(cls, 0), text_of("A", 0), piece_of(sep, 0), text_of("B", 1), piece_of(sep, 1)],
            "special_tokens": {piece: {"id": piece, "ids": [ids[piece]], "tokens": [piece]} for piece in (cls, sep)},
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": tokenizer.UNK,
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": tokenizer.max_word_characters,
            "vocab": {piece: index for index, piece in enumerate(tokenizer.vocabulary)},
        },
    }
    write_json(os.path.join(directory, WHOLE), whole)


def _read_whole(path):
    values = read_json(path)
    model, normalizer = values.get("model") or {}, values.get("normalizer") or {}
    splitter = values.get("pre_tokenizer") or {}
    for name, part, wanted in (
        ("model", model, "WordPiece"),
        ("normalizer", normalizer, "BertNormalizer"),
        ("pre_tokenizer", splitter, "BertPreTokenizer"),
    ):
        # Old files leave the model's type out.
        if part.get("type", "WordPiece" if name == "model" and "vocab" in part else None) != wanted:
            raise ValueError(f"{path}: {name} is {part.get('type')!r}; a BERT has {wanted!r}")
    if model.get("continuing_subword_prefix", "##") != "##" or model.get("unk_token", "[UNK]") != "[UNK]":
        raise ValueError(
            f"{path}: continuing_subword_prefix={model.get('continuing_subword_prefix')!r}, unk_token={model.get('unk_token')!r}; "
            "a BERT has '##' and '[UNK]'"
        )
    if not normalizer.get("clean_text", True):
        raise ValueError(f"{path}: clean_text=false; BERT's text is always cleaned of control characters")
    ids = model["vocab"]
    vocabulary = sorted(ids, key=ids.get)
    if sorted(ids.values()) != list(range(len(ids))):
        raise ValueError(f"{path}: the ids of the vocabulary's {len(ids)} pieces are not 0 to {len(ids) - 1}")
    added = sorted(values.get("added_tokens") or [], key=lambda token: token["id"])
    for token in added:
        if token["id"] == len(vocabulary) and token["content"] not in ids:
            vocabulary.append(token["content"])
        elif ids.get(token["content"], len(vocabulary)) != token["id"] and vocabulary[token["id"] : token["id"] + 1] != [token["content"]]:
            raise ValueError(f"{path}: the added token {token['content']!r} has id {token['id']}, which does not fit the vocabulary")
    return vocabulary, {
        "lower_case": normalizer.get("lowercase", True),
        "strip_accents": normalizer.get("strip_accents"),
        "tokenize_chinese_chars": normalizer.get("handle_chinese_chars", True),
        "max_word_characters": model.get("max_input_chars_per_word", MAX_WORD_CHARACTERS),
    }
