"""RawTextModel: fit, evaluate and predict on raw text, which becomes batches of the contract on the way."""

import tensorflow as tf

from keras_bert import features
from keras_bert.data import batch_by_length, endless_batches
from keras_bert.tasks import inputs
from keras_bert.training import TrainingModel

BATCH_SIZE = 32  # google-research's run_classifier.py, and Keras's default


class RawTextModel(TrainingModel):
    """A TrainingModel that readies its data. A subclass sets tokenizer, packer, pad_to_multiple_of and text_pair."""

    # What a subclass may give.

    def encode_label_list(self, labels):
        """Labels in memory, as users write them -> array that the loss takes. Raises: ValueError naming one that is none."""
        return labels

    def encode_labels(self, labels):
        """Labels as users write them -> what the loss takes, in TensorFlow ops, with a check. Args, Returns: tensor [batch]."""
        return labels

    def prepare_fit(self, count):
        """Called when the data of a fit is ready. Args: count: function -> batches of an epoch, epochs."""

    # Text.

    def preprocess(self, texts, text_pairs=None):
        """Raw text to the contract.

        Args: texts, text_pairs: string tensor, list or array [batch]; text_pairs may be None.
        Returns: dict of int32 tensors [batch, length].
        Raises: ValueError where the model has no vocabulary.
        """
        self._check_vocabulary()
        return self.packer(texts, text_pairs)

    def _check_vocabulary(self):
        if self.packer is None:
            raise ValueError(
                f"{type(self).__name__} was made without a vocabulary (vocab.txt beside the weights): "
                "give it the batch contract, not raw text"
            )

    # Keras's loops.

    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        epochs=1,
        verbose="auto",
        callbacks=None,
        validation_split=0.0,
        validation_data=None,
        shuffle=True,
        class_weight=None,
        sample_weight=None,
        initial_epoch=0,
        steps_per_epoch=None,
        validation_steps=None,
        validation_batch_size=None,
        validation_freq=1,
    ):
        """keras.Model.fit that also takes raw text; see keras_bert.tasks.inputs for its forms.

        Texts are batched with others of like length, so that little is padding (data.batch_by_length), unless all batches
        have one length (pad_to_multiple_of=None).

        Args: as keras.Model.fit. A tf.data.Dataset is not shuffled (call its shuffle); an unbatched one is batched.
        Returns: keras.callbacks.History.
        """
        if validation_split and inputs.is_raw_texts(x):
            (x, y, sample_weight), validation_data = _split_off(x, y, sample_weight, validation_split)
            validation_split = 0.0
        x, y, sample_weight, batch_size = self._ready(x, y, sample_weight, batch_size, shuffle=shuffle)
        if validation_data is not None:
            validation_data, validation_batch_size = self._ready_validation(validation_data, validation_batch_size or batch_size)
        self.prepare_fit(lambda: (steps_per_epoch or _batches_of_an_epoch(x, batch_size, validation_split), epochs - initial_epoch))
        if not self.optimizer.built:
            # Otherwise its variables are made inside the first step, which TensorFlow then traces twice.
            with self.distribute_strategy.scope():
                self.optimizer.build(self.trainable_variables)
        return super().fit(
            x,
            y,
            batch_size=batch_size,
            epochs=epochs,
            verbose=verbose,
            callbacks=callbacks,
            validation_split=validation_split,
            validation_data=validation_data,
            shuffle=shuffle and not isinstance(x, tf.data.Dataset),  # a dataset is shuffled already; Keras would warn
            class_weight=class_weight,
            sample_weight=sample_weight,
            initial_epoch=initial_epoch,
            steps_per_epoch=steps_per_epoch,
            validation_steps=validation_steps,
            validation_batch_size=validation_batch_size,
            validation_freq=validation_freq,
        )

    def evaluate(self, x=None, y=None, batch_size=None, verbose="auto", sample_weight=None, **kwargs):
        """keras.Model.evaluate that also takes raw text."""
        if not kwargs.get("_use_cached_eval_dataset"):  # fit has prepared its validation data already
            x, y, sample_weight, batch_size = self._ready(x, y, sample_weight, batch_size, shuffle=False)
        return super().evaluate(x, y, batch_size=batch_size, verbose=verbose, sample_weight=sample_weight, **kwargs)

    def predict(self, x, batch_size=None, verbose="auto", steps=None, callbacks=None):
        """keras.Model.predict that also takes raw text; rows come back in the order given."""
        x, _, _, batch_size = self._ready(x, None, None, batch_size, shuffle=False, labelled=False)
        return super().predict(x, batch_size=batch_size, verbose=verbose, steps=steps, callbacks=callbacks)

    def _ready(self, x, y, sample_weight, batch_size, *, shuffle, labelled=True):
        """Raw text -> a dataset for Keras; anything else is Keras's own and passes through."""
        if inputs.is_raw_dataset(x):
            if sample_weight is not None:
                raise ValueError("sample_weight was given beside a tf.data.Dataset; its elements hold it: (text, label, weight)")
            return self._ready_dataset(x, y, batch_size, shuffle=shuffle, labelled=labelled), None, None, None
        if not features.is_contract(x) and inputs.is_raw_texts(x):
            texts, text_pairs = inputs.split_texts(x)
            if not texts:
                raise ValueError("the list of texts is empty")
            self._note_pairs(text_pairs is not None)
            if labelled and y is None:
                raise ValueError("texts were given without labels: fit(texts, labels), evaluate(texts, labels)")
            y = None if y is None else self.encode_label_list(y)
            dataset = inputs.text_dataset(texts, text_pairs, y, sample_weight)
            if shuffle and y is not None:
                dataset = dataset.shuffle(len(texts), reshuffle_each_iteration=True)
            return self._pack_batches(self._batch(dataset, batch_size, shuffle=shuffle, labelled=labelled)), None, None, None
        if features.is_contract(x) and y is not None:
            y = self.encode_label_list(y)
        elif isinstance(x, tf.data.Dataset) and _holds_batches_of_the_contract(x):
            x = x.map(lambda batch, labels, *weight: (batch, self.encode_labels(labels), *weight))
        return x, y, sample_weight, batch_size

    def _batch(self, dataset, batch_size, *, shuffle, labelled):
        batch_size = batch_size or BATCH_SIZE
        if labelled and self.pad_to_multiple_of is not None:
            return batch_by_length(dataset, batch_size, lengths=self._token_counts, shuffle=shuffle)
        return dataset.batch(batch_size)  # predictions come back in the order of the texts

    def _ready_dataset(self, dataset, y, batch_size, *, shuffle, labelled):
        if y is not None:
            raise ValueError("y was given beside a tf.data.Dataset; its elements hold the labels: (text, label)")
        if not labelled and isinstance(dataset.element_spec, tuple) and len(dataset.element_spec) == 2 and self.text_pair:
            # Without labels, two strings are the pair that this model reads.
            if all(spec.dtype == tf.string for spec in tf.nest.flatten(dataset.element_spec)) and not isinstance(
                dataset.element_spec[0], (tuple, dict)
            ):
                dataset = dataset.map(lambda *pair: (pair,))
        pairs, batched, parts = inputs.dataset_parts(dataset)
        if labelled and parts == 1:
            raise ValueError(f"the dataset holds texts without labels; its elements should be (text, label), not {dataset.element_spec}")
        self._note_pairs(pairs)
        if batched and batch_size is not None:
            raise ValueError(f"batch_size={batch_size} was given but the dataset is batched; batch it by that yourself, or unbatch it")
        return self._pack_batches(dataset if batched else self._batch(dataset, batch_size, shuffle=shuffle, labelled=labelled))

    def _ready_validation(self, validation_data, batch_size):
        if inputs.is_raw_dataset(validation_data):
            batch_size = None if inputs.dataset_parts(validation_data)[1] else batch_size
            return self._ready_dataset(validation_data, None, batch_size, shuffle=False, labelled=True), None
        if isinstance(validation_data, (tuple, list)) and len(validation_data) in (2, 3):
            x, y, *weight = validation_data
            if features.is_contract(x):
                return (x, self.encode_label_list(y), *weight), batch_size
            if inputs.is_raw_texts(x):
                return self._ready(x, y, weight[0] if weight else None, batch_size, shuffle=False)[0], None
        return self._ready(validation_data, None, None, None, shuffle=False)[0], batch_size

    def _pack_batches(self, dataset):
        return inputs.pack_dataset(dataset, self.preprocess, self.encode_labels)

    def _token_counts(self, x):
        return tf.add_n([self.tokenizer.tokenize(column).row_lengths() for column in tf.nest.flatten(x)])

    def training_batches(self, examples, batch_size=None, *, seed=0, shuffle=True):
        """Batches for training.Trainer, which can begin anywhere: those of a run that was killed are the same again.

        Args:
            examples: unbatched tf.data.Dataset of (text, label) or ((text, text_pair), label), of known cardinality, in a fixed
                order: data.read_classification gives it.
            batch_size: examples of a global batch; None takes 32.
            seed: of the order.
        Returns: dataset_fn: number of batches already taken -> tf.data.Dataset of (contract, labels), without end. Texts of like
            length meet in a batch, as in fit.
        """
        pairs, batched, parts = inputs.dataset_parts(examples)
        if batched or parts == 1:
            raise ValueError(f"training_batches takes single examples with labels, (text, label); got elements {examples.element_spec}")
        self._note_pairs(pairs)
        batch_size = batch_size or BATCH_SIZE
        by_length = self.pad_to_multiple_of is not None

        def make_batches(dataset, epoch_seed):
            return batch_by_length(dataset, batch_size, lengths=self._token_counts, shuffle=shuffle, seed=epoch_seed)

        dataset_fn = endless_batches(examples, batch_size, seed=seed, make_batches=make_batches if by_length else None, shuffle=shuffle)
        return lambda batches_taken: self._pack_batches(dataset_fn(batches_taken))

    def _note_pairs(self, pairs):
        self._check_vocabulary()
        if self.text_pair is None:
            self.text_pair = pairs
        elif self.text_pair != pairs:
            kinds = {True: "pairs of texts", False: "single texts"}
            raise ValueError(f"this model reads {kinds[self.text_pair]} (text_pair={self.text_pair}) but was given {kinds[pairs]}")


