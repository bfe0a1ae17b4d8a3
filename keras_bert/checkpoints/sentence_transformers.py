"""From a sentence-transformers directory: modules.json, what Transformers writes, and a config.json for each further module."""

import dataclasses
import os
import warnings

from keras_bert.checkpoints import hugging_face
from keras_bert.files import read_json

FORMAT = "sentence_transformers"
MODULES, SETTINGS, MODEL_SETTINGS = "modules.json", "sentence_bert_config.json", "config_sentence_transformers.json"

# Their names of poolings that TextEmbedder has. Files before version 5 say them by a boolean key each.
_POOLINGS = ("mean", "cls", "max")
_BOOLEAN_KEYS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
_TRANSFORMER, _POOLING, _NORMALIZE = "Transformer", "Pooling", "Normalize"


def open_checkpoint(directory):
    """Open a sentence-transformers directory: a BERT, its pooling, and perhaps a normalisation to length 1.

    Args: directory: path.
    Returns: Checkpoint; settings has pooling, normalize and, where a file says it, max_length in tokens.
    Raises: ValueError naming the file and what TextEmbedder has not: another module or pooling, several poolings at once.
    Warns: where the model puts a prompt of its own before every text; here the caller does.
    """
    transformer, pooling, normalize = _modules(directory)
    _check_has_weights(transformer)
    checkpoint = hugging_face.open_checkpoint(transformer)
    settings = {"pooling": _pooling(pooling, checkpoint.config.hidden_size), "normalize": normalize}
    said = _read_if_there(os.path.join(transformer, SETTINGS)) or {}
    _check_features(os.path.join(transformer, SETTINGS), said)
    max_length = _max_length(transformer, said, checkpoint.config.max_position_embeddings)
    if max_length is not None:
        settings["max_length"] = max_length
    _tell_of_prompt(directory)
    tokenizer = checkpoint.tokenizer
    if said.get("do_lower_case") and tokenizer is not None:
        tokenizer = lambda: _lower_cased(checkpoint.tokenizer())  # noqa: E731 - a wrapped function, not a new one
    return dataclasses.replace(
        checkpoint,
        path=directory,
        format=FORMAT,
        network="TextEmbedder",
        task="BertEmbedder",
        labels=None,
        tokenizer=tokenizer,
        settings=settings,
    )


def _modules(directory):
    """Returns: directory of the Transformer, of the Pooling, and whether Normalize follows."""
    path = os.path.join(directory, MODULES)
    modules = _read_if_there(path, list)
    if modules is None:
        raise ValueError(f"{path} is not there; it says what the model is made of")
    found = []
    for module in sorted(modules, key=lambda module: module.get("idx", 0) if isinstance(module, dict) else 0):
        if not isinstance(module, dict) or not isinstance(module.get("type"), str) or not isinstance(module.get("path", ""), str):
            raise ValueError(f"{path}: {module!r} is no module; expected an object with idx, name, path and type")
        package, _, kind = module["type"].rpartition(".")
        if package.split(".")[0] != "sentence_transformers" or kind not in (_TRANSFORMER, _POOLING, _NORMALIZE):
            raise ValueError(
                f"{path}: the module {module['type']} cannot be represented; {_TRANSFORMER}, {_POOLING} and {_NORMALIZE} of "
                "sentence_transformers can"
            )
        found.append((kind, _inside(directory, path, module.get("path", ""))))
    kinds = [kind for kind, _ in found]
    if kinds not in ([_TRANSFORMER, _POOLING], [_TRANSFORMER, _POOLING, _NORMALIZE]):
        raise ValueError(f"{path}: the modules are {', '.join(kinds) or 'none'}; expected {_TRANSFORMER}, {_POOLING}, perhaps {_NORMALIZE}")
    return found[0][1], found[1][1], len(found) == 3


def _inside(directory, modules_path, relative):
    # By the words alone: a cache of downloads is made of links that lead out, and rightly so.
    parts = relative.replace("\\", "/").split("/") if relative else []
    if any(part in ("", ".", "..") or ":" in part for part in parts):
        raise ValueError(f"{modules_path} names the path {relative!r}, which leaves its directory; a module lies inside")
    return os.path.join(directory, *parts)


