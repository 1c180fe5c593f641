"""The socket on which the server listens, taken before the server is loaded: a port, or a file."""

import contextlib
import errno
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from puna.cli.errors import CommandError
from puna.cli.ports import program_on
from puna.config.address import Address

_BACKLOG = 2048
_OWNER_ONLY = 0o600


@contextlib.contextmanager
def listening(address: Address) -> Iterator[socket.socket]:
    """Give a socket that listens at ``address``; raise ``CommandError`` if there can be none.

    The file of a unix socket is its owner's alone, takes the place of one that nobody listens on, and goes at the end.
    """
    try:
        listener = _unix(address.path) if address.path else _port(address)
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno == errno.EADDRINUSE:
            place = address.path or f"port {address.port}"
            by = "" if address.path else program_on(address.port)
            raise CommandError(f"{place} is in use{by and f' by {by}'} (OLLAMA_HOST)") from error
        place = address.path or f"{address.host}:{address.port}"
        raise CommandError(f"cannot listen on {place}: {reason} (OLLAMA_HOST)") from error
    with listener, _removing(Path(address.path)) if address.path else contextlib.nullcontext():
        yield listener


@contextlib.contextmanager
def _removing(path: Path) -> Iterator[None]:
    """Remove a socket at the end, also by SIGTERM: the server ends itself by the signal once it has shut down."""
    mine = path.stat().st_ino

    def remove() -> None:
        with contextlib.suppress(OSError):
            if path.stat().st_ino == mine:  # else another server has taken the place
                path.unlink()

    def end(number: int, _frame: FrameType | None) -> None:
        remove()
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)

    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        remove()


def _port(address: Address) -> socket.socket:
    family, *_, place = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _unix(path: str) -> socket.socket:
    if _is_abandoned(path):
        Path(path).unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        before = os.umask(0o777 & ~_OWNER_ONLY)
        try:
            listener.bind(path)
        finally:
            os.umask(before)
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _is_abandoned(path: str) -> bool:
    """Return whether the socket at ``path`` is of a server that has ended without removing it."""
    if not Path(path).is_socket():  # a file that is none refuses as well, and is somebody's
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
        return False


def printable(listener: socket.socket, scheme: str) -> str:
    """Return the address of a socket as clients write it."""
    if listener.family == socket.AF_UNIX:
        return f"unix:{listener.getsockname()}"
    host, port = listener.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
