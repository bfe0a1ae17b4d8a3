"""RawData: a TrainingModel that reads what its preprocessor takes, raw text first of all, and answers."""

import contextlib
import warnings

import numpy as np
import tensorflow as tf
from keras import tree

from keras_bert import features
from keras_bert.files import replaced_directory
from keras_bert.tasks.feed import BATCH_SIZE, Feed
from keras_bert.tasks.predictor import Predictor, plain
from keras_bert.tasks.servable import Servable
from keras_bert.training import TrainingModel
from keras_bert.training.distribution import is_multi_worker, is_tpu, untuned
from keras_bert.training.fit_data import Data


class RawData(TrainingModel):
    """The hooks of TrainingModel's loops, over a preprocessor. A subclass sets `preprocessor`, by `_take`."""

    preprocessor = None
    _traced_weights = None
    _untrained = ()  # parts of the network that no checkpoint filled and no training has touched

    # Reading.

    def preprocess(self, texts, text_pairs=None):
        """Raw text to the batch contract.

        Args: texts, text_pairs: string tensor, list or array [batch]; text_pairs may be None.
        Returns: dict of int32 tensors [batch, length].
        Raises: ValueError where the model has no vocabulary.
        """
        self._check_vocabulary()
        columns = {name: column for name, column in (("text", texts), ("text_pair", text_pairs)) if column is not None}
        return self.preprocessor.pad(self.preprocessor.rows(columns))[0]

    def _check_vocabulary(self):
        if self.preprocessor.tokenizer is None:
            raise ValueError(
                f"{type(self).__name__} was made without a vocabulary (vocab.txt beside the weights): "
                "give it the batch contract, not raw text"
            )

    def _is_raw(self, x):
        """Whether x is raw input: in memory, or a dataset of it, whose elements hold strings and nothing else."""
        if isinstance(x, tf.data.Dataset):
            spec = x.element_spec[0] if isinstance(x.element_spec, tuple) else x.element_spec
            return all(getattr(part, "dtype", None) == tf.string for part in tf.nest.flatten(spec))
        return not features.is_contract(x) and self.preprocessor.takes(x)

    def batches_itself(self, x):
        return self._is_raw(x) and not (isinstance(x, tf.data.Dataset) and self._feed.elements_of(x, labelled=True)[1])

    @property
    def _feed(self):
        return Feed(self.preprocessor)

    def ready(self, data, *, labelled=True, shuffle=False, max_tokens_per_batch=None):
        x, y, weights, batch_size = data
        budget = max_tokens_per_batch
        self.tell_untrained()
        if budget is not None:
            self._check_budget(budget, batch_size, x)
        if not self._is_raw(x):
            if features.is_contract(x) and y is not None:
                data = data._replace(y=self.preprocessor.encode_targets(y))
            elif labelled and isinstance(x, tf.data.Dataset) and _holds_labelled_inputs(x):
                data = data._replace(
                    x=x.map(lambda batch, labels, *rest: (batch, self.preprocessor.encode_targets_in_graph(labels), *rest))
                )
            return data
        self._check_vocabulary()
        feed = self._feed
        if isinstance(x, tf.data.Dataset):
            elements, batched = self._elements(x, y, weights, batch_size, labelled=labelled)
            if batched:
                return Data(feed.padded(elements))
        else:
            columns, targets = self._read(x, y)
            if labelled and targets is None:
                raise ValueError(f"texts were given without labels: {self.preprocessor.labelled_as}")
            elements = feed.elements_in_memory(dict(columns), targets, weights)
            if shuffle and targets is not None:
                elements = elements.shuffle(int(elements.cardinality()), reshuffle_each_iteration=True)
        if budget is not None:
            return Data(feed.batches_within(elements, budget, shuffle=shuffle))
        by_length = labelled and self.batches_by_length(elements)  # predictions come back in the order of the texts
        return Data(feed.batches(elements, batch_size, by_length=by_length, shuffle=shuffle))

    def batches_by_length(self, elements):
        """Whether examples are to meet others of like length in training and evaluation. Args: elements: dataset of them. Returns: bool."""
        return self.preprocessor.pad_to_multiple_of is not None

    def _read(self, x, y):
        """Raw input in memory. Returns: columns; targets as `rows` takes them, or None."""
        if isinstance(x, _Columns):
            return x, y
        columns = _Columns(self.preprocessor.columns(x))
        return columns, None if y is None else self.preprocessor.encode_targets_of(columns, y)

    def _elements(self, dataset, y, weights, batch_size, *, labelled):
        if weights is not None:
            raise ValueError("sample_weight was given beside a tf.data.Dataset; its elements hold it: (text, label, weight)")
        if y is not None:
            raise ValueError("y was given beside a tf.data.Dataset; its elements hold the labels: (text, label)")
        elements, batched = self._feed.elements_of(dataset, labelled=labelled)
        if labelled and len(elements.element_spec) == 1:
            raise ValueError(f"the dataset holds texts without labels; its elements should be (text, label), not {dataset.element_spec}")
        if batched and batch_size is not None:
            raise ValueError(f"batch_size={batch_size} was given but the dataset is batched; batch it by that yourself, or unbatch it")
        return elements, batched

    def _check_budget(self, budget, batch_size, x):
        self._check_vocabulary()
        longest = self.preprocessor.longest_example
        if batch_size is not None:
            raise ValueError(
                f"batch_size={batch_size} was given beside max_tokens_per_batch={budget}; a batch has one measure: leave one out"
            )
        if self.preprocessor.pad_to_multiple_of is None:
            raise ValueError(
                f"max_tokens_per_batch={budget} wants batches of different lengths; this model pads all to {longest} tokens "
                f"(pad_to_multiple_of=None, as TPU needs): batch_size={max(1, int(budget) // longest)} is the same budget"
            )
        if isinstance(budget, bool) or int(budget) != budget or budget < longest:
            raise ValueError(
                f"max_tokens_per_batch={budget!r} leaves no room for one text of {longest} tokens; give a whole number of that "
                "or more, or the model a lesser max_length"
            )
        if not self._is_raw(x):
            raise ValueError(f"max_tokens_per_batch={budget} batches raw text, and this is none: give batch_size, or batches of your own")
        if not self.batches_itself(self._feed.without_targets(x) if isinstance(x, tf.data.Dataset) else x):
            raise ValueError(f"max_tokens_per_batch={budget} was given but the dataset is batched; unbatch it")

    @contextlib.contextmanager
    def attempt(self):
        preprocessor, calls = self.preprocessor, self.update_calls
        is_open = getattr(preprocessor, "text_pair", False) is None
        try:
            yield
        except BaseException:
            if is_open and calls == self.update_calls:
                preprocessor.text_pair = None  # data that the call could not use decides nothing
            raise

    # Training.

    @contextlib.contextmanager
    def before_training(self):
        untrained, self._untrained = self._untrained, ()  # what is told here would soon be untrue
        try:
            yield
        finally:
            self._untrained = untrained

    def split_off(self, data, share):
        if not self._is_raw(data.x) or isinstance(data.x, tf.data.Dataset):
            if features.is_contract(data.x) and isinstance(data.y, list):
                data = data._replace(y=self.preprocessor.encode_targets(data.y))  # a list would be taken for several arrays
            return super().split_off(data, share)
        if not 0 < share < 1:
            raise ValueError(f"validation_split={share!r} is not in (0, 1)")
        columns, targets = self._read(data.x, data.y)
        cut = int(len(next(iter(columns.values()))) * (1 - share))

        def part(rows):
            x = _Columns({name: column[rows] for name, column in columns.items()})
            return Data(x, *(None if each is None else np.asarray(each)[rows] for each in (targets, data.sample_weight)), data.batch_size)

        return part(slice(None, cut)), part(slice(cut, None))

    def make_train_function(self, force=False):
        # LoRA puts variables in the place of others: what was traced before knows nothing of them.
        weights = [id(weight) for weight in self.network.weights]
        if weights != self._traced_weights:
            self.forget_functions()
            self._traced_weights = weights
        super().make_train_function(force)

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
            schedule are epochs * batches_an_epoch / gradient_accumulation_steps. dataset_fn.evaluate_options tells a Trainer to
            have raw validation data batched by the same measure.
        """
        self._check_vocabulary()
        budget = max_tokens_per_batch
        with self.attempt():
            elements, batched = self._feed.elements_of(examples, labelled=True)
            if batched or len(elements.element_spec) == 1:
                raise ValueError(f"training_batches takes single examples with labels, (text, label); got elements {examples.element_spec}")
            if budget is not None:
                self._check_budget(budget, batch_size, examples)
            measure = {"batch_size": batch_size or BATCH_SIZE} if budget is None else {"max_tokens_per_batch": budget}
            by_length = self.batches_by_length(elements)
            dataset_fn = self._feed.endless(
                elements, batch_size=measure.get("batch_size"), budget=budget, by_length=by_length, seed=seed, shuffle=shuffle
            )
        dataset_fn.evaluate_options = lambda x: dict(measure) if self.batches_itself(x) else {}
        return dataset_fn

    # Asking.

    def predict_raw(self, x, batch_size, verbose, steps, callbacks, max_tokens_per_batch):
        budget, is_dataset = max_tokens_per_batch, isinstance(x, tf.data.Dataset)
        if budget is not None:
            self._check_budget(budget, batch_size, x)
            for name, value in (("steps", steps), ("callbacks", callbacks)):
                if value:
                    raise ValueError(f"{name}={value} was given beside max_tokens_per_batch, whose batches are in no order; leave one out")
        several_rows = self._is_raw(x) and self.preprocessor.several_rows
        if several_rows and (callbacks or is_tpu(self.distribute_strategy)):
            raise ValueError(
                f"an example of a {type(self).__name__} may be several rows, which callbacks and TPU workers cannot join: leave callbacks "
                "out, and predict outside of the TPU's scope"
            )
        if not self._is_raw(x) or callbacks or is_tpu(self.distribute_strategy):  # whose workers run no Python
            return None
        self._check_vocabulary()
        self.tell_untrained()
        predictor = self._predictor(answers=False)
        # The rows of an example may not be shared between replicas: one of them predicts then.
        shared = not several_rows and (self._shares_batches or is_multi_worker(self.distribute_strategy))
        if is_dataset and budget is None:
            return None if shared else self._predict_dataset(predictor, x, batch_size, verbose, steps)
        columns = self._columns_of(x) if is_dataset else self.preprocessor.columns(x)
        if steps is not None:
            columns = {name: column[: steps * (batch_size or BATCH_SIZE)] for name, column in columns.items()}
        if not shared:
            return predictor.of_columns(columns, batch_size, budget, verbose)
        batches, places = predictor.batches_of(columns, batch_size, budget)
        outputs = super().predict(batches, verbose=verbose)
        return tree.map_structure(lambda rows: rows[places], outputs)

    def _predict_dataset(self, predictor, dataset, batch_size, verbose, steps):
        elements, batched = self._elements(dataset, None, None, batch_size, labelled=False)
        batches = elements if batched else elements.batch(batch_size or BATCH_SIZE)
        if steps is not None:
            batches = batches.take(steps)
        elif int(batches.cardinality()) == tf.data.INFINITE_CARDINALITY:
            raise ValueError("the dataset never ends; give steps, or take(number) of it")
        count = int(batches.cardinality())
        return predictor.of_batches(
            (element[0] for element in batches.with_options(untuned(batches))), count if count > 0 else None, verbose
        )

    def _columns_of(self, dataset):
        """A dataset of raw input -> columns in memory."""
        if int(dataset.cardinality()) == tf.data.INFINITE_CARDINALITY:
            raise ValueError("the dataset never ends; take(number) of it")
        elements, batched = self._feed.elements_of(dataset, labelled=False)
        columns = {}
        for (element,) in elements.with_options(untuned(elements)).as_numpy_iterator():
            for name, text in element.items():
                columns.setdefault(name, []).extend(text.tolist() if batched else [text])
        if not columns:
            raise ValueError("the dataset is empty: there is nothing to predict")
        return columns

    def answer(self, x, batch_size=None, *, max_tokens_per_batch=None, **settings):
        """Answers as plain Python: the very values that the exported model serves.

            model.answer(["what a treat"])      # [{"label": "positive", "score": 0.98, "probabilities": [0.02, 0.98]}]

        Args:
            x: raw input as fit takes it, or the batch contract.
            batch_size, max_tokens_per_batch: as predict.
            settings: of the preprocessor, for this call: max_length, top_k, ...
        Returns: list of dicts, one an example.
        Raises: ValueError naming what does not fit.
        """
        arrays = self.answer_arrays(x, batch_size, max_tokens_per_batch=max_tokens_per_batch, **settings)
        return plain(arrays, self._predictor(answers=True, **settings).preprocessor)  # which may count other answers, by its settings

    def answer_arrays(self, x, batch_size=None, *, max_tokens_per_batch=None, **settings):
        """`answer` as the exported model has it. Args: as there. Returns: dict of name -> array [examples, ...], strings as bytes."""
        self.tell_untrained()
        if max_tokens_per_batch is not None:
            self._check_budget(max_tokens_per_batch, batch_size, x)
        if features.is_contract(x):
            return self._predictor(answers=True, **settings).of_inputs(x, batch_size)
        self._check_vocabulary()
        with self.attempt():
            columns = self._columns_of(x) if isinstance(x, tf.data.Dataset) else self.preprocessor.columns(x)
            return self._predictor(answers=True, **settings).of_columns(columns, batch_size, max_tokens_per_batch)

    def export(self, filepath, format="tf_saved_model", **options):
        """Keras's export: write what serves the answers, as export.export_saved_model does, to one directory.

        Args:
            filepath: the directory; an older SavedModel there is replaced once the new one is whole.
            format: "tf_saved_model"; others are Keras's own, of the network alone: model inputs to logits.
            options: Keras's, of those other formats.
        Raises: ValueError where the directory holds other things than a SavedModel, or where an option is not of this format.
        """
        if format != "tf_saved_model":
            return self.network.export(filepath, format=format, **options)
        unknown = sorted(set(options) - {"verbose"})
        if unknown:
            raise ValueError(f"{', '.join(unknown)}: the signatures of a task's SavedModel are its own: serving_default and ids")
        with replaced_directory(filepath, _SAVED_MODEL) as building:
            self.servable().save(building)

    def servable(self):
        """Returns: Servable, the functions that `export` writes."""
        return Servable(self)

    def _predictor(self, *, answers, **settings):
        """Kept, with the functions that it has traced, until something changes."""
        key = (answers, *sorted(settings.items()))
        predictor = self._predictors.get(key)
        if predictor is None:
            preprocessor = self._checked(self.preprocessor.with_settings(**settings)) if settings else self.preprocessor
            predictor = Predictor(self, preprocessor, answers=answers)
            while len(self._predictors) >= _MOST_KEPT:  # the one asked for first; a loop over seeds would fill the memory
                self._predictors.pop(next(iter(self._predictors)), None)
            self._predictors[key] = predictor
        return predictor

    def forget_functions(self):
        """Trace anew what answers: after a change of the model's parts that no setter can see."""
        self._predictors = _Kept()

    def tell_untrained(self):
        """Warn, once, where answers are asked of a head that was never trained, by a step of this model's or one's own."""
        if self._untrained and (self.update_calls or (self.optimizer is not None and int(self.optimizer.iterations))):
            self._untrained = ()
        if self._untrained:
            parts, self._untrained = ", ".join(self._untrained), ()
            warnings.warn(
                f"{type(self).__name__}: no checkpoint had weights for {parts}, and they are not trained yet: the answers mean nothing. "
                "Call fit first",
                stacklevel=4,
            )


_MOST_KEPT = 16  # predictors; each holds some 20 MB
_SAVED_MODEL = ("saved_model.pb", "fingerprint.pb", "variables", "assets", "assets.extra")


class _Columns(dict):
    """Columns that were read already; the targets beside them are encoded."""


class _Kept(dict):
    """A dict that Keras does not track."""


def _holds_labelled_inputs(dataset):
    """Whether a dataset's elements are (contract, labels[, weights]), with one array of labels. Returns: bool."""
    spec = dataset.element_spec
    if not (isinstance(spec, tuple) and len(spec) in (2, 3) and features.is_contract(spec[0])):
        return False
    return isinstance(spec[1], tf.TensorSpec) and spec[1].shape.rank is not None and spec[1].shape.rank >= 1  # several outputs have a dict
