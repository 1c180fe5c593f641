"""Beginnings that prompts have in common, as a long system prompt is: read once, and then given to every slot.

Which these are is seen from the prompts: those that wait, those that are read, and those that were read of late.
"""

import collections
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from puna.models.gguf import GGUFFile
from puna.scheduler.exchanges import Exchange
from puna.scheduler.sessions import Session, shared

LEAST_SHARED = 256
"""Tokens that prompts must have in common for a file of them to be worth while."""
_RECENT = 16
_SUMMARIES = ("ssm.", "wkv.", "shortconv.")
"""With these begin a header's keys about layers that keep a summary of a text in the place of its tokens."""
_STEP = 256
"""Tokens of a step of the engine, at least; what is read ahead ends with one."""

Tokens = tuple[int, ...]


@dataclass(eq=False, slots=True)
class Head:
    """A prompt whose reading begins, and what has come of it.

    ``long`` tells whether it waits for its turn, ``shares`` whether other prompts may begin with the same state.
    ``slot`` is where its beginning lies, ``None`` where the engine is to choose. ``cached`` tokens of it were there,
    ``read`` were read ahead, in ``duration`` nanoseconds.
    """

    prompt: Exchange
    long: bool = False
    shares: bool = True
    slot: int | None = None
    cached: int = 0
    read: int = 0
    duration: int = 0


def needs_whole(gguf: GGUFFile) -> bool:
    """Return whether what a slot holds of a model's text cannot be cut: layers look at the last of it, or sum it up."""
    names = (*_SUMMARIES, "attention.sliding_window")
    return any(key.startswith(tuple(f"{gguf.architecture}.{name}" for name in names)) for key in gguf.metadata)


class Beginnings:
    """What is known of how the prompts of one runner begin.

    ``saved`` are the states that are kept in files. ``whole`` tells that the engine can use one only as a whole, as it
    does where layers remember a part of the text, or nothing but a summary.
    """

    def __init__(self, saved: list[Session], *, whole: bool) -> None:
        self.saved = saved
        self._whole = whole
        self._coming: list[Tokens] = []
        self._read: collections.deque[Tokens] = collections.deque(maxlen=_RECENT)

    @contextmanager
    def coming(self, tokens: Tokens) -> Iterator[None]:
        """Let others see what a prompt begins with, while it waits, is read, and for some time after."""
        self._coming.append(tokens)
        try:
            yield
        finally:
            self._coming = [other for other in self._coming if other is not tokens]
            self._read.append(tokens)

    def company(self, tokens: Tokens) -> int:
        """Return how many tokens a prompt has in common with another one, but for its last."""
        others = (other for other in (*self._coming, *self._read) if other is not tokens)
        return min(max((shared(other, tokens) for other in others), default=0), len(tokens) - 1)

    def usable(self, session: Session, tokens: Tokens) -> int:
        """Return how many tokens of a saved beginning are those of a prompt, 0 if it is of no use for it."""
        same = session.shares(tokens)
        if same < LEAST_SHARED or (self._whole and same < len(session.tokens)):
            return 0
        return same

    def ends(self, tokens: Tokens, known: int) -> Iterator[int]:
        """Yield up to where a prompt is to be read ahead, of which ``known`` tokens are there; 0 to save what is read.

        What is in common with prompts that are seen already, else whole steps: others may come meanwhile.
        """
        same = self.company(tokens)
        if same - known >= LEAST_SHARED:
            yield same
            yield 0
            return
        end = (len(tokens) - 1) // _STEP * _STEP
        if end - known < LEAST_SHARED:
            return
        yield end
        same = self.company(tokens)
        if same - known < LEAST_SHARED or (self._whole and same < end):
            return
        if same > end:
            yield same
        yield 0