def _holds_batches_of_the_contract(dataset):
    spec = dataset.element_spec
    if not (isinstance(spec, tuple) and len(spec) in (2, 3) and features.is_contract(spec[0])):
        return False
    return isinstance(spec[1], tf.TensorSpec) and spec[1].shape.rank == 1  # several outputs have a dict of labels


def _split_off(x, y, sample_weight, share):
    """Keep the last share of the rows for validation, as Keras does."""
    if not 0 < share < 1:
        raise ValueError(f"validation_split={share!r} is not in (0, 1)")
    texts, text_pairs = inputs.split_texts(x)
    cut = int(len(texts) * (1 - share))

    def part(rows):
        columns = texts[rows] if text_pairs is None else (texts[rows], text_pairs[rows])
        return columns, None if y is None else y[rows], None if sample_weight is None else sample_weight[rows]

    return part(slice(None, cut)), part(slice(cut, None))


def _batches_of_an_epoch(x, batch_size, validation_split):
    """Batches in x. Counts them where a dataset does not know: a pass over it costs less than a wrong schedule."""
    if isinstance(x, tf.data.Dataset):
        steps = int(x.cardinality())
        if steps == tf.data.INFINITE_CARDINALITY:
            raise ValueError("the dataset never ends; give steps_per_epoch")
        if steps == tf.data.UNKNOWN_CARDINALITY:
            steps = int(x.reduce(tf.constant(0, tf.int64), lambda count, _: count + 1))
        return steps
    if features.is_contract(x):
        rows = int(len(x[features.INPUT_IDS]) * (1 - validation_split))
        return -(-rows // (batch_size or BATCH_SIZE))
    if hasattr(x, "__len__"):  # keras.utils.PyDataset: its batches
        return len(x)
    raise ValueError(f"the length of a {type(x).__name__} is not known; give steps_per_epoch, or compile with an optimizer of your own")
