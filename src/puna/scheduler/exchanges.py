"""What a runner was last asked and answered in each conversation, so that its cache can be found again.

The engine moves what an idle slot holds to its prompt cache in memory when another conversation begins. It tells nobody
what is there, and gives it back only to a prompt that begins alike.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from puna.engine.client import EngineClient

_CONVERSATIONS = 32
_BEGINNING = 64
"""Tokens that tell whether two prompts begin alike."""
_LITTLE = 256
"""Tokens that fit into a step beside others."""
_CHARACTERS = 3
"""Of a token, about."""
_TAIL = 16
"""Tokens with which a template has a prompt end, and which the next prompt may not have at this place."""


@dataclass(eq=False, slots=True)
class Exchange:
    """A prompt and the answer to it.

    ``prompt`` is tokens, or what the engine's own template is given. ``answer`` is "" where the next prompt would not
    repeat it as it was said. ``at`` is in seconds since the epoch.
    """

    prompt: list[int] | Mapping[str, Any]
    answer: str = ""
    at: float = field(default_factory=time.time)
    turns: int = 1
    """How many exchanges of the conversation have been seen, this one among them."""
    cut: bool = False
    """Whether the engine has lost all but its beginning, which another conversation has as well."""

    def continues(self, earlier: "Exchange") -> bool:
        """Return whether this goes on from what was asked before."""
        now, before = self.prompt, earlier.prompt
        if isinstance(now, list) and isinstance(before, list):
            same = max(len(before) - _TAIL, len(before) // 2)
            return now[:same] == before[:same]
        if isinstance(now, Mapping) and isinstance(before, Mapping):
            said = before.get("messages", [])
            return bool(now.get("messages", [])[: len(said)] == said)
        return False

    def adds_little_to(self, earlier: "Exchange") -> bool:
        """Return whether few tokens follow what was asked before, and was read then."""
        now, before = self.prompt, earlier.prompt
        if isinstance(now, list) and isinstance(before, list):
            return len(now) - len(before) <= _LITTLE
        if isinstance(now, Mapping) and isinstance(before, Mapping):
            added = now.get("messages", [])[len(before.get("messages", [])) :]
            return len(str(added)) <= _LITTLE * _CHARACTERS
        return False

    def begins_like(self, other: "Exchange") -> bool:
        """Return whether both have a beginning in common, as a system prompt is."""
        one, two = self.prompt, other.prompt
        if isinstance(one, list) and isinstance(two, list):
            return one[:_BEGINNING] == two[:_BEGINNING]
        if isinstance(one, Mapping) and isinstance(two, Mapping):
            return bool(one.get("messages", [])[:1] == two.get("messages", [])[:1])
        return False

    async def tokens(self, client: EngineClient) -> list[int]:
        """Return the tokens that a slot held after it."""
        if isinstance(self.prompt, list):
            return self.prompt + (await client.tokenize(self.answer, special=False) if self.answer else [])
        return await client.tokenize(await client.apply_template(self.prompt) + self.answer)


class Exchanges:
    """The last exchanges of one runner, of each conversation one."""

    def __init__(self) -> None:
        self._latest: list[Exchange] = []

    def __len__(self) -> int:
        return len(self._latest)

    def note(self, exchange: Exchange) -> None:
        """Remember an exchange in the place of those that it continues; the oldest goes when there are too many."""
        earlier = [other for other in self._latest if exchange.continues(other)]
        exchange.turns = 1 + max((other.turns for other in earlier), default=0)
        self._latest = [*(other for other in self._latest if other not in earlier), exchange][-_CONVERSATIONS:]

    def newest_first(self) -> list[Exchange]:
        """Return what is remembered, the most recent first."""
        return self._latest[::-1]

    def around(self, exchange: Exchange) -> tuple[Exchange | None, Exchange | None]:
        """Return what an exchange continues, and what has been said since, last, in one that begins like it."""
        rival = None
        for other in self.newest_first():
            if exchange.continues(other):
                return other, rival
            if rival is None and other.begins_like(exchange):
                rival = other
        return None, rival
