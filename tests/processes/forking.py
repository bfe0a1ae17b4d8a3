"""Imports what takes seconds, then forks itself once for each line of its input; see fresh_python.py.

A line is a JSON object: directory, arguments, environment, cwd, one_output. The directory gets the files pid, stdout, stderr and,
at the end, returncode, as subprocess gives it: -9 after SIGKILL.
"""

import contextlib
import faulthandler
import gc
import json
import locale
import os
import random
import runpy
import signal
import sys
import types

import keras  # noqa: F401
import numpy as np
import tensorflow  # noqa: F401


def serve():
    """Returns: in each forked process its request; in the first one None, when its input ends."""
    keepers = 0
    for line in sys.stdin:
        if os.fork() == 0:
            request = json.loads(line)
            pid = os.fork()
            if pid == 0:
                return request
            keep(pid, request["directory"])
        keepers += 1
        while keepers and os.waitpid(-1, os.WNOHANG) != (0, 0):
            keepers -= 1
    return None


def keep(pid, directory):
    """Wait for a process, write down how it ended, and end."""
    write(directory, "pid", pid)
    _, status = os.waitpid(pid, 0)
    write(directory, "returncode", os.waitstatus_to_exitcode(status))
    os._exit(0)


def write(directory, name, number):
    """Write a file that is whole when it is there."""
    path = os.path.join(directory, name)
    with open(path + ".part", "w") as file:
        file.write(str(number))
    os.rename(path + ".part", path)


def become(request):
    """Take over what a process has of its own when Python starts it."""
    outputs = ["stdout", "stdout" if request["one_output"] else "stderr"]
    for target, name in enumerate(outputs, start=1):
        file = os.open(os.path.join(request["directory"], name), os.O_WRONLY | os.O_APPEND)
        os.dup2(file, target)
        os.close(file)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["cwd"])
    with contextlib.suppress(locale.Error):  # one that is not installed; Python starts all the same
        locale.setlocale(locale.LC_CTYPE, "")
    faulthandler.register(signal.SIGUSR2, file=2)  # prints the stacks of all threads, and goes on
    random.seed()
    np.random.seed()


def run(arguments):
    """Run a program as `python ARGUMENTS` does."""
    kind, *rest = arguments
    there = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:1] = [os.path.dirname(os.path.abspath(kind)), *there]  # the first was this script's
    if kind in ("-c", "-m"):
        sys.path[0] = "" if kind == "-c" else os.getcwd()
        sys.argv = [kind, *rest[1:]]
    else:
        sys.argv = arguments
    if kind == "-c":
        main = sys.modules["__main__"] = types.ModuleType("__main__")
        exec(compile(rest[0], "<string>", "exec"), main.__dict__)
    elif kind == "-m":
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(kind, run_name="__main__")


if __name__ == "__main__":
    assert not [name for name in sys.modules if name.split(".")[0] == "keras_bert"]
    gc.freeze()  # or each fork's collector copies all that was imported
    request = serve()
    if request is None:
        os._exit(0)  # to take all modules apart takes a second
    become(request)
    run(request["arguments"])
