"""The weights of a network as a file is to hold them: each by a path of its own, LoRA's parts added to the kernels they belong to."""

import dataclasses
from typing import Any

import numpy as np
from keras import ops


@dataclasses.dataclass(frozen=True)
class Weight:
    """One of them.

    Args:
        path: its name, such as "layer_0/attention/qkv/kernel".
        variable: the keras.Variable.
        lora: the dense layer whose LoRA is added to it, or None.
    """

    path: str
    variable: Any
    lora: Any = None

    @property
    def shape(self):
        return tuple(self.variable.shape)

    def read(self):
        """Returns: NumPy array of what the network computes with."""
        if self.lora is None:
            return np.asarray(self.variable.value)
        # As keras.layers.Dense.kernel, which would round to the compute dtype.
        scale = self.lora.lora_alpha / self.lora.lora_rank
        return np.asarray(ops.add(self.variable, scale * ops.matmul(self.lora.lora_kernel_a, self.lora.lora_kernel_b)))


def weights_to_write(network):
    """Args: network: one of keras_bert.models; it stays as it is. Returns: list of Weight. Raises: ValueError where two have one path."""
    merged, parts = {}, set()
    for layer in network._flatten_layers():
        if getattr(layer, "lora_enabled", False):
            parts |= {id(layer.lora_kernel_a), id(layer.lora_kernel_b)}
            merged[next(id(weight) for weight in layer.weights if weight.name == "kernel")] = layer
    weights = {}
    for variable in network.weights:
        if id(variable) in parts:
            continue
        if variable.path in weights:
            raise ValueError(
                f"the {type(network).__name__} has two weights named {variable.path!r}, of which a file can hold one; give their layers "
                "names of their own"
            )
        weights[variable.path] = Weight(variable.path, variable, merged.get(id(variable)))
    return list(weights.values())


def with_rows(network, rows, whose):
    """Pair a network's weights with the rows of a format.

    Args: network: see weights_to_write. rows: iterable of Row. whose: "Transformers' BERT", to name in errors.
    Returns: list of (Weight, Row).
    Raises: ValueError naming weights that the format has no place for, or of which two have one path.
    """
    by_path, weights = {row.path: row for row in rows}, weights_to_write(network)
    homeless = [weight.path for weight in weights if weight.path not in by_path]
    if homeless:
        raise ValueError(f"{whose} has no place for the weights {', '.join(homeless)}")
    return [(weight, by_path[weight.path]) for weight in weights]
