"""How much of something in what time: ``60/m``, ``1M/day``, and the window in which it is counted."""

import re
from dataclasses import dataclass

from puna.errors import BadRequestError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_WORDS = {"sec": "s", "second": "s", "min": "m", "minute": "m", "hour": "h", "day": "d", "week": "w"}
_MULTIPLES = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "b": 1000**3}
_TEXT = re.compile(r"(\d{1,15})\s*+([kmgb]?)\s*+(?:/|per)\s*+(\d{0,6})\s*+([a-z]+)", re.IGNORECASE)
_AGE = re.compile(r"(\d{1,6})([smhdw])")
_LONGEST = 366 * 86400


@dataclass(frozen=True, slots=True)
class Quota:
    """``count`` of something in every ``seconds``."""

    count: int
    seconds: int

    def __str__(self) -> str:
        """Return the text that means this: ``60/m``, ``100/10s``."""
        unit = next(name for name in reversed(_UNITS) if not self.seconds % _UNITS[name])
        number = self.seconds // _UNITS[unit]
        return f"{self.count}/{number if number > 1 else ''}{unit}"


def parse_quota(text: str) -> Quota:
    """Return what ``60/m``, ``100/10s`` or ``1M/day`` means; raise ``BadRequestError``."""
    match = _TEXT.fullmatch(text.strip())
    if match:
        unit = match[4].lower()
        unit = _WORDS.get(unit.removesuffix("s") if len(unit) > 1 else unit, unit)
        seconds = int(match[3] or 1) * _UNITS.get(unit, 0)
        count = int(match[1]) * _MULTIPLES[match[2].lower()]
        if count and 0 < seconds <= _LONGEST:
            return Quota(count, seconds)
    raise BadRequestError(f"{text!r} is not a limit: a number and a time, as in 60/m, 100/10s or 1M/day")


def parse_age(text: str) -> int:
    """Return the seconds that ``90d`` or ``12h`` means; raise ``BadRequestError``."""
    match = _AGE.fullmatch(text.strip().lower())
    if not match or not int(match[1]):
        raise BadRequestError(f"{text!r} is not a time such as 90d, 12h or 30m")
    return int(match[1]) * _UNITS[match[2]]


@dataclass(slots=True)
class Window:
    """What was used of a quota since ``began`` (seconds since the epoch): a window begins with its first use."""

    seconds: int = 0
    began: float = 0.0
    used: int = 0

    def turn(self, quota: Quota, now: float) -> None:
        """Begin anew if the window is over, or was one of another length."""
        if self.seconds != quota.seconds or now >= self.began + self.seconds:
            self.seconds, self.began, self.used = quota.seconds, now, 0
        elif self.began > now:  # the clock was set back, which must not make the window longer
            self.began = now

    def rest(self, quota: Quota) -> int:
        """Return what may still be used; 0 if more was."""
        return max(quota.count - self.used, 0)

    def ends_in(self, now: float) -> float:
        """Return the seconds until the window is over."""
        return self.began + self.seconds - now