def _check_has_weights(directory):
    try:
        found = sorted(os.listdir(directory))
    except OSError as error:
        raise ValueError(f"{directory}, which {MODULES} names, is not a directory") from error
    if not {hugging_face.WEIGHTS, hugging_face.INDEX} & set(found):
        raise ValueError(
            f"{directory} holds {', '.join(found) or 'nothing'}; expected {hugging_face.WEIGHTS}, or shards and {hugging_face.INDEX}. "
            "Pickles (.bin, .pt) are not read: loading one can run code that it carries"
        )


def _pooling(directory, hidden_size):
    path = os.path.join(directory, "config.json")
    values = _read_if_there(path)
    if values is None:
        raise ValueError(f"{path} is not there; it says how the tokens are pooled")
    if "pooling_mode" in values:
        named = values["pooling_mode"]
        modes = named if isinstance(named, list) else [named]
    else:
        modes = [mode for key, mode in _BOOLEAN_KEYS.items() if values.get(key)]
        if not modes and not any(key in values for key in _BOOLEAN_KEYS):
            raise ValueError(f"{path} says no pooling: neither pooling_mode nor pooling_mode_mean_tokens and its like")
        unknown = [key for key, value in values.items() if key.startswith("pooling_mode_") and value and key not in _BOOLEAN_KEYS]
        modes += unknown
        modes = modes or ["mean"]  # as sentence-transformers does where all are false
    if len(modes) != 1 or modes[0] not in _POOLINGS:
        raise ValueError(f"{path}: the pooling is {' and '.join(map(str, modes))}; TextEmbedder has one of {', '.join(_POOLINGS)}")
    size = values.get("embedding_dimension", values.get("word_embedding_dimension", hidden_size))
    if size != hidden_size:
        raise ValueError(f"{path}: it pools vectors of {size!r} features, but the model's have hidden_size={hidden_size}")
    if values.get("include_prompt", True) is not True:
        raise ValueError(f"{path}: include_prompt={values['include_prompt']!r}; TextEmbedder pools all tokens, a prompt's too")
    return modes[0]


def _check_features(path, values):
    """Newer files can say that something else than the last hidden state is pooled."""
    text = (values.get("modality_config") or {}).get("text") or {}
    wanted = (
        ("transformer_task", values.get("transformer_task"), "feature-extraction"),
        ("modality_config.text.method_output_name", text.get("method_output_name"), "last_hidden_state"),
    )
    for name, found, expected in wanted:
        if found not in (None, expected):
            raise ValueError(f"{path}: {name}={found!r}; only {expected!r} is read")


def _max_length(directory, values, most):
    """Returns: longest input in tokens, of a file that says it, or None.

    Older versions write it as max_seq_length; newer ones as the tokenizer's model_max_length, which others write too, often far
    beyond what the model takes.
    """
    path, name = os.path.join(directory, SETTINGS), "max_seq_length"
    length = values.get(name)
    if length is None:
        path, name = os.path.join(directory, "tokenizer_config.json"), "model_max_length"
        length = (_read_if_there(path) or {}).get(name)
        if isinstance(length, (int, float)):
            length = int(min(length, most))
    if length is None:
        return None
    if isinstance(length, bool) or not isinstance(length, int) or not 2 < length <= most:
        raise ValueError(f"{path}: {name}={length!r} is not a number of tokens from 3 to the model's {most}")
    return length


def _lower_cased(tokenizer):
    """do_lower_case lower-cases the text before the tokenizer has its way: nothing else about it changes."""
    if tokenizer.lower_case:
        return tokenizer
    return type(tokenizer)(
        tokenizer.vocabulary,
        lower_case=True,
        strip_accents=bool(tokenizer.strip_accents),
        max_word_characters=tokenizer.max_word_characters,
        tokenize_chinese_chars=tokenizer.tokenize_chinese_chars,
    )


def _tell_of_prompt(directory):
    path = os.path.join(directory, MODEL_SETTINGS)
    values = _read_if_there(path) or {}
    prompts, default = values.get("prompts") or {}, values.get("default_prompt_name")
    prompt = prompts.get(default) if isinstance(prompts, dict) else None
    if prompt:
        warnings.warn(f"{path}: the model was trained with {prompt!r} before every text; put it there yourself", stacklevel=4)


def _read_if_there(path, kind=dict):
    return read_json(path, kind) if os.path.exists(path) else None
