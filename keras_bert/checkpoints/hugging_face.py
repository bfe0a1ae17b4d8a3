"""From and to a Transformers directory: config.json, model.safetensors (or shards and their index), vocab.txt, tokenizer.json.

Weights are never unpickled: a pickle can run code, so `pytorch_model.bin` is refused.
"""

import os
import re
import warnings

import numpy as np

from keras_bert.checkpoints import hugging_face_tokenizer
from keras_bert.checkpoints.checkpoint import Checkpoint
from keras_bert.checkpoints.rows import TRANSPOSED, Row, dense_rows, norm_rows
from keras_bert.checkpoints.weights import with_rows
from keras_bert.config import BertConfig
from keras_bert.files import read_json, replaced_directory, write_json
from keras_bert.safetensors_file import SafetensorsFile, ShardedSafetensors, write_safetensors

FORMAT = "hugging_face"
CONFIG, WEIGHTS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"

# Transformers' classes -> ours, in keras_bert.models.
NETWORKS = {
    "BertModel": "BertEncoder",
    "BertForPreTraining": "Pretrainer",
    "BertForMaskedLM": "MaskedLM",
    "BertForNextSentencePrediction": "NextSentence",
    "BertForMultipleChoice": "MultipleChoice",
    "BertForSequenceClassification": "SequenceClassifier",
    "BertForTokenClassification": "TokenClassifier",
    "BertForQuestionAnswering": "SpanClassifier",
}
_ARCHITECTURES = {ours: theirs for theirs, ours in NETWORKS.items()} | {"Tagger": "BertForTokenClassification"}
PLACEHOLDER = "LABEL_"

# The function that sentence-transformers puts over a cross-encoder's logits -> SequenceClassifier's activation. It stands in config.json
# under the newer key's "activation_fn", or the older key.
_FUNCTIONS = {
    "torch.nn.modules.linear.Identity": "linear",
    "torch.nn.modules.activation.Sigmoid": "sigmoid",
    "torch.nn.modules.activation.Softmax": "softmax",
}
_CROSS_ENCODER, _OLDER_FUNCTION = "sentence_transformers", "sbert_ce_default_activation_function"

_BIAS = "cls.predictions.bias"
_DECODER_WEIGHT, _DECODER_BIAS = "cls.predictions.decoder.weight", "cls.predictions.decoder.bias"
# Heads of Transformers' BERT classes, and a buffer that old files hold: known, so not worth a warning where not asked for.
_KNOWN_ELSEWHERE = re.compile(r"(cls|pooler|classifier|qa_outputs)\.|embeddings\.position_ids$")


def open_checkpoint(directory):
    """Open a Transformers directory.

    Args: directory: path.
    Returns: Checkpoint.
    Raises: ValueError naming file and tensor where something cannot be used.
    """
    if is_encoder_decoder(directory):
        from keras_bert.checkpoints import encoder_decoder

        return encoder_decoder.open_checkpoint(directory)
    config = BertConfig.from_json_file(os.path.join(directory, CONFIG))
    tensors = open_tensors(directory)
    architectures = config.extra.get("architectures")
    network = next((NETWORKS[name] for name in architectures if name in NETWORKS), "BertEncoder") if architectures else None
    _check_decoder(config, tensors)
    return Checkpoint(
        path=directory,
        format=FORMAT,
        config=config,
        tensors=tensors,
        # Of the two names under which a file may hold the output bias, the one it has.
        rows=tuple(
            rows(config, masked_lm_bias=_DECODER_BIAS if _BIAS not in tensors.shapes and _DECODER_BIAS in tensors.shapes else _BIAS)
        ),
        network=network,
        labels=_label_names(config, tensors, network),
        tokenizer=hugging_face_tokenizer.find(directory),
        settings=_settings(config.extra),
        is_expected=lambda name: bool(_KNOWN_ELSEWHERE.match(name)),
        is_of_encoder=lambda name: name.startswith(("encoder.", "embeddings.")) and not name.endswith("position_ids"),
    )


def is_encoder_decoder(directory):
    """Whether a Transformers directory holds an EncoderDecoderModel: two models in one file."""
    values = read_json(os.path.join(directory, CONFIG))
    return isinstance(values, dict) and values.get("model_type") == "encoder-decoder"


