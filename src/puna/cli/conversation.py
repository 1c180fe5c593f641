"""A conversation with a model: what it has been told, and how the next answer is asked for."""

from collections.abc import Mapping
from typing import Any

import typer

from puna.cli.answer import Display
from puna.cli.client import Client
from puna.cli.pictures import find_pictures, needed_sense, take_pictures


class Conversation:
    """Messages so far, the settings of this conversation, and the model that answers.

    ``request`` holds fields of ``/api/chat`` that every question has; ``shown`` is what ``/api/show`` says.
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

    @property
    def senses(self) -> list[str]:
        """Return what the model perceives beside text, as its capabilities say."""
        return [name for name in ("vision", "audio") if name in (self.shown.get("capabilities") or [])]

    def load(self) -> None:
        """Bring the model into memory."""
        more = {name: value for name, value in self.request.items() if name in ("keep_alive", "think")}
        self.client.post("/api/generate", {"model": self.model, "stream": False, **more})

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
        if self.messages:
            body["messages"] = [{"role": entry["role"], "content": entry["content"]} for entry in self.messages]
        self.client.post("/api/create", body)

    def ask(self, text: str) -> None:
        """Print the answer to ``text`` as it comes; without its end, both are forgotten."""
        self.messages.append(self._question(text))
        system = [{"role": "system", "content": self.system}] if self.system else []
        body = {"model": self.model, "messages": system + self.messages, "options": self.parameters, **self.request}
        try:
            answer = self.display.show(self.client.lines("/api/chat", body))
        except BaseException:
            self.messages.pop()
            raise
        self.messages.append({"role": "assistant", "content": answer})

    def _question(self, text: str) -> dict[str, Any]:
        for path in find_pictures(text).values():
            if (sense := needed_sense(path)) not in self.senses:
                cannot = "hear sounds" if sense == "audio" else "see pictures"
                typer.echo(f"({self.model} cannot {cannot}: the name of {path} is sent as text)", err=True)
        content, images, paths = take_pictures(text, self.senses)
        for path in paths:
            typer.echo(f"Added {'sound' if needed_sense(path) == 'audio' else 'image'} '{path}'", err=True)
        return {"role": "user", "content": content, **({"images": images} if images else {})}
