"""A log in a file of its owner's alone, which is rotated here, or by a program like logrotate."""

import io
import logging
import os
import sys
from logging.handlers import RotatingFileHandler, WatchedFileHandler
from pathlib import Path

_OLDER = 4
"""Files that are kept beside the one that is written: ``NAME.1`` is the newest."""
_SAID_AFTER = 100
"""Of so many records that cannot be written in a row one is told of."""


class _Telling(logging.FileHandler):
    """Says on standard error that the log cannot be written, which must not stop what is logged, nor repeat itself."""

    _failures = 0

    def _open(self) -> io.TextIOWrapper:
        def private(path: str, flags: int) -> int:
            return os.open(path, flags, 0o600)

        raw = io.FileIO(self.baseFilename, self.mode, opener=private)
        return io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8", errors="backslashreplace")

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802, ARG002 - they are logging's
        """Tell why a record was not written."""
        if self._failures % _SAID_AFTER == 0 and sys.stderr:
            sys.stderr.write(f"the log cannot be written to {self.baseFilename}: {sys.exc_info()[1]}\n")
        self._failures += 1


class _Rotating(_Telling, RotatingFileHandler):
    """Begins a new file when the one that it writes is full."""


class _Watching(_Telling, WatchedFileHandler):
    """Begins a new file when somebody has moved the one that it writes."""


def log_file(path: Path, size: int) -> logging.Handler:
    """Return what writes a log to ``path``: a new file follows at ``size`` bytes, or with 0 when it has been moved.

    Raises ``OSError`` if it cannot be written.
    """
    if not size:
        return _Watching(path)
    return _Rotating(path, maxBytes=size, backupCount=_OLDER)
