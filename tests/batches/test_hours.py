"""Hours of a day."""

import pytest

from puna.errors import BadRequestError
from puna.jobs.batches_hours import parse_hours


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("", (0, 720, 1439), ()),
        ("22-6", (1320, 1439, 0, 359), (360, 1319)),
        ("22:30-06:15", (1350, 374), (1349, 375)),
        ("9-17", (540, 1019), (539, 1020)),
        ("18-24", (1080, 1439), (0, 1079)),
    ],
)
def test_spans_may_go_over_midnight(text: str, inside: tuple[int, ...], outside: tuple[int, ...]) -> None:
    hours = parse_hours(text)
    assert all(hours.hold(minute) for minute in inside)
    assert not any(hours.hold(minute) for minute in outside)


@pytest.mark.parametrize("text", ["22", "25-1", "22:60-1", "a-b", "-", "22:-x", "٢-٣"])
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(BadRequestError, match="22:00"):
        parse_hours(text)
