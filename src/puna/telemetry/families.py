"""Counts and gauges in the text format of Prometheus; imported by servers whose metrics are read, and no others."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from puna.telemetry.counts import COUNTS, Counts
from puna.telemetry.metrics import COUNTERS, HISTOGRAMS, Gauge


class Families(Collector):
    """What one look at the metrics gives."""

    def __init__(self, counts: Counts, gauges: Sequence[Gauge]) -> None:
        self._counts = counts
        self._gauges = gauges

    def collect(self) -> Iterator[Metric]:
        """Yield each family with its samples."""
        yield from self._counters()
        yield from self._histograms()
        families: dict[str, GaugeMetricFamily] = {}
        for gauge in self._gauges:
            family = families.setdefault(
                gauge.name, GaugeMetricFamily(gauge.name, gauge.help, labels=tuple(gauge.labels))
            )
            family.add_metric(list(gauge.labels.values()), gauge.value)
        yield from families.values()

    def _counters(self) -> Iterator[Metric]:
        for name, about in COUNTERS.items():
            family = CounterMetricFamily(name, about.help, labels=about.labels)
            for labels, value in list(self._counts.counters.get(name, {}).items()):
                family.add_metric(list(labels), value)
            yield family

    def _histograms(self) -> Iterator[Metric]:
        for name, about in HISTOGRAMS.items():
            family = HistogramMetricFamily(name, about.help, labels=about.labels)
            for labels, histogram in list(self._counts.histograms.get(name, {}).items()):
                edges = [*(f"{edge:g}" for edge in histogram.edges), "+Inf"]
                family.add_metric(
                    list(labels), list(zip(edges, accumulate(histogram.counts), strict=True)), histogram.sum
                )
            yield family


def exposition(gauges: Iterable[Gauge]) -> bytes:
    """Return all metrics as text, ``gauges`` among them."""
    registry = CollectorRegistry()
    registry.register(Families(COUNTS, list(gauges)))
    return generate_latest(registry)
