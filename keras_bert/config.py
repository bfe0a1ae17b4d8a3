"""BertConfig: the numbers that define a BERT, from and to the two files in which checkpoints state them.

`bert_config.json` (google-research/bert) and `config.json` (Transformers) share most names but not the meaning of
`"hidden_act": "gelu"`: google-research computes the tanh approximation, Transformers the exact form with erf. BertConfig
names the two apart and translates.
"""

import dataclasses
import numbers
import os
from collections.abc import Mapping
from typing import Any

from keras_bert.files import read_json, write_json

# Ours -> theirs. "gelu" is the exact form x * Phi(x); "gelu_tanh" is its tanh approximation (Hendrycks & Gimpel 2016).
_TO_GOOGLE = {"gelu_tanh": "gelu", "relu": "relu", "tanh": "tanh", "linear": "linear"}
_TO_TRANSFORMERS = {"gelu": "gelu", "gelu_tanh": "gelu_new", "relu": "relu", "tanh": "tanh", "silu": "silu", "linear": "linear"}
_FROM_GOOGLE = {theirs: ours for ours, theirs in _TO_GOOGLE.items()} | {"": "linear", None: "linear"}
_FROM_TRANSFORMERS = {theirs: ours for ours, theirs in _TO_TRANSFORMERS.items()} | {
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "swish": "silu",
}
ACTIVATIONS = tuple(_TO_TRANSFORMERS)

_POSITIONS_FROM_TRANSFORMERS = {"absolute": "learned", "sinusoidal": "sinusoidal"}
_POSITIONS_TO_TRANSFORMERS = {ours: theirs for theirs, ours in _POSITIONS_FROM_TRANSFORMERS.items()}

# Every published file says these; without them the defaults would quietly make another model.
_REQUIRED_IN_FILES = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")

_FILE_DIALECTS = {"bert_config.json": "google", "config.json": "transformers"}


