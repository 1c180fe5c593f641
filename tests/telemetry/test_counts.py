"""Counting."""

from puna.telemetry import counts
from puna.telemetry.counts import Counts


def test_series_of_one_name_are_bounded_and_nothing_is_lost() -> None:
    kept = Counts()
    for number in range(2 * counts._MOST_SERIES):
        kept.add("some", (f"model{number}", "done"))
        kept.observe("times", (f"model{number}",), 1.0, (0.5, 2.0))
    kept.add("some", ("model0", "done"))
    series, times = kept.counters["some"], kept.histograms["times"]
    assert len(series) <= counts._MOST_SERIES + 1
    assert len(times) <= counts._MOST_SERIES + 1
    assert series["model0", "done"] == 2
    assert series["other", "other"] == counts._MOST_SERIES
    assert sum(series.values()) == 2 * counts._MOST_SERIES + 1
    assert sum(times["other",].counts) == counts._MOST_SERIES


def test_a_value_lies_at_or_below_its_edge() -> None:
    kept = Counts()
    for value in (0.5, 0.6, 2.0, 3.0):
        kept.observe("times", (), value, (0.5, 2.0))
    histogram = kept.histograms["times"][()]
    assert (histogram.counts, histogram.sum) == ([1, 2, 1], 6.1)
