"""Servable: a task as TensorFlow functions, strings to answers and ids to answers, ready to be saved as a SavedModel."""

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


class _WithNetwork:
    """A task's predict_step over another network."""

    run_eagerly = False

    def __init__(self, task, call):
        self._task = task
        self._call = call

    def predict_step(self, inputs):
        return self._task.predictions(self._call(inputs, training=False))
