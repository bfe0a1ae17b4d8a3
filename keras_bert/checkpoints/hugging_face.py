"""Read a Transformers directory: config.json, model.safetensors, vocab.txt.

Weights are never unpickled: a pickle can run code, so `pytorch_model.bin` is refused.
"""

import json
import os
import re
import warnings

import numpy as np

from keras_bert.checkpoints.assign import Row, assign_rows
from keras_bert.checkpoints.safetensors_file import SafetensorsFile
from keras_bert.config import BertConfig

CONFIG, WEIGHTS, VOCABULARY, TOKENIZER_CONFIG = "config.json", "model.safetensors", "vocab.txt", "tokenizer_config.json"

CLASSIFIER_ARCHITECTURE = "BertForSequenceClassification"
PLACEHOLDER = "LABEL_"

# Heads of Transformers' BERT classes, and a buffer that old files hold: known, so not worth a warning where not asked for.
_KNOWN_ELSEWHERE = re.compile(r"(cls|pooler|classifier|qa_outputs)\.|embeddings\.position_ids$")


def read_config(directory):
    """Returns: BertConfig of `directory`/config.json; label names and the like stand in its `extra`."""
    return BertConfig.from_json_file(os.path.join(directory, CONFIG))


def read_label_names(directory, config):
    """The labels of a text classifier, if that is what a directory holds.

    Args: directory: path. config: BertConfig from read_config.
    Returns: list[str] by id, or None where there is no text classifier. Where config.json names none, Transformers calls
        them LABEL_0, LABEL_1, ...; so does this.
    Raises: ValueError where the ids are not 0, 1, 2, ...
    """
    if CLASSIFIER_ARCHITECTURE not in (config.extra.get("architectures") or [CLASSIFIER_ARCHITECTURE]):
        return None  # a tagger's head has the same names, and labels too
    id_to_label = config.extra.get("id2label")
    if id_to_label:
        if sorted(id_to_label) != sorted(str(index) for index in range(len(id_to_label))):
            raise ValueError(f"{CONFIG}: id2label has the ids {', '.join(id_to_label)}; expected 0 to {len(id_to_label) - 1}")
        return [id_to_label[str(index)] for index in range(len(id_to_label))]
    shape = SafetensorsFile(os.path.join(directory, WEIGHTS)).shapes.get("classifier.weight")
    return None if shape is None else [f"{PLACEHOLDER}{index}" for index in range(shape[0])]


def names_agree(labels, theirs):
    """Tell whether a checkpoint's classifier gives these labels: its names are theirs, or placeholders for as many."""
    if theirs is None or len(labels) != len(theirs):
        return False
    return labels == theirs or all(name == f"{PLACEHOLDER}{index}" for index, name in enumerate(theirs))


def read_tokenizer_settings(directory):
    """What tokenizer_config.json says of a vocabulary.

    Returns: dict of BertTokenizer arguments. Without the file: lower_case=True, as Transformers' BertTokenizer has it.
        max_word_characters is 100, which Transformers fixes.
    Raises: ValueError on a setting that BertTokenizer does not have.
    """
    path = os.path.join(directory, TOKENIZER_CONFIG)
    settings = {}
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            settings = json.load(file)
    lower_case = settings.get("do_lower_case", True)
    if settings.get("strip_accents") not in (None, lower_case):
        raise ValueError(
            f"{path}: strip_accents={settings['strip_accents']} with do_lower_case={lower_case}: accents are stripped exactly "
            "where text is lower-cased"
        )
    if not settings.get("tokenize_chinese_chars", True):
        raise ValueError(f"{path}: tokenize_chinese_chars=false: Chinese characters are always split")
    return {"lower_case": lower_case, "max_word_characters": 100}


def load_encoder_weights(encoder, directory):
    """Fill a BertEncoder from `directory`/model.safetensors.

    Args: encoder: BertEncoder of the directory's configuration. directory: path.
    Returns: LoadReport.
    Raises: ValueError naming tensors that are missing, misshapen, or of layers that the configuration does not have.
    Warns: where the pooler is not in the file, or a tensor is of no BERT.
    """
    return _load(encoder, _encoder_rows(encoder), directory, optional_parts=("pooler",))


