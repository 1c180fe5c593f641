"""The one place where an exception becomes a status and words."""

import errno
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.exceptions import HTTPException

from puna.disk import fault_of_system
from puna.errors import PunaError
from puna.garbage import let_go
from puna.outside import bounded, without_logins
from puna.telemetry.counts import COUNTS

_log = logging.getLogger(__name__)
_INTERNAL = "internal server error; see the log of the server"
_LONGEST_MESSAGE = 4000
_SHORT_WRITE = re.compile(r"\d+ requested and \d+ written")
"""What NumPy says, without a number, when a file takes no more."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a request failed, in no dialect's shape: status, words, headers, and the word for programs if it has one.

    ``known_as`` are the words that programs other than Ollama's look for, if they look for others; ``param`` is the
    field at fault, where one is.
    """

    status: int
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)
    code: str | None = None
    known_as: str = ""
    param: str | None = None


def fault_of(error: BaseException) -> Fault:
    """Return what a caller is told of ``error``. What is no fault of the caller's, nor known, is logged, not told.

    The error keeps nothing of the request then (``garbage.let_go``).
    """
    try:
        fault = _told(error)
        COUNTS.add("puna_refusals", (str(fault.status), type(error).__name__.removesuffix("Error")))
        return fault
    finally:
        let_go(error)


def _told(error: BaseException) -> Fault:
    if isinstance(error, PunaError):
        return Fault(error.status, _shown(str(error)), error.headers, error.code, _shown(error.known_as), error.param)
    if isinstance(error, HTTPException):
        return Fault(error.status_code, _shown(str(error.detail).lower()), error.headers or {})
    if isinstance(error, OSError) and (storage := _storage_fault(error)):
        _log.warning("%s", storage.message)
        return storage
    _log.error("unexpected error", exc_info=error)
    if isinstance(error, MemoryError):
        return Fault(503, "the server has not enough memory for this request", {"Retry-After": "5"})
    return Fault(500, _INTERNAL)


def _storage_fault(error: OSError) -> Fault | None:
    number = errno.ENOSPC if error.errno is None and _SHORT_WRITE.search(str(error)) else error.errno
    found = fault_of_system(number)
    if found is None:
        return None
    status, words = found
    names = [str(name) for name in (error.filename, error.filename2) if name is not None]
    return Fault(status, _shown(f"{words}: {' to '.join(names)}" if names else words))


def _shown(message: str) -> str:
    return without_logins(bounded(message, _LONGEST_MESSAGE))
