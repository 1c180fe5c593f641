"""The server's log: one record, one line, whatever was in a request, a registry's answer or a model's file.

Keys of JSON, names, headers and the output of runners reach the log from many places. That none of them can forge a
line, colour a terminal, fill the disk or carry a password is seen to here, for all of them. A record may have
``fields``, which follow its message as ``name=value``, or are members of its object in JSON.
"""

import copy
import json
import logging
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from puna.outside import bounded, printable, without_logins

JSON, TEXT = "json", "text"
_LONGEST_ARGUMENT = 1000
_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class LineFormatter(logging.Formatter):
    """Writes a record as one line; a traceback follows in indented lines."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text."""
        return super().format(_bounded_record(record))  # other handlers get it as it was

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name is that of logging
        """Return the line of a record."""
        fields = "".join(f" {name}={_plain(value)}" for name, value in fields_of(record).items())
        record.message = printable(without_logins(record.message + fields))
        return super().formatMessage(record)

    def formatException(  # noqa: N802 - the name is that of logging
        self, ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
    ) -> str:
        """Return a traceback. An exception may have text from outside, which must not begin a line."""
        return "\n".join(f"  {printable(line)}" for line in _traceback(super().formatException(ei)))


class JsonFormatter(logging.Formatter):
    """Writes a record as one JSON object on one line: time, level, logger, message, fields, traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON, in which nothing but ASCII stands."""
        record = _bounded_record(record)
        moment = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, Any] = {
            "time": moment.isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": without_logins(record.getMessage()),
            **{name: _clean(value) for name, value in fields_of(record).items()},
        }
        if record.exc_info:
            line["traceback"] = "\n".join(_traceback(self.formatException(record.exc_info)))
        return json.dumps(line, default=str)


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """Return the fields of a record, as ``extra={"fields": ...}`` gave them."""
    fields: dict[str, Any] = getattr(record, "fields", {})
    return fields


def _bounded_record(record: logging.LogRecord) -> logging.LogRecord:
    record = copy.copy(record)
    if isinstance(record.args, tuple):
        record.args = tuple(_bounded(argument) for argument in record.args)
    return record


def _bounded(argument: Any) -> Any:
    if isinstance(argument, str | BaseException):
        return bounded(str(argument), _LONGEST_ARGUMENT)
    return argument


def _traceback(text: str) -> list[str]:
    return [bounded(line, _LONGEST_ARGUMENT) for line in without_logins(text).split("\n")]


def _clean(value: Any) -> Any:
    return without_logins(bounded(value, _LONGEST_ARGUMENT)) if isinstance(value, str) else value


def _plain(value: Any) -> str:
    """Return a field's value as one word; a text that is none is in quotes."""
    if not isinstance(value, str):
        return f"{value}"
    text = bounded(value, _LONGEST_ARGUMENT)
    quoted = any(character.isspace() or character in '"=' for character in text)
    return json.dumps(text, ensure_ascii=False) if quoted else text or "-"


def start(*, debug: bool, form: str = TEXT, file: Path | None = None, size: int = 0) -> None:
    """Let the process log to standard error, or to a file that a new one follows when it has ``size`` bytes.

    ``form`` is ``TEXT`` or ``JSON``. Raises ``OSError`` if the file cannot be written.
    """
    handler: logging.Handler = logging.StreamHandler(sys.stderr)
    if file:
        from puna.log_file import log_file  # most servers log to standard error

        handler = log_file(file, size)
    handler.setFormatter(JsonFormatter() if form == JSON else LineFormatter(_FORMAT))
    logging.basicConfig(level=logging.DEBUG if debug else logging.INFO, handlers=[handler])
