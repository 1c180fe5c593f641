"""A spinner while an answer has not begun, which says what it waits for."""

import contextlib
import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from puna.cli.client import Client
from puna.cli.errors import CommandError
from puna.cli.screen import console

_PATIENCE, _INTERVAL = 1.0, 0.7


class Waiting:
    """Asks the server what becomes of a request, and shows it on standard error until ``stop``."""

    def __init__(self, client: Client, model: str, request_id: str) -> None:
        self._client = client
        self._model = model
        self._id = request_id
        self._began = time.monotonic()
        self._status = console(stderr=True).status("")
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._status.start()
        self._thread.start()
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        """Take the spinner off the screen."""
        if not self._stopped.is_set():
            self._stopped.set()
            self._status.stop()

    def _look(self) -> None:
        wait = _PATIENCE
        while not self._stopped.wait(wait):
            wait = _INTERVAL
            # RuntimeError: the client was closed while it asked.
            with contextlib.suppress(CommandError, KeyError, TypeError, RuntimeError):
                text = describe(self._client.get("/api/queue"), self._model, self._id)
                if not self._stopped.is_set():
                    self._status.update(f"{text} ({time.monotonic() - self._began:.0f} s)" if text else "")


def describe(queue: Mapping[str, Any], model: str, request_id: str) -> str:
    """Return what a request waits for by the server's account of its queue (``/api/queue``), "" if that is unknown."""
    own = next((entry for entry in queue["requests"] if entry["id"] == request_id), None)
    if own is None:
        return ""
    if any(load["model"] == own["model"] for load in queue["loads"]):
        return f"loading {model}"
    if own["state"] != "waiting":
        return "reading the prompt"
    before = own["position"]
    text = "waiting for a turn" if not before else f"waiting behind {before} other{'s' * (before > 1)}"
    estimate = own.get("estimated_wait")
    return f"{text}, about {estimate:.0f} s more" if estimate else text
