"""What the service counts and measures, for Prometheus."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

if TYPE_CHECKING:
    from collections.abc import Callable

    from cl2cm_plugin.vectorizer.batching import Batch

_BATCHES = (1, 2, 4, 8, 16, 32, 64)
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50)


class Meters:
    """The meters of one service; see ``GET /metrics``."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        seconds = partial(Histogram, buckets=_SECONDS, registry=registry)
        lane = ["model", "modality"]
        ProcessCollector(registry=registry)
        self._requests = Counter("cl2cm_requests", "Requests answered", ["contract", "status"], registry=registry)
        self._request_seconds = seconds("cl2cm_request_seconds", "From a request's head to its answer", ["contract"])
        self._rejections = Counter("cl2cm_rejections", "Requests refused", ["reason"], registry=registry)
        self._items = Counter("cl2cm_items", "Items that the engine computed", lane, registry=registry)
        self._batches = Histogram("cl2cm_batch_items", "Items in a batch", lane, buckets=_BATCHES, registry=registry)
        self._queue_seconds = seconds("cl2cm_queue_seconds", "How long a prepared item waits for the engine", lane)
        self._engine_seconds = seconds("cl2cm_engine_seconds", "How long the engine works on a batch", lane)
        self._waiting = Gauge(
            "cl2cm_waiting_items", "Items that wait for the engine, or are being prepared", registry=registry
        )
        self._ready = Gauge("cl2cm_ready", "1 if vectors can be had", registry=registry)

    def watch(self, waiting: Callable[[], int], ready: Callable[[], bool]) -> None:
        """Say where the gauges read.

        Args:
            waiting: Counts the items that wait.
            ready: Tells whether vectors can be had.
        """
        self._waiting.set_function(waiting)
        self._ready.set_function(ready)

    def answered(self, contract: str, status: int, seconds: float) -> None:
        """Count a request that was answered, whatever the answer."""
        self._requests.labels(contract, status).inc()
        self._request_seconds.labels(contract).observe(seconds)

    def refused(self, reason: str) -> None:
        """Count a request that was refused."""
        self._rejections.labels(reason).inc()

    def batch(self, model: str, batch: Batch) -> None:
        """Count a batch that the engine computed."""
        labels = (model, batch.modality)
        self._items.labels(*labels).inc(len(batch.waits))
        self._batches.labels(*labels).observe(len(batch.waits))
        self._engine_seconds.labels(*labels).observe(batch.seconds)
        queued = self._queue_seconds.labels(*labels)
        for wait in batch.waits:
            queued.observe(wait)

    def text(self) -> bytes:
        """Write everything in Prometheus' text format."""
        return generate_latest(self._registry)
