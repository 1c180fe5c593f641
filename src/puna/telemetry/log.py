"""The log's line for each request that is over, in the form ``name=value``; never a prompt, nor a word of an answer."""

import logging

from puna.telemetry.record import Record

_log = logging.getLogger(__name__)


def log_record(record: Record) -> None:
    """Write one line about a request that is over."""
    if not _log.isEnabledFor(logging.INFO):
        return
    _log.info(
        "request id=%s model=%s dialect=%s outcome=%s error=%s prompt=%d cached=%d cut=%d generated=%d ready=%.3f "
        "first=%.3f duration=%.3f",
        record.id,
        record.model,
        record.dialect,
        record.outcome,
        record.error or "-",
        record.prompt,
        record.cached,
        record.cut,
        record.generated,
        record.ready / 1e9,
        record.first / 1e9,
        record.duration / 1e9,
    )
