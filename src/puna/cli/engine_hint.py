"""What ``puna run`` says once to whoever has no engine that was built for this processor."""

import contextlib
import sys

import typer

from puna.cli.screen import is_terminal
from puna.engine.engines import PORTABLE, Engines
from puna.engine.gain import advice, gain, may_gain
from puna.engine.info import EngineInfoProcess
from puna.settings import Settings

_TOLD = "told-of-engine"


def tell_of_engine() -> None:
    """Say in a line that a native engine is faster here, if it is; once, and to a person at this machine alone."""
    settings = Settings.from_env()
    mark = settings.home / _TOLD
    if not (is_terminal(sys.stderr) and settings.address.is_loopback) or mark.exists():
        return
    engines = Engines(settings.home, settings.engine)
    if not may_gain(engines):
        return
    if likely := gain(EngineInfoProcess(PORTABLE, "").result().instructions):
        typer.echo(advice(likely), err=True)
    with contextlib.suppress(OSError):  # where nothing can be kept it is said again
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
