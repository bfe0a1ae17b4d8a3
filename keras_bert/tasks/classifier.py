"""BertClassifier: one label for a text, or for a pair of texts."""

import keras

from keras_bert.labels import check_labels
from keras_bert.metrics import adapted
from keras_bert.models import SequenceClassifier
from keras_bert.preprocessing import ClassificationPreprocessor
from keras_bert.problem_type import LINEAR, SINGLE_LABEL, SOFTMAX, activate
from keras_bert.tasks.task import label_names
from keras_bert.tasks.text_task import TextTask


@keras.saving.register_keras_serializable(package="keras_bert")
class BertClassifier(TextTask):
    """Text classification: sentiment, topic, intent, entailment of a pair.

        model = BertClassifier.from_pretrained("path/to/bert", labels=["negative", "positive"])
        model.fit(["a fine film", "a waste of time"], ["positive", "negative"])
        model.predict(["what a treat"])     # float32 [1, 2], probabilities
        model.answer(["what a treat"])      # [{"label": "positive", "score": ..., "probabilities": [...]}]

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
        says_what = network is not None or activation is not None or problem_type not in (None, SINGLE_LABEL)
        labels = check_labels(labels, least=1 if says_what else 2)
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
            preprocessing={"labels": labels, "problem_type": network.problem_type},
            **kwargs,
        )

    NETWORK = SequenceClassifier
    NETWORK_OPTIONS = ("labels", *SequenceClassifier.OPTIONS)
    PREPROCESSOR = ClassificationPreprocessor

    labels = label_names("a classifier", least=1)

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
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True) if self.preprocessor.chooses else None

    def default_metrics(self):
        return [keras.metrics.SparseCategoricalAccuracy(name="accuracy")] if self.preprocessor.chooses else []

    def compile(self, optimizer="auto", loss="auto", metrics="auto", **kwargs):
        """keras.Model.compile with defaults.

        The model gives logits, and its labels are ids: a cross-entropy named by string is made one of logits, and F1Score, AUC,
        Precision, Recall and their like are given one-hot rows and probabilities, see metrics.LabelMetric.
        """
        by_name = {
            "sparse_categorical_crossentropy": keras.losses.SparseCategoricalCrossentropy,
            "categorical_crossentropy": keras.losses.CategoricalCrossentropy,
        }
        if isinstance(loss, str) and loss in by_name:
            loss = by_name[loss](from_logits=True)
        for name, group in {"metrics": metrics, "weighted_metrics": kwargs.get("weighted_metrics")}.items():
            if self.preprocessor.chooses and group is not None and group != "auto":
                kwargs[name] = keras.tree.map_structure(lambda metric: adapted(metric, self.network.num_labels), group)
        super().compile(optimizer=optimizer, loss=loss, **({"metrics": metrics} | kwargs))

    def predictions(self, outputs):
        # A cross-encoder of several labels may say "linear", as sentence-transformers writes it; it is answered with probabilities.
        is_linear = self.preprocessor.chooses and self.network.activation == LINEAR
        return activate(outputs, SOFTMAX if is_linear else self.network.activation)
