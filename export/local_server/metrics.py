"""Metrics in Prometheus's text format, at the path that TF Serving has."""

import prometheus_client

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
POWERS = tuple(2**power for power in range(15))


class Metrics:
    """Counts requests and batches."""

    def __init__(self):
        self._registry = prometheus_client.CollectorRegistry()
        common = {"registry": self._registry, "namespace": "local_server"}
        names = ["model_name", "api", "method"]
        self._requests = prometheus_client.Counter("requests", "Requests, by what became of them", [*names, "code"], **common)
        self._seconds = prometheus_client.Histogram("request_seconds", "From last byte to answer", names, buckets=SECONDS, **common)
        self._rows = prometheus_client.Histogram("batch_rows", "Texts that one call of a model answered", buckets=POWERS, **common)
        self._tokens = prometheus_client.Histogram("batch_tokens", "Tokens of a call, estimated, with padding", buckets=POWERS, **common)
        self._call_seconds = prometheus_client.Histogram("batch_seconds", "Time of a call", buckets=SECONDS, **common)
        self._waiting = prometheus_client.Gauge("waiting_rows", "Texts that no call has taken yet", **common)
        self._versions = prometheus_client.Gauge("model_version", "The newest version that answers; 0: none", ["model_name"], **common)
        prometheus_client.ProcessCollector(registry=self._registry)

    def request(self, api, method, model_name, code, seconds):
        self._requests.labels(model_name, api, method, code).inc()
        self._seconds.labels(model_name, api, method).observe(seconds)

    def batch(self, rows, tokens, seconds):
        self._rows.observe(rows)
        self._tokens.observe(tokens)
        self._call_seconds.observe(seconds)

    def text(self, waiting, newest):
        """Args: waiting: rows. newest: dict of model name -> LoadedModel or None. Returns: bytes, content type."""
        self._waiting.set(waiting)
        for name, model in newest.items():
            self._versions.labels(name).set(model.version if model else 0)
        return prometheus_client.generate_latest(self._registry), prometheus_client.CONTENT_TYPE_LATEST
