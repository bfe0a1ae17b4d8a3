"""Servable: a task as TensorFlow functions, strings to answers and ids to answers, ready to be saved as a SavedModel."""

import functools
import os
import warnings

import tensorflow as tf

from keras_bert import features
from keras_bert.tasks.predictor import Predictor

SERVING_DEFAULT, IDS = "serving_default", "ids"


class Servable(tf.Module):
    """Rows, padding, network and decoding in one graph; the answers are those of the task's `answer`.

    Attributes: functions: dict of signature name -> tf.function.
        serving_default: strings [batch] by the names of the preprocessor's input_signature -> the answers; where there is a tokenizer.
        ids: input_ids, token_type_ids, attention_mask: int32 [batch, length] -> the answers.
    Args:
        task: Task.
        network: what predicts in place of the task's own network, such as one of another dtype.
        call: what calls it, such as a function that has its weights as constants; None: the network itself.
        constants: the weights that `call` holds, which are then not saved as variables.
    """

    def __init__(self, task, *, network=None, call=None, constants=()):
        super().__init__()
        task.tell_untrained()
        if task.tokenizer is not None and getattr(task.preprocessor, "text_pair", False) is None:
            warnings.warn(
                f"whether this {type(task).__name__} reads single texts or pairs is undecided, since it has seen neither: serving_default "
                "takes single texts. For pairs set model.text_pair = True (--text_pair) first",
                stacklevel=3,
            )
        network = task.network if network is None else network
        predictor = Predictor(_WithNetwork(task, call or network), task.preprocessor, answers=True)
        self._tokenizer = task.tokenizer  # SentencePiece's is a resource, which must be tracked
        held = {id(weight) for weight in constants}
        # Only what is tracked is saved. Keras hides its TensorFlow variables behind `value`.
        self._variables = [weight.value for weight in network.weights if id(weight) not in held]

        def from_ids(*inputs):
            return predictor.from_inputs(dict(zip(features.UNPACKED, inputs, strict=True)))

        specs = [tf.TensorSpec([None, None], features.DTYPE, name=name) for name in features.UNPACKED]
        self.functions = {IDS: tf.function(from_ids, input_signature=specs, autograph=False)}
        if task.tokenizer is not None:
            signature = task.preprocessor.input_signature()

            def from_strings(*columns):
                return predictor.from_columns(dict(zip(signature, columns, strict=True)))

            self.functions[SERVING_DEFAULT] = tf.function(from_strings, input_signature=list(signature.values()), autograph=False)

    @functools.cache  # noqa: B019 - as long as the servable itself
    def concrete_functions(self):
        """The functions traced. Returns: dict of signature name -> tf.types.experimental.ConcreteFunction."""
        return {name: function.get_concrete_function() for name, function in self.functions.items()}

    def save(self, path):
        """Write a SavedModel. Args: path: directory; it must be empty or new."""
        tf.saved_model.save(self, path, signatures=self.concrete_functions())
        if self._tokenizer is not None:
            # The graph carries its tokenizer; this copy is for people and clients, where TF Serving leaves files alone.
            extra = os.path.join(path, "assets.extra")
            os.makedirs(extra, exist_ok=True)
            self._tokenizer.save_asset(os.path.join(extra, self._tokenizer.ASSET))


class _WithNetwork:
    """What a task predicts by another network."""

    run_eagerly = False

    def __init__(self, task, call):
        self._task = task
        self._call = call

    def predicted(self, inputs):
        return self._task.predictions(self._task.through(functools.partial(self._call, training=False), inputs))
