"""Imports in a fresh process: seconds, and the memory held after them.

Settings: modules: list of names, imported one after the other. last: how many of them, at the end, are told apart.
"""

import importlib
import importlib.metadata
import os
import time

import side

STATUS = "/proc/self/status"


class Imports:
    def __init__(self, settings):
        modules, last = settings["modules"], settings["last"]
        start, before = time.perf_counter(), resident_bytes()
        middle, held = start, before
        for index, name in enumerate(modules):
            if index == len(modules) - last:
                middle, held = time.perf_counter(), resident_bytes()
            importlib.import_module(name)
        end, after = time.perf_counter(), resident_bytes()
        self.cost = {"seconds": end - start, "bytes": after - before, "last_seconds": end - middle, "last_bytes": after - held}
        self.versions = {name: importlib.metadata.version(name) for name in ("tensorflow", "tensorflow-text", "keras")}

    def run(self, request):
        return self.cost


def resident_bytes():
    """Returns: int, memory that this process holds now; 0 where the system does not say."""
    if not os.path.exists(STATUS):
        return 0
    with open(STATUS, encoding="ascii") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmRSS:"))


side.serve(Imports)
