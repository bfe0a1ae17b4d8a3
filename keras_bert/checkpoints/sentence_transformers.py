"""From and to a sentence-transformers directory: modules.json, what Transformers writes, and a folder for each further module."""

import dataclasses
import os
import re
import warnings

from keras_bert.checkpoints import hugging_face, hugging_face_tokenizer
from keras_bert.checkpoints.rows import ENCODER, POOLER, TRANSPOSED, dense_rows, part_of
from keras_bert.checkpoints.weights import with_rows
from keras_bert.files import read_json, replaced_directory, write_json
from keras_bert.models.text_embedder import check_dense, dense_name
from keras_bert.safetensors_file import SafetensorsFile, write_safetensors
from keras_bert.similarity import SIMILARITIES

FORMAT = "sentence_transformers"
MODULES, SETTINGS, MODEL_SETTINGS = "modules.json", "sentence_bert_config.json", "config_sentence_transformers.json"
_FILES = (MODULES, SETTINGS, MODEL_SETTINGS, hugging_face.CONFIG, hugging_face.WEIGHTS, *hugging_face_tokenizer.FILES)

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
_TRANSFORMER, _POOLING, _DENSE, _NORMALIZE = "Transformer", "Pooling", "Dense", "Normalize"
_NO_PICKLES = "Pickles (.bin, .pt) are not read: loading one can run code that it carries"
_FEATURES = ("transformer_task", "modality_config.text.method_output_name")  # what a file says of its model's output
_VECTORS, _LOGITS = ("feature-extraction", "last_hidden_state"), ("sequence-classification", "logits")

# PyTorch's functions of a Dense -> TextEmbedder's.
_FUNCTIONS = {
    "torch.nn.modules.linear.Identity": "linear",
    "torch.nn.modules.activation.Tanh": "tanh",
    "torch.nn.modules.activation.ReLU": "relu",
    "torch.nn.modules.activation.GELU": "gelu",
    "torch.nn.modules.activation.Sigmoid": "sigmoid",
    "torch.nn.modules.activation.SiLU": "silu",
}


def open_checkpoint(directory):
    """Open a sentence-transformers directory: a BERT, its pooling, and perhaps dense layers and a normalisation to length 1.

    A directory of version 6's CrossEncoder, which is a BERT alone, is that of a SequenceClassifier.

    Args: directory: path.
    Returns: Checkpoint; settings has pooling, dense, normalize and, where a file says it, max_length in tokens, prompts, default_prompt,
        similarity and truncate_dim. Of a CrossEncoder: activation, and max_length.
    Raises: ValueError naming the file and what TextEmbedder has not: another module or pooling, several poolings at once.
    Warns: where a CrossEncoder puts a prompt of its own before every text; here the caller does.
    """
    modules = _modules(directory)
    transformer = modules[0][1]
    _check_has_weights(transformer)
    checkpoint = hugging_face.open_checkpoint(transformer)
    said = _read_if_there(os.path.join(transformer, SETTINGS)) or {}
    kinds = [kind for kind, _ in modules]
    if kinds == [_TRANSFORMER] and said.get("transformer_task") == _LOGITS[0]:
        _check_features(os.path.join(transformer, SETTINGS), said, _LOGITS)
        parts = _parts_of_cross_encoder(directory, checkpoint)
        _tell_of_prompt(directory)
    elif kinds[1:2] == [_POOLING] and not set(kinds[2:]) - {_DENSE, _NORMALIZE}:
        _check_features(os.path.join(transformer, SETTINGS), said, _VECTORS)
        parts = _parts_of_embedder(modules, checkpoint)
        parts["settings"] |= _asked_settings(directory)
    else:
        raise ValueError(
            f"{os.path.join(directory, MODULES)}: the modules are {', '.join(kinds)}; expected {_TRANSFORMER}, {_POOLING}, perhaps "
            f"{_DENSE} and {_NORMALIZE}"
        )
    max_length = _max_length(transformer, said, checkpoint.config.max_position_embeddings)
    if max_length is not None:
        parts["settings"]["max_length"] = max_length
    tokenizer = checkpoint.tokenizer
    if said.get("do_lower_case") and tokenizer is not None:
        tokenizer = lambda: _lower_cased(checkpoint.tokenizer())  # noqa: E731 - a wrapped function, not a new one
    return dataclasses.replace(checkpoint, path=directory, format=FORMAT, tokenizer=tokenizer, **parts)


