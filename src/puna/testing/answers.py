"""What a script is made of: answers, calls and faults."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_PROMPT_TOKENS, _CONTEXT = 9120, 8192


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a function; see ``call``."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    offered: bool = True


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one answer; made by ``slow``, ``cut``, ``rate_limited``, ``server_error``, ``overflow``."""

    kind: str
    seconds: float = 0
    after: int = 1
    retry_after: float = 0
    message: str = ""
    prompt_tokens: int = 0
    context: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of a model; see ``answer``. ``own`` means whatever the model says by itself."""

    text: str = ""
    thinking: str = ""
    calls: tuple[Call, ...] = ()
    fault: Fault | None = None
    own: bool = False


Item = str | Call | Answer | Fault | Sequence[Call]
"""What an entry of a script may be: a text, a call, several calls, all of them with thoughts, or a fault."""


def call(name: str, arguments: Mapping[str, Any] | None = None, *, offered: bool = True) -> Call:
    """Return a call of the function ``name`` with these arguments, an object of JSON.

    The request must offer the function, unless ``offered`` is false: then the model makes a call that nobody expects.
    """
    return Call(name, dict(arguments or {}), offered)


def answer(
    text: str = "", *, thinking: str = "", calls: Call | Sequence[Call] = (), fault: Fault | None = None
) -> Answer:
    """Return an answer: thoughts, then text, then calls. ``fault`` is ``slow`` or ``cut``."""
    return Answer(text, thinking, (calls,) if isinstance(calls, Call) else tuple(calls), fault)


def own(fault: Fault | None = None) -> Answer:
    """Return the answer that the model gives by itself."""
    return Answer(own=True, fault=fault)


def slow(seconds: float) -> Fault:
    """Return a fault: the answer begins ``seconds`` later."""
    return Fault("slow", seconds=seconds)


def cut(after: int = 1) -> Fault:
    """Return a fault: the connection breaks off ``after`` pieces of a stream, or in the middle of one object."""
    return Fault("cut", after=after)


def rate_limited(retry_after: float = 0, message: str = "rate limit reached, please try again later") -> Fault:
    """Return a fault: status 429, with ``Retry-After`` unless ``retry_after`` (seconds) is 0."""
    return Fault("rate_limited", retry_after=retry_after, message=message)


def server_error(message: str = "the model was lost") -> Fault:
    """Return a fault: status 500."""
    return Fault("server_error", message=message)


def overflow(prompt_tokens: int = _PROMPT_TOKENS, context: int = _CONTEXT) -> Fault:
    """Return a fault: the prompt has more tokens than the context holds, in the words of each dialect."""
    return Fault("overflow", prompt_tokens=prompt_tokens, context=context)


def as_answer(item: Item) -> Answer:
    """Return the answer that an entry of a script means; raise ``TypeError`` or ``ValueError`` for what is none."""
    made = _made(item)
    if "\0" in made.text + made.thinking:
        raise ValueError("no model can be made to write the character NUL")
    return made


def _made(item: Item) -> Answer:
    if isinstance(item, Answer):
        return item
    if isinstance(item, str):
        return Answer(item)
    if isinstance(item, Call):
        return Answer(calls=(item,))
    if isinstance(item, Fault):
        return Answer(own=True, fault=item)
    calls = tuple(part for part in item if isinstance(part, Call)) if isinstance(item, Sequence) else ()
    if calls and len(calls) == len(item):
        return Answer(calls=calls)
    raise TypeError(f"an entry of a script is a text, a call, calls, an answer or a fault, not {item!r}")
