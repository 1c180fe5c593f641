"""The windows in which limits are counted, by a clock that is set as one likes."""

import pytest

from puna.accounts import limits
from puna.accounts.errors import LimitError
from puna.accounts.grant import granted
from puna.accounts.limits import Meter

TOKENS = granted({"scopes": ["infer"], "tokens": "10/m"})


class Clock:
    """Wall-clock time."""

    now = 1_000_000.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(limits, "time", clock)
    return clock


def test_tokens_count_in_the_window_in_which_they_are_told(clock: Clock) -> None:
    meter = Meter()
    meter.begin(TOKENS)
    clock.now += 90  # the answer took longer than the window that it began in
    meter.take(TOKENS, 10)
    with pytest.raises(LimitError, match="tokens"):
        meter.begin(TOKENS)