def _parts_of_embedder(modules, checkpoint):
    """Returns: dict of what is changed in the Transformer's Checkpoint."""
    settings = {"pooling": _pooling(modules[1][1], checkpoint.config.hidden_size), "normalize": False}
    size, rows, files = checkpoint.config.hidden_size, [], {}
    for kind, path in modules[2:]:
        if kind == _NORMALIZE:
            settings["normalize"] = True
            continue
        values, tensors = _open_dense(path, size, normalize_before=settings["normalize"])
        name = dense_name(len(files))
        rows += dense_rows(name, f"{name}/linear.", kernel="weight", transform=TRANSPOSED)[: 2 if values["use_bias"] else 1]
        files[name] = tensors
        settings.setdefault("dense", []).append(values)
        settings["normalize"], size = False, values["units"]
    return {
        "network": "TextEmbedder",
        "task": "BertEmbedder",
        "labels": None,
        "settings": settings,
        "rows": (*checkpoint.rows, *rows),
        "tensors": _Tensors(checkpoint.tensors, files) if files else checkpoint.tensors,
    }


def _parts_of_cross_encoder(directory, checkpoint):
    """Returns: as _parts_of_embedder."""
    function = (_read_if_there(os.path.join(directory, MODEL_SETTINGS)) or {}).get("activation_fn")
    activation = {} if function is None else {"activation": hugging_face.activation_of(function)}
    return {"settings": dict(checkpoint.settings) | activation}


def _asked_settings(directory):
    """How the model is asked, where that is not the default. Returns: dict of BertEmbedder's arguments."""
    path = os.path.join(directory, MODEL_SETTINGS)
    values = _read_if_there(path) or {}
    prompts, default, similarity = values.get("prompts") or {}, values.get("default_prompt_name"), values.get("similarity_fn_name")
    if not isinstance(prompts, dict) or not all(isinstance(prompt, str) for prompt in prompts.values()):
        raise ValueError(f"{path}: prompts={prompts!r}; expected an object of names and texts")
    if default is not None and default not in prompts:
        raise ValueError(f"{path}: default_prompt_name={default!r} is none of the prompts: {', '.join(prompts) or 'there are none'}")
    if similarity not in (None, *SIMILARITIES):
        raise ValueError(f"{path}: similarity_fn_name={similarity!r} is not one of {', '.join(SIMILARITIES)}")
    settings = {"prompts": prompts} if any(prompts.values()) else {}
    settings |= {"default_prompt": default} if prompts.get(default) else {}
    settings |= {"similarity": similarity} if similarity not in (None, "cosine") else {}
    return settings | ({"truncate_dim": values["truncate_dim"]} if values.get("truncate_dim") is not None else {})