def load_sequence_classifier_weights(network, directory, *, head):
    """Fill a SequenceClassifier.

    Args: network: SequenceClassifier. directory: path. head: take the classifier too, where the file has it.
    Returns, raises, warns: as load_encoder_weights; warns too where the classifier is new.
    """
    head_rows = _dense_rows("classifier", "classifier", part="classifier")
    rows = _encoder_rows(network.encoder) + (head_rows if head else [])
    fresh = () if head else tuple(row.path for row in head_rows)
    return _load(network, rows, directory, optional_parts=("pooler", "classifier"), fresh=fresh)


def _load(model, rows, directory, *, optional_parts, fresh=()):
    path = os.path.join(directory, WEIGHTS)
    tensors = SafetensorsFile(path, rename=_modern_name)
    variables = {variable.path: variable for variable in model.weights}
    report = assign_rows(variables, rows, tensors, source=path, optional_parts=optional_parts, fresh=fresh)
    foreign = [name for name in report.ignored if not _KNOWN_ELSEWHERE.match(name)]
    other_size = [name for name in foreign if name.startswith(("encoder.", "embeddings."))]
    if other_size:
        raise ValueError(
            f"{path} is a checkpoint of another size than {CONFIG} says: the model has no place for {', '.join(other_size[:8])}"
        )
    if foreign:
        warnings.warn(f"{path}: ignored {len(foreign)} tensors that no BERT has: {', '.join(foreign[:8])}", stacklevel=4)
    if report.initialised:
        warnings.warn(
            f"{path} has no weights that fit {', '.join(report.initialised)}: newly initialised; train before use",
            stacklevel=4,
        )
    return report


def _modern_name(name):
    """Published files may name the whole model "bert." and LayerNorm's parameters gamma and beta."""
    name = name.removeprefix("bert.")
    return re.sub(r"LayerNorm\.gamma$", "LayerNorm.weight", re.sub(r"LayerNorm\.beta$", "LayerNorm.bias", name))


def _only(tensors):
    return tensors[0]


def _transposed(tensors):
    return tensors[0].T  # PyTorch keeps [out, in]


def _joined_transposed(tensors):
    return np.concatenate([tensor.T for tensor in tensors], axis=1)


def _joined(tensors):
    return np.concatenate(tensors)


def _encoder_rows(encoder):
    rows = [
        Row("embeddings/word", ("embeddings.word_embeddings.weight",), _only, "encoder"),
        Row("embeddings/token_type", ("embeddings.token_type_embeddings.weight",), _only, "encoder"),
        *_norm_rows("embeddings/norm", "embeddings.LayerNorm"),
    ]
    if encoder.config.position_embeddings == "learned":
        rows.append(Row("embeddings/position", ("embeddings.position_embeddings.weight",), _only, "encoder"))
    for index in range(encoder.config.num_hidden_layers):
        ours, theirs = f"layer_{index}", f"encoder.layer.{index}"
        projections = [f"{theirs}.attention.self.{name}" for name in ("query", "key", "value")]
        rows += [
            Row(f"{ours}/attention/qkv/kernel", tuple(f"{name}.weight" for name in projections), _joined_transposed, "encoder"),
            Row(f"{ours}/attention/qkv/bias", tuple(f"{name}.bias" for name in projections), _joined, "encoder"),
            *_dense_rows(f"{ours}/attention/output", f"{theirs}.attention.output.dense"),
            *_norm_rows(f"{ours}/attention_norm", f"{theirs}.attention.output.LayerNorm"),
            *_dense_rows(f"{ours}/intermediate", f"{theirs}.intermediate.dense"),
            *_dense_rows(f"{ours}/output", f"{theirs}.output.dense"),
            *_norm_rows(f"{ours}/output_norm", f"{theirs}.output.LayerNorm"),
        ]
    if encoder.pooler:
        rows += _dense_rows("pooler/dense", "pooler.dense", part="pooler")
    return rows


def _dense_rows(ours, theirs, part="encoder"):
    return [
        Row(f"{ours}/kernel", (f"{theirs}.weight",), _transposed, part),
        Row(f"{ours}/bias", (f"{theirs}.bias",), _only, part),
    ]


def _norm_rows(ours, theirs):
    return [
        Row(f"{ours}/gamma", (f"{theirs}.weight",), _only, "encoder"),
        Row(f"{ours}/beta", (f"{theirs}.bias",), _only, "encoder"),
    ]
