"""Where a model is trained: the tf.distribute strategies, and how each replica comes by its rows of a batch."""

import contextlib
import json
import os
import threading

import tensorflow as tf

from keras_bert import features
from keras_bert.training.keras_internals import change_device_datasets, set_cardinality

STRATEGIES = ("auto", "one_device", "mirrored", "multi_worker", "tpu")


def get_strategy(name="auto", *, tpu=None):
    """The tf.distribute strategy to build a model under: `with get_strategy("mirrored").scope(): model = ...`.

    Args:
        name: one of
            "one_device"    the first GPU, or the CPU
            "mirrored"      every GPU of this machine (or every logical CPU, where there is none): one replica each
            "multi_worker"  the machines that the environment variable TF_CONFIG names; call it before anything else of
                            TensorFlow, and start the same program on each
            "tpu"           the TPU named by `tpu`
            "auto"          the first that fits: "tpu" where `tpu` is given, "multi_worker" where TF_CONFIG names two
                            workers or more, "mirrored" where there are two GPUs or more, else "one_device"
        tpu: name, zone path or grpc:// address of a Cloud TPU; "local" for a TPU VM.
    Returns: tf.distribute.Strategy.
    Raises: ValueError on another name, on a TF_CONFIG that cannot be read, or where there is no TPU.
    """
    if name not in STRATEGIES:
        raise ValueError(f"strategy={name!r} is not one of {', '.join(STRATEGIES)}")
    if tpu is not None and name not in ("auto", "tpu"):
        raise ValueError(f"tpu={tpu!r} was given beside strategy={name!r}; give strategy='tpu'")
    if name == "auto":
        if tpu is not None:
            name = "tpu"
        elif os.environ.get("TF_CONFIG") and len(_worker_addresses()) > 1:
            name = "multi_worker"
        else:
            name = "mirrored" if len(tf.config.list_physical_devices("GPU")) > 1 else "one_device"
    if name == "tpu":
        return _tpu_strategy(tpu)
    if name == "multi_worker":
        if not _worker_addresses():
            raise ValueError(
                "strategy='multi_worker' needs the environment variable TF_CONFIG, for instance "
                '\'{"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", "index": 0}}\''
            )
        return tf.distribute.MultiWorkerMirroredStrategy()
    kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
    devices = [device.name for device in tf.config.list_logical_devices(kind)]
    if name == "mirrored":
        return tf.distribute.MirroredStrategy(devices)
    return tf.distribute.OneDeviceStrategy(devices[0])


def _worker_addresses():
    text = os.environ.get("TF_CONFIG", "")
    if not text:
        return []
    try:
        cluster = json.loads(text)["cluster"]
        return [*cluster.get("chief", []), *cluster["worker"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"TF_CONFIG={text!r} names no workers: {error!r}") from error


def _tpu_strategy(name):
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu="local" if name is None else name)
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except (ValueError, tf.errors.OpError) as error:
        raise ValueError(f"no TPU answers to tpu={name!r}: {error}") from error
    return tf.distribute.TPUStrategy(resolver)


def is_tpu(strategy):
    """Tell whether a strategy runs on TPU, where every shape must be static."""
    return isinstance(strategy, (tf.distribute.TPUStrategy, tf.distribute.experimental.TPUStrategy))


def is_multi_worker(strategy):
    """Tell whether several processes train together."""
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return False
    # Where TF_CONFIG names one worker only, all replicas are on this one's devices.
    return strategy.num_replicas_in_sync > len(strategy.extended.worker_devices)


def is_chief(strategy):
    """Tell whether this process is the one that writes files and prints."""
    resolver = strategy.cluster_resolver
    return not is_multi_worker(strategy) or resolver.task_type in (None, "chief") or (resolver.task_type, resolver.task_id) == ("worker", 0)


def shard(dataset, strategy):
    """Give each replica its rows of each batch, in order: of 10 rows and 4 replicas 2, 3, 2 and 3.

    The batch is the global one, the same on every worker; so the result does not depend on how many share it. A batch with
    fewer rows than replicas leaves some with none, which then add nothing. On TPU, where shapes are static, a short last
    batch is filled up with rows of padding (attention_mask 0), which count nothing.

    Args: dataset: tf.data.Dataset of batches. strategy: the model's.
    Returns: what strategy distributes; or the dataset as it is, where there is one replica and no TPU.
    Raises: ValueError on TPU where batches have no static length, or are not of the contract.
    """
    replicas = strategy.num_replicas_in_sync
    static = is_tpu(strategy)
    if replicas == 1 and not static:
        return dataset
    if static:
        dataset = _filled(dataset, replicas)

    def of_worker(context):
        own = replicas // context.num_input_pipelines
        first = own * context.input_pipeline_id
        return (
            dataset.flat_map(
                lambda *batch: tf.data.Dataset.range(first, first + own).map(lambda replica: _rows_of(batch, replica, replicas))
            )
            .prefetch(tf.data.AUTOTUNE)
            .with_options(untuned(dataset))
        )

    distributed = strategy.distribute_datasets_from_function(of_worker)
    set_cardinality(distributed, int(dataset.cardinality()))  # TensorFlow would count elements, not steps
    return distributed


