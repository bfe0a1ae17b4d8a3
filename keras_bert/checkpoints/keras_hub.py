"""From KerasHub's presets: config.json, model.weights.h5 (or shards and model.weights.json), task.json, task.weights.h5, tokenizer.json."""

import os
import re

import ml_dtypes

from keras_bert.checkpoints.checkpoint import Checkpoint
from keras_bert.checkpoints.rows import Row, heads_in, heads_out
from keras_bert.config import BertConfig
from keras_bert.files import read_json

FORMAT = "keras_hub"
CONFIG, WEIGHTS, INDEX = "config.json", "model.weights.h5", "model.weights.json"
TASK, TASK_WEIGHTS = "task.json", "task.weights.h5"
TOKENIZER, VOCABULARY = "tokenizer.json", os.path.join("assets", "tokenizer", "vocabulary.txt")

_PACKAGES = ("keras_hub", "keras_nlp")  # the second is its older name
_TASK = "task/"  # stands before the names of task.weights.h5: the two files name their tensors alike
_CLASSIFIERS = ("BertTextClassifier", "BertClassifier")  # the second is the older name
_MASKED_LM, _EMBEDDER = "BertMaskedLM", "BertTextEmbedder"

# KerasHub's masked-LM head is not made like its encoder: the exact gelu, and Keras's epsilon. No file says so.
MASKED_LM_SETTINGS = {"head_hidden_act": "gelu", "head_layer_norm_eps": 1e-5}


def open_checkpoint(directory):
    """Open a preset, as BertBackbone, BertTextClassifier, BertMaskedLM and BertTextEmbedder write it by save_to_preset.

    The tokenizer is google-research's over the preset's vocabulary, as the published models were trained with. KerasHub's own
    gives other tokens to some texts: it folds case by NFKC and keeps accents in lower-case text.

    Args: directory: path.
    Returns: Checkpoint. Of a task that is not BERT's, only the encoder.
    Raises: ValueError naming the file and what cannot be used.
    """
    path = os.path.join(directory, CONFIG)
    values = read_json(path)
    if _class_of(values) != "BertBackbone":
        raise ValueError(f"{path} is of {values.get('registered_name') or values.get('class_name')!r}; only keras_hub>BertBackbone is read")
    config = _bert_config(path, values.get("config"))
    task, network = _task_of(directory), None
    task_values = task.get("config") or {}
    labels, settings, head = None, {}, []
    kind = _class_of(task)
    if kind in _CLASSIFIERS:
        network, head = "SequenceClassifier", _dense("classifier", f"{_TASK}layers/dense")
        labels = [f"LABEL_{index}" for index in range(_whole_number(os.path.join(directory, TASK), task_values, "num_classes"))]
        settings = {"dropout": task_values.get("dropout", 0.1)}
    elif kind == _MASKED_LM:
        network, head, settings = "MaskedLM", _masked_lm_rows(), dict(MASKED_LM_SETTINGS)
    elif kind == _EMBEDDER:
        network, settings = "TextEmbedder", _embedder_settings(os.path.join(directory, TASK), task_values)
    tensors = _Tensors(directory, with_task=bool(head))
    _check_heads(config, tensors)
    return Checkpoint(
        path=directory,
        format=FORMAT,
        config=config,
        tensors=tensors,
        rows=tuple(encoder_rows(config) + head),
        network=network,
        task="BertEmbedder" if network == "TextEmbedder" else None,
        labels=labels,
        tokenizer=find_tokenizer(directory),
        settings=settings,
        is_of_encoder=lambda name: name.startswith("layers/") and not name.startswith("layers/dense/"),
        is_optimizer=lambda name: name.startswith(f"{_TASK}optimizer/"),
    )


def encoder_rows(config):
    """The tensors of KerasHub's BertBackbone: Keras numbers them in a layer, and the layers of a class."""
    result = [
        Row("embeddings/word", ("layers/reversible_embedding/vars/0",)),
        Row("embeddings/position", ("layers/position_embedding/vars/0",)),
        Row("embeddings/token_type", ("layers/embedding/vars/0",)),
        *_norm("embeddings/norm", "layers/layer_normalization"),
        *_dense("pooler/dense", "layers/dense"),
    ]
    apart, together = heads_out(config.num_attention_heads), heads_in(config.num_attention_heads)
    for index in range(config.num_hidden_layers):
        ours, theirs = f"layer_{index}", "layers/transformer_encoder" + (f"_{index}" if index else "")
        attention = f"{theirs}/_self_attention_layer"
        projections = [f"{attention}/{name}_dense/vars" for name in ("query", "key", "value")]
        result += [
            Row(f"{ours}/attention/qkv/kernel", tuple(f"{name}/0" for name in projections), apart),
            Row(f"{ours}/attention/qkv/bias", tuple(f"{name}/1" for name in projections), apart),
            Row(f"{ours}/attention/output/kernel", (f"{attention}/output_dense/vars/0",), together),
            Row(f"{ours}/attention/output/bias", (f"{attention}/output_dense/vars/1",)),
            *_norm(f"{ours}/attention_norm", f"{theirs}/_self_attention_layer_norm"),
            *_dense(f"{ours}/intermediate", f"{theirs}/_feedforward_intermediate_dense"),
            *_dense(f"{ours}/output", f"{theirs}/_feedforward_output_dense"),
            *_norm(f"{ours}/output_norm", f"{theirs}/_feedforward_layer_norm"),
        ]
    return result


