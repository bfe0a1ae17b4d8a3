"""RawTextModel: fit, evaluate and predict on raw text, which becomes batches of the contract on the way."""

import functools

import numpy as np
import tensorflow as tf
from keras import tree

from keras_bert import features
from keras_bert.data import batch_by_length, batch_by_tokens, count_batches, cut_by_tokens, endless_batches, known_count, with_lengths
from keras_bert.tasks import inputs
from keras_bert.text import BertPacker
from keras_bert.training import TrainingModel
from keras_bert.training.distribution import is_tpu, untuned

BATCH_SIZE = 32  # google-research's run_classifier.py, and Keras's default
# Where batches have a budget of tokens, lengths are rounded up to this at least: a batch's rows follow from its length, so that
# there are max_length / 8 shapes, 16 for 128, but for the last batch of a window. Each new shape costs a compilation under XLA.
LENGTH_STEP = 8
# Slots that a further batch of a prediction must save, for what calling the model once more costs. A guess, not a measurement: 128 to 512
# give sums of slots within 3 % of each other.
LEAST_SAVED = 256
EXAMPLES_AT_ONCE = 4096  # texts whose ids are in memory together where only their number is wanted


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
        max_tokens_per_batch=None,
    ):
        """keras.Model.fit that also takes raw text; see keras_bert.tasks.inputs for its forms.

        Texts are batched with others of like length, so that little is padding (data.batch_by_length), unless all batches
        have one length (pad_to_multiple_of=None).

        Args:
            as keras.Model.fit. A tf.data.Dataset is not shuffled (call its shuffle); an unbatched one is batched.
            max_tokens_per_batch: in place of batch_size, for raw text: slots of a batch at most, rows times its longest row. Long
                texts then come in batches of few, short ones of many, and each update is the mean of its batch. Not where all
                batches have one length.
        Returns: keras.callbacks.History.
        Raises: ValueError naming what does not fit, as a budget beside batch_size, or of less than max_length.
        """
        if validation_split and inputs.is_raw_texts(x):
            (x, y, sample_weight), validation_data = inputs.split_off(x, y, sample_weight, validation_split)
            validation_split = 0.0
        budget = max_tokens_per_batch
        x, y, sample_weight, batch_size = self._ready(x, y, sample_weight, batch_size, shuffle=shuffle, budget=budget)
        if validation_data is not None:
            budget = None if validation_batch_size else budget
            validation_batch_size = validation_batch_size or batch_size
            validation_data, validation_batch_size = self._ready_validation(validation_data, validation_batch_size, budget)
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

    def evaluate(self, x=None, y=None, batch_size=None, verbose="auto", sample_weight=None, max_tokens_per_batch=None, **kwargs):
        """keras.Model.evaluate that also takes raw text. Args: as there; max_tokens_per_batch: see fit."""
        if not kwargs.get("_use_cached_eval_dataset"):  # fit has prepared its validation data already
            budget = max_tokens_per_batch
            x, y, sample_weight, batch_size = self._ready(x, y, sample_weight, batch_size, shuffle=False, budget=budget)
        return super().evaluate(x, y, batch_size=batch_size, verbose=verbose, sample_weight=sample_weight, **kwargs)

    def predict(self, x, batch_size=None, verbose="auto", steps=None, callbacks=None, max_tokens_per_batch=None):
        """keras.Model.predict that also takes raw text; rows come back in the order given.

        Texts in memory are batched with others of like length, unless all batches have one length, or `steps` asks for the first
        batches only.

        Args: as keras.Model.predict; max_tokens_per_batch: see fit. With it, an unbatched dataset is read into memory.
        """
        places = None
        if max_tokens_per_batch is not None:
            self._check_budget(max_tokens_per_batch, batch_size, x)
            if steps is not None:
                raise ValueError(f"steps={steps} was given beside max_tokens_per_batch, whose batches are in no order; leave one out")
            x = self._texts_of(x) if isinstance(x, tf.data.Dataset) else x
        is_in_memory = not features.is_contract(x) and not isinstance(x, tf.data.Dataset) and inputs.is_raw_texts(x)
        if is_in_memory and steps is None and not is_tpu(self.distribute_strategy):  # whose workers run no Python
            x, places = self._batches_in_memory(x, batch_size or BATCH_SIZE, max_tokens_per_batch)
            batch_size = None
        else:
            x, _, _, batch_size = self._ready(x, None, None, batch_size, shuffle=False, labelled=False, budget=max_tokens_per_batch)
        outputs = super().predict(x, batch_size=batch_size, verbose=verbose, steps=steps, callbacks=callbacks)
        return outputs if places is None else tree.map_structure(lambda rows: rows[places], outputs)

    def _batches_in_memory(self, x, batch_size, budget):
        """Texts in memory -> dataset of the contract, longest first; where each text went: int array [texts], or None: none moved."""
        texts, text_pairs = inputs.split_texts(x)
        if not texts:
            raise ValueError("the list of texts is empty")
        self._note_pairs(text_pairs is not None)
        columns = [texts] if text_pairs is None else [texts, text_pairs]
        packer = self.packer if budget is None else self._budget_packer
        places = None
        if self.pad_to_multiple_of is not None and (budget is not None or len(texts) > batch_size):
            lengths = [
                packer.padded_lengths(*(column[start : start + EXAMPLES_AT_ONCE] for column in columns)).numpy()
                for start in range(0, len(texts), EXAMPLES_AT_ONCE)
            ]
            lengths = np.concatenate(lengths)
            order = np.argsort(-lengths, kind="stable")
            places = np.empty_like(order)
            places[order] = np.arange(len(order))
            columns = [[column[index] for index in order] for column in columns]
        starts = (
            list(range(0, len(texts), batch_size)) if budget is None else cut_by_tokens(lengths[order], budget, least_saved=LEAST_SAVED)
        )
        length = self.max_length if self.pad_to_multiple_of is None else None
        return inputs.packed_texts(columns, starts, packer.pack_batch, length=length), places

    def _texts_of(self, dataset):
        """An unbatched dataset of raw text -> texts in memory."""
        if int(dataset.cardinality()) == tf.data.INFINITE_CARDINALITY:
            raise ValueError("the dataset never ends; take(number) of it")
        dataset = self._as_unlabelled(dataset)
        columns = {}
        for element in dataset.with_options(untuned(dataset)).as_numpy_iterator():
            x = element[0] if isinstance(element, tuple) else element
            if not isinstance(x, dict):
                x = dict(zip((inputs.TEXT, inputs.TEXT_PAIR), x if isinstance(x, tuple) else (x,), strict=False))
            for name, text in x.items():
                columns.setdefault(name, []).append(text)
        if not columns:
            raise ValueError("the dataset is empty: there is nothing to predict")
        return columns

    def _ready(self, x, y, sample_weight, batch_size, *, shuffle, labelled=True, budget=None):
        """Raw text -> a dataset for Keras; anything else is Keras's own and passes through."""
        if budget is not None:
            self._check_budget(budget, batch_size, x)
        if inputs.is_raw_dataset(x):
            if sample_weight is not None:
                raise ValueError("sample_weight was given beside a tf.data.Dataset; its elements hold it: (text, label, weight)")
            return self._ready_dataset(x, y, batch_size, shuffle=shuffle, labelled=labelled, budget=budget), None, None, None
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
            return self._batch(dataset, batch_size, shuffle=shuffle, labelled=labelled, budget=budget), None, None, None
        if features.is_contract(x) and y is not None:
            y = self.encode_label_list(y)
        elif isinstance(x, tf.data.Dataset) and inputs.holds_batches_of_the_contract(x):
            x = x.map(lambda batch, labels, *weight: (batch, self.encode_labels(labels), *weight))
        return x, y, sample_weight, batch_size

    def _batch(self, dataset, batch_size, *, shuffle, labelled, budget=None):
        """Single raw texts -> batches of the contract."""
        if budget is not None:
            packer = self._budget_packer
            measured = with_lengths(dataset, _lengths_by(packer))
            examples = int(dataset.cardinality())
            if examples <= 0:  # not known, or without end: in windows
                return self._pack_batches(batch_by_tokens(measured, budget, shuffle=shuffle), packer)
            batches = batch_by_tokens(measured, budget, shuffle=shuffle, window_examples=examples)
            count = count_batches(self._lengths_of(dataset, packer), budget)  # which Keras shows, and a schedule wants
            return self._pack_batches(batches.apply(tf.data.experimental.assert_cardinality(count)), packer)
        batch_size = batch_size or BATCH_SIZE
        if labelled and self.pad_to_multiple_of is not None:
            return self._pack_batches(batch_by_length(dataset, batch_size, lengths=self._token_counts, shuffle=shuffle))
        return self._pack_batches(dataset.batch(batch_size))  # predictions come back in the order of the texts

    # A budget of tokens for each batch.

    def _check_budget(self, budget, batch_size, x):
        self._check_vocabulary()
        if batch_size is not None:
            raise ValueError(
                f"batch_size={batch_size} was given beside max_tokens_per_batch={budget}; a batch has one measure: leave one out"
            )
        if self.pad_to_multiple_of is None:
            raise ValueError(
                f"max_tokens_per_batch={budget} wants batches of different lengths; this model pads all to max_length={self.max_length} "
                f"(pad_to_multiple_of=None, as TPU needs): batch_size={max(1, int(budget) // self.max_length)} is the same budget"
            )
        if isinstance(budget, bool) or int(budget) != budget or budget < self.max_length:
            raise ValueError(
                f"max_tokens_per_batch={budget!r} leaves no room for one text of max_length={self.max_length} tokens; give a whole number "
                "of that or more, or the model a lesser max_length"
            )
        if features.is_contract(x) or not (inputs.is_raw_dataset(x) or (not isinstance(x, tf.data.Dataset) and inputs.is_raw_texts(x))):
            raise ValueError(f"max_tokens_per_batch={budget} batches raw text, and this is none: give batch_size, or batches of your own")
        if isinstance(x, tf.data.Dataset) and inputs.dataset_parts(self._as_unlabelled(x))[1]:
            raise ValueError(f"max_tokens_per_batch={budget} was given but the dataset is batched; unbatch it")

    @functools.cached_property  # which has traced its pack_batch
    def _budget_packer(self):
        return BertPacker(self.tokenizer, self.max_length, pad_to_multiple_of=max(LENGTH_STEP, self.pad_to_multiple_of))

    def _lengths_of(self, dataset, packer):
        """Returns: int32 array [examples], the padded length of each."""
        lengths = with_lengths(dataset, _lengths_by(packer)).map(lambda _, length: length).batch(100_000)
        return np.concatenate(list(lengths.with_options(untuned(lengths)).as_numpy_iterator()))

    def _as_unlabelled(self, dataset):
        """Without labels, two strings are the pair that this model reads."""
        spec = dataset.element_spec
        if isinstance(spec, tuple) and len(spec) == 2 and self.text_pair:
            if all(part.dtype == tf.string for part in tf.nest.flatten(spec)) and not isinstance(spec[0], (tuple, dict)):
                return dataset.map(lambda *pair: (pair,))
        return dataset

    def _ready_dataset(self, dataset, y, batch_size, *, shuffle, labelled, budget=None):
        if y is not None:
            raise ValueError("y was given beside a tf.data.Dataset; its elements hold the labels: (text, label)")
        if not labelled:
            dataset = self._as_unlabelled(dataset)
        pairs, batched, parts = inputs.dataset_parts(dataset)
        if labelled and parts == 1:
            raise ValueError(f"the dataset holds texts without labels; its elements should be (text, label), not {dataset.element_spec}")
        self._note_pairs(pairs)
        if batched and batch_size is not None:
            raise ValueError(f"batch_size={batch_size} was given but the dataset is batched; batch it by that yourself, or unbatch it")
        if batched:
            return self._pack_batches(dataset)
        return self._batch(dataset, batch_size, shuffle=shuffle, labelled=labelled, budget=budget)

    def _ready_validation(self, validation_data, batch_size, budget=None):
        if inputs.is_raw_dataset(validation_data):
            batch_size = None if inputs.dataset_parts(validation_data)[1] else batch_size
            return self._ready_dataset(validation_data, None, batch_size, shuffle=False, labelled=True, budget=budget), None
        if isinstance(validation_data, (tuple, list)) and len(validation_data) in (2, 3):
            x, y, *weight = validation_data
            if features.is_contract(x):
                return (x, self.encode_label_list(y), *weight), batch_size
            if inputs.is_raw_texts(x):
                return self._ready(x, y, weight[0] if weight else None, batch_size, shuffle=False, budget=budget)[0], None
        return self._ready(validation_data, None, None, None, shuffle=False)[0], batch_size

    def _pack_batches(self, dataset, packer=None):
        return inputs.pack_dataset(dataset, packer or self.preprocess, self.encode_labels)

    def _token_counts(self, x):
        return tf.add_n([self.tokenizer.tokenize(column).row_lengths() for column in tf.nest.flatten(x)])

    def training_batches(self, examples, batch_size=None, *, max_tokens_per_batch=None, seed=0, shuffle=True):
        """Batches for training.Trainer, which can begin anywhere: those of a run that was killed are the same again.

        Args:
            examples: unbatched tf.data.Dataset of (text, label) or ((text, text_pair), label), of known cardinality, in a fixed
                order: data.read_classification gives it.
            batch_size: examples of a global batch; None takes 32.
            max_tokens_per_batch: in place of batch_size: slots of a global batch at most, see fit. An epoch has the same number of
                batches each time.
            seed: of the order.
        Returns: dataset_fn: number of batches already taken -> tf.data.Dataset of (contract, labels), without end. Texts of like
            length meet in a batch, as in fit. dataset_fn.batches_an_epoch is the number that an epoch has: the updates of a
            schedule are epochs * batches_an_epoch / gradient_accumulation_steps. evaluate_options: see inputs.evaluate_options.
        """
        pairs, batched, parts = inputs.dataset_parts(examples)
        if batched or parts == 1:
            raise ValueError(f"training_batches takes single examples with labels, (text, label); got elements {examples.element_spec}")
        if max_tokens_per_batch is not None:
            self._check_budget(max_tokens_per_batch, batch_size, examples)
        self._note_pairs(pairs)
        packer = None
        if max_tokens_per_batch is not None:
            packer = self._budget_packer
            dataset_fn = self._budgeted_batches(examples, max_tokens_per_batch, packer, seed=seed, shuffle=shuffle)
        else:
            batch_size = batch_size or BATCH_SIZE
            by_length = self.pad_to_multiple_of is not None

            def make_batches(dataset, epoch_seed):
                return batch_by_length(dataset, batch_size, lengths=self._token_counts, shuffle=shuffle, seed=epoch_seed)

            dataset_fn = endless_batches(examples, batch_size, seed=seed, make_batches=make_batches if by_length else None, shuffle=shuffle)

        def packed_dataset_fn(batches_taken):
            return self._pack_batches(dataset_fn(batches_taken), packer)

        packed_dataset_fn.batches_an_epoch = dataset_fn.batches_an_epoch
        packed_dataset_fn.evaluate_options = inputs.evaluate_options(batch_size, max_tokens_per_batch)
        return packed_dataset_fn

    def _budgeted_batches(self, examples, budget, packer, *, seed, shuffle):
        count = known_count(examples)
        lengths = self._lengths_of(examples, packer)
        # An epoch is one window: where it is cut then depends on the lengths alone, and not on the order of that epoch.
        batches_an_epoch = count_batches(lengths, budget)

        def make_batches(dataset, epoch_seed):
            return batch_by_tokens(dataset, budget, shuffle=shuffle, seed=epoch_seed, window_examples=count)

        examples = tf.data.Dataset.zip(examples, tf.data.Dataset.from_tensor_slices(lengths))
        return endless_batches(examples, seed=seed, make_batches=make_batches, batches_an_epoch=batches_an_epoch, shuffle=shuffle)

    def _note_pairs(self, pairs):
        self._check_vocabulary()
        if self.text_pair is None:
            self.text_pair = pairs
        elif self.text_pair != pairs:
            kinds = {True: "pairs of texts", False: "single texts"}
            raise ValueError(f"this model reads {kinds[self.text_pair]} (text_pair={self.text_pair}) but was given {kinds[pairs]}")