def write(directory, network, *, tokenizer=None, max_length=None, settings=None):
    """Write what SentenceTransformer(directory) reads, with the very vectors; by files that its older versions know too.

    Args:
        directory: path; what it held before is kept until the new model is whole.
        network: TextEmbedder.
        tokenizer: BertTokenizer, or None: no tokenizer is written.
        max_length: most tokens of a text; None: what the encoder takes.
        settings: dict of BertEmbedder's prompts, default_prompt, similarity, truncate_dim; None: the defaults.
    Raises: ValueError where sentence-transformers has no such network, or the directory holds other things.
    """
    kind = type(network).__name__
    if kind != "TextEmbedder":
        raise ValueError(f"sentence-transformers' modules make a TextEmbedder, not a {kind}; a cross-encoder is written by to_hugging_face")
    if network.pooling not in _POOLINGS:
        raise ValueError(f"pooling={network.pooling!r}: sentence-transformers pools by {', '.join(_POOLINGS)}")
    config, size = network.encoder.config, network.encoder.config.hidden_size
    max_length = config.max_position_embeddings if max_length is None else max_length
    pooling = {"word_embedding_dimension": size} | {key: mode == network.pooling for key, mode in _BOOLEAN_KEYS.items()}
    modules, rows = [(_TRANSFORMER, None, ""), (_POOLING, pooling, "")], []
    for index, values in enumerate(network.dense):
        if values["normalize_before"]:
            modules.append((_NORMALIZE, None, ""))
        function = next(theirs for theirs, ours in _FUNCTIONS.items() if ours == values["activation"])
        said = {"in_features": size, "out_features": values["units"], "bias": values["use_bias"], "activation_function": function}
        modules.append((_DENSE, said, dense_name(index)))
        rows += dense_rows(dense_name(index), "linear.", kernel="weight", transform=TRANSPOSED)
        size = values["units"]
    modules += [(_NORMALIZE, None, "")] if network.normalize else []
    variables = with_rows(network, [*hugging_face.rows(config), *rows], "sentence-transformers")
    folders = [f"{index}_{kind}" if index else "" for index, (kind, _, _) in enumerate(modules)]
    with replaced_directory(directory, (*_FILES, *folders, *_folders_there(directory))) as building:
        ours = [(weight, row) for weight, row in variables if part_of(weight.path) in (ENCODER, POOLER)]
        hugging_face.write_into(building, hugging_face.config_values(config, "BertModel"), ours)
        if tokenizer is not None:
            hugging_face_tokenizer.write(building, tokenizer, max_length)
        write_json(os.path.join(building, MODEL_SETTINGS), _said_of_asking(settings or {}))
        write_json(os.path.join(building, SETTINGS), {"max_seq_length": max_length, "do_lower_case": False})
        listed = [
            {"idx": index, "name": str(index), "path": folder, "type": f"sentence_transformers.models.{kind}"}
            for index, (folder, (kind, _, _)) in enumerate(zip(folders, modules, strict=True))
        ]
        write_json(os.path.join(building, MODULES), listed)
        for folder, (_, said, layer) in list(zip(folders, modules, strict=True))[1:]:
            os.mkdir(os.path.join(building, folder))
            write_json(os.path.join(building, folder, hugging_face.CONFIG), said or {})
            arrays = {name: array for w, row in variables if part_of(w.path) == layer for name, array in row.save(w.read()).items()}
            if arrays:
                shapes = {name: array.shape for name, array in arrays.items()}
                write_safetensors(os.path.join(building, folder, hugging_face.WEIGHTS), shapes, arrays.items(), metadata={"format": "pt"})


def _said_of_asking(settings):
    """Warns: where vectors are to be cut, which sentence-transformers' files do not say."""
    said = {
        "model_type": "SentenceTransformer",
        "prompts": settings.get("prompts") or {},
        "default_prompt_name": settings.get("default_prompt"),
        "similarity_fn_name": settings.get("similarity") or "cosine",
    }
    size = settings.get("truncate_dim")
    if size is None:
        return said
    warnings.warn(
        f"truncate_dim={size}: sentence-transformers takes it from the caller: SentenceTransformer(path, truncate_dim={size})",
        stacklevel=4,
    )
    return said | {"truncate_dim": size}


def _folders_there(directory):
    """Folders of modules that an earlier write may have left. Returns: list of names."""
    names = os.listdir(directory) if os.path.isdir(directory) else []
    return [name for name in names if re.fullmatch(rf"\d+_({_POOLING}|{_DENSE}|{_NORMALIZE})", name)]


class _Tensors:
    """A Transformer's tensors, and those of each dense layer under its name: "dense_0/linear.weight".

    Args: transformer: tensors. dense: dict of name -> tensors.
    Attributes: path: the Transformer's file. shapes: dict of name -> tuple.
    """

    def __init__(self, transformer, dense):
        self.path = transformer.path
        self._homes = {name: (transformer, name) for name in transformer.shapes}
        for layer, tensors in dense.items():
            self._homes |= {f"{layer}/{name}": (tensors, name) for name in tensors.shapes}
        self.shapes = {known_by: tensors.shapes[name] for known_by, (tensors, name) in self._homes.items()}

    def read(self, known_by):
        """Returns: NumPy array of a tensor."""
        tensors, name = self._homes[known_by]
        return tensors.read(name)


