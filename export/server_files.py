"""What TF Serving is started with: models.config, batching_parameters.txt, a docker line, a Kubernetes manifest. All is plain text."""

import math
import os
import re
import shlex

MARK = "# Written by python -m export; delete this line to keep what you change.\n"
MODELS_CONFIG, BATCHING, KUBERNETES = "models.config", "batching_parameters.txt", "kubernetes.yaml"
# A request waits for others at most half as long as it takes alone, and within these bounds.
LEAST_TIMEOUT, MOST_TIMEOUT = 0.001, 0.020  # seconds
ENOUGH = 0.9  # of the most examples a second: from there on larger batches only make requests wait
GRPC_PORT, REST_PORT = 8500, 8501


def models_config(name):
    """TF Serving's --model_config_file for one model, mounted at /models/NAME. Args: name: of the model. Returns: str."""
    return f"""{MARK}model_config_list {{
  config {{
    name: "{name}"
    base_path: "/models/{name}"
    model_platform: "tensorflow"
  }}
}}
"""


def batching_parameters(latency, threads):
    """Size TF Serving's request batching.

    Requests of unlike widths are not padded by the server, whose padding is not the model's: of `ids`, batch rows of one length only.

    Args: latency: dict of examples in a batch -> seconds that it takes; 1 among them. threads: processors of the server.
    Returns: dict of max_batch_size, batch_timeout_micros, max_enqueued_batches, num_batch_threads.
    """
    most = max(size / seconds for size, seconds in latency.items())
    size = min(size for size, seconds in latency.items() if size / seconds >= ENOUGH * most)
    timeout = min(max(latency[1] / 2, LEAST_TIMEOUT), MOST_TIMEOUT)
    return {
        "max_batch_size": size,
        "batch_timeout_micros": round(timeout * 1e6),
        "max_enqueued_batches": max(threads, math.ceil(1 / latency[size])),  # a second's work; more is refused, and may go elsewhere
        "num_batch_threads": threads,
    }


def batching_text(parameters):
    """Returns: str, what --batching_parameters_file reads."""
    return MARK + "".join(f"{name} {{ value: {value} }}\n" for name, value in parameters.items())


def server_arguments(name, *, batching):
    """Arguments of tensorflow_model_server. Returns: list of str."""
    arguments = [f"--model_config_file=/models/{name}/{MODELS_CONFIG}"]
    if batching:
        arguments += ["--enable_batching", f"--batching_parameters_file=/models/{name}/{BATCHING}"]
    return arguments


def image(tf_serving):
    """The Docker image of a TF Serving's minor version. Its first patch is named; that each exists was not verified."""
    return f"tensorflow/serving:{tf_serving}.0"


def docker_line(directory, name, tf_serving, *, batching):
    """The command that serves a model, ready to paste. Args: directory: path of the model, not of a version. Returns: str."""
    words = ["docker", "run", "--rm", "-p", f"{GRPC_PORT}:{GRPC_PORT}", "-p", f"{REST_PORT}:{REST_PORT}"]
    words += ["-v", f"{os.path.abspath(directory)}:/models/{name}:ro", "-e", f"MODEL_NAME={name}", "-e", "TF_ENABLE_ONEDNN_OPTS=1"]
    return shlex.join([*words, image(tf_serving), *server_arguments(name, batching=batching)])


def kubernetes(name, tf_serving, *, batching, memory_bytes=None):
    """A Deployment and a Service. The model lies on a PersistentVolumeClaim of the same name with -model, which is yours to fill.

    TF Serving opens its ports once the first version is loaded and warm, so the status of the model is a probe for all three.

    Args: name: of the model. memory_bytes: what a process that serves it holds; the limit is twice that, since two versions are
        loaded while one takes the other's place; None: no limit.
    Returns: str, YAML.
    """
    label = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:50].strip("-")
    label = label if label[:1].isalpha() else f"model-{label}".strip("-")  # as a Service must be called
    arguments = "".join(f'            - "{argument}"\n' for argument in server_arguments(name, batching=batching))
    mebibytes = None if memory_bytes is None else math.ceil(memory_bytes / 2**20)
    memory = "" if mebibytes is None else _RESOURCES.format(request=mebibytes, limit=2 * mebibytes)
    probes = "".join(_PROBE.format(kind=kind, name=name, port=REST_PORT, rest=rest) for kind, rest in _PROBES.items())
    return MARK + _KUBERNETES.format(
        label=label, name=name, image=image(tf_serving), arguments=arguments, memory=memory, probes=probes, grpc=GRPC_PORT, rest=REST_PORT
    )


_PROBES = {
    "startup": "periodSeconds: 5\n            failureThreshold: 60",
    "readiness": "periodSeconds: 5",
    "liveness": "periodSeconds: 20",
}
_PROBE = """          {kind}Probe:
            httpGet:
              path: /v1/models/{name}
              port: {port}
            timeoutSeconds: 5
            {rest}
"""
_RESOURCES = """          resources:
            requests:
              memory: {request}Mi
            limits:
              memory: {limit}Mi
"""
_KUBERNETES = """apiVersion: apps/v1
kind: Deployment
metadata:
  name: "{label}"
spec:
  replicas: 1
  selector:
    matchLabels:
      app: "{label}"
  template:
    metadata:
      labels:
        app: "{label}"
    spec:
      containers:
        - name: tensorflow-serving
          image: {image}
          args:
{arguments}          env:
            - name: MODEL_NAME
              value: "{name}"
            - name: TF_ENABLE_ONEDNN_OPTS
              value: "1"
          ports:
            - containerPort: {grpc}
            - containerPort: {rest}
{memory}{probes}          volumeMounts:
            - name: model
              mountPath: /models/{name}
              readOnly: true
      volumes:
        - name: model
          persistentVolumeClaim:
            claimName: "{label}-model"
            readOnly: true
---
apiVersion: v1
kind: Service
metadata:
  name: "{label}"
spec:
  selector:
    app: "{label}"
  ports:
    - name: grpc
      port: {grpc}
    - name: rest
      port: {rest}
"""


def write_server_file(directory, name, text):
    """Write one beside the versions, unless a user has made it theirs: what does not begin with MARK stays.

    Args: directory: path of the model. name: of the file. text: str. Returns: bool, whether it was written.
    """
    path = os.path.join(directory, name)
    if os.path.exists(path):
        with open(path, encoding="utf-8", errors="replace") as file:
            if file.readline() != MARK:
                return False
    building = f"{path}.building"
    with open(building, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(building, path)
    return True
