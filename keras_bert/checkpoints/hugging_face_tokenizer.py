"""From and to the tokenizer files of a Transformers directory: vocab.txt, tokenizer_config.json, tokenizer.json.

Of older directories also added_tokens.json and special_tokens_map.json are read.
"""

import functools
import os

from keras_bert.files import read_json, write_json
from keras_bert.text.added_tokens import FLAGS, as_added_tokens
from keras_bert.text.vocabulary import SPECIAL, load_vocabulary

VOCABULARY, SETTINGS, WHOLE = "vocab.txt", "tokenizer_config.json", "tokenizer.json"
FILES = (VOCABULARY, SETTINGS, WHOLE)
ADDED, SPECIALS = "added_tokens.json", "special_tokens_map.json"
ADDED_BY_ID = "added_tokens_decoder"  # in tokenizer_config.json
IN_TEXT = "special_tokens_in_text"  # our own word in tokenizer_config.json: Transformers always finds the special tokens
MAX_WORD_CHARACTERS = 100  # where tokenizer.json does not say; `tokenizers`' own default


def find(directory):
    """Returns: function that makes the directory's tokenizer, or None where it has no vocabulary."""
    if any(os.path.exists(os.path.join(directory, name)) for name in (VOCABULARY, WHOLE)):
        return functools.partial(read, directory)
    return None


def read(directory):
    """Make the tokenizer that a directory describes.

    The vocabulary is vocab.txt's, or else tokenizer.json's; settings are tokenizer_config.json's where it says, as in
    Transformers, or else tokenizer.json's, or else those of an uncased BERT. Added tokens are tokenizer.json's; where that is
    not there, those of tokenizer_config.json, or else of added_tokens.json. The five that every BERT has in its vocabulary are
    none: in a text they are ordinary text.

    Args: directory: path.
    Returns: BertTokenizer.
    Raises: ValueError naming the file and what is not BERT's.
    """
    from keras_bert.text import BertTokenizer  # here, so that an encoder alone needs no TensorFlow

    path, whole = (os.path.join(directory, name) for name in (VOCABULARY, WHOLE))
    vocabulary, settings = None, {"max_word_characters": MAX_WORD_CHARACTERS}
    if os.path.exists(whole):
        source = whole
        vocabulary, added, settings = _read_whole(whole)
    else:
        source, added = _read_added(directory)
    settings |= read_settings(os.path.join(directory, SETTINGS))
    if os.path.exists(path) or vocabulary is None:
        vocabulary = load_vocabulary(path)
    else:
        path = whole
    try:
        added = as_added_tokens(added, vocabulary)
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from error
    added = [token for token in added if token["content"] not in SPECIAL or token["id"] >= len(vocabulary)]
    try:
        return BertTokenizer(vocabulary, added_tokens=added, **settings)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


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
    if IN_TEXT in values:
        settings[IN_TEXT] = values[IN_TEXT]
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
    if tokenizer.special_tokens_in_text:
        settings[IN_TEXT] = tokenizer.special_tokens_in_text
    ids = {piece: tokenizer.id_of(piece) for piece in specials.values()}
    added = {piece: {"id": id_, "content": piece} | dict.fromkeys(FLAGS, False) | {"special": True} for piece, id_ in ids.items()}
    added |= {token["content"]: token for token in tokenizer.added_tokens}
    added = sorted(added.values(), key=lambda token: token["id"])
    if tokenizer.added_tokens:
        settings[ADDED_BY_ID] = {str(token["id"]): {key: token[key] for key in ("content", *FLAGS)} for token in added}
    write_json(os.path.join(directory, SETTINGS), settings)
    cls, sep = tokenizer.CLS, tokenizer.SEP

    def piece_of(name, type_id):
        return {"SpecialToken": {"id": name, "type_id": type_id}}

    def text_of(name, type_id):
        return {"Sequence": {"id": name, "type_id": type_id}}

    whole = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
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
    added = _with_known_keys(values.get("added_tokens") or [])
    # A vocabulary that was trained without special tokens has them added: they belong to it, and what was added before them.
    numbers = {token.get("id"): token.get("content") for token in added if isinstance(token, dict) and isinstance(token.get("id"), int)}
    last = max((id_ for id_, content in numbers.items() if content in SPECIAL and content not in ids), default=-1)
    while len(vocabulary) <= last and len(vocabulary) in numbers:
        vocabulary.append(numbers[len(vocabulary)])
    return (
        vocabulary,
        added,
        {
            "lower_case": normalizer.get("lowercase", True),
            "strip_accents": normalizer.get("strip_accents"),
            "tokenize_chinese_chars": normalizer.get("handle_chinese_chars", True),
            "max_word_characters": model.get("max_input_chars_per_word", MAX_WORD_CHARACTERS),
        },
    )


def _read_added(directory):
    """Added tokens where there is no tokenizer.json. Returns: the file that names them; list, as BertTokenizer takes it."""
    settings_path, path, specials_path = (os.path.join(directory, name) for name in (SETTINGS, ADDED, SPECIALS))
    settings = read_json(settings_path) if os.path.exists(settings_path) else {}
    by_id = settings.get(ADDED_BY_ID)
    if by_id is not None:
        if not isinstance(by_id, dict) or not all(id_.isdecimal() and isinstance(token, dict) for id_, token in by_id.items()):
            raise ValueError(f"{settings_path}: {ADDED_BY_ID} is no object of tokens by id: {str(by_id)[:80]}")
        return settings_path, _with_known_keys([token | {"id": int(id_)} for id_, token in by_id.items()])
    added = {}
    for values in (settings, read_json(specials_path) if os.path.exists(specials_path) else {}):
        for name in ("additional_special_tokens", "extra_special_tokens"):
            tokens = values.get(name) or []
            for token in tokens.values() if isinstance(tokens, dict) else tokens:
                token = token if isinstance(token, dict) else {"content": token}
                added.setdefault(token.get("content"), token | {"special": True})
    if os.path.exists(path):
        for content, id_ in read_json(path).items():
            added[content] = added.get(content, {"content": content}) | {"id": id_}
    return path if os.path.exists(path) else settings_path, _with_known_keys(list(added.values()))


def _with_known_keys(tokens):
    """Leave what is not an added token's; what is not said is as in Transformers: special tokens are found as they are written."""
    if not isinstance(tokens, list):
        return [tokens]  # to be told of
    known = (
        {key: token[key] for key in ("content", "id", *FLAGS) if key in token} if isinstance(token, dict) else token for token in tokens
    )
    return [{"normalized": not token.get("special", False)} | token if isinstance(token, dict) else token for token in known]
