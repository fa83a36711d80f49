"""What the service counts, for Prometheus."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from aisle.serve.slots import Slots

_SECONDS = (0.001, 0.002, 0.003, 0.005, 0.007, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_QUESTIONS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """Counters and histograms of one service, in a registry of its own.

    Args:
        slots: the loaded models.
        waiting: how many questions wait.
        events: counters of the event store; {} without one.
    """

    def __init__(self, slots: Slots, waiting: Callable[[], int], events: Callable[[], Mapping[str, int]]) -> None:
        self.registry = CollectorRegistry()
        labels = ("endpoint",)
        self._requests = Counter("aisle_requests", "answers", (*labels, "status"), registry=self.registry)
        self._seconds = Histogram(
            "aisle_request_seconds", "from the head of a request to its answer", labels, buckets=_SECONDS, registry=self.registry
        )
        self._batch = Histogram("aisle_batch_questions", "questions scored together", buckets=_QUESTIONS, registry=self.registry)
        self._batch_seconds = Histogram(
            "aisle_batch_seconds", "time to answer one batch", buckets=_SECONDS, registry=self.registry
        )
        self._answers = Counter("aisle_answers", "lists given", ("variant", "known"), registry=self.registry)
        self._rejected = Counter(
            "aisle_rejected", "requests answered with an error, by its code", ("code",), registry=self.registry
        )
        self._reloads = Counter(
            "aisle_reloads", "bundles loaded, refused or not loaded just now", ("variant", "outcome"), registry=self.registry
        )
        self.registry.register(_Now(slots, waiting, events))

    def request(self, endpoint: str, status: int, seconds: float) -> None:
        """Count an answered request."""
        self._requests.labels(endpoint, str(status)).inc()
        self._seconds.labels(endpoint).observe(seconds)

    def rejected(self, code: str) -> None:
        """Count an error."""
        self._rejected.labels(code).inc()

    def batch(self, questions: int, seconds: float) -> None:
        """Count a batch."""
        self._batch.observe(questions)
        self._batch_seconds.observe(seconds)

    def answer(self, variant: str, *, known: bool) -> None:
        """Count a list; `known` is false where it fell back to popular items."""
        self._answers.labels(variant, "yes" if known else "no").inc()

    def reload(self, variant: str, outcome: str) -> None:
        """Count a bundle that was "loaded", "refused" because it is bad, or "not-loaded" for what may pass."""
        self._reloads.labels(variant, outcome).inc()

    def text(self) -> bytes:
        """Return everything in the text format of Prometheus."""
        return generate_latest(self.registry)


class _Now(Collector):
    """What is true at the moment of asking."""

    def __init__(self, slots: Slots, waiting: Callable[[], int], events: Callable[[], Mapping[str, int]]) -> None:
        self._slots, self._waiting, self._events = slots, waiting, events

    def collect(self) -> Iterable[Metric]:
        """Yield gauges."""
        yield GaugeMetricFamily("aisle_waiting_questions", "questions that wait or are worked on", value=self._waiting())
        info = GaugeMetricFamily("aisle_bundle_info", "the bundle that answers", labels=("variant", "bundle", "name", "aisle"))
        age = GaugeMetricFamily("aisle_model_age_seconds", "since the bundle was exported", labels=("variant",))
        since = GaugeMetricFamily("aisle_bundle_loaded_timestamp_seconds", "when it was loaded", labels=("variant",))
        for slot in self._slots:
            if slot.loaded is None:
                continue
            bundle = slot.loaded.bundle
            info.add_metric((slot.name, bundle.id, bundle.manifest.name, bundle.manifest.versions.aisle), 1)
            age.add_metric((slot.name,), time.time() - datetime.fromisoformat(bundle.manifest.created).timestamp())
            since.add_metric((slot.name,), slot.loaded.loaded_s)
        yield from (info, age, since)
        for name, count in self._events().items():
            yield GaugeMetricFamily(f"aisle_events_{name}", "of the event store, see docs/serving.md", value=count)
