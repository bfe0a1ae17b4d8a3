"""Put named tensors of a checkpoint into variables, and say what was taken, what was left and what is new."""

import dataclasses
from collections.abc import Callable

import numpy as np


@dataclasses.dataclass(frozen=True)
class Row:
    """Where one variable comes from.

    Args:
        path: of the variable, such as "layer_0/attention/qkv/kernel".
        names: the checkpoint's tensors that it is made of.
        combine: tensors of these names -> one array of the variable's shape.
        part: what it belongs to, in a user's words ("encoder", "pooler", "classifier").
    """

    path: str
    names: tuple[str, ...]
    combine: Callable
    part: str


@dataclasses.dataclass(frozen=True)
class LoadReport:
    """What a load did. taken: tensor names. initialised: variable paths that kept their new values. ignored: tensor names."""

    taken: tuple[str, ...]
    initialised: tuple[str, ...]
    ignored: tuple[str, ...]


def assign_rows(variables, rows, tensors, *, source, optional_parts=(), fresh=()):
    """Assign each row's variable; nothing is assigned unless all fit.

    Args:
        variables: dict of path -> Keras variable.
        rows: Rows, one a variable.
        tensors: mapping of name -> shape by `shapes` and of name -> array by `read` (see safetensors_file).
        source: path to name in errors.
        optional_parts: parts that the checkpoint may lack; their variables then keep their values.
        fresh: paths of variables that no row fills, to report as initialised.
    Returns: LoadReport.
    Raises: ValueError naming every tensor that is missing or of another shape.
    """
    missing, misshapen, present, initialised = [], [], [], list(fresh)
    for row in rows:
        lacking = [name for name in row.names if name not in tensors.shapes]
        if lacking:
            if row.part in optional_parts:
                initialised.append(row.path)
            else:
                missing.extend(lacking)
            continue
        # Shapes come from the header alone, so that a misfit is told before a large file is read.
        shape = row.combine([np.broadcast_to(np.float32(0), tensors.shapes[name]) for name in row.names]).shape
        if shape != tuple(variables[row.path].shape):
            found = ", ".join(f"{name} {list(tensors.shapes[name])}" for name in row.names)
            misshapen.append(f"{found} for {row.path} {list(variables[row.path].shape)}")
        present.append(row)
    if missing:
        raise ValueError(f"{source} lacks {len(missing)} tensors that the model needs: {_some(missing)}")
    if misshapen:
        raise ValueError(f"{source} is a checkpoint of another size than the configuration says: {_some(misshapen)}")
    for row in present:
        variables[row.path].assign(row.combine([tensors.read(name) for name in row.names]))
    taken = [name for row in present for name in row.names]
    ignored = sorted(set(tensors.shapes) - set(taken))
    return LoadReport(tuple(taken), tuple(initialised), tuple(ignored))


def _some(items, most=8):
    return "; ".join(items[:most]) + (f"; and {len(items) - most} more" if len(items) > most else "")
