"""The last requests that are over, for people who look on."""

from collections import deque

from puna.telemetry.record import Record

_KEPT = 200


class Recent:
    """Keeps the records of the last requests; a subscriber like the log."""

    def __init__(self) -> None:
        self._records: deque[Record] = deque(maxlen=_KEPT)

    def __call__(self, record: Record) -> None:
        """Take note of a request that is over."""
        self._records.appendleft(record)

    def records(self) -> list[Record]:
        """Return them, the latest first."""
        return list(self._records)