@dataclasses.dataclass(frozen=True)
class BertConfig:
    """What defines a BERT encoder. The defaults are BERT-base, uncased, as google-research published it.

    Args:
        vocab_size: rows of the word embedding.
        hidden_size: features of a token in every layer; a multiple of num_attention_heads.
        num_hidden_layers: transformer blocks.
        num_attention_heads: heads of each attention.
        intermediate_size: features inside the feed-forward network.
        hidden_act: "gelu" (exact, erf), "gelu_tanh" (google-research's "gelu"), "relu", "tanh", "silu" or "linear".
        hidden_dropout_prob: dropout after the embeddings, the attention output and the feed-forward output; in [0, 1).
        attention_probs_dropout_prob: dropout of the attention probabilities; in [0, 1).
        max_position_embeddings: longest input in tokens.
        type_vocab_size: token types (segments).
        initializer_range: standard deviation of the truncated normal that new weights are drawn from.
        layer_norm_eps: epsilon of every LayerNorm.
        position_embeddings: "learned" or "sinusoidal" (Vaswani et al. 2017, fixed).
        extra: keys of a configuration file that mean nothing here; kept, and written again.

    Raises: ValueError where a value is impossible, naming it.
    Source: Devlin et al. 2018; google-research/bert modeling.py BertConfig.
    """

    vocab_size: int = 30522
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu_tanh"
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-12
    position_embeddings: str = "learned"
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, hash=False)

    def __post_init__(self):
        for name in (
            "vocab_size",
            "hidden_size",
            "num_hidden_layers",
            "num_attention_heads",
            "intermediate_size",
            "max_position_embeddings",
            "type_vocab_size",
        ):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1:
                raise ValueError(f"{name}={value!r} is not a positive whole number")
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"hidden_size={self.hidden_size} is not a multiple of num_attention_heads={self.num_attention_heads}: "
                "the heads share the hidden features evenly"
            )
        for name in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
            value = getattr(self, name)
            if not _is_real(value) or not 0 <= value < 1:
                raise ValueError(f"{name}={value!r} is not a probability in [0, 1)")
        for name in ("initializer_range", "layer_norm_eps"):
            value = getattr(self, name)
            if not _is_real(value) or not 0 < value < float("inf"):
                raise ValueError(f"{name}={value!r} is not a positive number")
        if self.hidden_act not in ACTIVATIONS:
            raise ValueError(f"hidden_act={self.hidden_act!r} is not one of {', '.join(ACTIVATIONS)}")
        if self.position_embeddings not in _POSITIONS_TO_TRANSFORMERS:
            raise ValueError(f"position_embeddings={self.position_embeddings!r} is neither 'learned' nor 'sinusoidal'")
        if self.position_embeddings == "sinusoidal" and self.hidden_size % 2:
            raise ValueError(f"hidden_size={self.hidden_size} is odd: sinusoidal positions pair sines with cosines")

    @classmethod
    def from_google(cls, mapping):
        """Read what `bert_config.json` says; "gelu" there is the tanh form.

        Args: mapping: the file's JSON object.
        Returns: BertConfig. Unknown keys stand in `extra`.
        Raises: ValueError on a value that this model cannot have.
        """
        values = dict(mapping)
        if "hidden_act" in values:
            values["hidden_act"] = _translate("hidden_act", values["hidden_act"], _FROM_GOOGLE)
        return cls._from_known_and_extra(values)

    def to_google(self):
        """Say it as `bert_config.json` does.

        Returns: dict.
        Raises: ValueError where google-research's file has no word for a value (exact gelu, another LayerNorm epsilon).
        """
        values = self._known_and_extra()
        if self.hidden_act == "gelu":
            raise ValueError(
                "bert_config.json cannot say hidden_act='gelu', the exact form with erf: its \"gelu\" is the tanh form, 'gelu_tanh', "
                "and the outputs would change by some 1e-3. Transformers' config.json can say it"
            )
        values["hidden_act"] = _translate("hidden_act", self.hidden_act, _TO_GOOGLE)
        for name, only in (("layer_norm_eps", 1e-12), ("position_embeddings", "learned")):
            if values.pop(name) != only:
                raise ValueError(f"bert_config.json cannot say {name}={getattr(self, name)!r}: google-research's code always uses {only!r}")
        return values

    @classmethod
    def from_transformers(cls, mapping):
        """Read what `config.json` says; "gelu" there is the exact form.

        Args: mapping: the file's JSON object.
        Returns: BertConfig. Unknown keys (`id2label`, `architectures`, ...) stand in `extra`.
        Raises: ValueError where the file is not of a classic BERT.
        """
        values = dict(mapping)
        model_type = values.get("model_type", "bert")
        if model_type != "bert":
            raise ValueError(f"model_type={model_type!r} in config.json: only 'bert' is read")
        for name in ("is_decoder", "add_cross_attention"):
            if values.get(name):
                raise ValueError(f"{name}=true in config.json: only encoders are read")
        # Transformers' BertConfig defaults to the exact gelu, so a file that leaves hidden_act out means that.
        values["hidden_act"] = _translate("hidden_act", values.get("hidden_act", "gelu"), _FROM_TRANSFORMERS)
        positions = values.pop("position_embedding_type", "absolute")
        values["position_embeddings"] = _translate("position_embedding_type", positions, _POSITIONS_FROM_TRANSFORMERS)
        return cls._from_known_and_extra(values)

    def to_transformers(self):
        """Say it as `config.json` does.

        Returns: dict, with `model_type` "bert".
        """
        values = {"model_type": "bert"} | self._known_and_extra()
        values["hidden_act"] = _translate("hidden_act", self.hidden_act, _TO_TRANSFORMERS)
        values["position_embedding_type"] = _POSITIONS_TO_TRANSFORMERS[values.pop("position_embeddings")]
        return values

    @classmethod
    def from_json_file(cls, path, *, dialect=None):
        """Read a configuration file.

        Args:
            path: the file.
            dialect: "google" or "transformers"; None tells it by the name, `bert_config.json` or `config.json`.
        Returns: BertConfig.
        Raises: ValueError naming the file where it is not JSON or says something impossible.
        """
        read = cls.from_google if _dialect_of(path, dialect) == "google" else cls.from_transformers
        mapping = read_json(path)
        try:
            return read(mapping)
        except ValueError as error:
            raise ValueError(f"{os.fspath(path)}: {error}") from error

    def to_json_file(self, path, *, dialect=None):
        """Write a configuration file, in the dialect that its name (or `dialect`) tells. See from_json_file."""
        values = self.to_google() if _dialect_of(path, dialect) == "google" else self.to_transformers()
        write_json(path, values, sort_keys=True)

    def to_dict(self):
        """Returns: dict of the constructor's arguments, plain enough for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, mapping):
        """The inverse of to_dict. Raises: ValueError naming a key that is none of the constructor's."""
        unknown = set(mapping) - {field.name for field in dataclasses.fields(cls)}
        if unknown:
            raise ValueError(f"BertConfig has no {', '.join(sorted(unknown))}; a configuration file is read by from_json_file")
        return cls(**mapping)

    @classmethod
    def _from_known_and_extra(cls, values):
        missing = [name for name in _REQUIRED_IN_FILES if name not in values]
        if missing:
            raise ValueError(f"no {', '.join(missing)}; this does not describe a BERT")
        known = {field.name for field in dataclasses.fields(cls)} - {"extra"}
        extra = {name: value for name, value in values.items() if name not in known}
        return cls(**{name: value for name, value in values.items() if name in known}, extra=extra)

    def _known_and_extra(self):
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name != "extra"}
        return dict(self.extra) | values


def _is_real(value):
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _translate(name, value, table):
    if value not in table:
        raise ValueError(f"{name}={value!r} is not one of {', '.join(repr(key) for key in table if key)}")
    return table[value]


def _dialect_of(path, dialect):
    if dialect is None:
        dialect = _FILE_DIALECTS.get(os.path.basename(os.fspath(path)))
        if dialect is None:
            raise ValueError(f"{os.fspath(path)}: the name tells no dialect; give dialect='google' or dialect='transformers'")
    if dialect not in _FILE_DIALECTS.values():
        raise ValueError(f"dialect={dialect!r} is neither 'google' nor 'transformers'")
    return dialect
