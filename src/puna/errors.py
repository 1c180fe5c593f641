"""The root of every error that Puna raises on purpose.

An error knows its message and the HTTP status that fits it; only the edges (``puna.api.dialect`` and the command
line) turn it into a response. Layers define subclasses next to the code that raises them.
"""

from collections.abc import Mapping
from typing import Any


class PunaError(Exception):
    """Something went wrong that Puna can explain; ``str(error)`` is the text shown to the user."""

    status = 500
    code: str | None = None
    """The word by which programs know this error, in dialects that have such words (``context_length_exceeded``)."""
    known_as: str = ""
    """The text that programs of these dialects look for, if it is not ``str(error)``."""
    param: str | None = None
    """The field of the request that is at fault, in dialects that name it."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Response headers that belong to this error (``Retry-After`` and the like)."""
        return {}

    def __reduce__(self) -> tuple[Any, ...]:
        """Let an error cross to another process as it is, whatever it was made of."""
        return _as_it_was, (type(self), self.args, vars(self))


def _as_it_was(kind: type[PunaError], arguments: tuple[Any, ...], state: Mapping[str, Any]) -> PunaError:
    error = kind.__new__(kind, *arguments)
    vars(error).update(state)
    return error


class BadRequestError(PunaError):
    """What was asked is malformed or out of range; ``param`` is the field at fault where one is."""

    status = 400

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


class NotFoundError(PunaError):
    """What was asked for does not exist."""

    status = 404


class ModelNotFoundError(NotFoundError):
    """No model has this name. The text is Ollama's: clients match on it to offer a pull."""

    code = "model_not_found"
    param = "model"

    def __init__(self, name: str) -> None:
        super().__init__(f"model '{name}' not found")
        self.name = name


class PayloadTooLargeError(PunaError):
    """A request body is over the configured limit."""

    status = 413


class EncodedBodyError(PunaError):
    """A request body is compressed."""

    status = 415

    def __init__(self, encoding: str) -> None:
        super().__init__(f"the request body is sent as {encoding} (Content-Encoding): send it uncompressed")

    @property
    def headers(self) -> Mapping[str, str]:
        return {"Accept-Encoding": "identity"}


class UnavailableError(PunaError):
    """The server cannot take the request now, but a later try may succeed."""

    status = 503

    def __init__(self, message: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after

    @property
    def headers(self) -> Mapping[str, str]:
        return {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
