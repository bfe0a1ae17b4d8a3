"""TF Serving's REST API as an ASGI application, with /healthz, /monitoring/prometheus/metrics and a page to try the models at /."""

import asyncio
import importlib.resources
import json
import os
import re
import time
import urllib.parse

from google.protobuf.json_format import MessageToDict

from export.local_server import json_examples, json_tensors
from export.local_server.errors import ServingError, cut, invalid
from export.local_server.models import STATES
from export.local_server.service import classes_of, refused, values_of_regression

_MODEL = r"/v1/models/([^/:]+)(?:/versions/(\d+)|/labels/([^/:]+))?"
ASK = re.compile(_MODEL + r":(classify|regress|predict)", re.IGNORECASE)
TELL = re.compile(_MODEL + r"(/metadata)?", re.IGNORECASE)
JSON, HTML, TEXT = "application/json", "text/html; charset=utf-8", "text/plain; charset=utf-8"
DISCARDED = 16  # times the largest body, of one that is too large
ASYNC_TIMEOUT = asyncio.TimeoutError  # in Python 3.10 not the built-in one
LARGE = 2**16  # bytes of a body that is read in a thread, for the others not to wait
GET = ("GET", "HEAD")
POLICY = b"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'"  # of the page


class Rest:
    """The ASGI application.

    Args: service: Service. max_body: bytes. body_timeout: seconds that a client may take to send a body.
    """

    def __init__(self, service, *, max_body=4 * 2**20, body_timeout=30.0):
        self.service = service
        self.models = service.models
        self.max_body = max_body
        self.body_timeout = body_timeout
        self._page = importlib.resources.files("export.local_server").joinpath("page.html").read_bytes()

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":  # no websockets; of lifespan uvicorn is told not to ask
            return
        try:
            status, body, kind = await self._answer(scope, receive)
        except ServingError as error:
            status, body, kind = error.status, json.dumps({"error": error.message}).encode(), JSON
        headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode()), (b"x-content-type-options", b"nosniff")]
        if kind == HTML:
            headers.append(
                (
                    b"content-security-policy",
                    b"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'",
                )
            )
        if status in (408, 413):  # what is left of the body is not read
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    async def _answer(self, scope, receive):
        """Returns: status, body, content type."""
        method, path = scope["method"], scope["raw_path"].decode("ascii")
        if method == "POST" and (asked := ASK.fullmatch(path)):
            return 200, await self._ask(asked, scope, receive), JSON
        if method in GET:
            if told := TELL.fullmatch(path):
                return 200, self._tell(told), JSON
            if path == "/":
                return 200, self._page, HTML
            if path == "/page.json":
                return 200, self._for_page(), JSON
            if path == "/healthz":
                ready = self.models.is_ready()
                return (200, b"ok\n", TEXT) if ready else (503, b"a model has no version that answers\n", TEXT)
            if path == "/monitoring/prometheus/metrics":
                return 200, *self.service.metrics.text(self.service.batcher.waiting, self.models.newest())
        raise invalid(f"Malformed request: {method} {cut(path)}")

    async def _ask(self, asked, scope, receive):
        began, method, error = time.monotonic(), asked[4].lower(), None
        try:
            model = self.models.get(*_model(asked))
            body = await self._body(scope, receive)
            began = time.monotonic()
            if len(body) <= LARGE:
                future, write = self._begin(model, method, body)
            else:
                future, write = await asyncio.to_thread(self._begin, model, method, body)
            outputs = await asyncio.wait_for(asyncio.wrap_future(future), self.service.timeout)
            large = sum(value.size for value in outputs.values()) > LARGE
            return await asyncio.to_thread(write, outputs) if large else write(outputs)
        except Exception as raised:
            error = refused(raised)
            raise error from raised
        finally:
            self.service.counted("REST", method, began, urllib.parse.unquote(asked[1]), error)

    def _begin(self, model, method, body):
        """Returns: Future of the outputs, and the function that writes them."""
        document = json_tensors.parsed(body)
        signature = json_tensors.signature_of(document)
        if method == "predict":
            form, inputs = json_tensors.inputs_of(document, model.inputs[model.signature(signature)])
            return self.service.predict(model, signature, inputs), lambda outputs: json_tensors.written(outputs, form)
        future = self.service.examples(model, signature, method, json_examples.examples_of(document))
        if method == "classify":
            return future, lambda outputs: json_examples.written_classes(classes_of(outputs))
        return future, lambda outputs: json_examples.written_values(values_of_regression(outputs))

    async def _body(self, scope, receive):
        headers, until = dict(scope["headers"]), time.monotonic() + self.body_timeout
        size = int(headers.get(b"content-length", b"0"))  # h11 let digits alone through
        if size > self.max_body and b"expect" in headers:  # such a client waits to be told, and sends nothing
            raise self._too_large()
        parts, size, more = [], 0, True
        while more:
            part, more = await self._part(receive, until)
            size += len(part)
            if size <= self.max_body:
                parts.append(part)
            elif size > DISCARDED * self.max_body:
                raise self._too_large()
        # A client reads its reply when it has sent all: what is too large is read to its end, and thrown away.
        if size > self.max_body:
            raise self._too_large()
        return b"".join(parts)

    def _too_large(self):
        return ServingError("INVALID_ARGUMENT", f"the body has more than {self.max_body} bytes", status=413)

    async def _part(self, receive, until):
        """Returns: bytes of a body, and whether there are more."""
        try:
            message = await asyncio.wait_for(receive(), max(0.0, until - time.monotonic()))
        except ASYNC_TIMEOUT:
            raise ServingError("DEADLINE_EXCEEDED", f"the body did not come within {self.body_timeout:g} seconds", status=408) from None
        if message["type"] == "http.disconnect":
            raise ServingError("CANCELLED", "the client has left")
        return message.get("body", b""), message.get("more_body", False)

    def _tell(self, told):
        name, version, label = _model(told)
        if told[4]:
            return _json(metadata(self.models.get(name, version, label)))
        statuses = self.models.status(name, version, label)
        return _json(
            {
                "model_version_status": [
                    {
                        "version": str(each),
                        "state": STATES[state],
                        "status": {"error_code": "UNKNOWN" if message else "OK", "error_message": message},
                    }
                    for each, state, message in statuses
                ]
            }
        )

    def _for_page(self):
        """What the page has to know: models, the inputs of serving_default, label names."""
        models = []
        for name, model in self.models.newest().items():
            if model is not None:
                inputs = model.inputs.get("serving_default", {})
                takes = {each: {"dtype": spec.dtype.name, "rank": spec.shape.rank} for each, spec in inputs.items()}
                models.append({"name": name, "version": model.version, "inputs": takes, "labels": labels_of(model.path)})
        return _json({"models": models})


