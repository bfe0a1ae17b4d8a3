"""What several workers of a run have to agree on, and what is said where one of them is gone."""

import tensorflow as tf

from keras_bert.training.distribution import is_multi_worker, shard_by_worker


class WorkerLostError(RuntimeError):
    """Another worker of the cluster is gone, and with it the step that was being made."""

    @classmethod
    def after(cls, error, step):
        """Args: error: what TensorFlow raised. step: of the last checkpoint, or None. Returns: WorkerLostError."""
        place = "from the beginning" if step is None else f"from the checkpoint of step {step}"
        return cls(
            f"another worker is gone ({type(error).__name__} while step was made together). Start the same command on all "
            f"workers: training goes on {place}"
        )


def check_that_workers_agree(strategy, step, output_dir):
    """Args: strategy: the model's. step: where this worker stands. Raises: ValueError where others stand elsewhere."""
    if not is_multi_worker(strategy):
        return

    def sums():
        return tf.distribute.get_replica_context().all_reduce("SUM", tf.constant([float(step), 1.0]))

    total, replicas = strategy.experimental_local_results(tf.function(lambda: strategy.run(sums))())[0].numpy()
    if total != step * replicas:
        raise ValueError(
            f"this worker finds its last checkpoint at step {step}, others at another: output_dir={output_dir} must be one "
            "that all workers see"
        )


def distributed(model, dataset, of_worker=None):
    """Share batches among the replicas.

    Args: model: TrainingModel. dataset: global batches. of_worker: function (worker, workers) -> dataset of that worker's rows of the
        same batches, for workers that read files of their own; or None.
    Returns: what the model's strategy distributes.
    """
    if of_worker is not None and is_multi_worker(model.distribute_strategy):
        return shard_by_worker(of_worker, model.distribute_strategy)
    return model._shard(dataset)
