"""What scores mean: Transformers' words for the kinds of classification, and the activations that make predictions of logits."""

from keras import ops

SINGLE_LABEL, MULTI_LABEL, REGRESSION = "single_label_classification", "multi_label_classification", "regression"
PROBLEM_TYPES = (SINGLE_LABEL, MULTI_LABEL, REGRESSION)
SOFTMAX, SIGMOID, LINEAR = "softmax", "sigmoid", "linear"
ACTIVATIONS = (SOFTMAX, SIGMOID, LINEAR)


def default_activation(problem_type, num_labels):
    """The activation that a kind of classification has where nothing says another: one label is a scorer's, as in a cross-encoder."""
    if problem_type == REGRESSION:
        return LINEAR
    return SIGMOID if problem_type == MULTI_LABEL or num_labels == 1 else SOFTMAX


def activate(logits, activation):
    """Logits to what `predict` gives. Args: logits: [..., scores]. activation: one of ACTIVATIONS. Returns: as logits."""
    functions = {SOFTMAX: lambda x: ops.softmax(x, axis=-1), SIGMOID: ops.sigmoid, LINEAR: lambda x: x}
    return functions[activation](logits)
