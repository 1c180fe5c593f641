"""Faults that a test asks for, as the errors that a caller would meet."""

from collections.abc import Mapping

from puna.api.testing.schemas import FaultBody
from puna.engine.errors import ContextExceededError
from puna.errors import BadRequestError, PunaError

_TOO_MANY_REQUESTS = 429


class ScriptError(BadRequestError):
    """A generation that the script of a test has no answer for. No client tries such a request again."""

    def __init__(self, message: str) -> None:
        super().__init__(f"puna.testing: {message}")


class InjectedRateLimitError(PunaError):
    """What somebody is told who asks too often; ``retry_after`` is in seconds, 0 for no such header."""

    status = _TOO_MANY_REQUESTS
    code = "rate_limit_exceeded"

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self._retry_after = retry_after

    @property
    def headers(self) -> Mapping[str, str]:
        return {"Retry-After": f"{self._retry_after:g}"} if self._retry_after else {}


class InjectedServerError(PunaError):
    """What a caller is told of a model that was lost, with status 500."""


def error_of(fault: FaultBody) -> PunaError | None:
    """Return the error that a fault means; ``None`` for one with which there is an answer."""
    match fault.kind:
        case "rate_limited":
            return InjectedRateLimitError(fault.message, fault.retry_after)
        case "server_error":
            return InjectedServerError(fault.message)
        case "overflow":
            return ContextExceededError(fault.prompt_tokens, fault.context)
    return None
