"""What is piped into a command."""

import sys

from puna.cli.errors import CommandError
from puna.settings import Settings


def read_standard_input() -> bytes:
    """Return all of it, as far as a request may have so much: a pipe need not end, and memory does."""
    most = Settings.from_env().max_body
    data = sys.stdin.buffer.read(most + 1)
    if len(data) > most:
        raise CommandError(f"standard input has more than {most} bytes (PUNA_MAX_BODY)")
    return data
