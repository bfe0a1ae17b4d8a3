"""Serve models on this machine, for a laptop and for development. Production is TF Serving.

    python -m export.local_server --model served                            # the model's name is the directory's
    python -m export.local_server --model reviews=served/reviews ner=served/ner --rest_port 8501 --grpc_port 8500
    python -m export.local_server --model served --versions all --labels stable=1 canary=2

Its REST paths and gRPC services are TF Serving's own; a page to try the models is at http://127.0.0.1:8501/. While models are loaded,
/healthz and requests for them answer 503; then one JSON object is printed: host, rest_port, grpc_port, models, page. A version that is new
in a model's directory takes over once it is loaded, without a request being dropped. Ctrl-C answers what waits, and ends. Needs the
extra `serving`.
"""

import argparse
import contextlib
import json
import logging
import os
import signal
import sys
import threading
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's start-up chatter
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # off by default on many CPUs, where it makes BERT 1.3 to 1.7 times as fast

NEEDED = "the local server needs the extra `serving`: pip install 'keras3-bert[serving]'"


def parser():
    form = argparse.RawDescriptionHelpFormatter
    flags = argparse.ArgumentParser(prog="python -m export.local_server", description=__doc__, formatter_class=form)
    flags.add_argument("--model", nargs="+", required=True, metavar="[NAME=]DIR", help="directory of a model's numbered versions")
    flags.add_argument("--host", default="127.0.0.1", help="address to listen at (default: %(default)s: this machine alone)")
    flags.add_argument("--rest_port", type=int, default=8501, help="0: any that is free (default: %(default)s)")
    flags.add_argument("--grpc_port", type=int, default=8500, help="0: any that is free; -1: no gRPC (default: %(default)s)")
    flags.add_argument("--versions", nargs="+", default=["latest"], help="latest, all, or numbers (default: latest)")
    flags.add_argument("--labels", nargs="+", default=[], metavar="LABEL=VERSION", help="names for versions, by which clients may ask")
    flags.add_argument("--poll_seconds", type=float, default=1.0, help="between two looks for new versions (default: %(default)s)")
    flags.add_argument("--max_body_bytes", type=int, default=4 * 2**20, help="of a request (default: %(default)s)")
    flags.add_argument("--max_batch_tokens", type=int, default=8192, help="rows times the longest, of one call (default: %(default)s)")
    flags.add_argument("--max_batch_rows", type=int, default=256, help="of one call (default: %(default)s)")
    flags.add_argument("--max_waiting_rows", type=int, default=16384, help="more are refused with 503 (default: %(default)s)")
    flags.add_argument("--batch_wait_ms", type=float, default=2.0, help="that a batch waits for more under load (default: %(default)s)")
    flags.add_argument("--max_length", type=int, default=512, help="tokens that a text counts for at most (default: %(default)s)")
    flags.add_argument("--header_seconds", type=float, default=10.0, help="for a request's headers, else 408 (default: %(default)s)")
    flags.add_argument("--body_seconds", type=float, default=30.0, help="for a request's body, else 408 (default: %(default)s)")
    flags.add_argument("--answer_seconds", type=float, default=60.0, help="for an answer, else 504 (default: %(default)s)")
    flags.add_argument("--max_connections", type=int, default=1000, help="more are refused with 503 (default: %(default)s)")
    return flags


def check_numbers(flags, options):
    """Everything that is counted or timed is more than 0; ports are ports."""
    for name, value in vars(options).items():
        if name.endswith("_port") and not (-1 if name == "grpc_port" else 0) <= value <= 65535:
            flags.error(f"--{name} {value}: expected a port, 0 to 65535" + (", or -1 for none" if name == "grpc_port" else ""))
        if (name.startswith("max_") or name.endswith("_seconds")) and not 0 < value < float("inf"):
            flags.error(f"--{name} {value}: expected a number above 0")
    if not 0 <= options.batch_wait_ms < float("inf"):
        flags.error(f"--batch_wait_ms {options.batch_wait_ms}: expected a number of 0 or more")


