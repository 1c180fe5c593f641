"""The server's log: one record, one line, whatever was in a request, a registry's answer or a model's file.

Keys of JSON, names, headers and the output of runners reach the log from many places. That none of them can forge a
line, colour a terminal, fill the disk or carry a password is seen to here, for all of them.
"""

import copy
import logging
import sys
from types import TracebackType
from typing import Any

from puna.outside import bounded, printable, without_logins

_LONGEST_ARGUMENT = 1000
_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class LineFormatter(logging.Formatter):
    """Writes a record as one line; a traceback follows in indented lines."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text."""
        record = copy.copy(record)  # other handlers get it as it was
        if isinstance(record.args, tuple):
            record.args = tuple(_bounded(argument) for argument in record.args)
        return super().format(record)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name is that of logging
        """Return the line of a record."""
        record.message = printable(without_logins(record.message))
        return super().formatMessage(record)

    def formatException(  # noqa: N802 - the name is that of logging
        self, ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
    ) -> str:
        """Return a traceback. An exception may have text from outside, which must not begin a line."""
        lines = without_logins(super().formatException(ei)).split("\n")
        return "\n".join(f"  {printable(bounded(line, _LONGEST_ARGUMENT))}" for line in lines)


def _bounded(argument: Any) -> Any:
    if isinstance(argument, str | BaseException):
        return bounded(str(argument), _LONGEST_ARGUMENT)
    return argument


def start(*, debug: bool) -> None:
    """Let the process log to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter(_FORMAT))
    logging.basicConfig(level=logging.DEBUG if debug else logging.INFO, handlers=[handler])
