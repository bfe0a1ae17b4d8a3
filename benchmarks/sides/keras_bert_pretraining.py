"""BertMaskedLM.fit on batches with masked_positions. Setting pack: short sequences together in rows of `length`."""

import bert_common
import keras
import numpy as np
import pretraining_common
import side
import tensorflow as tf

from keras_bert import BertMaskedLM
from keras_bert.pretraining import pack_first_fit
from keras_bert.training import create_optimizer
from keras_bert.training.profiling import cost_table, profile
from keras_bert.training.throughput import measured_matmul_peak
from keras_bert.version import __version__


class KerasBert(pretraining_common.PretrainingSide):
    libraries = ("tensorflow", "keras")

    def prepare(self):
        bert_common.use_threads(tf, self.threads)
        self.versions["keras_bert"] = __version__
        settings = self.settings
        options = {"packed": True} if settings.get("pack") else {}
        self.model = BertMaskedLM.from_pretrained(settings["directory"], dtype=self.policy, max_length=settings["length"], **options)
        if settings["check"]:
            optimizer = keras.optimizers.SGD(bert_common.CHECK_LEARNING_RATE)
        else:
            optimizer = create_optimizer(bert_common.LEARNING_RATE, total_steps=100_000, bias_correction=True)  # as every peer's
        self.model.compile(optimizer)
        self.datasets = {}

    def batches_of(self, sequences):
        if not self.settings.get("pack"):
            return super().batches_of(sequences)
        rows = pack_first_fit([len(sequence["input_ids"]) for sequence in sequences], self.settings["length"])
        rows = [[sequences[number] for number in row] for row in rows]
        size = self.settings["batch_size"]
        return [packed(rows[first : first + size], self.settings["length"]) for first in range(0, len(rows), size)]

    def work(self, batches):
        if len(batches) not in self.datasets:
            parts = [tf.nest.map_structure(tf.constant, as_fit_takes(batch)) for batch in batches]
            self.datasets[len(batches)] = dataset_of(parts)
        return np.array(self.model.fit(self.datasets[len(batches)], verbose=0).history["loss"])

    def run(self, request):
        if request.get("measure") == "profile":
            self.work(self.batches)  # traces and compiles
            return {"table": cost_table(profile(request["directory"], lambda: self.work(self.batches)))}
        if request.get("measure") == "slots":
            return {"shapes": [batch["input_ids"].shape for batch in self.batches]}
        return super().run(request)

    def peak(self):
        return measured_matmul_peak(self.compute_dtype)


def packed(rows, length):
    """Args: rows: lists of the sequences of each. Returns: dict of int32 arrays, as pretraining_common.batch_of and two more."""
    joined = []
    for row in rows:
        starts = np.cumsum([0] + [len(sequence["input_ids"]) for sequence in row[:-1]])
        positions = [sequence["masked_positions"] + start for sequence, start in zip(row, starts, strict=True)]
        names = ("input_ids", "masked_ids")
        joined.append({name: np.concatenate([sequence[name] for sequence in row]) for name in names})
        joined[-1]["masked_positions"] = np.concatenate(positions)
    sizes = [[len(sequence["input_ids"]) for sequence in row] for row in rows]
    numbers = [np.repeat(np.arange(1, len(row) + 1), row) for row in sizes]
    places = [np.concatenate([np.arange(size) for size in row]) for row in sizes]
    further = {"sequence_ids": numbers, "position_ids": places}
    return pretraining_common.batch_of(joined, length) | {
        name: pretraining_common.padded(values, length) for name, values in further.items()
    }


def as_fit_takes(batch):
    """Returns: features, targets and weights."""
    x = {name: values for name, values in batch.items() if name not in ("masked_ids", "masked_weights")}
    return x, batch["masked_ids"], batch["masked_weights"].astype("float32")


def dataset_of(parts):
    """Returns: tf.data.Dataset of batches, which may differ in shape."""
    signature = tf.nest.map_structure(lambda part: tf.TensorSpec([None] * part.shape.rank, part.dtype), parts[0])
    shapes = {str(tf.nest.map_structure(lambda part: part.shape, batch)) for batch in parts}
    if len(shapes) == 1:
        signature = tf.nest.map_structure(tf.TensorSpec.from_tensor, parts[0])
    return tf.data.Dataset.from_generator(lambda: iter(parts), output_signature=signature)


side.serve(KerasBert)
