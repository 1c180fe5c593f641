"""What a generation yields, in no dialect's words: ``Started``, pieces of the answer, then one ``Finished``.

Of a request for several choices each has pieces and an end of its own, told apart by ``choice``, counted from 0.
"""

from dataclasses import dataclass, field
from typing import NamedTuple


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


@dataclass(frozen=True, slots=True)
class Reading:
    """How far the engine is with the prompt, in tokens, of which it had ``cached`` already; only where asked for."""

    prompt_tokens: int
    cached_tokens: int
    read_tokens: int
    choice: int = 0


class Text(NamedTuple):
    """The next piece of the answer itself; empty if only the log probabilities of tokens are told.

    There is one for each token, and a tuple is made in a fraction of the time that a frozen dataclass takes.
    """

    text: str
    logprobs: tuple[Logprob, ...] = ()
    choice: int = 0


class Thought(NamedTuple):
    """The next piece of the thinking before the answer."""

    text: str
    logprobs: tuple[Logprob, ...] = ()
    choice: int = 0


class CallStarted(NamedTuple):
    """The answer calls a function; ``call`` counts the calls of one answer from 0."""

    call: int
    id: str
    name: str
    logprobs: tuple[Logprob, ...] = ()
    choice: int = 0


class CallArguments(NamedTuple):
    """The next piece of a call's arguments, which together are a JSON object, unless the answer is cut off in it."""

    call: int
    text: str
    logprobs: tuple[Logprob, ...] = ()
    choice: int = 0


@dataclass(frozen=True, slots=True)
class Truncation:
    """What of a prompt was left out because the context could not hold it."""

    dropped_messages: int
    dropped_tokens: int
    context: int


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of an answer. Times are in nanoseconds; ``reason`` is "stop" or "length".

    ``stop`` is the stop string that ended it, "" where none did; ``thinking_tokens`` of ``generated_tokens`` were
    thoughts, and ``accepted_tokens`` of ``drafted_tokens``, guessed ahead, were right.
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
    thinking_tokens: int = 0
    drafted_tokens: int = 0
    accepted_tokens: int = 0
    choice: int = 0

    @property
    def counts(self) -> tuple[int, int, int, int, int, int, int]:
        """Return the tokens of the prompt, of them those known, those left out; those generated, guessed, and right;
        the nanoseconds of generating."""
        cut = self.truncation.dropped_tokens if self.truncation else 0
        read = self.prompt_tokens, self.cached_tokens, cut
        return *read, self.generated_tokens, self.drafted_tokens, self.accepted_tokens, self.generation_duration


Piece = Text | Thought | CallStarted | CallArguments
"""A piece of an answer."""
Said = Reading | Piece | Finished
"""What the engine's stream says."""
Event = Started | Said
