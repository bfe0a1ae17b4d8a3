"""What is exported: a task's Servable, its network as it is, in another dtype, or with its weights as constants."""

from export.network import frozen, frozen_weights
from keras_bert.tasks import Servable, Task


def servable(model, *, network=None, freeze=False):
    """Wrap a task.

    Args: model: a task of keras_bert. network: what answers in place of the model's own, such as network_in_dtype's. freeze: see
        export.network.frozen.
    Returns: Servable. Raises: TypeError on what cannot be served.
    """
    check_servable(model)
    network = model.network if network is None else network
    if not freeze:
        return Servable(model, network=network)
    return Servable(model, network=network, call=frozen(network), constants=frozen_weights(network))


def check_servable(model):
    """Raises: TypeError unless a model is a task."""
    if not isinstance(model, Task):
        raise TypeError(f"a {type(model).__name__} cannot be exported; what answers text is a task, such as BertClassifier")
