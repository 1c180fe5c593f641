"""Small talk of the one who talks: readable, answered with what was told, apart from the evaluation."""

import random
import re
from itertools import islice

import pytest

for package in ("jieba", "names", "wonderwords"):
    pytest.importorskip(package)

from cria.data.composed import company
from cria.data.composed.grammar import SLOT
from cria.examples import Case, Example
from cria.unseen.cases import read
from cria.unseen.judging import normal

COUNT = 600


def examples(seed: int = 3) -> list[Example]:
    return [item for item in islice(company.generate(random.Random(seed), "train"), COUNT) if isinstance(item, Example)]


def test_every_subject_is_told_in_both_languages_and_every_answer_says_what_was_told() -> None:
    assert len(company.subjects()) > 30
    for subject in company.subjects():
        slots = {slot.name for slot in subject.slots}
        assert set(subject.told) == {"en", "zh"}
        assert set(subject.asked) in (set(), {"en", "zh"})
        for exchange in subject.told.values():
            assert len(exchange.said) > 2 and len(exchange.replies) > 1
            assert all(set(SLOT.findall(text)) == slots for text in exchange.said)
            assert all(set(SLOT.findall(text)) <= slots for text in exchange.replies)
        for exchange in subject.asked.values():
            assert not any(SLOT.findall(text) for text in exchange.said)
            assert all(set(SLOT.findall(text)) == slots for text in exchange.replies)


def test_conversations_alternate_fill_every_slot_and_come_again_with_the_same_seed() -> None:
    made = examples()
    assert len(made) == COUNT
    for example in made:
        assert [message["role"] for message in example.messages] == ["user", "assistant"] * (len(example.messages) // 2)
        assert not any(SLOT.search(message["content"]) for message in example.messages)
    assert made == examples()
    assert made != examples(seed=4)
    assert {len(example.messages) // 2 for example in made} >= {1, 2, 3, 4, 5}
    assert all(isinstance(item, Case) for item in islice(company.generate(random.Random(3), "test"), 20))


def test_no_remark_is_one_of_the_evaluation() -> None:
    asked = {normal(next(m["content"] for m in reversed(case.messages) if m["role"] == "user")) for case in read()}
    said = [
        re.compile(r"(?:[\w'-]+ ){0,2}[\w'-]+".join(map(re.escape, SLOT.split(normal(text))[::2])))
        for subject in company.subjects()
        for exchange in (*subject.told.values(), *subject.asked.values())
        for text in exchange.said
    ]
    assert any(found.fullmatch(normal("Hello, my name is Ada Lovelace")) for found in said)
    assert [text for text in sorted(asked) if any(found.fullmatch(text) for found in said)] == []


@pytest.mark.parametrize("block", ["no head\nen: a || b", "a()\nfr: a || b", "a()\nen: a"])
def test_a_block_that_cannot_be_read_is_refused(block: str) -> None:
    with pytest.raises(ValueError):
        company._subject(block)
