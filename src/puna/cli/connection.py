"""A connection to a server for one command; ``run`` and others start one for themselves when none answers."""

import contextlib
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches

import typer

from puna.cli.client import NOT_FOUND, Client, ServerError
from puna.cli.errors import CommandError
from puna.cli.screen import console, is_terminal
from puna.cli.store import prepare_models
from puna.process import await_end
from puna.settings import Settings

_START_SECONDS = 30.0
_STOP_SECONDS = 10.0
_MISSING = re.compile(r"model '(.+)' not found")
_LATEST = ":latest"
_UNAUTHORIZED = 401
_HOW_TO_ENTER = "the server asks for a key (OLLAMA_API_KEY) or a login (OLLAMA_BASIC_AUTH)"
_NEAR = 3


@contextmanager
def connected(*, start: bool = False) -> Iterator[Client]:
    """Give a client for a server that answers; explain in one sentence what went wrong otherwise.

    With ``start``, a server is started for as long as the context lasts when none answers on a loopback address, unless
    a proxy is meant, which its path tells.
    """
    settings = Settings.from_env()
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(Client(settings))
        if not client.answers():
            if not (start and settings.address.is_loopback) or settings.address.prefix:
                raise CommandError(f"no server answers at {settings.url}; start one with: puna serve")
            stack.enter_context(_started(client, settings))
        try:
            yield client
        except ServerError as error:
            if error.status == _UNAUTHORIZED and not (settings.api_key or settings.basic_auth):
                raise ServerError(f"{error}: {_HOW_TO_ENTER}", error.status) from error
            missing = _MISSING.fullmatch(str(error))
            near = nearest(client, missing[1]) if missing and error.status == NOT_FOUND else ""
            if not near:
                raise
            raise ServerError(f"{error}; did you mean {near}?", error.status) from error


def nearest(client: Client, name: str) -> str:
    """Return the models here whose names are like ``name`` ("a", "a or b", "a, b or c"), "" if none is."""
    try:
        names = [str(model["name"]).removesuffix(_LATEST) for model in client.get("/api/tags")["models"]]
    except (CommandError, KeyError, TypeError):
        return ""
    asked = name.removesuffix(_LATEST)
    *others, last = get_close_matches(asked, [here for here in names if here != asked], _NEAR) or [""]
    return f"{', '.join(others)} or {last}" if others else last


@contextmanager
def _started(client: Client, settings: Settings) -> Iterator[None]:
    if said := prepare_models(settings):
        typer.echo(said, err=True)
    with tempfile.TemporaryFile() as log:  # a pipe that nobody reads would hold the server up when it is full
        server = subprocess.Popen(
            [sys.executable, "-m", "puna", "serve", "--exit-with-stdin"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=None if settings.debug else log,
            start_new_session=True,  # a Ctrl-C at the prompt is for the answer, not for the server
        )
        try:
            with _said("starting a server"):
                is_up = _comes_up(server, client)
            if not is_up:
                log.seek(0)
                said = log.read().decode(errors="replace").strip().removeprefix("Error: ")
                raise CommandError(f"could not start a server: {said or f'it ended with status {server.returncode}'}")
            yield
        finally:
            _stop(server)


def _said(text: str) -> contextlib.AbstractContextManager[object]:
    """Show on a terminal what takes a while."""
    return console(stderr=True).status(text) if is_terminal(sys.stderr) else contextlib.nullcontext()


def _comes_up(server: "subprocess.Popen[bytes]", client: Client) -> bool:
    deadline = time.monotonic() + _START_SECONDS
    while not client.answers():
        if server.poll() is not None:
            return False
        if time.monotonic() > deadline:
            raise CommandError(f"the server that was started does not answer within {_START_SECONDS:.0f} seconds")
        time.sleep(0.05)
    return True


def _stop(server: "subprocess.Popen[bytes]") -> None:
    if server.stdin:
        server.stdin.close()
    await_end(server, _STOP_SECONDS)
