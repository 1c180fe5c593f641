"""What is wrong with keys, or with the file that holds them."""

from collections.abc import Mapping

from puna.errors import PunaError


class AccountsError(PunaError):
    """The file of keys and usage cannot be read or written."""

    def __init__(self, message: str, status: int = 500) -> None:
        super().__init__(message)
        self.status = status


class KeyForbidsError(PunaError):
    """The key may not do this. The text must not depend on whether a thing exists that the key may not see."""

    status = 403


class LimitError(PunaError):
    """The key is over one of its limits; ``wait`` is in seconds."""

    status = 429

    def __init__(self, message: str, wait: int, fields: Mapping[str, str]) -> None:
        super().__init__(message)
        self._headers = {"Retry-After": str(wait), **fields}

    @property
    def headers(self) -> Mapping[str, str]:
        return self._headers
