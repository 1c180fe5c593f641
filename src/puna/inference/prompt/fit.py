"""Making a conversation fit its context: whole old turns are left out, never parts of one."""

from collections.abc import Awaitable, Callable, Sequence

from puna.engine.errors import ContextExceededError
from puna.inference.events import Truncation
from puna.inference.requests import Message

Count = Callable[[tuple[Message, ...]], Awaitable[int]]


async def fit(
    messages: tuple[Message, ...], count: Count, context: int, *, truncate: bool
) -> tuple[tuple[Message, ...], Truncation | None]:
    """Return the messages to send and what was left out, so that ``count`` of them is less than ``context``.

    System messages and the last message always stay; the oldest of the others go first, and a tool's result never
    stays without the call that it answers. Raises ``ContextExceededError`` when ``truncate`` is false, or when what
    must stay is too long by itself.
    """
    total = await count(messages)
    if total < context:
        return messages, None
    starts = [index for index in range(1, len(messages)) if messages[index].role not in {"tool", "system"}]
    last = max((index for index in range(len(messages)) if messages[index].role != "tool"), default=0)
    candidates = [index for index in starts if index <= last]
    if not truncate or not candidates:
        raise ContextExceededError(total, context)
    low, high = 0, len(candidates) - 1
    shortest = await count(_keep(messages, candidates[high]))
    if shortest >= context:
        raise ContextExceededError(shortest, context)
    kept = shortest
    while low < high:  # the smallest start that fits; more messages are never fewer tokens
        middle = (low + high) // 2
        tokens = await count(_keep(messages, candidates[middle]))
        if tokens < context:
            high, kept = middle, tokens
        else:
            low = middle + 1
    result = _keep(messages, candidates[high])
    return result, Truncation(len(messages) - len(result), total - kept, context)


def _keep(messages: Sequence[Message], start: int) -> tuple[Message, ...]:
    return tuple(message for index, message in enumerate(messages) if index >= start or message.role == "system")


def fit_tokens(tokens: list[int], keep: int, context: int, *, truncate: bool) -> tuple[list[int], Truncation | None]:
    """Return plain text's tokens cut to the context: the first ``keep`` and as many of the last as fit."""
    if len(tokens) < context:
        return tokens, None
    if not truncate:
        raise ContextExceededError(len(tokens), context)
    room = context - 1
    head = min(max(keep, 0), room // 2)
    kept = tokens[:head] + tokens[len(tokens) - (room - head) :]
    return kept, Truncation(0, len(tokens) - len(kept), context)
