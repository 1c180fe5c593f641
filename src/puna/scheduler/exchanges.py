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
_TAIL = 16
"""Tokens with which a template has a prompt end, and which the next prompt may not have at this place."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A prompt and the answer to it.

    ``prompt`` is tokens, or what the engine's own template is given. ``answer`` is "" where the next prompt would not
    repeat it as it was said. ``at`` is in seconds since the epoch.
    """

    prompt: list[int] | Mapping[str, Any]
    answer: str
    at: float = field(default_factory=time.time)

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

    async def tokens(self, client: EngineClient) -> list[int]:
        """Return the tokens that a slot held after it."""
        if isinstance(self.prompt, list):
            return self.prompt + (await client.tokenize(self.answer, special=False) if self.answer else [])
        return await client.tokenize(await client.apply_template(self.prompt) + self.answer)


class Exchanges:
    """The last exchanges of one runner, of each conversation one."""

    def __init__(self) -> None:
        self._latest: list[Exchange] = []

    def note(self, exchange: Exchange) -> None:
        """Remember an exchange in the place of those that it continues; the oldest goes when there are too many."""
        others = [earlier for earlier in self._latest if not exchange.continues(earlier)]
        self._latest = [*others, exchange][-_CONVERSATIONS:]

    def newest_first(self) -> list[Exchange]:
        """Return what is remembered, the most recent first."""
        return self._latest[::-1]
