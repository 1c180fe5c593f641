"""Durations as Go writes them (``5m``, ``1h30m``, ``-1s``), which is how Ollama's clients and settings spell them."""

import math
import re

from puna.errors import BadRequestError

FOREVER = math.inf
"""A duration without end, in seconds: what any negative keep-alive means."""

_LONGEST = 2**63 / 1e9
"""Go counts nanoseconds in 64 bits; clocks and dates end not far behind its 292 years."""
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)")


def parse_duration(value: object) -> float:
    """Return the seconds that ``value`` means; a negative value means ``FOREVER``, as does one beyond Go's durations.

    A number counts seconds; a string is a Go duration or a bare number. Raises ``BadRequestError`` for anything
    else. The rules are those of ``Duration.UnmarshalJSON`` in Ollama's ``api/types.go``.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise BadRequestError(f'invalid duration: {value!r} (use seconds, or text such as "5m")')
    seconds = _parse_text(value) if isinstance(value, str) else float(value)
    if math.isnan(seconds):
        raise BadRequestError(f"invalid duration: {value!r}")
    return seconds if 0 <= seconds <= _LONGEST else FOREVER


def parse_timeout(value: object) -> float:
    """Return the seconds of a time-out; 0 means no limit as well, as of Ollama's ``OLLAMA_LOAD_TIMEOUT``."""
    return parse_duration(value) or FOREVER


def _parse_text(text: str) -> float:
    stripped = text.strip()
    sign = -1.0 if stripped.startswith("-") else 1.0
    body = stripped[1:] if stripped.startswith(("+", "-")) else stripped
    try:
        return sign * float(body)
    except ValueError:
        pass
    total, end = 0.0, 0
    while match := _PART.match(body, end):
        total += float(match[1]) * _SECONDS[match[2]]
        end = match.end()
    if not body or end != len(body):
        raise BadRequestError(f'invalid duration: "{text}" (use seconds, or text such as "5m" or "1h30m")')
    return sign * total
