"""What is exported: a task's Servable, its network as it is, in another dtype, or with its weights as constants."""

from export.network import frozen, frozen_weights
from keras_bert.tasks import Servable, Task


def servable(model, *, network=None, freeze=False, core_ops=False):
    """Wrap a task.

    Args: model: a task of keras_bert. network: what answers in place of the model's own, such as network_in_dtype's. freeze: see
        export.network.frozen. core_ops: read texts by TensorFlow's own ops alone.
    Returns: Servable. Raises: TypeError on what cannot be served; ValueError where core ops are wanted and the tokenizer has others.
    """
    check_servable(model)
    network = model.network if network is None else network
    preprocessor = model.preprocessor
    if core_ops and model.tokenizer is not None:
        preprocessor = preprocessor.with_settings(tokenizer=model.tokenizer.in_core_ops())
    options = {"network": network, "preprocessor": preprocessor}
    if freeze:
        options |= {"call": frozen(network), "constants": frozen_weights(network)}
    return Servable(model, **options)


def check_servable(model):
    """Raises: TypeError unless a model is a task."""
    if not isinstance(model, Task):
        raise TypeError(f"a {type(model).__name__} cannot be exported; what answers text is a task, such as BertClassifier")
