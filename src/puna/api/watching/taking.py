"""What is taken down of one request while it is answered, until it is a recording."""

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
from starlette.types import Scope

from puna.api.access.identity import IDENTITY, Identity
from puna.api.dialect import spoken
from puna.api.http.request_id import REQUEST_ID
from puna.inference.answer import Collector
from puna.inference.events import Event
from puna.inference.options import Options
from puna.inference.watching import Asked
from puna.jobs.recordings import Recording, new_name
from puna.telemetry.log import seconds_of
from puna.telemetry.record import Record

MOST_ASKED = 16 << 20
"""Bytes of a body that are kept; of a larger one nothing is, and it cannot be asked again."""
_MOST_SAID = 1 << 20
"""Bytes of an answer that are kept as they were sent, beside its text."""
_HEADERS = frozenset(
    [
        *("accept", "anthropic-beta", "anthropic-version", "content-type", "openai-beta", "user-agent", "x-priority"),
        *("session-id", "x-claude-code-session-id", "x-session-affinity", "x-session-id"),
    ]
)
"""Fields of a request that are kept: all that a route looks at, and no credentials."""
_NAMES = ("id", "created", "created_at")
_SECRET_PARTS = ("key", "token", "auth", "secret", "password")


@dataclass(eq=False)
class Taking:
    """A watcher that takes down what a recording has; ``engine`` is the one to run on, "" for that which is chosen."""

    method: str
    path: str
    query: str
    headers: Sequence[tuple[str, str]]
    request: str
    key: str
    dialect: str
    engine: str = ""
    replay_of: str = ""
    body: bytearray = field(default_factory=bytearray)
    is_cut: bool = False
    status: int = 0
    error: str = ""
    sent: bytearray = field(default_factory=bytearray)
    record: Record | None = None
    asked: Asked | None = None
    wants_prompt: bool = True
    later: Callable[[Recording], None] | None = None
    """Keeps the recording of what runs in the background, once it is over."""
    _said: Collector = field(default_factory=Collector)
    _began: float = field(default_factory=time.time)

    @classmethod
    def of(cls, scope: Scope, **more: Any) -> "Taking":
        """Return one for the request of ``scope``, whose body is still to come."""
        identity: Identity = scope[IDENTITY]
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        return cls(
            scope["method"],
            scope["path"],
            _without_secrets(scope.get("query_string", b"").decode("latin-1")),
            [(name, value) for name, value in headers if name in _HEADERS],
            scope[REQUEST_ID],
            identity.key.name if identity.key else "",
            spoken(scope).name,
            **more,
        )

    def hear(self, part: bytes) -> None:
        """Take the next part of the body."""
        if self.is_cut or len(self.body) + len(part) > MOST_ASKED:
            self.is_cut = True
            self.body.clear()
        else:
            self.body += part

    def send(self, part: bytes) -> None:
        """Take the next part of the answer as it is sent."""
        self.sent += part[: _MOST_SAID - len(self.sent)]

    def takes(self, options: Options) -> Options:
        """See ``Watcher``: a seed that the engine would draw is drawn here, so that it is known."""
        sampling = options.sampling
        if sampling.get("seed", -1) < 0:
            sampling = {**sampling, "seed": secrets.randbits(31)}
        return replace(options, sampling=sampling, runner=replace(options.runner, engine=self.engine))

    def asks(self, asked: Asked) -> None:
        """See ``Watcher``."""
        self.asked = asked

    def says(self, events: Sequence[Event]) -> None:
        """See ``Watcher``."""
        self._said.add(events)

    def ends(self, record: Record) -> None:
        """See ``Watcher``."""
        self.record = record

    def over(self) -> None:
        """See ``Watcher``."""
        if self.later:
            self.later(self.recording())

    def recording(self) -> Recording:
        """Return all of it."""
        return Recording(self._head(), bytes(self.body), self._answer())

    def _head(self) -> dict[str, Any]:
        head: dict[str, Any] = {
            "id": new_name(),
            "request": self.request,
            "created": round(self._began, 3),
            "replay_of": self.replay_of,
            "key": self.key,
            "method": self.method,
            "path": self.path,
            "query": self.query,
            "headers": dict(self.headers),
            "dialect": self.dialect,
            "status": self.status,
            "error": self.error,
            "body_kept": not self.is_cut,
        }
        if self.record:
            head |= {**self.record.told, **seconds_of(self.record)}
            head["error"] = self.error or self.record.error
        if self.asked:
            head |= {
                "model_digest": self.asked.model.digest,
                "engine": self.asked.engine,
                "options": dict(self.asked.options),
                "context": self.asked.context,
                "prompt_digest": self.asked.prompt_digest,
            }
        return head

    def _answer(self) -> dict[str, Any]:
        choices = [
            {
                "text": choice.text,
                "thinking": choice.thinking,
                "calls": [{"name": call.name, "arguments": call.arguments} for call in choice.calls],
            }
            for choice in self._said.so_far()
        ]
        return {"choices": choices, "sent": self.sent.decode("utf-8", "replace")}


def _without_secrets(query: str) -> str:
    parts = [part for part in query.split("&") if part]
    return "&".join(part for part in parts if not any(word in part.partition("=")[0].lower() for word in _SECRET_PARTS))


def words_of(said: Mapping[str, Any]) -> str:
    """Return the words of a recorded answer: thoughts, text and calls of each choice, else what was sent."""
    pieces = []
    for choice in said["choices"]:
        if choice["thinking"]:
            pieces.append(f"<think>\n{choice['thinking']}\n</think>")
        pieces.append(choice["text"])
        pieces += [f"{call['name']}({call['arguments']})" for call in choice["calls"]]
    return "\n".join(piece for piece in pieces if piece) if said["choices"] else _without_names(said["sent"])


def _without_names(sent: str) -> str:
    """Return an answer that is no text without what is another in each: its id and its time."""
    try:
        answer = orjson.loads(sent)
    except orjson.JSONDecodeError:
        return sent
    if isinstance(answer, dict):
        answer = {
            name: value for name, value in answer.items() if name not in _NAMES and not name.endswith("_duration")
        }
    return orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode()
