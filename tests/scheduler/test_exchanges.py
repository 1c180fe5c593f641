"""Which conversation a prompt goes on with, and which one was there since."""

import pytest

from puna.scheduler.exchanges import Exchange, Exchanges

SYSTEM = {"role": "system", "content": "Be brief."}
TOKENS = list(range(100))


def said(*turns: str) -> Exchange:
    return Exchange({"messages": [SYSTEM, *({"role": "user", "content": turn} for turn in turns)]})


@pytest.mark.parametrize(
    ("first", "other", "later"),
    [
        (said("a"), said("b"), said("a", "x", "c")),
        (Exchange([*TOKENS, *[1] * 40]), Exchange([*TOKENS, *[2] * 40]), Exchange([*TOKENS, *[1] * 30, *[3] * 40])),
    ],
)
def test_a_prompt_goes_on_with_one_and_finds_another_since(first: Exchange, other: Exchange, later: Exchange) -> None:
    exchanges = Exchanges()
    exchanges.note(first)
    assert exchanges.around(later) == (first, None)
    exchanges.note(Exchange([7] * 100))
    exchanges.note(other)
    assert exchanges.around(later) == (first, other)
    assert exchanges.around(other) == (other, None)
    exchanges.note(later)
    assert later.turns == 2
    assert exchanges.newest_first()[0] is later
    assert first not in exchanges.newest_first()


def test_a_new_conversation_finds_the_last_one_that_begins_alike() -> None:
    exchanges = Exchanges()
    one, two = said("a"), said("b")
    exchanges.note(one)
    exchanges.note(two)
    assert exchanges.around(said("c")) == (None, two)
    assert exchanges.around(Exchange({"messages": [{"role": "user", "content": "a"}]})) == (None, None)


def test_only_the_latest_conversations_are_remembered() -> None:
    exchanges = Exchanges()
    for number in range(40):
        exchanges.note(Exchange([number] * 100))
    assert [exchange.prompt[0] for exchange in exchanges.newest_first()] == list(range(39, 7, -1))
