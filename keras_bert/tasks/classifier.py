"""BertClassifier: one label for a text, or for a pair of texts."""

import os

import keras
import numpy as np
import tensorflow as tf

from keras_bert.checkpoints import hugging_face, native
from keras_bert.checkpoints.recognise import NATIVE, recognise
from keras_bert.config import BertConfig
from keras_bert.models import BertEncoder, SequenceClassifier
from keras_bert.tasks.task import Task
from keras_bert.text import BertTokenizer

MAX_LENGTH = 128  # as google-research's run_classifier.py


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
        max_length: most tokens of a text or pair; None takes 128, or max_position_embeddings where that is less.
        pad_to_multiple_of: None pads to max_length always (TPU, XLA); a number to the batch's longest, rounded up to a multiple.
        text_pair: whether inputs are pairs; None lets the first raw data decide.
    """

    def __init__(
        self,
        encoder,
        labels,
        tokenizer=None,
        *,
        pooling="pooler",
        dropout=None,
        max_length=None,
        pad_to_multiple_of=4,
        text_pair=None,
        **kwargs,
    ):
        labels = _check_labels(labels)
        network = SequenceClassifier(encoder, len(labels), pooling=pooling, dropout=dropout, name="network")
        super().__init__(
            network,
            tokenizer,
            max_length=min(MAX_LENGTH, encoder.config.max_position_embeddings) if max_length is None else max_length,
            pad_to_multiple_of=pad_to_multiple_of,
            text_pair=text_pair,
            **kwargs,
        )
        self.labels = labels

    @classmethod
    def from_pretrained(cls, directory, labels=None, *, dtype=None, **options):
        """Load a checkpoint.

        Args:
            directory: path of a Transformers directory (config.json, model.safetensors, vocab.txt) or a keras_bert one.
            labels: list of label names; None takes the checkpoint's. Where they differ from the checkpoint's, its
                classifier is not taken, nor where `pooling` is not what it was trained on; placeholders (LABEL_0, LABEL_1,
                ...) differ from no names.
            dtype: Keras dtype policy of the encoder; None takes the global one.
            options: those of BertClassifier: pooling, dropout, max_length, ... None or absent: the checkpoint's, where it says.
        Returns: BertClassifier.
        Raises: ValueError, FileNotFoundError naming what does not fit.
        Warns: where weights are newly initialised, naming them.
        """
        directory = os.fspath(directory)
        if recognise(directory) == NATIVE:
            return cls._from_native(directory, labels, dtype, options)
        config = hugging_face.read_config(directory)
        theirs = hugging_face.read_label_names(directory, config)
        if labels is None and theirs is None:
            raise ValueError(f"{directory} names no labels; give labels=[...]")
        labels = theirs if labels is None else _check_labels(labels)
        vocabulary = os.path.join(directory, hugging_face.VOCABULARY)
        tokenizer = None
        if os.path.exists(vocabulary):
            tokenizer = BertTokenizer(vocabulary, **hugging_face.read_tokenizer_settings(directory))
        pooling = options.pop("pooling", None) or "pooler"
        encoder = BertEncoder(config, pooler=pooling == "pooler", dtype=dtype)
        model = cls(encoder, labels, tokenizer, pooling=pooling, **options)
        hugging_face.load_sequence_classifier_weights(
            model.network, directory, head=pooling == "pooler" and hugging_face.names_agree(labels, theirs)
        )
        return model

    @classmethod
    def _from_native(cls, directory, labels, dtype, options):
        description = native.read_description(directory)
        settings = dict(description.settings)
        if description.class_name != cls.__name__:
            raise ValueError(
                f"{directory} holds a {description.class_name}; load it by keras_bert.from_pretrained, or its encoder by "
                "keras_bert.from_pretrained(path, cls=keras_bert.BertEncoder)"
            )
        encoder_settings = settings.pop("encoder")
        tokenizer_settings = settings.pop("tokenizer")
        their_labels, their_pooling = settings.pop("labels"), settings["pooling"]
        # None is a value of its own to pad_to_multiple_of and text_pair; to the others it means the checkpoint's.
        options = {name: value for name, value in options.items() if value is not None or name not in ("pooling", "dropout", "max_length")}
        settings.update(options)
        labels = their_labels if labels is None else _check_labels(labels)
        pooler = settings["pooling"] == "pooler"
        encoder = BertEncoder(BertConfig.from_dict(encoder_settings["config"]), pooler=pooler, dtype=dtype)
        tokenizer = None if description.vocabulary is None else BertTokenizer(description.vocabulary, **tokenizer_settings)
        model = cls(encoder, labels, tokenizer, **settings)
        weights = {weight.path: weight for weight in model.network.weights}
        fresh = []
        if labels != their_labels or settings["pooling"] != their_pooling:  # a head fits what it was trained on only
            fresh += [path for path in weights if path.startswith("classifier/")]
        if pooler and not encoder_settings["pooler"]:
            fresh += [path for path in weights if path.startswith("pooler/")]
        native.load_weights(directory, weights, fresh=tuple(fresh))
        return model

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

    def settings(self):
        network = {"labels": self.labels, "pooling": self.network.pooling, "dropout": self.network.dropout}
        return super().settings() | network

    def get_config(self):
        return {
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "labels": self.labels,
            "tokenizer": None if self.tokenizer is None else self.tokenizer.get_config(),
            "pooling": self.network.pooling,
            "dropout": self.network.dropout,
            "max_length": self.max_length,
            "pad_to_multiple_of": self.pad_to_multiple_of,
            "text_pair": self.text_pair,
            "name": self.name,
            "trainable": self.trainable,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        config["encoder"] = keras.saving.deserialize_keras_object(config["encoder"], custom_objects=custom_objects)
        if config["tokenizer"] is not None:
            config["tokenizer"] = BertTokenizer(**config["tokenizer"])
        return cls(**config)


def _check_labels(labels):
    if isinstance(labels, (str, bytes)) or not all(isinstance(label, str) for label in labels):
        raise ValueError(f"labels={labels!r} is not a list of label names (str)")
    labels = list(labels)
    if len(labels) < 2:
        raise ValueError(f"labels={labels!r}: a classifier chooses between 2 labels at least")
    double = [label for index, label in enumerate(labels) if label in labels[:index]]
    if double:
        raise ValueError(f"labels={labels!r} has {double[0]!r} twice")
    return labels
