"""Durations as Go writes them."""

import math
from typing import Any

import pytest

from puna.durations import FOREVER, parse_duration
from puna.errors import BadRequestError


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (0, 0),
        (300, 300),
        (1.5, 1.5),
        ("0", 0),
        ("300", 300),
        ("5m", 300),
        ("1h30m", 5400),
        ("1h15m30.5s", 4530.5),
        ("250ms", 0.25),
        ("10us", 1e-5),
        ("10µs", 1e-5),
        ("7ns", 7e-9),
        (".5s", 0.5),
        ("+5m", 300),
        (" 5m ", 300),
    ],
)
def test_seconds(value: Any, seconds: float) -> None:
    assert parse_duration(value) == pytest.approx(seconds)


@pytest.mark.parametrize("value", [-1, -0.5, "-1", "-1m", "-1h30m", math.inf])
def test_for_ever(value: Any) -> None:
    assert parse_duration(value) == FOREVER


@pytest.mark.parametrize(
    "value", ["", "m", "5 m", "5x", "5m3", "1h-3m", "--5m", "nan", "soon", True, False, None, [5], {"s": 5}, math.nan]
)
def test_what_is_no_duration(value: Any) -> None:
    with pytest.raises(BadRequestError, match="invalid duration"):
        parse_duration(value)
