"""Packing documents into rows; skipped where the training extra is not installed."""

import random
from collections.abc import Iterator

import pytest

pytest.importorskip("tokenizers")

from cria import tokenizer
from cria.data import mixture
from cria.data.packing import Document, document, rows
from cria.examples import Example

TOOL = {
    "type": "function",
    "function": {
        "name": "f",
        "description": "d",
        "parameters": {"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}},
    },
}
QUESTION = Example(({"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}))


def stream() -> Iterator[Document]:
    number = 0
    while True:
        number += 1
        yield Document([number] * (10 + number % 7), [True] * (10 + number % 7))


def test_rows_are_nearly_full_and_every_document_is_whole() -> None:
    packed = rows(stream(), number=20, length=256)
    assert (packed.segment > 0).mean() > 0.95
    for tokens, segment in zip(packed.tokens, packed.segment, strict=True):
        for one in range(1, segment.max() + 1):
            inside = tokens[segment == one]
            assert set(inside) == {inside[0]}
            assert len(inside) == 10 + int(inside[0]) % 7


def test_an_answer_and_its_end_are_learned() -> None:
    cut = tokenizer.train(["hi hello user assistant"], size=300)
    made = document(QUESTION, cut)
    learned = [token for token, wanted in zip(made.tokens, made.learned, strict=True) if wanted]
    assert cut.decode(learned, skip_special_tokens=False) == "hello<|im_end|>"


def test_variations_keep_what_is_said_and_what_a_definition_means() -> None:
    example = Example(QUESTION.messages, tools=(TOOL,))
    made = [mixture.vary(example, random.Random(seed)) for seed in range(50)]
    assert all(isinstance(one, Example) and one.tools == (TOOL,) for one in made)
    assert {list(one.tools[0]["function"]["parameters"])[1] for one in made} == {"required", "properties"}
    assert all(one.messages[-2:] == QUESTION.messages for one in made)
