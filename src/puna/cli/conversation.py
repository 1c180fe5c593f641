"""A conversation with a model: what it has been told, and how the next answer is asked for."""

import secrets
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import typer

from puna.cli.answer import Display, Stopped
from puna.cli.client import Client
from puna.cli.files import take_files
from puna.cli.pictures import find_pictures, lost_pictures, needed_sense, take_pictures
from puna.cli.screen import is_terminal
from puna.cli.waiting import Waiting


class Conversation:
    """Messages so far, the settings of this conversation, and the model that answers.

    ``request`` holds fields of ``/api/chat`` that every question has; ``shown`` is what ``/api/show`` says. With
    ``takes_files``, the text files that a question names go along with it, as pictures do.
    """

    def __init__(
        self, client: Client, model: str, request: dict[str, Any], display: Display, shown: Mapping[str, Any]
    ) -> None:
        self.client = client
        self.model = model
        self.request = request
        self.display = display
        self.shown = shown
        self.parameters: dict[str, Any] = {}
        self.messages: list[dict[str, Any]] = []
        self.system = ""
        self.takes_files = False

    @property
    def capabilities(self) -> list[str]:
        """Return what the model can do, as the server says."""
        return list(self.shown.get("capabilities") or [])

    @property
    def senses(self) -> list[str]:
        """Return what the model perceives beside text."""
        return [name for name in ("vision", "audio") if name in self.capabilities]

    @property
    def earlier(self) -> list[dict[str, Any]]:
        """Return the messages that the model itself begins with, a saved conversation for one."""
        return list(self.shown.get("messages") or [])

    def load(self) -> None:
        """Bring the model into memory."""
        more = {name: value for name, value in self.request.items() if name in ("keep_alive", "think")}
        with self._waiting() as (request_id, _):
            self.client.post("/api/generate", {"model": self.model, "stream": False, **more}, request_id)

    def change_model(self, model: str) -> None:
        """Go on with another model, and no messages; the model stays the same if that one cannot be loaded."""
        shown = self.client.post("/api/show", {"model": model})
        before = self.model, self.shown
        self.model, self.shown = model, shown
        try:
            self.load()
        except BaseException:
            self.model, self.shown = before
            raise
        self.messages.clear()

    def save(self, name: str) -> None:
        """Make a model of this one with the system message, the parameters and the messages so far."""
        body: dict[str, Any] = {"model": name, "from": self.model, "stream": False}
        if self.system:
            body["system"] = self.system
        if self.parameters:
            body["parameters"] = self.parameters
        if messages := self.earlier + self.messages:
            body["messages"] = [{"role": entry["role"], "content": entry["content"]} for entry in messages]
        self.client.post("/api/create", body)

    def ask(self, text: str) -> None:
        """Print the answer to ``text`` as it comes.

        One that the user stops is kept as far as it came, as it stands on the screen; one that fails is forgotten, and
        the question with it.
        """
        self.messages.append(self._question(text))
        system = [{"role": "system", "content": self.system}] if self.system else []
        body = {"model": self.model, "messages": system + self.messages, "options": self.parameters, **self.request}
        try:
            with self._waiting() as (request_id, waiting):
                parts = self.client.lines("/api/chat", body, request_id)
                answer = self.display.show(parts, waiting, formatted="format" in self.request)
        except Stopped as stopped:
            if stopped.text:
                self.messages.append({"role": "assistant", "content": stopped.text})
            else:
                self.messages.pop()
            raise
        except BaseException:
            self.messages.pop()
            raise
        self.messages.append({"role": "assistant", "content": answer})

    @contextmanager
    def _waiting(self) -> Iterator[tuple[str, Waiting | None]]:
        """Give a name for a request, and what shows on a terminal that it waits."""
        request_id = f"run-{secrets.token_hex(8)}"
        if not (is_terminal(sys.stdout) and is_terminal(sys.stderr)):
            yield request_id, None
            return
        with Waiting(self.client, self.model, request_id) as waiting:
            yield request_id, waiting

    def _question(self, text: str) -> dict[str, Any]:
        for path in find_pictures(text).values():
            if (sense := needed_sense(path)) not in self.senses:
                cannot = "hear sounds" if sense == "audio" else "see pictures"
                typer.echo(f"({self.model} cannot {cannot}: the name of {path} is sent as text)", err=True)
        for reason in lost_pictures(text):
            typer.echo(f"({reason}; the name is sent as text)", err=True)
        content, images, paths = take_pictures(text, self.senses)
        for path in paths:
            typer.echo(f"Added {'sound' if needed_sense(path) == 'audio' else 'image'} '{path}'", err=True)
        if self.takes_files:
            content, files = take_files(content)
            for path in files:
                typer.echo(f"Added file '{path}'", err=True)
        return {"role": "user", "content": content, **({"images": images} if images else {})}