def _masked_lm_rows():
    head = f"{_TASK}layers/masked_lm_head"
    return [
        *_dense("masked_lm/dense", f"{head}/_intermediate_dense"),
        *_norm("masked_lm/norm", f"{head}/_intermediate_layer_norm"),
        Row("masked_lm/bias", (f"{head}/vars/0",)),
    ]


def find_tokenizer(directory):
    """Returns: function that makes the tokenizer of a preset, or None where it has none."""
    path, vocabulary = os.path.join(directory, TOKENIZER), os.path.join(directory, VOCABULARY)
    if not os.path.exists(path):
        return None

    def make():
        from keras_bert.text import BertTokenizer  # here, so that an encoder alone needs no TensorFlow

        values = read_json(path)
        settings = values.get("config") or {}
        if _class_of(values) != "BertTokenizer":
            raise ValueError(
                f"{path} is of {values.get('registered_name') or values.get('class_name')!r}; only keras_hub>BertTokenizer is read"
            )
        for name, only in (("split", True), ("suffix_indicator", "##"), ("oov_token", "[UNK]")):
            if settings.get(name, only) != only:
                raise ValueError(f"{path}: {name}={settings[name]!r}; a BERT has {only!r}")
        for name in ("lowercase", "strip_accents"):
            if not isinstance(settings.get(name, False), bool):
                raise ValueError(f"{path}: {name}={settings[name]!r} is not true or false")
        if not os.path.exists(vocabulary):
            raise ValueError(f"{path} describes a tokenizer, but its vocabulary {vocabulary} is not there")
        # KerasHub's false is its default, also for uncased models, whose text is to lose its accents.
        strip_accents = True if settings.get("strip_accents") else None
        return BertTokenizer(vocabulary, lower_case=settings.get("lowercase", False), strip_accents=strip_accents)

    return make


class _Tensors:
    """The tensors of a preset's HDF5 files, each read when it is asked for. Those of task.weights.h5 begin with "task/".

    Attributes: path: the file to name in errors. shapes: dict of name -> tuple.
    Raises: ValueError naming the file, and the tensor, where a file is damaged, leads out of itself, or holds other than float weights.
    """

    def __init__(self, directory, *, with_task):
        self.path = os.path.join(directory, WEIGHTS)
        files = [self.path]
        if not os.path.exists(self.path):
            self.path = os.path.join(directory, INDEX)
            if not os.path.exists(self.path):
                raise ValueError(f"{directory} holds neither {WEIGHTS} nor {INDEX}")
            files = _shards(self.path)
        self.shapes, self._homes = {}, {}
        for file in files:
            self._add(file, "")
        if with_task:
            task_weights = os.path.join(directory, TASK_WEIGHTS)
            if not os.path.exists(task_weights):
                raise ValueError(f"{directory}: {TASK} describes a head, but its weights {TASK_WEIGHTS} are not there")
            self._add(task_weights, _TASK)

    def _add(self, file, prefix):
        for name, shape in _datasets(file).items():
            if prefix + name in self._homes:
                raise ValueError(f"{file} and {self._homes[prefix + name][0]} both hold {name}")
            self._homes[prefix + name] = (file, name)
            self.shapes[prefix + name] = shape

    def read(self, name):
        """Returns: NumPy array of tensor `name`."""
        import h5py

        file, name = self._homes[name]
        with h5py.File(file, "r") as opened:
            array = opened[name][...]
            # Keras says bfloat16 in an attribute: HDF5 itself only knows two bytes.
            is_bfloat16 = opened[name].attrs.get("dtype") == "bfloat16" and array.dtype.itemsize == 2
        return array.view(ml_dtypes.bfloat16) if is_bfloat16 else array


