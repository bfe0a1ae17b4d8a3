"""A task of keras_bert that is trained by fit with create_optimizer's AdamW. A task's side says which class, and how it answers."""

import bert_common
import keras
import quality_common
import tensorflow as tf

from keras_bert.training import create_optimizer
from keras_bert.version import __version__


class KerasBert(quality_common.QualitySide):
    """The subclass gives `answers` and make_model(directory): the task of a checkpoint."""

    libraries = ("tensorflow", "keras")

    def __init__(self, settings):
        bert_common.use_threads(tf, settings["threads"])
        super().__init__(settings)
        self.versions["keras_bert"] = __version__

    def load(self, directory, *, seed, total_steps, epsilon):
        keras.utils.clear_session()  # of the training before
        keras.utils.set_random_seed(seed)
        self.model = self.make_model(directory)
        self.model.compile(
            create_optimizer(
                self.settings["learning_rate"],
                total_steps=total_steps,
                weight_decay=bert_common.WEIGHT_DECAY,
                epsilon=epsilon,
                clip_norm=bert_common.CLIP_NORM,
            ),
            metrics=None,
        )

    def train(self, batches):
        dataset = dataset_of([self.example_of(batch) for batch in batches])
        return float(self.model.fit(dataset, verbose=0).history["loss"][-1])

    def example_of(self, batch):
        """Returns: what fit takes of a batch: dict of model inputs, targets."""
        return {name: array for name, array in batch.items() if name != "labels"}, batch["labels"]

    def predictions(self, rows):
        """What the model predicts of rows of ids. Args: rows: dict of model input -> list of rows. Returns: array [rows, ...]."""
        batches = [batch for _, batch in quality_common.batches_of(rows, self.data["padding"])]
        return self.model.predict(dataset_of(batches), verbose=0)


def dataset_of(batches):
    """Args: batches: list of arrays in dicts or tuples. Returns: tf.data.Dataset of them."""
    signature = tf.nest.map_structure(spec_of, batches[0])
    dataset = tf.data.Dataset.from_generator(lambda: iter(batches), output_signature=signature)
    return dataset.apply(tf.data.experimental.assert_cardinality(len(batches)))


def spec_of(array):
    """Batches differ in their rows and in their length; what is between, such as texts of an example, is the same for all."""
    return tf.TensorSpec([None, *array.shape[1:-1], None][: array.ndim], array.dtype)
