"""``puna serve``."""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import sys
import threading
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

from puna import __version__, logs
from puna.accounts.accounts import has_keys
from puna.cli.errors import CommandError
from puna.cli.listener import listening, printable
from puna.cli.open_files import raise_limit
from puna.cli.store import prepare_models
from puna.core_files import forbid_core_files
from puna.engine.engines import PORTABLE, Engines
from puna.engine.gain import advice, gain, may_gain
from puna.engine.info import EngineInfoProcess
from puna.lazy import lazy
from puna.settings import SETTINGS, Settings, setting_warnings

if TYPE_CHECKING:
    import typer

    from puna.api.server import Server
    from puna.api.tls import TLS
else:
    typer = lazy("typer")

_log = logging.getLogger(__name__)
_FEW_FILES = 1024
_OTHER_FILES = 256
"""Files that clients must leave to runners, models and logs."""
_TURN_SECONDS = 0.001
"""How long a thread computes before another may, the event loop's among them."""

_OPEN_ADDRESS = """\
refusing to listen on {host} without credentials: everybody who reaches this address could use and delete your models.
Either make a key:             puna key create NAME
or set credentials:            OLLAMA_BASIC_AUTH=user:password
or say that it is to be open:  PUNA_ALLOW_OPEN=1"""

_SETTINGS_HELP = "Settings (environment variables):\n\n" + "\n\n".join(
    f"{entry.variable}  {entry.help}" + (f" [{entry.default}]" if entry.default else "") for entry in SETTINGS
)


def serve(
    exit_with_stdin: Annotated[
        bool, typer.Option("--exit-with-stdin", hidden=True, help="end when standard input ends")
    ] = False,
) -> None:
    """Start the server."""
    settings = Settings.from_env()
    if settings.sections.models:
        from puna.inference.sections import check_sections  # most servers have none

        check_sections(settings.sections)
    address = settings.address
    refuse_open(settings)
    if settings.testing and not address.is_loopback:
        raise CommandError("refusing to listen where others can reach it with PUNA_TESTING, which is for tests alone")
    logs.start(debug=settings.debug, form=settings.log_format, file=settings.log_file, size=settings.log_file_size)
    for warning in setting_warnings():
        _log.warning("%s", warning)
    if settings.tls_key and not settings.tls_cert:
        raise CommandError("PUNA_TLS_KEY is set, and PUNA_TLS_CERT is not")
    if settings.record:
        from puna.jobs.recordings import KeyFile  # few servers record

        KeyFile.of(settings).key()  # so that a file that is none is an error before anything is recorded
    if settings.traces and not _is_installed("opentelemetry.sdk.trace"):
        raise CommandError("PUNA_TRACES needs the extra traces: pip install 'puna[traces]'")
    tls = _tls(settings.tls_cert, settings.tls_key) if settings.tls_cert and not address.path else None
    connections = _connections(raise_limit())
    forbid_core_files()
    with listening(address) as listener:
        _serve(settings, listener, connections, tls, exit_with_stdin=exit_with_stdin)


def refuse_open(settings: Settings) -> None:
    """Raise ``CommandError`` where everybody who reaches the address could use the server."""
    address = settings.address
    if not (address.is_loopback or settings.basic_auth or settings.allow_open or has_keys(settings.home)):
        raise CommandError(_OPEN_ADDRESS.format(host=address.host))


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # nor is its parent
        return False


def _tls(certificate: Path, key: Path | None) -> TLS:
    from puna.api.tls import TLS  # OpenSSL takes its time, and most servers do without

    return TLS(certificate, key)


def _serve(
    settings: Settings, listener: socket.socket, connections: int, tls: TLS | None, *, exit_with_stdin: bool
) -> None:
    if said := prepare_models(settings):
        _log.warning("%s", said)
    scheme = "https" if tls else "http"
    engines = Engines(settings.home, settings.engine)
    program = engines.program()
    look = EngineInfoProcess(engines.chosen() if program else PORTABLE, program)

    def tell() -> None:
        info = look.result()
        lines = [f"Puna {__version__} listens on {printable(listener, scheme)}, engine: {info}"]
        if may_gain(engines) and (likely := gain(info.instructions)):
            lines.append(advice(likely))
        try:
            sys.stdout.write("".join(f"{line}\n" for line in lines))
            sys.stdout.flush()
        except OSError as error:  # a full disk, or nobody who reads: no reason to answer nobody
            _log.warning("%s (the output cannot be written: %s)", lines[0], error.strerror)

    sys.setswitchinterval(_TURN_SECONDS)
    gc.disable()  # loading leaves no garbage; the server looks for it again as soon as it listens
    from puna.api.server import Server  # most of the start, while the look at the engine is under way

    server = Server(settings, connections, tell, tls)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, _stay)
    if exit_with_stdin:
        threading.Thread(target=_exit_with_stdin, args=(server,), daemon=True).start()
    server.run(sockets=[listener])
    if not server.started:
        raise CommandError("the server could not start; see the log above")


def _connections(files: int) -> int:
    """Return how many clients may be connected at a time when the process may have so many files open."""
    clients = files - min(_OTHER_FILES, files // 2)
    if files < _FEW_FILES:
        _log.warning("only %d files may be open (ulimit -n): more than %d clients are turned away", files, clients)
    return clients


def _stay(_number: int, _frame: FrameType | None) -> None:
    """Go on when a terminal closes, or a service manager asks for settings to be read again: not all can change."""
    _log.info("SIGHUP: settings are read when the server starts; it goes on")


def _exit_with_stdin(server: Server) -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    server.should_exit = True


serve.__doc__ = f"{serve.__doc__}\n\n{_SETTINGS_HELP}"