def _datasets(file):
    """Returns: dict of name -> shape of what an HDF5 file holds. Raises: ValueError, see _Tensors."""
    import h5py

    found, faults = {}, []

    def visit(name, link):
        if not isinstance(link, h5py.HardLink):
            faults.append(f"{name} is a link to elsewhere")
        elif isinstance(opened[name], h5py.Dataset):
            dataset = opened[name]
            is_bfloat16 = dataset.attrs.get("dtype") == "bfloat16"
            if dataset.is_virtual or dataset.external:
                faults.append(f"{name} lies in another file")
            elif not is_bfloat16 and dataset.dtype.kind != "f" and not name.startswith("optimizer/"):
                faults.append(f"{name} has dtype {dataset.dtype}; weights are floats, and quantized models are not read")
            found[name] = tuple(dataset.shape)

    try:
        with h5py.File(file, "r") as opened:
            opened.visititems_links(visit)
    except OSError as error:
        raise ValueError(f"{file} is not a whole HDF5 file: {error}") from error
    if faults:
        raise ValueError(f"{file}: {faults[0]}")
    return found


def _shards(path):
    """Returns: the files that an index names. Raises: ValueError where it is none, or leads out of its directory."""
    weight_map = read_json(path).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise ValueError(f"{path} is not an index of weights: it has no weight_map")
    names = []
    for value in weight_map.values():
        names += value if isinstance(value, list) else [value]
    for name in names:
        if not isinstance(name, str) or not re.fullmatch(r"[\w.-]+\.h5", name):
            raise ValueError(f"{path} names {name!r}; a shard is a .h5 file beside the index")
        if not os.path.exists(os.path.join(os.path.dirname(path), name)):
            raise ValueError(f"{path} names {name}, which is not there")
    return [os.path.join(os.path.dirname(path), name) for name in sorted(set(names))]


def _bert_config(path, values):
    if not isinstance(values, dict):
        raise ValueError(f"{path} has no config")
    names = {
        "vocabulary_size": "vocab_size",
        "hidden_dim": "hidden_size",
        "num_layers": "num_hidden_layers",
        "num_heads": "num_attention_heads",
        "intermediate_dim": "intermediate_size",
        "max_sequence_length": "max_position_embeddings",
        "num_segments": "type_vocab_size",
    }
    missing = [name for name in names if name not in values]
    if missing:
        raise ValueError(f"{path}: config has no {', '.join(missing)}")
    dropout = values.get("dropout", 0.1)
    try:
        return BertConfig(
            **{ours: values[theirs] for theirs, ours in names.items()},
            # Not in the file: BertBackbone is always built so.
            hidden_act="gelu_tanh",
            layer_norm_eps=1e-12,
            hidden_dropout_prob=dropout,
            attention_probs_dropout_prob=dropout,
        )
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _check_heads(config, tensors):
    """Heads are told apart by shape alone, and joined here: another number of them would fit too."""
    name = "layers/transformer_encoder/_self_attention_layer/query_dense/vars/0"
    shape = tensors.shapes.get(name)
    if shape is not None and (len(shape) != 3 or shape[1] != config.num_attention_heads):
        raise ValueError(
            f"{tensors.path} is a checkpoint of another size than the configuration says: {name} {list(shape)} for "
            f"num_heads={config.num_attention_heads}"
        )


def _task_of(directory):
    path = os.path.join(directory, TASK)
    return read_json(path) if os.path.exists(path) else {}


def _embedder_settings(path, values):
    pooling, normalize = values.get("pooling_mode", "mean"), values.get("normalize", True)
    if pooling not in ("mean", "cls", "max") or not isinstance(normalize, bool):
        raise ValueError(f"{path}: pooling_mode={pooling!r}, normalize={normalize!r}; expected mean, cls or max, and true or false")
    settings = {"pooling": pooling, "normalize": normalize}
    preprocessor = values.get("preprocessor") or {}
    if (preprocessor.get("config") or {}).get("sequence_length") is not None:
        settings["max_length"] = _whole_number(path, preprocessor["config"], "sequence_length")
    return settings


def _whole_number(path, values, name):
    value = values.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{path}: {name}={value!r} is not a positive whole number")
    return value


def _class_of(values):
    """Returns: name of a serialised object's class, or None where it is not KerasHub's."""
    package, _, name = (values.get("registered_name") or "").partition(">")
    return name if package in _PACKAGES else None


def _dense(path, name):
    return [Row(f"{path}/kernel", (f"{name}/vars/0",)), Row(f"{path}/bias", (f"{name}/vars/1",))]


def _norm(path, name):
    return [Row(f"{path}/gamma", (f"{name}/vars/0",)), Row(f"{path}/beta", (f"{name}/vars/1",))]
