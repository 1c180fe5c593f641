"""What is asked of an engine. ``client.EngineClient`` asks llama-server; a second engine has the same methods."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from enum import StrEnum
from typing import Any, Protocol


class Route(StrEnum):
    """How an answer is asked for: by the tokens of a prompt, or by messages that the engine renders itself."""

    COMPLETION = "/completion"
    CHAT = "/v1/chat/completions"


class Engine(Protocol):
    """One runner's engine. Bodies are llama-server's; slots are numbered from 0.

    Every method raises ``RunnerCrashedError`` when the process is gone, and ``EngineRequestError`` or ``EngineError``
    for what the engine refuses or fails at.
    """

    reads_chats: bool
    """Whether it finds thoughts and calls itself in the answers of ``Route.CHAT``; if not, that route is not asked."""

    template_fault: str
    """Why the model's own chat template must not be used; "" where it can be."""

    def stream(
        self, route: Route, body: Mapping[str, Any], *, in_turn: bool = True
    ) -> AsyncGenerator[list[dict[str, Any]], None]:
        """Yield the events of one answer, those that arrived together as one list; closing it ends the answer.

        Long prompts are read one at a time; one that is not ``in_turn`` neither waits for that nor ends a turn.
        """
        ...

    async def complete(self, body: Mapping[str, Any], route: Route = Route.COMPLETION) -> dict[str, Any]:
        """Return a whole answer."""
        ...

    async def embed(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the vectors of texts, in base64."""
        ...

    async def rerank(self, query: str, documents: Sequence[str]) -> dict[str, Any]:
        """Return a score for each document, as ``results`` with ``index`` and ``relevance_score``, a logit."""
        ...

    async def tokenize(self, text: str, *, special: bool = True, parse_special: bool = True) -> list[int]:
        """Return the tokens of a text; ``special`` adds the model's own beginning."""
        ...

    async def token_count(self, text: str) -> int:
        """Return how many tokens ``tokenize`` returns of a text."""
        ...

    async def detokenize(self, tokens: list[int]) -> str:
        """Return the text of tokens."""
        ...

    async def apply_template(self, body: Mapping[str, Any]) -> str:
        """Return the prompt that the model's own template makes of messages."""
        ...

    async def count_tokens(self, body: Mapping[str, Any]) -> int:
        """Return how many tokens messages are, their pictures and sounds included."""
        ...

    async def media_marker(self) -> str:
        """Return the text that stands for a picture or a sound in a prompt."""
        ...

    async def slots(self) -> list[dict[str, Any]]:
        """Return what each slot holds and does."""
        ...

    async def save_slot(self, slot: int, name: str) -> int:
        """Save a slot to a file of the runner's slot directory; return how many tokens it held."""
        ...

    async def restore_slot(self, slot: int, name: str) -> int:
        """Fill a slot from such a file; return how many tokens that were."""
        ...

    async def empty_slot(self, slot: int) -> None:
        """Forget what a slot holds."""
        ...