def rows(config, *, masked_lm_bias=_BIAS):
    """The tensors of Transformers' BERT, without the "bert." that stands before the encoder's in a model with a head."""
    result = [
        Row("embeddings/word", ("embeddings.word_embeddings.weight",)),
        Row("embeddings/token_type", ("embeddings.token_type_embeddings.weight",)),
        *_norm("embeddings/norm", "embeddings.LayerNorm"),
    ]
    if config.position_embeddings == "learned":
        result.append(Row("embeddings/position", ("embeddings.position_embeddings.weight",)))
    for index in range(config.num_hidden_layers):
        ours, theirs = f"layer_{index}", f"encoder.layer.{index}"
        projections = [f"{theirs}.attention.self.{name}" for name in ("query", "key", "value")]
        result += [
            Row(f"{ours}/attention/qkv/kernel", tuple(f"{name}.weight" for name in projections), TRANSPOSED),
            Row(f"{ours}/attention/qkv/bias", tuple(f"{name}.bias" for name in projections)),
            *_dense(f"{ours}/attention/output", f"{theirs}.attention.output.dense"),
            *_norm(f"{ours}/attention_norm", f"{theirs}.attention.output.LayerNorm"),
            *_dense(f"{ours}/intermediate", f"{theirs}.intermediate.dense"),
            *_dense(f"{ours}/output", f"{theirs}.output.dense"),
            *_norm(f"{ours}/output_norm", f"{theirs}.output.LayerNorm"),
        ]
    return [
        *result,
        *_dense("pooler/dense", "pooler.dense"),
        *_dense("classifier", "classifier"),
        *_dense("span", "qa_outputs"),
        *_dense("next_sentence", "cls.seq_relationship"),
        *_dense("masked_lm/dense", "cls.predictions.transform.dense"),
        *_norm("masked_lm/norm", "cls.predictions.transform.LayerNorm"),
        Row("masked_lm/bias", (masked_lm_bias,)),
    ]


def write(directory, network, *, labels=None, tokenizer=None, decoder_tokenizer=None, settings=None):
    """Write what Transformers' from_pretrained reads, with the very logits.

    Args:
        directory: path; what it held before is kept until the new model is whole.
        network: one of keras_bert.models that Transformers has.
        labels: label names by id, of a classifier.
        tokenizer: BertTokenizer, or None: no tokenizer is written.
        decoder_tokenizer: BertTokenizer of a Seq2Seq's decoder, where it has its own.
        settings: dict, of a task that writes: how it does.
    Raises: ValueError where Transformers has no such network or setting, or the directory holds other things.
    """
    kind = type(network).__name__
    if kind == "Seq2Seq":
        from keras_bert.checkpoints import encoder_decoder

        return encoder_decoder.write(directory, network, tokenizer=tokenizer, decoder_tokenizer=decoder_tokenizer, settings=settings)
    if kind not in _ARCHITECTURES:
        raise ValueError(f"Transformers' BERT has no {kind}; it has {', '.join(_ARCHITECTURES)}")
    if getattr(network, "pooling", "pooler") != "pooler":
        raise ValueError(f"pooling={network.pooling!r}: Transformers' BertForSequenceClassification reads the pooler's output")
    if getattr(network, "crf", False) or getattr(network, "lstm_units", None):
        raise ValueError(
            "Transformers' BertForTokenClassification has neither CRF nor LSTM: only keras_bert's own format can hold this tagger"
        )
    encoder = getattr(network, "encoder", network)
    variables = with_rows(network, rows(encoder.config), "Transformers' BERT")
    config = _config_values(network, encoder, labels)
    with replaced_directory(directory, (CONFIG, WEIGHTS, *hugging_face_tokenizer.FILES)) as building:
        write_into(building, config, variables, prefix="" if network is encoder else "bert.")
        if tokenizer is not None:
            hugging_face_tokenizer.write(building, tokenizer, encoder.config.max_position_embeddings)


def write_into(building, config, variables, *, prefix=""):
    """Write config.json and model.safetensors. Args: building: directory. config: JSON object. variables: list of (Weight, Row).
    prefix: before the names of the encoder's tensors.
    """
    shapes = {}
    for weight, row in variables:
        # Names and shapes from zeros that take no memory.
        for name, array in row.save(np.broadcast_to(np.float32(0), weight.shape)).items():
            shapes[_their_name(name, prefix)] = array.shape
    arrays = ((_their_name(name, prefix), array) for weight, row in variables for name, array in row.save(weight.read()).items())
    write_json(os.path.join(building, CONFIG), config, sort_keys=True)
    write_safetensors(os.path.join(building, WEIGHTS), shapes, arrays, metadata={"format": "pt"})


def _their_name(name, prefix):
    return name if name.startswith(("cls.", "classifier.", "qa_outputs.")) else prefix + name


def config_values(config, architecture):
    """config.json of a BertConfig, without what it says of the head or the version of the checkpoint that it came from.

    Args: config: BertConfig. architecture: Transformers' class. Returns: dict.
    """
    values = config.to_transformers()
    of_the_head = ("id2label", "label2id", "problem_type", _CROSS_ENCODER, _OLDER_FUNCTION)
    for key in ("architectures", "transformers_version", "dtype", "torch_dtype", *of_the_head):
        values.pop(key, None)
    return values | {"architectures": [architecture], "dtype": "float32", "tie_word_embeddings": True}


