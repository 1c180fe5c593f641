"""The hours of a day in which batches may run."""

from dataclasses import dataclass

from puna.errors import BadRequestError

_DAY, _HOUR = 24 * 60, 60
_WORDS = "it must be two times of the day, like 22:00-06:30"


@dataclass(frozen=True, slots=True)
class Hours:
    """A span of each day, in minutes since midnight; it may go over midnight, and is the whole day if both are one."""

    start: int = 0
    end: int = 0

    def hold(self, minute: int) -> bool:
        """Return whether a minute of the day lies within."""
        if self.start <= self.end:
            return self.start == self.end or self.start <= minute < self.end
        return minute >= self.start or minute < self.end


def parse_hours(text: str) -> Hours:
    """Return the hours that ``text`` says (``22-6``, ``22:00-06:30``), all for ""; raise ``BadRequestError``."""
    if not text:
        return Hours()
    start, dash, end = text.partition("-")
    if not dash:
        raise BadRequestError(_WORDS)
    return Hours(_minute(start), _minute(end))


def _minute(text: str) -> int:
    hour, _, minute = text.strip().partition(":")
    if not all(part.isascii() and part.isdigit() for part in (hour, minute or "0")):
        raise BadRequestError(_WORDS)
    found = int(hour) * _HOUR + int(minute or "0")
    if int(minute or "0") >= _HOUR or found > _DAY:
        raise BadRequestError(_WORDS)
    return found % _DAY
