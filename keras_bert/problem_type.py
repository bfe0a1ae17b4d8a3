"""What the scores of a text classifier mean, and what makes answers of them. Names of problems are Transformers'."""

from keras import ops

# One label of several; each label by itself, none to all of them; numbers.
SINGLE_LABEL, MULTI_LABEL, REGRESSION = "single_label_classification", "multi_label_classification", "regression"
PROBLEM_TYPES = (SINGLE_LABEL, MULTI_LABEL, REGRESSION)

SOFTMAX, SIGMOID, LINEAR = "softmax", "sigmoid", "linear"
ACTIVATIONS = (SOFTMAX, SIGMOID, LINEAR)


def resolve_activation(num_labels, problem_type=None, activation=None):
    """The function that makes answers of logits: what is said, or else what goes with the problem.

        regression: linear        multi-label: sigmoid
        single-label: softmax; of one label sigmoid, as Transformers' pipeline and sentence-transformers' CrossEncoder have it

    Args: num_labels: scores of a text. problem_type: of PROBLEM_TYPES; None: SINGLE_LABEL. activation: of ACTIVATIONS, or None.
    Returns: one of ACTIVATIONS.
    Raises: ValueError on another name, and on softmax of one score, which is 1 whatever the text.
    """
    if problem_type is not None and problem_type not in PROBLEM_TYPES:
        raise ValueError(f"problem_type={problem_type!r} is not one of {', '.join(PROBLEM_TYPES)}")
    if activation is not None and activation not in ACTIVATIONS:
        raise ValueError(f"activation={activation!r} is not one of {', '.join(ACTIVATIONS)}")
    if activation == SOFTMAX and num_labels == 1:
        raise ValueError("activation='softmax' of one score is 1 whatever the text; 'sigmoid' or 'linear' tells texts apart")
    if activation is not None:
        return activation
    if problem_type == REGRESSION:
        return LINEAR
    return SIGMOID if problem_type == MULTI_LABEL or num_labels == 1 else SOFTMAX


def activate(logits, activation):
    """Logits to what `predict` gives. Args: logits: [..., scores]. activation: one of ACTIVATIONS. Returns: as logits."""
    functions = {SOFTMAX: lambda x: ops.softmax(x, axis=-1), SIGMOID: ops.sigmoid, LINEAR: lambda x: x}
    return functions[activation](logits)
