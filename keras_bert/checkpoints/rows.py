"""Rows: which tensors of a checkpoint make up which variable, and back. A format is a list of them."""

import dataclasses
from collections.abc import Callable

import numpy as np


@dataclasses.dataclass(frozen=True)
class Transform:
    """What happens to one tensor on its way. load: theirs -> ours. save: ours -> theirs. Neither changes a number."""

    load: Callable
    save: Callable


SAME = Transform(lambda array: array, lambda array: array)
TRANSPOSED = Transform(lambda array: array.T, lambda array: array.T)  # PyTorch keeps [out, in]


def heads_out(num_heads):
    """A projection that keeps its heads apart: [in, heads, per head] or, a bias, [heads, per head]; ours are joined."""
    return Transform(
        lambda array: array.reshape(*array.shape[:-2], -1),
        lambda array: array.reshape(*array.shape[:-1], num_heads, -1),
    )


def heads_in(num_heads):
    """A projection of heads that are kept apart: [heads, per head, out]; ours are joined."""
    return Transform(
        lambda array: array.reshape(-1, array.shape[-1]),
        lambda array: array.reshape(num_heads, -1, array.shape[-1]),
    )


@dataclasses.dataclass(frozen=True)
class Row:
    """Where one variable comes from, and where it goes.

    Args:
        path: of the variable, such as "layer_0/attention/qkv/kernel".
        names: the checkpoint's tensors that it is made of: one, or several joined at the last axis.
        transform: of each of these tensors.
    """

    path: str
    names: tuple[str, ...]
    transform: Transform = SAME

    def load(self, tensors):
        """Args: tensors: NumPy arrays, one a name. Returns: NumPy array of the variable."""
        loaded = [self.transform.load(tensor) for tensor in tensors]
        return loaded[0] if len(loaded) == 1 else np.concatenate(loaded, axis=-1)

    def save(self, array):
        """Args: array: NumPy array of the variable. Returns: dict of name -> NumPy array."""
        parts = np.split(array, len(self.names), axis=-1) if len(self.names) > 1 else [array]
        return {name: self.transform.save(part) for name, part in zip(self.names, parts, strict=True)}

    def loaded_shape(self, shapes):
        """The variable's shape from the tensors' alone. Args: shapes: tuples, one a name. Returns: tuple, or None: they do not fit."""
        try:
            return self.load([np.broadcast_to(np.float32(0), shape) for shape in shapes]).shape
        except ValueError:
            return None


def dense_rows(path, name, *, kernel="kernel", transform=SAME):
    """Rows of a dense layer. Args: path, name: ours, theirs, up to the layer; theirs ends in its separator. Returns: list."""
    return [Row(f"{path}/kernel", (f"{name}{kernel}",), transform), Row(f"{path}/bias", (f"{name}bias",))]


def norm_rows(path, name, *, gamma="gamma", beta="beta"):
    """Rows of a LayerNorm. Args, Returns: as dense_rows."""
    return [Row(f"{path}/gamma", (f"{name}{gamma}",)), Row(f"{path}/beta", (f"{name}{beta}",))]


ENCODER, POOLER, DECODER = "encoder", "pooler", "decoder"
# Parts of a decoder, which a checkpoint of an encoder has, or has not, each by itself.
CROSS_ATTENTION = "decoder/cross_attention"
DECODER_WORDS = ("decoder/embeddings/word", "decoder/masked_lm/bias")  # with a row for each piece of its vocabulary


def part_of(path):
    """What a variable belongs to.

    Args: path: of it. Returns: "encoder", "pooler", or the name of a head's layer; of a decoder "decoder" for its embeddings and blocks,
        CROSS_ATTENTION, one of DECODER_WORDS, or "decoder/" and the name of its head's layer.
    """
    first, _, rest = path.partition("/")
    if first == DECODER and rest:
        if "/cross_attention" in rest:
            return CROSS_ATTENTION
        if path in DECODER_WORDS:
            return path
        part = part_of(rest)
        return DECODER if part == ENCODER else f"{DECODER}/{part}"
    return ENCODER if first == "embeddings" or first.startswith("layer_") else first
