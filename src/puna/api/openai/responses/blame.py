"""Which field of a request is at fault."""

from collections.abc import Iterator
from contextlib import contextmanager

from puna.errors import BadRequestError


@contextmanager
def blaming(field: str) -> Iterator[None]:
    """Let errors name ``field`` as the one at fault, unless they name another."""
    try:
        yield
    except BadRequestError as error:
        error.param = error.param or field
        raise
