"""BertClassifier: one label for a text, or for a pair of texts."""

import keras
import numpy as np
import tensorflow as tf

from keras_bert.models import SequenceClassifier
from keras_bert.tasks.task import Task, check_labels


@keras.saving.register_keras_serializable(package="keras_bert")
class BertClassifier(Task):
    """Text classification: sentiment, topic, intent, entailment of a pair.

        model = BertClassifier.from_pretrained("path/to/bert", labels=["negative", "positive"])
        model.fit(["a fine film", "a waste of time"], ["positive", "negative"])
        model.predict(["what a treat"])     # float32 [1, 2], probabilities

    `model.save("model.keras")` is read again by keras.saving.load_model, in a process that has imported this class.
    Calling the model on the contract gives logits, as a loss wants them; `predict` gives probabilities.

    Args:
        encoder: BertEncoder.
        labels: list of label names; the index is the label's id.
        tokenizer: BertTokenizer, or None to take only the contract.
        pooling: "pooler" or "mean"; see models.SequenceClassifier.
        dropout: rate before the dense layer; None takes the encoder's hidden_dropout_prob.
        problem_type, activation: see models.SequenceClassifier.
        max_length: most tokens of a text or pair; None takes 128, or max_position_embeddings where that is less.
        pad_to_multiple_of: None pads to max_length always (TPU, XLA); a number to the batch's longest, rounded up to a multiple.
        text_pair: whether inputs are pairs; None lets the first raw data decide.
        network: SequenceClassifier that is there already, of this encoder; None makes one, by pooling and dropout.
    """

    def __init__(
        self,
        encoder,
        labels,
        tokenizer=None,
        *,
        pooling="pooler",
        dropout=None,
        problem_type=None,
        activation=None,
        max_length=None,
        pad_to_multiple_of=4,
        text_pair=None,
        network=None,
        **kwargs,
    ):
        labels = check_labels(labels)
        if network is None:
            network = SequenceClassifier(
                encoder, len(labels), pooling=pooling, dropout=dropout, problem_type=problem_type, activation=activation
            )
        super().__init__(
            network,
            tokenizer,
            max_length=max_length,
            pad_to_multiple_of=pad_to_multiple_of,
            text_pair=text_pair,
            **kwargs,
        )
        self.labels = labels

    NETWORK = SequenceClassifier
    NETWORK_OPTIONS = ("labels", *SequenceClassifier.OPTIONS)

    @classmethod
    def from_pretrained(cls, path, labels=None, **options):
        """Load a checkpoint.

        Args:
            path: a directory of any format in checkpoints.FORMATS, or hf://owner/name[@revision].
            labels: list of label names; None takes the checkpoint's. Where they differ from the checkpoint's, its
                classifier is not taken, nor where `pooling` is not what it was trained on; placeholders (LABEL_0, LABEL_1,
                ...) differ from no names.
            options: dtype, format, strict, tokenizer: see Task.from_pretrained; and those of BertClassifier: pooling, dropout,
                max_length, ... None or absent: the checkpoint's, where it says.
        Returns, raises, warns: as Task.from_pretrained.
        """
        return super().from_pretrained(path, labels=labels, **options)

    def default_loss(self):
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def default_metrics(self):
        return [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]

    def compile(self, optimizer="auto", loss="auto", metrics="auto", **kwargs):
        """keras.Model.compile with defaults; the model gives logits, so a cross-entropy named by string is made one of logits."""
        by_name = {
            "sparse_categorical_crossentropy": keras.losses.SparseCategoricalCrossentropy,
            "categorical_crossentropy": keras.losses.CategoricalCrossentropy,
        }
        if isinstance(loss, str) and loss in by_name:
            loss = by_name[loss](from_logits=True)
        super().compile(optimizer=optimizer, loss=loss, metrics=metrics, **kwargs)

    def predict_step(self, data):
        return keras.ops.softmax(super().predict_step(data), axis=-1)

    def encode_label_list(self, labels):
        """Labels in memory -> ids.

        Args: labels: list or array of names (str), of ids (int), or of one-hot or soft rows (float [batch, labels]).
        Returns: int32 array [batch], or float32 array [batch, labels].
        Raises: ValueError naming the first label that is none of the model's.
        """
        array = labels.numpy() if isinstance(labels, tf.Tensor) else np.asarray(labels)  # a list, an array, a pandas column
        if array.dtype.kind in "USO":
            ids = {name: index for index, name in enumerate(self.labels)}
            names = [label.decode("utf-8", "replace") if isinstance(label, bytes) else label for label in array.ravel().tolist()]
            for index, name in enumerate(names):
                if name not in ids:
                    raise ValueError(f"label {index} is {name!r}; the model's labels are {', '.join(self.labels)}")
            return np.array([ids[name] for name in names], "int32")
        if array.dtype.kind == "f" and array.ndim == 2:
            if array.shape[1] != len(self.labels):
                raise ValueError(f"labels have {array.shape[1]} columns; the model has {len(self.labels)} labels")
            return array.astype("float32")
        if array.dtype.kind not in "iub" or array.ndim != 1:
            raise ValueError(f"labels are {array.dtype} of shape {array.shape}; expected names, or ids from 0, [batch]")
        outside = np.flatnonzero((array < 0) | (array >= len(self.labels)))
        if outside.size:
            raise ValueError(
                f"label {outside[0]} is {array[outside[0]]}; ids of the {len(self.labels)} labels are 0 to {len(self.labels) - 1}"
            )
        return array.astype("int32")

    def encode_labels(self, labels):
        if labels.dtype == tf.string:
            matches = tf.equal(labels[:, None], tf.constant(self.labels))  # (B, L)
            known = tf.reduce_all(tf.reduce_any(matches, axis=1))
            check = tf.debugging.Assert(known, ["a label is none of", ", ".join(self.labels), "; labels:", labels])
            with tf.control_dependencies([check]):
                return tf.argmax(tf.cast(matches, tf.int32), axis=1, output_type=tf.int32)
        if labels.dtype.is_integer and labels.shape.rank == 1:
            message = f"a label id is not in 0 to {len(self.labels) - 1}"
            low = tf.debugging.assert_non_negative(labels, message=message)
            high = tf.debugging.assert_less(labels, tf.cast(len(self.labels), labels.dtype), message=message)
            with tf.control_dependencies([check for check in (low, high) if check is not None]):
                return tf.cast(labels, tf.int32)
        return labels