def _open_dense(directory, size, *, normalize_before):
    """Args: directory: of a Dense. size: features that it gets. normalize_before: see TextEmbedder.
    Returns: the layer as TextEmbedder's argument has it, and its tensors.
    """
    path = os.path.join(directory, "config.json")
    values = _read_if_there(path)
    if values is None:
        raise ValueError(f"{path} is not there; it says how large the {_DENSE} is")
    vector = "sentence_embedding"
    for name, only in (("in_features", size), ("module_input_name", vector), ("module_output_name", vector), ("use_residual", False)):
        if values.get(name, only) != only:
            raise ValueError(f"{path}: {name}={values[name]!r}; only {only!r} is read here")
    function = values.get("activation_function", "torch.nn.modules.activation.Tanh")  # sentence-transformers' default
    if function not in _FUNCTIONS:
        raise ValueError(f"{path}: activation_function={function!r} is not one of {', '.join(_FUNCTIONS)}")
    dense = {
        "units": values.get("out_features"),
        "activation": _FUNCTIONS[function],
        "use_bias": values.get("bias", True),
        "normalize_before": normalize_before,
    }
    try:
        check_dense([dense])
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    weights = os.path.join(directory, hugging_face.WEIGHTS)
    if not os.path.exists(weights):
        raise ValueError(f"{directory} holds {', '.join(sorted(os.listdir(directory)))}; expected {hugging_face.WEIGHTS}. {_NO_PICKLES}")
    return dense, SafetensorsFile(weights)


def _modules(directory):
    """Returns: list of (kind, directory), the Transformer first."""
    path = os.path.join(directory, MODULES)
    modules = _read_if_there(path, list)
    if modules is None:
        raise ValueError(f"{path} is not there; it says what the model is made of")
    found = []
    for module in sorted(modules, key=lambda module: module.get("idx", 0) if isinstance(module, dict) else 0):
        if not isinstance(module, dict) or not isinstance(module.get("type"), str) or not isinstance(module.get("path", ""), str):
            raise ValueError(f"{path}: {module!r} is no module; expected an object with idx, name, path and type")
        package, _, kind = module["type"].rpartition(".")
        known = (_TRANSFORMER, _POOLING, _DENSE, _NORMALIZE)
        if package.split(".")[0] != "sentence_transformers" or kind not in known:
            raise ValueError(f"{path}: the module {module['type']} cannot be represented; {', '.join(known)} of sentence_transformers can")
        found.append((kind, _inside(directory, path, module.get("path", ""))))
    if not found or found[0][0] != _TRANSFORMER:
        kinds = ", ".join(kind for kind, _ in found) or "none"
        raise ValueError(f"{path}: the modules are {kinds}; expected {_TRANSFORMER} first of them")
    return found


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
            f"{_NO_PICKLES}"
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


def _check_features(path, values, expected):
    """Newer files can say that something else is taken of the model than is read here. Args: expected: _VECTORS or _LOGITS."""
    text = (values.get("modality_config") or {}).get("text") or {}
    for name, found, only in zip(_FEATURES, (values.get("transformer_task"), text.get("method_output_name")), expected, strict=True):
        if found not in (None, only):
            raise ValueError(f"{path}: {name}={found!r}; only {only!r} is read")


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
    return type(tokenizer)(**(tokenizer.get_config() | {"lower_case": True, "strip_accents": bool(tokenizer.strip_accents)}))


def _tell_of_prompt(directory):
    path = os.path.join(directory, MODEL_SETTINGS)
    values = _read_if_there(path) or {}
    prompts, default = values.get("prompts") or {}, values.get("default_prompt_name")
    prompt = prompts.get(default) if isinstance(prompts, dict) else None
    if prompt:
        warnings.warn(f"{path}: the model was trained with {prompt!r} before every text; put it there yourself", stacklevel=4)


def _read_if_there(path, kind=dict):
    return read_json(path, kind) if os.path.exists(path) else None
