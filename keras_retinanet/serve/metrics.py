"""What a server counts, for Prometheus."""

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

CONTENT_TYPE = CONTENT_TYPE_LATEST
SECONDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
PICTURES = (1, 2, 4, 8, 16, 32)


class Metrics:
    """Counters of one server; those of the process are there, too."""

    def __init__(self):
        self._registry = CollectorRegistry()
        own = {"namespace": "retinanet", "registry": self._registry}
        self.requests = Counter("requests", "Requests to detect, by status", ["status"], **own)
        self.seconds = Histogram("request_seconds", "Of answered requests", buckets=SECONDS, **own)
        self.batches = Histogram("batch_pictures", "In one batch", buckets=PICTURES, **own)
        self.detections = Counter("detections", "Told in answers", **own)
        self.in_work = Gauge("requests_in_work", "Being read, waiting or detected in", **own)
        ProcessCollector(registry=self._registry)

    def text(self):
        """Return all of them in the text format."""
        return generate_latest(self._registry)
