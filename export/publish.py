"""Publish a model for TF Serving: export, verify and measure it aside, give it a number, and write what a server is started with."""

import os
import re

from export import server_files
from export.buckets import bucket_requests
from export.gate import NEWEST
from export.manifest import write_manifest
from export.saved_model import checked_servable, write_saved_model
from export.verify import PROBE_TEXTS, measure_saved_model, verify_saved_model
from export.version import NewVersion, check_keep, remove_old
from export.warm_up import write_warm_up

LARGEST_DIFFERENCE = 1e-4  # of a float32 SavedModel and its float32 model: both compute the same, by sums of other orders
BATCH_SIZES = (1, 8, 32)
SIZING_LENGTH = 128  # batching is sized by texts of up to this many tokens, as most are


def publish_saved_model(
    model,
    directory,
    *,
    name=None,
    freeze=False,
    dtype=None,
    core_ops=False,
    tf_serving=NEWEST,
    keep=None,
    source=None,
    kubernetes=False,
    benchmark=False,
):
    """Export a model so that TF Serving picks it up only if it answers as the model does.

    Beside the version: models.config, batching_parameters.txt (where requests can be batched: inputs of one text an example) and, if asked
    for, kubernetes.yaml. Those that no longer begin with the line by which they are known to be ours are left as they are.

    Args:
        model, directory, freeze, dtype, core_ops, tf_serving, source: see export_saved_model.
        name: of the model at the server; None: the last part of `directory`.
        keep: how many versions stay, the newest; None: all.
        kubernetes: write kubernetes.yaml.
        benchmark: measure every length of bucket_lengths; False: one, for the sizing.
    Returns: dict of saved_model, the version directory; export_max_abs_diff, see verify_saved_model; warm_up_requests, how many were
        written; measured, see export.measure; removed, list of versions; docker, the command that serves it.
    Raises: as export_saved_model and verify_saved_model; ValueError where float32 answers differ by over 1e-4, or on a name that no URL
        or path has. Nothing is then published.
    """
    version = NewVersion(directory)
    name = check_name(os.path.basename(version.directory) if name is None else name)
    check_keep(keep)
    module = checked_servable(model, freeze=freeze, dtype=dtype, core_ops=core_ops, tf_serving=tf_serving)
    signature, requests = bucket_requests(model)
    with version:
        path = version.building
        said = write_saved_model(path, model, module, tf_serving, freeze=freeze, dtype=dtype, core_ops=core_ops, source=source)
        difference = verify_saved_model(path, model)
        if said["dtype"] == model.encoder.compute_dtype == "float32" and difference > LARGEST_DIFFERENCE:
            raise ValueError(f"the SavedModel's answers differ from the model's by {difference:.2g}, over {LARGEST_DIFFERENCE:g}")
        asked = requests if benchmark else _for_sizing(requests)
        measured = measure_saved_model(path, signature, asked, BATCH_SIZES)
        written = write_warm_up(path, name, signature, requests)
        parity = {"max_abs_diff": difference, "texts": len(PROBE_TEXTS)}
        write_manifest(path, said | {"parity": parity, "warm_up_requests": written, "measured": measured})
    removed = remove_old(version.directory, keep)
    batching = model.tokenizer is not None and all(spec.shape.rank == 1 for spec in model.preprocessor.input_signature().values())
    files = {server_files.MODELS_CONFIG: server_files.models_config(name)}
    if batching:
        parameters = server_files.batching_parameters(_latency(measured, max(_for_sizing(requests))), os.cpu_count())
        files[server_files.BATCHING] = server_files.batching_text(parameters)
    if kubernetes:
        memory = measured["peak_memory_bytes"]
        files[server_files.KUBERNETES] = server_files.kubernetes(name, tf_serving, batching=batching, memory_bytes=memory)
    for file, text in files.items():
        server_files.write_server_file(version.directory, file, text)
    return {
        "saved_model": version.path,
        "export_max_abs_diff": difference,
        "warm_up_requests": written,
        "measured": measured,
        "removed": removed,
        "docker": server_files.docker_line(version.directory, name, tf_serving, batching=batching),
    }


def check_name(name):
    """Returns: name. Raises: ValueError on one that does not stand as it is in a URL, a path and a configuration file."""
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name):
        raise ValueError(f"name={name!r} of the model: give one of letters, digits, '_', '-' and '.' (--name)")
    return name


def _for_sizing(requests):
    """The longest of the lengths that most texts have, or else the shortest. Args, Returns: dict of length -> inputs."""
    length = max((length for length in requests if length <= SIZING_LENGTH), default=min(requests))
    return {length: requests[length]}


def _latency(measured, length):
    """Returns: dict of batch size -> seconds."""
    return {each["batch_size"]: each["seconds"] for each in measured["latencies"] if each["length"] == length}


def benchmark_table(measured):
    """What was measured, as lines for people. Args: measured: dict, see export.measure. Returns: str."""
    lines = ["tokens  texts a batch  milliseconds  texts a second"]
    for each in measured["latencies"]:
        rate = each["batch_size"] / each["seconds"]
        lines.append(f"{each['length']:6}  {each['batch_size']:13}  {1000 * each['seconds']:12.1f}  {rate:14.1f}")
    lines.append(f"loaded in {measured['load_seconds']:.1f} s, first answer in {measured['first_seconds']:.1f} s")
    lines += [f"{measured[key] / 2**20:.0f} MB {what}" for key, what in _MEMORY.items() if measured[key] is not None]
    return "\n".join(lines)


_MEMORY = {"memory_bytes": "resident", "peak_memory_bytes": "at most"}
