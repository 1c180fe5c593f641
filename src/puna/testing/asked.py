"""What was asked of the server."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from puna.testing.process import Running


@dataclass(frozen=True, slots=True)
class Request:
    """One request, as it came in.

    ``dialect`` is "ollama", "openai" or "anthropic"; ``body`` the JSON of the body (its text if it is none, ``None``
    without one), ``status`` that of the answer (``None``: not yet). Of a request for a generation ``model``,
    ``messages`` and ``tools`` are in no dialect's words: messages have ``role``, ``content`` and what else they have
    of ``thinking``, ``tool_calls`` (``name``, ``arguments``), ``tool_name``, ``tool_call_id`` and ``images`` (how
    many); tools have ``name``, ``description`` and ``parameters``.
    """

    method: str
    path: str
    dialect: str
    status: int | None
    body: Any
    model: str
    messages: Sequence[Mapping[str, Any]]
    tools: Sequence[Mapping[str, Any]]
    generates: bool
    """Whether it asked for a generation."""
    _number: int
    _lane: int = field(repr=False)
    _running: Running = field(repr=False)

    @property
    def prompt(self) -> str:
        """Return the prompt that the model was given, in its own template; the server renders it once more."""
        found: str = self._running.ask("GET", f"/requests/{self._number}/prompt", port=self._lane)["prompt"]
        return found

    def __str__(self) -> str:
        last = f" {self.messages[-1]['role']}: {self.messages[-1]['content']!r:.80}" if self.messages else ""
        return f"{self.method} {self.path} -> {self.status}{last}"


def request_of(entry: Mapping[str, Any], running: Running, lane: int) -> Request:
    """Return the request that the server tells of."""
    values = {name: value for name, value in entry.items() if name != "number"}
    return Request(**{**values, "body": _body(entry["body"])}, _number=entry["number"], _lane=lane, _running=running)


def _body(text: str) -> Any:
    if not text:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text
