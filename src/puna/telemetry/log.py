"""The log's line for each request that is over: its fields and nothing else, never a prompt nor a word of an answer."""

import logging
from typing import Any

from puna.telemetry.record import Record

_log = logging.getLogger(__name__)
_SECOND = 1e9


def log_record(record: Record, said: str = "request") -> None:
    """Write one line about a request that is over, which begins with ``said``."""
    if _log.isEnabledFor(logging.INFO):
        _log.info("%s", said, extra={"fields": _fields(record)})


def _fields(record: Record) -> dict[str, Any]:
    """Return what is logged of a request: tokens, and seconds; ``speed`` is in tokens a second."""
    return {"id": record.id, "key": record.key, **record.told, **seconds_of(record)}


def seconds_of(record: Record) -> dict[str, float]:
    """Return how long each part of a request took, in seconds, and its ``speed`` in tokens a second."""
    return {
        "wait": round((record.ready - record.load) / _SECOND, 3),
        "load": round(record.load / _SECOND, 3),
        "first": round(record.first / _SECOND, 3),
        "duration": round(record.duration / _SECOND, 3),
        "speed": round(_SECOND / record.per_token, 2) if record.per_token else 0.0,
    }