def _config_values(network, encoder, labels):
    values = config_values(encoder.config, _ARCHITECTURES[type(network).__name__])
    settings = network.settings() if network is not encoder else {}
    if settings.get("dropout") is not None:
        values["classifier_dropout"] = settings["dropout"]
    if settings.get("problem_type") is not None:
        values["problem_type"] = settings["problem_type"]
    if settings.get("activation") is not None:
        function = next(theirs for theirs, ours in _FUNCTIONS.items() if ours == settings["activation"])
        extra = encoder.config.extra
        if _OLDER_FUNCTION in extra and _CROSS_ENCODER not in extra:
            values[_OLDER_FUNCTION] = function
        else:
            values[_CROSS_ENCODER] = dict(extra.get(_CROSS_ENCODER) or {}) | {"activation_fn": function}
    count = settings.get("num_labels")
    if count is not None:
        labels = [f"{PLACEHOLDER}{index}" for index in range(count)] if labels is None else list(labels)
        if len(labels) != count:
            raise ValueError(f"{len(labels)} labels ({', '.join(labels)}) for a classifier of {count}")
        values["id2label"] = {str(index): name for index, name in enumerate(labels)}
        values["label2id"] = {name: index for index, name in enumerate(labels)}
    return values


def _settings(extra):
    """What config.json says of the head, beside the labels. Args: extra: its keys that are none of BertConfig's. Returns: dict."""
    cross_encoder = extra.get(_CROSS_ENCODER)
    function = cross_encoder.get("activation_fn") if isinstance(cross_encoder, dict) else None
    settings = {
        "dropout": extra.get("classifier_dropout"),
        "problem_type": extra.get("problem_type"),
        "activation": activation_of(function or extra.get(_OLDER_FUNCTION)),
    }
    return {name: value for name, value in settings.items() if value is not None}


def activation_of(function):
    """SequenceClassifier's activation for the function that a cross-encoder's file names.

    Args: function: name of a PyTorch class, or None. Returns: str or None; a name that is not known comes back as it is, and is refused
        where a SequenceClassifier is made of it: the weights of the encoder are as good as ever.
    """
    return _FUNCTIONS.get(function, function)


def open_tensors(directory):
    """The weights of a directory, by modern names. Returns: SafetensorsFile or ShardedSafetensors."""
    path = os.path.join(directory, WEIGHTS)
    if os.path.exists(path):
        tensors = SafetensorsFile(path, rename=_modern_name)
    else:
        tensors = ShardedSafetensors(os.path.join(directory, INDEX), rename=_modern_name)
    return tensors


def _check_decoder(config, tensors):
    """The masked-LM decoder is the word embedding here. A file may hold it again, but not another one."""
    if _DECODER_WEIGHT not in tensors.shapes:
        return
    word = "embeddings.word_embeddings.weight"
    same = tensors.shapes[_DECODER_WEIGHT] == tensors.shapes.get(word)
    if not same or not np.array_equal(tensors.read(_DECODER_WEIGHT), tensors.read(word)):
        raise ValueError(
            f"{tensors.path}: {_DECODER_WEIGHT} is not the word embedding (tie_word_embeddings="
            f"{config.extra.get('tie_word_embeddings')}); BERT decodes by its word embedding, so this model cannot be represented"
        )


def _label_names(config, tensors, network):
    """The labels of a classifier, of texts or of tokens.

    Where config.json names none, Transformers calls them LABEL_0, LABEL_1, ...; so does this.
    """
    if network not in (None, "SequenceClassifier", "TokenClassifier"):
        return None
    id_to_label = config.extra.get("id2label")
    if id_to_label:
        if sorted(id_to_label) != sorted(str(index) for index in range(len(id_to_label))):
            raise ValueError(f"{CONFIG}: id2label has the ids {', '.join(id_to_label)}; expected 0 to {len(id_to_label) - 1}")
        return _made_distinct([id_to_label[str(index)] for index in range(len(id_to_label))])
    shape = tensors.shapes.get("classifier.weight")
    return None if shape is None else [f"{PLACEHOLDER}{index}" for index in range(shape[0])]


def _made_distinct(names):
    """Number labels of one name, so that each can be told: name, name_2, ... Returns: list. Warns: naming both."""
    distinct = []
    for index, name in enumerate(names):
        count, called = 1, name
        while called in distinct or (count > 1 and called in names):
            count += 1
            called = f"{name}_{count}"
        if called != name:
            warnings.warn(
                f"{CONFIG}: id2label calls both {names.index(name)} and {index} {name!r}; the second is {called!r} here", stacklevel=5
            )
        distinct.append(called)
    return distinct


def names_agree(labels, theirs):
    """Tell whether a checkpoint's classifier gives these labels: its names are theirs, or placeholders for as many."""
    if theirs is None or len(labels) != len(theirs):
        return False
    return labels == theirs or all(name == f"{PLACEHOLDER}{index}" for index, name in enumerate(theirs))


def _modern_name(name):
    """Published files may name the whole model "bert." and LayerNorm's parameters gamma and beta."""
    name = name.removeprefix("bert.")
    return re.sub(r"LayerNorm\.gamma$", "LayerNorm.weight", re.sub(r"LayerNorm\.beta$", "LayerNorm.bias", name))


def _dense(path, name):
    return dense_rows(path, f"{name}.", kernel="weight", transform=TRANSPOSED)


def _norm(path, name):
    return norm_rows(path, f"{name}.", gamma="weight", beta="bias")
