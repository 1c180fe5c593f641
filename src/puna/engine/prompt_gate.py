"""One long prompt at a time: those that a runner reads side by side hinder each other.

Without flash attention a step works over what all slots hold, so that prompts at once take longer together than one
after another, and the first answer begins with the last. Short ones go past: they fit beside the others in a step.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

_LONG = 256
"""Tokens of a prompt that fills steps of its own (``attention.SCORED_STEP``)."""
_BYTES_PER_TOKEN = 4


class PromptGate:
    """The turn of a runner's long prompts, first come, first served."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def enter(self) -> None:
        """Return when nobody else reads a long prompt; ``leave`` is to be called once this one is read."""
        entering = asyncio.ensure_future(self._lock.acquire())
        try:
            await asyncio.shield(entering)
        except asyncio.CancelledError:
            if not entering.cancel() and not entering.cancelled():
                self._lock.release()  # its turn had come in this very moment
            raise

    def leave(self) -> None:
        """Let the next one in."""
        self._lock.release()


def is_long(body: Mapping[str, Any]) -> bool:
    """Return whether the prompt of a request to the engine is so long that it has to wait for its turn.

    Whether the engine has its beginning already is not known here; then its turn is short.
    """
    prompt = body.get("prompt")
    if isinstance(prompt, list):
        return len(prompt) > _LONG
    if prompt is not None:
        return len(str(prompt)) > _LONG * _BYTES_PER_TOKEN
    said = sum(len(str(message.get("content", ""))) for message in body.get("messages", ()))
    return said > _LONG * _BYTES_PER_TOKEN
