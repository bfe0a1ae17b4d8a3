"""From and to Transformers' EncoderDecoderModel of two BERTs (bert2bert): one config.json and one model.safetensors with both sides.

encoder.*           a BertModel without pooler
decoder.bert.*      a BertLMHeadModel with attention to the encoder, decoder.cls.* its head

A decoder's own tokenizer stands in the folder decoder_tokenizer: AutoTokenizer.from_pretrained(path, subfolder="decoder_tokenizer").
"""

import dataclasses
import os
import re

from keras_bert.checkpoints import hugging_face, hugging_face_tokenizer
from keras_bert.checkpoints.checkpoint import Checkpoint
from keras_bert.checkpoints.rows import DECODER, ENCODER, POOLER, TRANSPOSED, Row, dense_rows, norm_rows, part_of
from keras_bert.checkpoints.weights import with_rows
from keras_bert.config import BertConfig
from keras_bert.files import read_json, replaced_directory, write_json

GENERATION, DECODER_TOKENIZER = "generation_config.json", "decoder_tokenizer"
_FILES = (hugging_face.CONFIG, hugging_face.WEIGHTS, GENERATION, DECODER_TOKENIZER, *hugging_face_tokenizer.FILES)
_ARCHITECTURE, _MODEL_TYPE = "EncoderDecoderModel", "encoder-decoder"
_ROLES = {"encoder": {"is_decoder": False, "add_cross_attention": False}, "decoder": {"is_decoder": True, "add_cross_attention": True}}
# Of generation_config.json, or in older files of config.json -> arguments of the task. Theirs counts no end among the least.
_SETTINGS = {
    "max_length": "max_target_length",
    "min_length": "min_target_length",
    "num_beams": "num_beams",
    "length_penalty": "length_penalty",
    "no_repeat_ngram_size": "no_repeat_ngrams",
}
# What older files hold again, or hold unused.
_KNOWN = re.compile(r"encoder\.pooler\.|decoder\.cls\.predictions\.decoder\.|(encoder|decoder\.bert)\.embeddings\.position_ids$")


def open_checkpoint(directory):
    """Open a directory whose config.json says "encoder-decoder".

    Args: directory: path. Returns: Checkpoint. Raises: ValueError naming file and what cannot be used.
    """
    path = os.path.join(directory, hugging_face.CONFIG)
    values = read_json(path)
    encoder, decoder = (_side(values, side, path) for side in _ROLES)
    if encoder.hidden_size != decoder.hidden_size:
        raise ValueError(f"{path}: hidden_size {encoder.hidden_size} and {decoder.hidden_size}, with a projection between: it is not read")
    tensors = hugging_face.open_tensors(directory)
    _check_output(tensors)
    own = hugging_face_tokenizer.find(os.path.join(directory, DECODER_TOKENIZER))
    return Checkpoint(
        path=directory,
        format=hugging_face.FORMAT,
        config=encoder,
        tensors=tensors,
        rows=tuple(rows(encoder, decoder)),
        network="Seq2Seq",
        task="BertSeq2Seq",
        tokenizer=hugging_face_tokenizer.find(directory),
        settings={"decoder": decoder.to_dict()} | _settings(directory, values, decoder) | ({"decoder_tokenizer": own()} if own else {}),
        is_expected=lambda name: bool(_KNOWN.match(name)) or name.startswith("decoder."),
        is_of_encoder=lambda name: name.startswith("encoder.") and not _KNOWN.match(name),
    )


def rows(encoder, decoder):
    """The tensors of both sides. Args: encoder, decoder: BertConfig. Returns: list of Row."""
    return [
        *(_renamed(row, "encoder.") for row in hugging_face.rows(encoder) if part_of(row.path) == ENCODER),
        *decoder_rows(decoder),
    ]


def decoder_rows(config):
    """The tensors of a decoder. Args: config: BertConfig of it. Returns: list of Row."""
    result = []
    for row in hugging_face.rows(config):
        part = part_of(row.path)
        if part in (ENCODER, "masked_lm"):
            theirs = _renamed(row, "decoder.bert." if part == ENCODER else "decoder.")
            result.append(dataclasses.replace(theirs, path=f"{DECODER}/{row.path}"))
    for index in range(config.num_hidden_layers):
        ours, theirs = f"{DECODER}/layer_{index}/cross_attention", f"decoder.bert.encoder.layer.{index}.crossattention"
        key_value = [f"{theirs}.self.{name}" for name in ("key", "value")]
        result += [
            *dense_rows(f"{ours}/query", f"{theirs}.self.query.", kernel="weight", transform=TRANSPOSED),
            Row(f"{ours}/key_value/kernel", tuple(f"{name}.weight" for name in key_value), TRANSPOSED),
            Row(f"{ours}/key_value/bias", tuple(f"{name}.bias" for name in key_value)),
            *dense_rows(f"{ours}/output", f"{theirs}.output.dense.", kernel="weight", transform=TRANSPOSED),
            *norm_rows(f"{ours}_norm", f"{theirs}.output.LayerNorm.", gamma="weight", beta="bias"),
        ]
    return result


