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
        pairs = [({name: array for name, array in batch.items() if name != "labels"}, batch["labels"]) for batch in batches]
        signature = tf.nest.map_structure(lambda array: tf.TensorSpec([None] * array.ndim, array.dtype), pairs[0])
        dataset = tf.data.Dataset.from_generator(lambda: iter(pairs), output_signature=signature)
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(len(pairs)))
        return float(self.model.fit(dataset, verbose=0).history["loss"][-1])
