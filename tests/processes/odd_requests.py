"""HTTP requests of a seed, for TF Serving's REST paths: most are wrong somewhere, in their method, path, headers or body."""

import json
import random

METHODS = ["POST"] * 12 + ["GET"] * 5 + ["HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "post", "X-METHOD"]
PATHS = [
    "/", "/page.json", "/healthz", "/monitoring/prometheus/metrics", "/v1/models/tiny", "/v1/models/tiny/metadata", "/v1/models/none",
    "/v1/models/tiny/versions/1", "/v1/models/tiny/versions/1/metadata", "/v1/models/tiny/labels/stable", "/v1/models/tiny/versions/0",
    *["/v1/models/tiny:predict"] * 8, "/v1/models/tiny/versions/1:predict", "/v1/models/tiny/labels/stable:predict",
    "/v1/models/tiny:classify", "/v1/models/tiny:regress", "/v1/models/tiny:PREDICT", "/v1/models/:predict", "/v2/models/tiny", "*",
]  # fmt: skip
PARTS_OF_PATHS = [
    "%",
    "%00",
    "%ff",
    "%2f",
    "%3a",
    "/",
    "//",
    "..",
    ":",
    "?a=b",
    "?",
    "#",
    "~",
    "versions",
    "9" * 25,
    "x" * 3000,
    "+",
    "'",
    "\xe9",
]
BODIES = [
    {"instances": ["a", "b\u00e9"]},
    {"instances": [{"text": "a"}, {"text": {"b64": "/w=="}}]},
    {"inputs": {"text": ["a", "\u65e5\u672c"]}},
    {"inputs": ["a"], "signature_name": "serving_default"},
    {"instances": [[1, 2], [3, -4]], "signature_name": "ids"},
    {"inputs": {"ids": [[1]]}, "signature_name": "ids"},
    {"examples": [{"text": "a", "n": [1, 2], "x": 0.5}], "context": {"lang": "en"}},
    {"instances": ["\U0001f600" * 50, ""]},
    {"instances": [None, 1e300, True, [], {}]},
    [],
]
PARTS_OF_BODIES = [
    *(bytes([sign]) for sign in b'{}[]",:\\0123456789-.eEtrufalsn \xff\x00\xed'),
    b"instances", b"inputs", b'{"b64": "', b"\\ud800", b"9" * 400, b"1e999", b"NaN", b"[" * 3000, b'"signature_name": ', b"null",
]  # fmt: skip
HEADERS = [
    "Content-Type: application/json", "Content-Type: text/plain; charset=latin-1", "Content-Type:", "Accept: text/html", "Accept: */*;q=x",
    "Content-Encoding: gzip", "Expect: 100-continue", "Connection: close", "Connection: upgrade", "Upgrade: websocket", "Cookie: a=\xff",
    "X-Long: " + "y" * 5000, "Content-Length: 3", "Content-Length: x", "Transfer-Encoding: gzip", "Bad Header: 1", ": none", "Host: other",
]  # fmt: skip


def requests(seed, count):
    """Yields: (method, path, the request as bytes), each whole: a server that waits for more of it is told too much by its own headers."""
    chance = random.Random(seed)
    for _ in range(count):
        method, path, body = chance.choice(METHODS), chance.choice(PATHS), json.dumps(chance.choice(BODIES)).encode()
        if chance.random() < 0.2:
            path = _changed(chance, path, PARTS_OF_PATHS)
        if chance.random() < 0.35:
            for _ in range(chance.randint(1, 3)):
                body = _changed(chance, body, PARTS_OF_BODIES)
        lines = [f"{method} {path} HTTP/1.1", "Host: here"]
        if chance.random() < 0.25:
            lines.append(chance.choice(HEADERS))
        if chance.random() < 0.1:
            lines.append("Transfer-Encoding: chunked")
            body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:5], body[5:]) if part) + b"0\r\n\r\n"
        else:
            lines.append(f"Content-Length: {len(body)}")
        yield method, path, "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def _changed(chance, text, parts):
    """Put a part anywhere in place of up to three characters."""
    start = chance.randint(0, len(text))
    return text[:start] + chance.choice(parts) + text[start + chance.randint(0, 3) :]
