"""A side's end of the protocol of benchmarks/peers.py. Standard library only, and any Python from 3.8."""

import json
import os
import sys


def serve(make):
    """Answer requests until told to stop or the input ends. What is raised ends the process with its traceback.

    Args: make: called with the dict of "prepare"; returns an object with `versions`, `run(request)` and `outputs(request)`.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print must not come between the answers
    side = None
    for line in sys.stdin:
        request = json.loads(line)
        do = request.pop("do")
        if do == "prepare":
            side = make(request)
            answer = {"versions": side.versions}
        elif do == "run":
            answer = side.run(request)
        elif do == "outputs":
            answer = {"outputs": side.outputs(request)}
        elif do == "stop":
            answer = {}
        else:
            raise ValueError(f"do={do!r} is none of prepare, run, outputs, stop")
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
        if do == "stop":
            os._exit(0)  # taking TensorFlow down in order takes seconds


def read_json(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)
