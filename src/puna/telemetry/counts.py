"""What has happened since the server's start, as plain numbers: counted anywhere, read where metrics are served.

Nothing of a metrics library is needed to count; the names and edges are those of ``telemetry/metrics.py``.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

_MOST_SERIES = 500
"""Label values of one name that are told apart; what comes later is counted together."""
_OTHER = "other"


@dataclass(slots=True)
class Histogram:
    """How often values lay between edges, and their sum."""

    edges: Sequence[float]
    counts: list[int] = field(default_factory=list)
    sum: float = 0.0

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.edges) + 1)

    def observe(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.edges, value)] += 1
        self.sum += value


Labels = tuple[str, ...]


class Counts:
    """All counters and histograms of one process, by name and labels."""

    def __init__(self) -> None:
        self.counters: dict[str, dict[Labels, float]] = {}
        self.histograms: dict[str, dict[Labels, Histogram]] = {}

    def add(self, name: str, labels: Labels = (), amount: float = 1) -> None:
        """Count ``amount`` more."""
        series = self.counters.setdefault(name, {})
        labels = _bounded(series, labels)
        series[labels] = series.get(labels, 0) + amount

    def observe(self, name: str, labels: Labels, value: float, edges: Sequence[float]) -> None:
        """Count a value in a histogram."""
        series = self.histograms.setdefault(name, {})
        labels = _bounded(series, labels)
        histogram = series.get(labels)
        if histogram is None:
            histogram = series[labels] = Histogram(edges)
        histogram.observe(value)


def _bounded(series: dict[Labels, object] | dict[Labels, float] | dict[Labels, Histogram], labels: Labels) -> Labels:
    if labels in series or len(series) < _MOST_SERIES:
        return labels
    return (_OTHER,) * len(labels)


COUNTS = Counts()
"""The counts of this process; a server is a process of its own."""
