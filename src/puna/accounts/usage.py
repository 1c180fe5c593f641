"""What was used: counts by day, key and model."""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from puna.errors import BadRequestError

FIRST_DAY, LAST_DAY = "0001-01-01", "9999-12-31"
_FIELDS = (
    *("day", "key", "model", "requests", "prompt_tokens", "cached_tokens", "generated_tokens"),
    *("seconds", "refusals"),
)


def between(since: str, until: str) -> tuple[str, str]:
    """Return the first and the last day as they are kept; "" is no bound. Raises ``BadRequestError``."""
    return _day("since", since) or FIRST_DAY, _day("until", until) or LAST_DAY


def _day(field: str, text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat() if text else ""
    except ValueError:
        raise BadRequestError(f"{field} must be a day such as 2026-11-27") from None


class Place(NamedTuple):
    """What counts are kept for: a day in UTC (``2026-11-27``), the name of a key, and that of a model, or ""."""

    day: str
    key: str
    model: str


@dataclass(slots=True)
class Counts:
    """Requests that got as far as a model, their tokens, the nanoseconds in which they had a slot; and refusals.

    ``cached`` of the ``prompt`` tokens were known to the engine. A request that was refused is no request.
    """

    requests: int = 0
    prompt: int = 0
    cached: int = 0
    generated: int = 0
    nanoseconds: int = 0
    refusals: int = 0

    def numbers(self) -> tuple[int, int, int, int, int, int]:
        """Return the counts in the order of the fields."""
        return self.requests, self.prompt, self.cached, self.generated, self.nanoseconds, self.refusals

    def add(self, other: "Counts") -> None:
        """Add other counts to these."""
        self.requests += other.requests
        self.prompt += other.prompt
        self.cached += other.cached
        self.generated += other.generated
        self.nanoseconds += other.nanoseconds
        self.refusals += other.refusals


class UsageRow(NamedTuple):
    """What was counted for one day, key and model."""

    place: Place
    counts: Counts

    def to_json(self) -> dict[str, Any]:
        """Return the row as the API has it."""
        requests, prompt, cached, generated, nanoseconds, refusals = self.counts.numbers()
        values = (*self.place, requests, prompt, cached, generated, round(nanoseconds / 1e9, 3), refusals)
        return dict(zip(_FIELDS, values, strict=True))


def to_csv(rows: Iterable[UsageRow]) -> str:
    """Return rows as CSV (RFC 4180) with a head. No text in them begins as a formula of a spreadsheet does."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _FIELDS)
    writer.writeheader()
    writer.writerows(row.to_json() for row in rows)
    return text.getvalue()
