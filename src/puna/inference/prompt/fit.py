"""Making a conversation fit its context: whole old turns are left out, never parts of one."""

from collections.abc import Awaitable, Callable, Sequence

from puna.engine.errors import ContextExceededError
from puna.inference.events import Truncation
from puna.inference.requests import Message

Count = Callable[[tuple[Message, ...]], Awaitable[int]]


async def fit(
    messages: tuple[Message, ...], count: Count, context: int, *, truncate: bool
) -> tuple[tuple[Message, ...], Truncation | None, int]:
    """Return the messages to send, what was left out of them, and their ``count``, which is less than ``context``.

    System messages, the last message of the user and the last message always stay. The oldest of the others go first:
    whole turns, from one message of the user to the next, then what lies between the last of them and the end. A tool's
    result never stays without the call that it answers. Raises ``ContextExceededError`` when ``truncate`` is false, or
    when what must stay is too long by itself.
    """
    # Each message is a token at least: more than fit are not rendered, and counted as so many.
    total = await count(messages) if len(messages) <= context else len(messages)
    if total < context:
        return messages, None, total
    asked = max((index for index, message in enumerate(messages) if message.role == "user"), default=-1)
    starts = _starts(messages, asked)
    if not truncate or not starts:
        raise ContextExceededError(total, context)
    low, high = next((at for at, start in enumerate(starts) if len(messages) - start <= context), 0), len(starts) - 1
    kept = await count(_keep(messages, starts[high], asked))
    if kept >= context:
        raise ContextExceededError(kept, context)
    while low < high:  # the longest that fits; more messages are never fewer tokens
        middle = (low + high) // 2
        tokens = await count(_keep(messages, starts[middle], asked))
        if tokens < context:
            high, kept = middle, tokens
        else:
            low = middle + 1
    result = _keep(messages, starts[high], asked)
    return result, Truncation(len(messages) - len(result), total - kept, context), kept


def _starts(messages: Sequence[Message], asked: int) -> list[int]:
    """Return where a shorter conversation may begin, the longest first; ``asked`` is the user's last message."""
    return [
        index
        for index, message in enumerate(messages)
        if index > 0 and (message.role == "user" or (index > asked and message.role == "assistant"))
    ]


def _keep(messages: Sequence[Message], start: int, asked: int) -> tuple[Message, ...]:
    return tuple(
        message
        for index, message in enumerate(messages)
        if index >= start or index == asked or message.role == "system"
    )


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


def fit_gap(
    prefix: list[int], suffix: list[int], room: int, context: int, *, truncate: bool
) -> tuple[list[int], list[int], Truncation | None]:
    """Return the tokens around a gap cut to ``room``: what is nearest to the gap stays, most of it before the gap."""
    total = len(prefix) + len(suffix)
    if total < room:
        return prefix, suffix, None
    if not truncate:
        raise ContextExceededError(context - room + total, context)
    room = max(room - 1, 2)
    after = min(len(suffix), max(room // 4, room - len(prefix), 1))
    before = min(len(prefix), room - after)
    kept = prefix[len(prefix) - before :], suffix[:after]
    return *kept, Truncation(0, total - before - after, context)
