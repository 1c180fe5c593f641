"""Which messages and tokens stay when a prompt does not fit."""

import pytest

from puna.engine.errors import ContextExceededError
from puna.inference.events import Truncation
from puna.inference.prompt.fit import fit, fit_gap, fit_tokens
from puna.inference.requests import Message


def conversation(text: str) -> tuple[Message, ...]:
    """``s u a t`` stand for the roles; each message has ten tokens, and its place as its content."""
    roles = {"s": "system", "u": "user", "a": "assistant", "t": "tool"}
    return tuple(Message(role=roles[letter], content=str(index)) for index, letter in enumerate(text))


async def count(messages: tuple[Message, ...]) -> int:
    return 10 * len(messages)


@pytest.mark.parametrize(
    ("roles", "context", "kept"),
    [
        ("su", 21, [0, 1]),
        ("suau", 41, [0, 1, 2, 3]),
        ("suau", 40, [0, 3]),
        ("suauau", 60, [0, 3, 4, 5]),
        ("suauau", 50, [0, 3, 4, 5]),
        ("suauau", 40, [0, 5]),
        ("uauau", 31, [2, 3, 4]),
        ("usau", 31, [1, 3]),
        ("uatau", 20, [4]),
        ("ssuau", 31, [0, 1, 4]),
        ("uau" + "at" * 3, 60, [2, 5, 6, 7, 8]),
        ("uau" + "at" * 3, 40, [2, 7, 8]),
        ("uatt", 41, [0, 1, 2, 3]),
        ("uattatt", 50, [0, 4, 5, 6]),
        ("uauttt", 50, [2, 3, 4, 5]),
    ],
)
async def test_oldest_turns_go(roles: str, context: int, kept: list[int]) -> None:
    messages = conversation(roles)
    result, truncation, tokens = await fit(messages, count, context, truncate=True)
    assert [int(message.content) for message in result] == kept
    assert tokens == await count(result)
    dropped = len(messages) - len(kept)
    assert truncation == (Truncation(dropped, 10 * dropped, context) if dropped else None)


@pytest.mark.parametrize("roles", ["u", "su", "ss", "at", "uatt", "tttt", "s", "a"])
async def test_what_must_stay_and_does_not_fit_is_an_error(roles: str) -> None:
    with pytest.raises(ContextExceededError) as caught:
        await fit(conversation(roles), count, 10, truncate=True)
    assert (caught.value.prompt_tokens, caught.value.context) == (10 * len(roles), 10)


async def test_the_error_counts_what_had_to_stay() -> None:
    with pytest.raises(ContextExceededError, match="has 20 tokens, which exceeds the context length of 15 tokens"):
        await fit(conversation("suauau"), count, 15, truncate=True)


async def test_without_truncation_the_error_counts_everything() -> None:
    with pytest.raises(ContextExceededError, match="has 60 tokens, which exceeds the context length of 60 tokens"):
        await fit(conversation("suauau"), count, 60, truncate=False)


async def test_no_more_messages_are_rendered_than_there_may_be_tokens() -> None:
    most = 0

    async def watched(messages: tuple[Message, ...]) -> int:
        nonlocal most
        most = max(most, len(messages))
        return await count(messages)

    kept, truncation, _ = await fit(conversation("ua" * 5000 + "u"), watched, 101, truncate=True)
    assert len(kept) == 9
    assert most <= 102
    assert truncation is not None
    assert truncation.dropped_messages == 9992


async def test_long_conversation_is_counted_few_times() -> None:
    calls = 0

    async def counted(messages: tuple[Message, ...]) -> int:
        nonlocal calls
        calls += 1
        return await count(messages)

    result, _, _ = await fit(conversation("ua" * 500 + "u"), counted, 1000, truncate=True)
    assert len(result) == 99
    assert calls < 15


@pytest.mark.parametrize(
    ("keep", "kept"),
    [(0, [5, 6, 7, 8, 9]), (2, [0, 1, 7, 8, 9]), (50, [0, 1, 7, 8, 9]), (-1, [5, 6, 7, 8, 9])],
)
def test_text_keeps_its_beginning_and_its_end(keep: int, kept: list[int]) -> None:
    assert fit_tokens(list(range(10)), keep, 6, truncate=True) == (kept, Truncation(0, 5, 6))


def test_text_that_fits_is_left_alone() -> None:
    assert fit_tokens([1, 2, 3], 0, 4, truncate=False) == ([1, 2, 3], None)
    with pytest.raises(ContextExceededError, match="has 4 tokens"):
        fit_tokens([1, 2, 3, 4], 0, 4, truncate=False)


@pytest.mark.parametrize(
    ("before", "after", "kept_before", "kept_after"),
    [(20, 20, 6, 2), (20, 1, 7, 1), (1, 20, 1, 7), (20, 0, 8, 0), (0, 20, 0, 8), (6, 3, 6, 2)],
)
def test_gap_keeps_what_is_near(before: int, after: int, kept_before: int, kept_after: int) -> None:
    prefix, suffix = list(range(before)), list(range(100, 100 + after))
    expected = prefix[before - kept_before :], suffix[:kept_after]
    dropped = before + after - 8
    assert fit_gap(prefix, suffix, 9, 12, truncate=True) == (*expected, Truncation(0, dropped, 12))
    with pytest.raises(ContextExceededError, match=f"has {before + after + 3} tokens"):
        fit_gap(prefix, suffix, 9, 12, truncate=False)
    assert fit_gap(prefix, suffix, 50, 53, truncate=False) == (prefix, suffix, None)