def write(directory, network, *, tokenizer=None, decoder_tokenizer=None, settings=None):
    """Write what Transformers' EncoderDecoderModel.from_pretrained reads, with the very logits. Shared weights are written for each side.

    Args: directory: path. network: models.Seq2Seq. tokenizer: BertTokenizer of both sides, or None. decoder_tokenizer: BertTokenizer of the
        decoder, where it has its own. settings: of the task: how it writes, which Transformers' generate then does too.
    Raises: ValueError where Transformers has no such model, or the directory holds other things.
    """
    encoder, decoder = network.encoder.config, network.decoder.config
    if encoder.hidden_size != decoder.hidden_size:
        raise ValueError(
            f"encoder and decoder have hidden_size {encoder.hidden_size} and {decoder.hidden_size}: Transformers would want a projection "
            "between them"
        )
    of_encoder = [_renamed(row, "encoder.") for row in hugging_face.rows(encoder) if part_of(row.path) in (ENCODER, POOLER)]
    of_decoder = {row.path: row for row in decoder_rows(decoder)}
    variables = with_rows(network, [*of_encoder, *of_decoder.values()], "Transformers' EncoderDecoderModel")
    if network.shared:
        variables += [(weight, of_decoder[f"{DECODER}/{row.path}"]) for weight, row in variables if f"{DECODER}/{row.path}" in of_decoder]
    with replaced_directory(directory, _FILES) as building:
        config = _config(encoder, decoder, tokenizer if decoder_tokenizer is None else decoder_tokenizer)
        hugging_face.write_into(building, config, variables)
        ids = {name: config[name] for name in config if name.endswith("token_id")}
        write_json(os.path.join(building, GENERATION), ids | _generation(settings or {}))
        if tokenizer is not None:
            hugging_face_tokenizer.write(building, tokenizer, encoder.max_position_embeddings)
        if decoder_tokenizer is not None:
            folder = os.path.join(building, DECODER_TOKENIZER)
            os.mkdir(folder)
            hugging_face_tokenizer.write(folder, decoder_tokenizer, decoder.max_position_embeddings)


def _renamed(row, prefix):
    return dataclasses.replace(row, names=tuple(prefix + name for name in row.names))


def _side(values, side, path):
    """One side's BertConfig. Raises: ValueError where it is no BERT, or not of that side."""
    of_side = values.get(side)
    if not isinstance(of_side, dict):
        raise ValueError(f"{path}: no {side!r}")
    for name, wanted in _ROLES[side].items():
        if bool(of_side.get(name, wanted)) != wanted:
            raise ValueError(f"{path}: {side} has {name}={of_side[name]!r}; expected {str(wanted).lower()}")
    try:
        return BertConfig.from_transformers({name: value for name, value in of_side.items() if name not in _ROLES[side]})
    except ValueError as error:
        raise ValueError(f"{path}: {side}: {error}") from error


def _check_output(tensors):
    """Raises: ValueError where the decoder's output is another matrix than its word embedding."""
    output, words = "decoder.cls.predictions.decoder.weight", "decoder.bert.embeddings.word_embeddings.weight"
    if output in tensors.shapes and not (tensors.read(output) == tensors.read(words)).all():
        raise ValueError(f"{tensors.path}: {output} is not {words}; a decoder here writes by its word embedding")


def _settings(directory, values, decoder):
    path = os.path.join(directory, GENERATION)
    said = values | (read_json(path) if os.path.exists(path) else {})
    # 0 says that there is no least length, and no run that may not stand twice; of the penalty it is a number.
    settings = {
        ours: said[theirs] for theirs, ours in _SETTINGS.items() if said.get(theirs) or (ours == "length_penalty" and theirs in said)
    }
    settings = {name: value for name, value in settings.items() if value is not None}
    if said.get("early_stopping") is not None:
        settings["early_stopping"] = said["early_stopping"]
    if "max_target_length" in settings:
        settings["max_target_length"] = min(settings["max_target_length"], decoder.max_position_embeddings)
    if "min_target_length" in settings:
        settings["min_target_length"] += 1
    return settings


def _generation(settings):
    """The reverse of `_settings`. What only a search has is left out where there is none: Transformers would warn of it."""
    said = {theirs: settings[ours] for theirs, ours in _SETTINGS.items() if settings.get(ours) is not None}
    if "min_length" in said:
        said["min_length"] -= 1
    if said.get("num_beams", 1) == 1:
        said.pop("length_penalty", None)
    else:
        said["early_stopping"] = settings["early_stopping"]
    return said


def _config(encoder, decoder, tokenizer):
    values = {"architectures": [_ARCHITECTURE], "model_type": _MODEL_TYPE, "is_encoder_decoder": True, "dtype": "float32"}
    for side, config in (("encoder", encoder), ("decoder", decoder)):
        of_side = config.to_transformers()
        for name in ("architectures", "transformers_version", "dtype", "torch_dtype"):
            of_side.pop(name, None)
        values[side] = of_side | _ROLES[side] | {"tie_word_embeddings": True}
    if tokenizer is not None:
        ids = {"decoder_start_token_id": tokenizer.cls_id, "eos_token_id": tokenizer.sep_id, "pad_token_id": tokenizer.pad_id}
        values |= ids | {"vocab_size": decoder.vocab_size}
    return values
