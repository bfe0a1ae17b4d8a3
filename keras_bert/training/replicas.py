"""The rows of all replicas, for a loss that compares each row with those of the whole batch."""

import keras


def rows_of_all(*arrays):
    """Rows of every replica's part of a batch, with gradients.

    Args: arrays: [rows, ...], this replica's; replicas may differ in rows.
    Returns: list of arrays [rows of all, ...], in the order of the replicas; the place of this replica's first row among them.
    """
    context = _replicas()
    if context is None:
        return list(arrays), 0
    import tensorflow as tf

    counts = context.all_gather(tf.reshape(tf.shape(arrays[0])[0], [1]), axis=0)
    return [context.all_gather(array, axis=0) for array in arrays], tf.reduce_sum(counts[: context.replica_id_in_sync_group])


def _replicas():
    """Returns: tf.distribute.ReplicaContext of several replicas, or None: there is one."""
    if keras.backend.backend() != "tensorflow":
        return None
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    return None if context is None or context.num_replicas_in_sync == 1 else context