def _lengths_by(packer):
    """Returns: x of a batch -> int32 [batch], the padded length of each text or pair."""

    def lengths(x):
        if isinstance(x, dict):
            return packer.padded_lengths(x[inputs.TEXT], x.get(inputs.TEXT_PAIR))
        return packer.padded_lengths(*x) if isinstance(x, tuple) else packer.padded_lengths(x)

    return lengths


def _batches_of_an_epoch(x, batch_size, validation_split):
    """Batches in x. Counts them where a dataset does not know: a pass over it costs less than a wrong schedule."""
    if isinstance(x, tf.data.Dataset):
        steps = int(x.cardinality())
        if steps == tf.data.INFINITE_CARDINALITY:
            raise ValueError("the dataset never ends; give steps_per_epoch")
        if steps == tf.data.UNKNOWN_CARDINALITY:
            steps = int(x.with_options(untuned(x)).reduce(tf.constant(0, tf.int64), lambda count, _: count + 1))
        return steps
    if features.is_contract(x):
        rows = int(len(x[features.INPUT_IDS]) * (1 - validation_split))
        return -(-rows // (batch_size or BATCH_SIZE))
    if hasattr(x, "__len__"):  # keras.utils.PyDataset: its batches
        return len(x)
    raise ValueError(f"the length of a {type(x).__name__} is not known; give steps_per_epoch, or compile with an optimizer of your own")