def shard_by_worker(of_worker, strategy):
    """Give each replica its rows of the batches that its worker reads itself.

    Args:
        of_worker: function (worker, workers) -> tf.data.Dataset of that worker's rows of each global batch: as many batches on each.
        strategy: the model's.
    Returns: what strategy distributes.
    """

    def of_context(context):
        workers = context.num_input_pipelines
        own = strategy.num_replicas_in_sync // workers
        dataset = of_worker(context.input_pipeline_id, workers)

        def of_replicas(*batch):
            return tf.data.Dataset.range(own).map(lambda replica: _rows_of(batch, replica, own))

        return dataset.flat_map(of_replicas).prefetch(tf.data.AUTOTUNE).with_options(untuned(dataset))

    return strategy.distribute_datasets_from_function(of_context)


def untuned(dataset):
    """Without tf.data's tuner, unless the dataset's own options name it.

    An iterator that ends while its tuner sleeps waits for it at times: its sleeps are of 10 ms, 20 ms, 40 ms and so on, so that a loop may
    take up to twice its time (TensorFlow 2.20: 5 of 14 predictions of 1.8 s took 2.5 to 3.2 s). What is parallel stays so: without the
    tuner, AUTOTUNE is as many calls as there are threads.

    Args: dataset: tf.data.Dataset. Returns: tf.data.Options.
    """
    options = tf.data.Options()
    if dataset.options().autotune.enabled is None:
        options.autotune.enabled = False
    return options


_loop = threading.local()  # depth: of untuned_devices in this thread


@contextlib.contextmanager
def untuned_devices():
    """Leave tf.data's tuner out of the buffer of one batch, too, that a strategy puts before each device; for iterators made within.

    It has nothing to tune there, and holds up the loop's end all the same: see untuned. TensorFlow 2.20 has no option that reaches it.
    Other threads, and iterators made outside, are TensorFlow's own.
    """
    _loop.depth = getattr(_loop, "depth", 0) + 1
    try:
        yield
    finally:
        _loop.depth -= 1


def _untuned_in_loops(dataset):
    """A device's buffer, made just now: without the tuner, where it is made for a loop of ours."""
    return dataset.with_options(untuned(dataset)) if getattr(_loop, "depth", 0) else dataset


# Once, when this module is imported, and never taken back: two loops in two threads could not take it back in order. In another TensorFlow
# without that function loops are slower at their end, and right.
change_device_datasets(_untuned_in_loops)


def _rows_of(batch, replica, replicas):
    rows = tf.shape(tf.nest.flatten(batch)[0], out_type=tf.int64)[0]
    start, stop = rows * replica // replicas, rows * (replica + 1) // replicas

    def cut(column):
        part = column[start:stop]
        if column.shape[0] is not None and column.shape[0] % replicas == 0:
            part = tf.ensure_shape(part, [column.shape[0] // replicas, *column.shape[1:]])
        return part

    batch = tf.nest.map_structure(cut, batch)
    return batch if len(batch) > 1 else batch[0]


def _filled(dataset, replicas):
    """Batches of one static shape: that of the first, with as many rows as share evenly."""
    first = next(iter(dataset), None)
    if first is None:
        return dataset
    parts = first if isinstance(first, tuple) else (first,)
    if not features.is_contract(parts[0]):
        raise ValueError(f"on TPU a batch is of the contract ({', '.join(features.UNPACKED)}); got {dataset.element_spec}")
    loose = [spec for spec in tf.nest.flatten(dataset.element_spec) if None in spec.shape.as_list()[1:]]
    if loose:
        raise ValueError(f"TPU needs one static length, but the batches vary ({loose[0]}); pad with pad_to_multiple_of=None")
    rows = -(-int(tf.nest.flatten(first)[0].shape[0]) // replicas) * replicas

    def fill(*batch):
        def pad(column):
            missing = rows - tf.shape(column)[0]
            padded = tf.pad(column, [[0, missing], *([[0, 0]] * (column.shape.rank - 1))])
            return tf.ensure_shape(padded, [rows, *column.shape[1:]])

        batch = tf.nest.map_structure(pad, batch)
        return batch if len(batch) > 1 else batch[0]

    return dataset.map(fill)
