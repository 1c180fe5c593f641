"""What a generation yields, in no dialect's words: ``Started``, deltas of the answer, then one ``Finished``."""

from dataclasses import dataclass, field
from typing import NamedTuple

from puna.inference.requests import ToolCall


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A token that was possible: its text, its bytes and its natural-log probability."""

    token: str
    logprob: float
    bytes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Logprob:
    """A token that was generated, with the likeliest alternatives at its place."""

    chosen: TokenLogprob
    top: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class Started:
    """The first event: the model is in memory. ``load_duration`` is in nanoseconds, waiting included."""

    load_duration: int


class Delta(NamedTuple):
    """The next piece of an answer. At least one field is not empty.

    There is one for each token, and a tuple is made in a fraction of the time that a frozen dataclass takes.
    """

    content: str = ""
    thinking: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    logprobs: tuple[Logprob, ...] = ()


@dataclass(frozen=True, slots=True)
class Truncation:
    """What of a prompt was left out because the context could not hold it."""

    dropped_messages: int
    dropped_tokens: int
    context: int


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of an answer. Times are in nanoseconds; ``reason`` is "stop" or "length".

    ``stop`` is the stop string that ended it, "" where none did.
    """

    reason: str
    prompt_tokens: int
    prompt_duration: int
    generated_tokens: int
    generation_duration: int
    cached_tokens: int = 0
    stop: str = ""
    truncation: Truncation | None = None
    context: tuple[int, ...] = field(default=())


Said = Delta | Finished
"""What the engine's stream says."""
Event = Started | Said
