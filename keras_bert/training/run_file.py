"""run.json: the configuration that a run was started with, which whoever goes on with it must share."""

import math
import os

from keras_bert.files import read_json, replaced_file, write_json

RUN = "run.json"


def check_configuration(directory, config):
    """Compare a configuration with that of the run which a directory holds; names that only one of them has do not count.

    Args: directory: path. config: dict.
    Raises: ValueError naming each value that is another.
    """
    path = os.path.join(directory, RUN)
    there = read_json(path).get("config", {}) if os.path.exists(path) else {}
    changed = [name for name in config if name in there and there[name] != _plain(config[name])]
    if changed:
        raise ValueError(
            f"{directory} holds a run with "
            + ", ".join(f"{name}={there[name]!r} (now {config[name]!r})" for name in changed)
            + "; start with the same values to go on with it, or give another output_dir"
        )


def write_run(directory, description):
    """Write run.json, in place of an older one. Args: directory: path; made where it is missing. description: dict, with "config"."""
    os.makedirs(directory, exist_ok=True)
    with replaced_file(os.path.join(directory, RUN)) as building:
        write_json(building, _plain(description))


def _plain(value):
    """As JSON gives it back."""
    if isinstance(value, dict):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if isinstance(value, (bool, int, str)) or value is None:
        return value
    if isinstance(value, float) or hasattr(value, "item"):
        number = float(value)
        return number if math.isfinite(number) else str(number)
    return str(value)