def directories(flags, arguments):
    """["reviews=DIR", "DIR"] -> dict of name -> directory."""
    found = {}
    for argument in arguments:
        name, given, path = argument.partition("=")
        if not given:
            name, path = os.path.basename(os.path.abspath(argument)), argument
        if not name:
            flags.error(f"--model {argument}: the model has no name; give it one: NAME=DIR")
        if not os.path.isdir(path):
            flags.error(f"--model {argument}: {path} is no directory")
        if name in found:
            flags.error(f"--model {argument}: the name {name} is there twice; name them: NAME=DIR")
        if os.path.exists(os.path.join(path, "saved_model.pb")):
            flags.error(
                f"--model {argument}: this is one version; give the directory that holds it: {os.path.dirname(os.path.abspath(path))}"
            )
        found[name] = path
    return found


def chosen_versions(flags, words):
    if words in (["latest"], ["all"]):
        return words[0]
    if not all(word.isascii() and word.isdigit() for word in words):
        flags.error(f"--versions {' '.join(words)}: expected latest, all, or numbers")
    return [int(word) for word in words]


def labelled(flags, words):
    labels = dict(word.partition("=")[::2] for word in words)
    if not all(label and version.isascii() and version.isdigit() for label, version in labels.items()):
        flags.error(f"--labels {' '.join(words)}: expected LABEL=VERSION")
    return {label: int(version) for label, version in labels.items()}


def main(arguments=None):
    flags = parser()
    options = flags.parse_args(arguments)
    check_numbers(flags, options)
    served, versions, labels = directories(flags, options.model), chosen_versions(flags, options.versions), labelled(flags, options.labels)
    try:
        import grpc  # noqa: F401
        import prometheus_client  # noqa: F401
        import tensorflow_serving.apis  # noqa: F401
        import uvicorn
    except ImportError as error:
        sys.exit(f"{error}; {NEEDED}")
    from export.local_server.batching import Batcher
    from export.local_server.grpc_services import grpc_server
    from export.local_server.http_protocol import protocol
    from export.local_server.metrics import Metrics
    from export.local_server.models import Models
    from export.local_server.rest import Rest
    from export.local_server.service import Service

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    metrics = Metrics()
    models = Models(served, versions=versions, labels=labels, poll=options.poll_seconds)
    batcher = Batcher(
        max_tokens=options.max_batch_tokens,
        max_rows=options.max_batch_rows,
        max_waiting=options.max_waiting_rows,
        wait=options.batch_wait_ms / 1000,
        max_length=options.max_length,
        observe=metrics.batch,
    )
    service = Service(models, batcher, metrics, timeout=options.answer_seconds)
    remote, grpc_port = None, None
    if options.grpc_port >= 0:
        try:
            remote, grpc_port = grpc_server(service, options.host, options.grpc_port, max_bytes=options.max_body_bytes)
        except RuntimeError as error:  # the port is taken, or the host is not this machine's
            print(f"gRPC cannot listen at {options.host}:{options.grpc_port}: {error}", file=sys.stderr)
            sys.exit(3)  # as where REST's is
    models.start()
    config = uvicorn.Config(
        Rest(service, max_body=options.max_body_bytes, body_timeout=options.body_seconds),
        host=options.host,
        port=options.rest_port,
        http=protocol(options.header_seconds),
        ws="none",
        lifespan="off",
        loop="asyncio",
        access_log=False,
        log_level="warning",
        server_header=False,
        limit_concurrency=options.max_connections,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=int(options.answer_seconds) + 1,
    )
    server = uvicorn.Server(config)
    threading.Thread(target=_tell_when_up, args=(server, models, options.host, grpc_port), daemon=True).start()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt, SystemExit):  # uvicorn answers what waits, and raises again
        server.run()
    if remote is not None:
        remote.stop(grace=options.answer_seconds).wait()
    models.close()
    batcher.close()
    status = 0 if server.started else 3  # the port is taken; uvicorn has said so
    if not models.wait(0):
        os._exit(status)  # a model is still being loaded, by a thread that nothing else ends
    sys.exit(status)


def _tell_when_up(server, models, host, grpc_port):
    """Print one JSON object once requests are answered: the ports, for whoever let them be chosen."""
    while not (server.started and models.wait(0)):
        if server.should_exit:
            return
        time.sleep(0.01)
    names = sorted(models.directories)
    port = server.servers[0].sockets[0].getsockname()[1]
    print(
        json.dumps({"host": host, "rest_port": port, "grpc_port": grpc_port, "models": names, "page": f"http://{host}:{port}/"}), flush=True
    )


if __name__ == "__main__":
    main()
