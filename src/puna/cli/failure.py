"""How a command ends: its status, and one line for whatever went wrong."""

import errno
import os
import sys
import traceback
from collections.abc import Callable

from puna.errors import PunaError

FAILED = 1
INTERRUPTED = 130
_STANDARD = 3
_UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EBADF, errno.EFBIG)


def prepare_streams() -> None:
    """Make the standard streams usable: closed ones, and characters that the encoding outside does not have."""
    for number in range(_STANDARD):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it takes the lowest free number, and no file may take it later
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115 (they stay open until the process ends)
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")


def status_of(command: Callable[[], object]) -> int:
    """Carry out a command and return the status to end with; an error is one line on standard error.

    Where logging is turned up, the line follows on what Python knows of an error that nobody foresaw.
    """
    status = FAILED
    try:
        status = _status(command)
        sys.stdout.flush()
    except KeyboardInterrupt:
        status = INTERRUPTED
    except BrokenPipeError:
        status = FAILED  # whoever read the output has gone, and wants no words
    except Exception as error:  # noqa: BLE001 (this is the edge: nothing may go past it)
        status = FAILED
        _say(error)
    _let_go(sys.stdout, 1)
    _let_go(sys.stderr, 2)
    return status


def _status(command: Callable[[], object]) -> int:
    try:
        command()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else FAILED if end.code else 0
    return 0


def _say(error: Exception) -> None:
    try:
        if not isinstance(error, PunaError) and _is_debugging():
            traceback.print_exception(error)
        sys.stderr.write(f"Error: {describe(error)}\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        pass  # there is nobody to tell


def describe(error: Exception) -> str:
    """Return an error in one sentence."""
    if isinstance(error, PunaError):
        return str(error) or type(error).__name__
    if isinstance(error, OSError):
        reason = error.strerror or str(error)
        if error.filename is not None:
            return f"{os.fsdecode(error.filename) if isinstance(error.filename, bytes) else error.filename}: {reason}"
        return f"the output cannot be written: {reason}" if error.errno in _UNWRITABLE else reason
    if isinstance(error, MemoryError):
        return "there is not enough memory"
    if isinstance(error, UnicodeError):
        return f"something is not UTF-8: {error}"
    return f"this should not happen: {type(error).__name__}: {error} (OLLAMA_DEBUG=1 shows where)"


def _is_debugging() -> bool:
    from puna.settings import Settings  # a command that does not fail may do without it

    try:
        return Settings.from_env().debug
    except PunaError:
        return False


def _let_go(stream: object, number: int) -> None:
    """See to it that Python has nothing to complain of when it flushes a stream for the last time."""
    try:
        stream.flush()  # type: ignore[attr-defined]
    except (OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), number)