def labels_of(path):
    """The names that the numbers of `probabilities` are of, from saved_model.json beside a model. Returns: list of str, or None."""
    for place in ("saved_model.json", os.path.join("assets.extra", "saved_model.json")):
        try:
            with open(os.path.join(path, place), encoding="utf-8") as file:
                labels = json.load(file).get("labels")
        except (OSError, ValueError, AttributeError):
            continue
        if isinstance(labels, list) and all(isinstance(label, str) for label in labels):
            return labels
    return None


def metadata(model):
    """Args: model: LoadedModel. Returns: dict, as TF Serving's /metadata has it."""
    definitions = {
        name: MessageToDict(definition, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
        for name, definition in model.signature_defs.items()
    }
    spec = {"name": model.name, "signature_name": "", "version": str(model.version)}
    return {"model_spec": spec, "metadata": {"signature_def": {"signature_def": definitions}}}


def _model(found):
    """Args: found: match of ASK or TELL. Returns: name, version or None, label or None. Raises: ServingError."""
    version = int(found[2]) if found[2] and len(found[2]) < 20 else None
    if found[2] and (version is None or version >= 2**63):
        raise invalid(f"Failed to convert version: {cut(found[2])} to numeric.")
    return urllib.parse.unquote(found[1]), version, None if found[3] is None else urllib.parse.unquote(found[3])


def _json(value):
    return json.dumps(value, indent=1, ensure_ascii=False).encode("utf-8")
