"""Checkpoint: what a directory holds, whatever wrote it; and its way into a network."""

import dataclasses
import warnings
from collections.abc import Callable
from typing import Any

from keras_bert.checkpoints.rows import ENCODER, Row, part_of
from keras_bert.config import BertConfig


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """An opened checkpoint; no weights are read yet.

    Args:
        path: the directory.
        format: one of the names in `recognise`.
        config: of its encoder.
        tensors: with `shapes` (dict of name -> tuple), `read` (name -> NumPy array) and `path`, to name in errors.
        rows: of every part that the format has, whether or not this checkpoint does.
        network: the class in keras_bert.models that it was saved from; None where it does not say.
        task: the class in keras_bert.tasks, where it says so.
        labels: names of a classifier's labels, by id, or None.
        tokenizer: function that makes its tokenizer, or None: the directory has none.
        settings: arguments of the network or task: pooling, max_length, ...
        is_expected: tells of a tensor's name that it may stand there unused: another head, a buffer.
        is_of_encoder: tells of a tensor's name that an encoder that has no place for it is of another size.
        is_optimizer: tells of a tensor's name that it belongs to the optimizer.
    """

    path: str
    format: str
    config: BertConfig
    tensors: Any
    rows: tuple[Row, ...]
    network: str | None = None
    task: str | None = None
    labels: list[str] | None = None
    tokenizer: Callable | None = None
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)
    is_expected: Callable = lambda name: False
    is_of_encoder: Callable = lambda name: False
    is_optimizer: Callable = lambda name: False

    def has(self, part):
        """Tell whether the weights of a part ("pooler", "masked_lm", ...) are there."""
        return any(name in self.tensors.shapes for row in self.rows if part_of(row.path) == part for name in row.names)

    def make_tokenizer(self):
        """Returns: its tokenizer, or None. Raises: ValueError naming the file and what cannot be used."""
        return None if self.tokenizer is None else self.tokenizer()


@dataclasses.dataclass(frozen=True)
class LoadReport:
    """What a load did.

    Args:
        source: the file that was read.
        taken: names of the tensors that were used.
        initialised: paths of the variables that kept their new values: the checkpoint had nothing that fits.
        ignored: names of the tensors that no variable wanted.
        optimizer: names of the tensors that are the optimizer's (its slots and step counter).
    """

    source: str
    taken: tuple[str, ...]
    initialised: tuple[str, ...]
    ignored: tuple[str, ...]
    optimizer: tuple[str, ...] = ()

    def __str__(self):
        lines = [f"{self.source}: {len(self.taken)} tensors taken"]
        for what, names in (
            ("newly initialised", self.initialised),
            ("tensors ignored", self.ignored),
            ("optimizer tensors ignored", self.optimizer),
        ):
            if names:
                lines.append(f"  {len(names)} {what}: {_some(names)}")
        return "\n".join(lines)


def load_weights(network, checkpoint, *, fresh=(), strict=False):
    """Put a checkpoint's weights into a network; nothing is assigned unless all fit.

    Args:
        network: built keras.Model of keras_bert.models.
        checkpoint: Checkpoint.
        fresh: parts ("classifier", "pooler") whose weights are not wanted: they stay newly initialised.
        strict: raise where anything but an optimizer's tensors is left over or is new.
    Returns: LoadReport.
    Raises: ValueError naming file and tensors: missing, of another shape, of layers that the configuration does not have.
    Warns: naming what is newly initialised, and tensors that no BERT has.
    """
    tensors, source = checkpoint.tensors, checkpoint.tensors.path
    rows = {row.path: row for row in checkpoint.rows}
    missing, misshapen, present, initialised = [], [], [], []
    for variable in network.weights:
        row = rows.get(variable.path)
        lacking = [name for name in row.names if name not in tensors.shapes] if row else [variable.path]
        if part_of(variable.path) in fresh:
            initialised.append(variable.path)
        elif not lacking:
            # Shapes come from the file's header, so that a misfit is told before a large file is read.
            if row.loaded_shape([tensors.shapes[name] for name in row.names]) != tuple(variable.shape):
                found = ", ".join(f"{name} {list(tensors.shapes[name])}" for name in row.names)
                misshapen.append(f"{found} for {variable.path} {list(variable.shape)}")
            present.append((variable, row))
        elif part_of(variable.path) == ENCODER or checkpoint.has(part_of(variable.path)):  # the rest of the part is there
            missing.extend(lacking)
        else:
            initialised.append(variable.path)
    if missing:
        raise ValueError(f"{source} lacks {len(missing)} tensors that the model needs: {_some(missing)}")
    if misshapen:
        raise ValueError(f"{source} is a checkpoint of another size than the configuration says: {_some(misshapen)}")
    taken = [name for _, row in present for name in row.names]
    left = sorted(set(tensors.shapes) - set(taken))
    homeless = [name for name in left if checkpoint.is_of_encoder(name) and not checkpoint.is_optimizer(name)]
    if homeless:
        raise ValueError(
            f"{source} is a checkpoint of another size than the configuration says: the model has no place for {_some(homeless)}"
        )
    optimizer = tuple(name for name in left if checkpoint.is_optimizer(name))
    ignored = tuple(name for name in left if not checkpoint.is_optimizer(name))
    known = {name for row in checkpoint.rows for name in row.names}
    foreign = [name for name in ignored if name not in known and not checkpoint.is_expected(name)]
    report = LoadReport(source, tuple(taken), tuple(initialised), ignored, optimizer)
    if strict and (initialised or ignored):
        raise ValueError(f"strict=True, but {report}")
    for variable, row in present:
        value = row.load([tensors.read(name) for name in row.names])
        variable.assign(value if value.dtype == "float32" else value.astype("float32"))
    if foreign:
        warnings.warn(f"{source}: ignored {len(foreign)} tensors that no BERT has: {_some(foreign)}", stacklevel=3)
    if initialised:
        warnings.warn(f"{source} has no weights that fit {', '.join(initialised)}: newly initialised; train before use", stacklevel=3)
    return report


def _some(items, most=8):
    return "; ".join(items[:most]) + (f"; and {len(items) - most} more" if len(items) > most else "")
