"""The server that commands talk to: the official client, with the user's address and credentials."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
import ollama

from puna.cli.errors import CommandError
from puna.settings import Settings

_START_SECONDS = 30.0
_NOT_FOUND = 404


class Client(ollama.Client):
    """The official client, with what making a model needs and it does not have."""

    def has_blob(self, digest: str) -> bool:
        """Return whether the server has a blob."""
        try:
            self._request_raw("HEAD", f"/api/blobs/{digest}")  # type: ignore[no-untyped-call]
        except ollama.ResponseError as error:
            if error.status_code == _NOT_FOUND:
                return False
            raise
        return True

    def send_blob(self, digest: str, parts: Iterable[bytes]) -> None:
        """Upload a blob in parts."""
        self._request_raw("POST", f"/api/blobs/{digest}", content=parts)  # type: ignore[no-untyped-call]

    def list_models(self) -> list[dict[str, Any]]:
        """Return the models with every field of ``/api/tags``, of which the official client keeps its own."""
        models: list[dict[str, Any]] = self._request_raw("GET", "/api/tags").json()["models"]  # type: ignore[no-untyped-call]
        return models

    def create_model(self, body: Mapping[str, Any]) -> Iterator[ollama.ProgressResponse]:
        """Ask for a model with every field of ``/api/create``, and yield the progress."""
        return self._request(ollama.ProgressResponse, "POST", "/api/create", json={**body, "stream": True}, stream=True)


def make_client(settings: Settings) -> Client:
    """Return a client for the configured server."""
    auth = settings.basic_auth
    return Client(settings.address.url, auth=(auth.user, auth.password) if auth else None)


@contextmanager
def connected(*, start: bool = False) -> Iterator[Client]:
    """Give a client for a server that answers; explain in one sentence what went wrong otherwise.

    With ``start``, a server is started for as long as the context lasts when none answers on a loopback address.
    """
    settings = Settings.from_env()
    client = make_client(settings)
    server = None
    try:
        if not _answers(client):
            if not (start and settings.address.is_loopback):
                raise CommandError(f"no server answers at {settings.address.url}; start one with: puna serve")
            server = _start(client)
        yield client
    except ollama.ResponseError as error:
        raise CommandError(error.error or f"the server answered with status {error.status_code}") from error
    except BrokenPipeError:
        raise  # of standard output: whoever read it has gone
    except (httpx.HTTPError, ConnectionError) as error:
        raise CommandError(f"the connection to {settings.address.url} failed: {error}") from error
    finally:
        client.close()  # type: ignore[no-untyped-call]
        if server is not None:
            _stop(server)


def post_lines(path: str, body: Mapping[str, Any], method: str = "POST") -> Iterator[dict[str, Any]]:
    """Ask the configured server for something that only Puna has, and yield the objects of its answer.

    Raises ``CommandError`` with the server's words when it answers with an error.
    """
    settings = Settings.from_env()
    auth = settings.basic_auth
    login = (auth.user, auth.password) if auth else None
    with (
        httpx.Client(base_url=settings.address.url, auth=login, timeout=None) as client,
        client.stream(method, path, json=body) as response,
    ):
        for line in response.iter_lines():
            answer = json.loads(line)
            if "error" in answer:
                raise CommandError(answer["error"])
            yield answer


def _answers(client: ollama.Client) -> bool:
    try:
        client.ps()
    except (httpx.TransportError, ConnectionError):
        return False
    return True


def _start(client: ollama.Client) -> "subprocess.Popen[bytes]":
    server = subprocess.Popen(
        [sys.executable, "-m", "puna", "serve", "--exit-with-stdin"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE if not os.environ.get("OLLAMA_DEBUG") else None,
        start_new_session=True,  # a Ctrl-C at the prompt is for the answer, not for the server
    )
    deadline = time.monotonic() + _START_SECONDS
    while not _answers(client):
        if server.poll() is not None or time.monotonic() > deadline:
            _, errors = server.communicate() if server.poll() is not None else (b"", b"")
            _stop(server)
            raise CommandError(f"could not start a server: {(errors or b'').decode(errors='replace').strip()}")
        time.sleep(0.05)
    return server


def _stop(server: "subprocess.Popen[bytes]") -> None:
    if server.stdin:
        server.stdin.close()
    try:
        server.wait(10)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
