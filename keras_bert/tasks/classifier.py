"""BertClassifier: one label for a text or a pair of texts, any number of labels, a score, or numbers."""

import contextlib
import warnings

import keras
import numpy as np
import tensorflow as tf

from keras_bert.data import balanced_weights, targets_of
from keras_bert.labels import check_labels
from keras_bert.metrics import LabelAccuracy, PearsonCorrelation, adapted, choose_threshold
from keras_bert.models import SequenceClassifier
from keras_bert.preprocessing import ClassificationPreprocessor, split_parts
from keras_bert.problem_type import LINEAR, MULTI_LABEL, REGRESSION, SIGMOID, SINGLE_LABEL, SOFTMAX, activate
from keras_bert.tasks.predictor import EXAMPLES_AT_ONCE
from keras_bert.tasks.task import label_names, setting
from keras_bert.tasks.text_task import TextTask
from keras_bert.training import LabelBinaryCrossEntropy, LabelCrossEntropy, ScoreSquaredError
from keras_bert.training.distribution import is_multi_worker


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
        truncate, stride, join, max_windows: of single texts over max_length; thresholds: of several labels, see tune_thresholds;
            rejection_threshold, rejected_label: see tune_rejection; top_k: how many of the likeliest labels an answer names. All
            are ClassificationPreprocessor's, and may be set later, too.
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
        **options,
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
            preprocessing={"labels": labels, "problem_type": network.problem_type}
            | {name: options.pop(name) for name in self.SETTINGS if name in options},
            **options,
        )

    _begins = False  # while what is evaluated only comes before training

    NETWORK = SequenceClassifier
    NETWORK_OPTIONS = ("labels", *SequenceClassifier.OPTIONS)
    PREPROCESSOR = ClassificationPreprocessor
    SETTINGS = ("thresholds", "rejection_threshold", "rejected_label", "truncate", "stride", "join", "max_windows", "top_k")
    thresholds, rejection_threshold, rejected_label, truncate, stride, join, max_windows, top_k = map(setting, SETTINGS)

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

    @classmethod
    def _settings_from(cls, checkpoint, options):
        settings = super()._settings_from(checkpoint, options)
        theirs = checkpoint.settings.get("problem_type") or SINGLE_LABEL
        if options.get("labels") not in (None, checkpoint.labels) or (options.get("problem_type") or theirs) != theirs:
            for name in ("thresholds", "rejection_threshold", "top_k"):  # chosen for other answers
                if options.get(name) is None:
                    settings.pop(name, None)
        return settings

    # Learning.

    def default_loss(self):
        preprocessor, count = self.preprocessor, self.network.num_labels
        if preprocessor.problem_type == REGRESSION:
            return ScoreSquaredError()
        return (LabelCrossEntropy if preprocessor.chooses else LabelBinaryCrossEntropy)(count, **self._loss_options)

    def default_metrics(self):
        preprocessor, count = self.preprocessor, self.network.num_labels
        if preprocessor.chooses:
            return [LabelAccuracy(count)]
        if preprocessor.problem_type == MULTI_LABEL:
            kinds = ("micro", "macro")
            return [adapted(keras.metrics.F1Score(kind, threshold=0.5, name=f"{kind}_f1"), count, SIGMOID) for kind in kinds]
        if count > 1:
            return []
        return [PearsonCorrelation(LINEAR if preprocessor.problem_type == REGRESSION else SIGMOID)]

    def compile(
        self, optimizer="auto", loss="auto", metrics="auto", *, class_weights=None, focal_gamma=None, label_smoothing=0.0, **kwargs
    ):
        """Task.compile, and what the task's own loss takes.

        The model gives logits, and its labels are ids: a cross-entropy named by string is made one of logits, and F1Score, AUC,
        Precision, Recall and their like are given rows of labels and probabilities, see metrics.LabelMetric.

        Args:
            loss: "auto" is, by what the model answers: one label of several, LabelCrossEntropy; any number of labels, or one score from 0
                to 1, LabelBinaryCrossEntropy; numbers, ScoreSquaredError; all of keras_bert.training.
            metrics: "auto" is accuracy; micro_f1 and macro_f1 at probabilities of 0.5; pearson.
            class_weights: mapping of labels, by name or id, to weights from 0, for labels that are rare or common; those left out are 1.
                data.balanced_weights makes it of the training data.
            focal_gamma, label_smoothing: see training.LabelCrossEntropy.
        Raises: ValueError on what the loss does not take.
        """
        given = {"class_weights": class_weights, "focal_gamma": focal_gamma, "label_smoothing": label_smoothing or None}
        given = {name: value for name, value in given.items() if value is not None}
        if given and not (isinstance(loss, str) and loss == "auto"):
            raise ValueError(f"{', '.join(given)}: of the task's own loss, but compile was given loss={loss!r}; leave one out")
        if given and self.preprocessor.problem_type == REGRESSION:
            raise ValueError(f"{', '.join(given)}: of labels, but this model answers numbers (problem_type={REGRESSION!r})")
        if isinstance(class_weights, str):
            raise ValueError(
                f"class_weights={class_weights!r}: how often labels come is known where the data is: fit(..., class_weight='balanced'), or "
                "compile(class_weights=keras_bert.data.balanced_weights(dataset, model.labels))"
            )
        if class_weights is not None:
            weights = self.preprocessor.labels.class_weights(class_weights)
            class_weights = [weights.get(index, 1.0) for index in range(self.network.num_labels)]
        self._loss_options = {"class_weights": class_weights, "focal_gamma": focal_gamma, "label_smoothing": label_smoothing}
        by_name = {
            "sparse_categorical_crossentropy": keras.losses.SparseCategoricalCrossentropy,
            "categorical_crossentropy": keras.losses.CategoricalCrossentropy,
            "binary_crossentropy": keras.losses.BinaryCrossentropy,
        }
        if isinstance(loss, str) and loss in by_name:
            loss = by_name[loss](from_logits=True)
        activation = SOFTMAX if self.preprocessor.chooses else SIGMOID
        for name, group in {"metrics": metrics, "weighted_metrics": kwargs.get("weighted_metrics")}.items():
            if self.preprocessor.problem_type != REGRESSION and group is not None and group != "auto":
                kwargs[name] = keras.tree.map_structure(lambda metric: adapted(metric, self.network.num_labels, activation), group)
        super().compile(optimizer=optimizer, loss=loss, **({"metrics": metrics} | kwargs))

    def get_compile_config(self):
        options = dict(self._loss_options)
        weights = options["class_weights"]
        return super().get_compile_config() | options | {"class_weights": weights and dict(zip(self.labels, weights, strict=True))}

    def fit(self, x=None, y=None, *args, class_weight=None, **kwargs):
        """TrainingModel.fit. Args: as there; class_weight: also "balanced": n / (labels * count), as scikit-learn has it, of x and y."""
        if isinstance(class_weight, str):
            if class_weight != "balanced":
                raise ValueError(f"class_weight={class_weight!r} is neither a mapping of labels to weights nor 'balanced'")
            class_weight = self._balanced_weights(x, y)
        return super().fit(x, y, *args, class_weight=class_weight, **kwargs)

    def _balanced_weights(self, x, y):
        if not self.preprocessor.chooses:
            raise ValueError(
                "class_weight='balanced': only a choice of one label has classes; for several labels there is "
                "compile(class_weights=keras_bert.data.balanced_weights(dataset, model.labels))"
            )
        if y is not None:
            return balanced_weights(self.preprocessor.encode_targets(y), self.labels)
        return balanced_weights(x, self.labels)

    def answer_arrays(self, x, batch_size=None, *, max_tokens_per_batch=None, **settings):
        if "join" in settings:
            raise ValueError(f"join={settings['join']!r} is a part of the model, not of one call: model.join = {settings['join']!r}")
        return super().answer_arrays(x, batch_size, max_tokens_per_batch=max_tokens_per_batch, **settings)

    answer_arrays.__doc__ = TextTask.answer_arrays.__doc__

    def change_settings(self, **changes):
        super().change_settings(**changes)
        if "join" in changes:  # a part of what is traced
            self.train_function = self.test_function = self.predict_function = None

    def through(self, network, inputs):
        return self.preprocessor.join_parts(network(split_parts(inputs)), inputs)

    # What came out.

    def evaluate(self, *args, **kwargs):
        results = super().evaluate(*args, **kwargs)
        if not (self._begins or is_multi_worker(self.distribute_strategy)):
            self._tell_only_label()
        return results

    evaluate.__doc__ = TextTask.evaluate.__doc__

    @contextlib.contextmanager
    def before_training(self):
        self._begins, before = True, self._begins
        try:
            with super().before_training():
                yield
        finally:
            self._begins = before

    def _tell_only_label(self):
        """Warn where a model that was evaluated gives all texts one label."""
        for metric in self.metrics:
            for each in getattr(metric, "metrics", [metric]):
                if isinstance(each, LabelAccuracy) and (label := each.only_label()) is not None:
                    warnings.warn(
                        f"every text that was evaluated got the label {self.labels[label]!r}, though others are right of some: the model "
                        "learnt nothing yet, or labels are skewed; see fit(class_weight='balanced') and keras_bert.data.balanced",
                        stacklevel=3,
                    )

    def tune_thresholds(self, x, y=None, **batches):
        """Choose, for each label, the probability from which on it is right: that of the best F1 on validation data.

        The thresholds are saved and exported with the model; `answer` takes them, and `predict` gives probabilities as ever.

        Args: x, y: texts and labels as evaluate takes them, in memory or a dataset. batches: batch_size or max_tokens_per_batch.
        Returns: dict of label -> {"threshold", "precision", "recall", "f1"}, of these data; one that no text has keeps 0.5 and is left out.
        Raises: ValueError where the model does not answer any number of labels.
        """
        if self.preprocessor.problem_type != MULTI_LABEL:
            raise ValueError(f"tune_thresholds is of any number of labels; this model has problem_type={self.preprocessor.problem_type!r}")
        targets = self.preprocessor.encode_targets(targets_of(x) if y is None else y) >= 0.5
        scores = self.predict(x, verbose=0, **batches)
        columns = zip(self.labels, targets.T, scores.T, strict=True)
        chosen = {name: choose_threshold(is_right, score) for name, is_right, score in columns if is_right.any()}
        self.thresholds = [chosen[name]["threshold"] if name in chosen else 0.5 for name in self.labels]
        return chosen

    def tune_rejection(self, x, y=None, *, precision=None, **batches):
        """Choose the best probability below which a text is said to have none of the labels, on validation data.

        The threshold is saved and exported with the model. A text below it is answered with `rejected_label` ("" unless you name it) and
        "rejected": True.

        Args:
            x, y: texts and labels, in memory or a dataset, texts of no label among them: those whose label is no name, or no id, of the
                model's; None and NaN, which pandas makes of it, are none.
            precision: the share of right labels among the answers that are not rejected; None: the best F1 of right labels, each text
                that has a label counting as one to be found.
            batches: batch_size or max_tokens_per_batch.
        Returns: dict of "threshold", "precision", "recall", "f1", of these data.
        Raises: ValueError where the precision is not reached, or the model does not choose one label.
        """
        if not self.preprocessor.chooses:
            raise ValueError("tune_rejection is of one label of several; this model chooses none")
        known = {name: index for index, name in enumerate(self.labels)}
        targets = [label.decode() if isinstance(label, bytes) else label for label in list(targets_of(x) if y is None else y)]
        no_ids = [isinstance(label, str) or label is None or label != label for label in targets]  # NaN alone differs from itself
        ids = np.array([known.get(label, -1) if no_id else int(label) for label, no_id in zip(targets, no_ids, strict=True)])
        scores = self.predict(x, verbose=0, **batches)
        if len(ids) != len(scores):
            raise ValueError(f"{len(scores)} texts but {len(ids)} labels")
        in_scope = (ids >= 0) & (ids < len(known))
        found = choose_threshold(scores.argmax(-1) == ids, scores.max(-1), positives=int(in_scope.sum()), precision=precision)
        self.rejection_threshold = found["threshold"]
        return found

    def share_over_length(self, x):
        """The share of texts, or pairs, that are longer than max_length: what `truncate` is about.

        Args: x: raw input as fit takes it; labels in a dataset do not matter.
        Returns: float from 0 to 1.
        """
        self._check_vocabulary()
        with self.attempt():
            columns = self._columns_of(x) if isinstance(x, tf.data.Dataset) else self.preprocessor.columns(x)
        count = len(next(iter(columns.values())))
        over = 0
        for start in range(0, count, EXAMPLES_AT_ONCE):
            part = {name: tf.constant(column[start : start + EXAMPLES_AT_ONCE], tf.string) for name, column in columns.items()}
            over += int(np.sum(self.preprocessor.whole_lengths(part).numpy() > self.max_length))
        return over / count

    def predictions(self, outputs):
        # A cross-encoder of several labels may say "linear", as sentence-transformers writes it; it is answered with probabilities.
        is_linear = self.preprocessor.chooses and self.network.activation == LINEAR
        return activate(outputs, SOFTMAX if is_linear else self.network.activation)
