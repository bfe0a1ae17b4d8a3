"""Servable: a task as TensorFlow functions, strings to answers and ids to answers, ready to be saved as a SavedModel."""

import functools
import os
import types
import warnings

import tensorflow as tf

from keras_bert import features
from keras_bert.tasks.predictor import Predictor

SERVING_DEFAULT, IDS, EXAMPLES, CLASSIFY, REGRESS = "serving_default", "ids", "examples", "classify", "regress"
# What TF Serving's Classify and Regress demand of a signature: its method, and the names of its input and its outputs.
METHODS = {
    CLASSIFY: tf.saved_model.CLASSIFY_METHOD_NAME,
    REGRESS: tf.saved_model.REGRESS_METHOD_NAME,
}


class Servable(tf.Module):
    """Rows, padding, network and decoding in one graph; the answers are those of the task's `answer`.

    Attributes: functions: read-only dict of signature name -> tf.function.
        serving_default: strings [batch] by the names of the preprocessor's input_signature -> the answers; where there is a tokenizer.
        ids: input_ids, token_type_ids, attention_mask: int32 [batch, length] -> the answers.
        examples: serialized tf.Example, string [batch], with features of the names of serving_default's inputs -> the same answers.
        classify: such examples -> classes string [batch, labels], scores float32 [batch, labels]; where the task gives labels.
        regress: such examples -> outputs float32 [batch]; where the task gives one number.
    Args:
        task: Task.
        network: what predicts in place of the task's own network, such as one of another dtype.
        preprocessor: what reads and decodes in place of the task's own, such as one with another tokenizer.
        call: what calls it, such as a function that has its weights as constants; None: the network itself.
        constants: the weights that `call` holds, which are then not saved as variables.
    """

    def __init__(self, task, *, network=None, preprocessor=None, call=None, constants=()):
        super().__init__()
        task.tell_untrained()
        if task.tokenizer is not None and getattr(task.preprocessor, "text_pair", False) is None:
            warnings.warn(
                f"whether this {type(task).__name__} reads single texts or pairs is undecided, since it has seen neither: serving_default "
                "takes single texts. For pairs set model.text_pair = True (--text_pair) first",
                stacklevel=3,
            )
        network = task.network if network is None else network
        preprocessor = task.preprocessor if preprocessor is None else preprocessor
        predictor = Predictor(_WithNetwork(task, call or network), preprocessor, answers=True)
        self._tokenizer = preprocessor.tokenizer  # SentencePiece's is a resource, which must be tracked
        self._decoder_tokenizer = getattr(preprocessor, "decoder_tokenizer", None)  # which needs be none of the task's
        held = {id(weight) for weight in constants}
        # Only what is tracked is saved. Keras hides its TensorFlow variables behind `value`.
        self._variables = [weight.value for weight in network.weights if id(weight) not in held]

        def from_ids(*inputs):
            return predictor.from_inputs(dict(zip(features.UNPACKED, inputs, strict=True)))

        specs = [tf.TensorSpec([None, None], features.DTYPE, name=name) for name in features.UNPACKED]
        functions = {IDS: tf.function(from_ids, input_signature=specs, autograph=False)}
        if task.tokenizer is not None:
            signature = preprocessor.input_signature()

            def from_strings(*columns):
                return predictor.from_columns(dict(zip(signature, columns, strict=True)))

            functions[SERVING_DEFAULT] = tf.function(from_strings, input_signature=list(signature.values()), autograph=False)
            functions |= _of_examples(functions[SERVING_DEFAULT], preprocessor)
        # A proxy, which TensorFlow doesn't track: it saves the signatures, and would trace each tracked function once more for that.
        self.functions = types.MappingProxyType(functions)

    def concrete_functions(self):
        """The functions traced, once. Returns: dict of signature name -> tf.types.experimental.ConcreteFunction."""
        return self._traced

    @functools.cached_property
    def _traced(self):
        return {name: function.get_concrete_function() for name, function in self.functions.items()}

    def save(self, path):
        """Write a SavedModel. Args: path: directory; it must be empty or new."""
        tf.saved_model.save(self, path, signatures=self.concrete_functions())
        if methods := {name: METHODS[name] for name in self.functions if name in METHODS}:
            updater = tf.compat.v1.saved_model.signature_def_utils.MethodNameUpdater(path)
            for name, method in methods.items():  # TensorFlow 2 writes all signatures as ones of Predict
                updater.replace_method_name(signature_key=name, method_name=method)
            updater.save()
        if self._tokenizer is not None:
            # The graph carries its tokenizer; this copy is for people and clients, where TF Serving leaves files alone.
            extra = os.path.join(path, "assets.extra")
            os.makedirs(extra, exist_ok=True)
            self._tokenizer.save_asset(os.path.join(extra, self._tokenizer.ASSET))


def _of_examples(answer, preprocessor):
    """What takes serialized tf.Example. All call serving_default, which is traced once.

    Args: answer: tf.function, serving_default. Returns: dict of signature name -> tf.function.
    """
    signature = preprocessor.input_signature()
    columns = {name: _feature(spec) for name, spec in signature.items()}

    def answers(examples):
        parsed = tf.io.parse_example(examples, columns)
        return answer(*(parsed[name] for name in signature))

    def classify(inputs):
        names, output = preprocessor.class_scores
        scores = answers(inputs)[output]
        return {"classes": tf.broadcast_to(tf.constant(names), tf.shape(scores)), "scores": scores}

    def regress(inputs):
        return {"outputs": answers(inputs)[preprocessor.number]}

    functions = {EXAMPLES: _takes_examples(answers, "examples")}
    if preprocessor.class_scores is not None:
        functions[CLASSIFY] = _takes_examples(classify, "inputs")
    if preprocessor.number is not None:
        functions[REGRESS] = _takes_examples(regress, "inputs")
    return functions


def _feature(spec):
    """How an input stands in a tf.Example. Args: spec: tf.TensorSpec of strings [batch], or [batch, several], filled up with ""."""
    if spec.shape.rank == 1:
        return tf.io.FixedLenFeature([], tf.string)
    return tf.io.FixedLenSequenceFeature([], tf.string, allow_missing=True, default_value="")


def _takes_examples(function, name):
    return tf.function(function, input_signature=[tf.TensorSpec([None], tf.string, name=name)], autograph=False)


class _WithNetwork:
    """What a task predicts by another network."""

    run_eagerly = False

    def __init__(self, task, call):
        self._task = task
        self._call = call

    def predicted(self, inputs, **options):
        return self._task.predictions(self._task.through(functools.partial(self._call, training=False, **options), inputs))
