"""The tokenizer; skipped where the training extra is not installed."""

import pytest

pytest.importorskip("tokenizers")

from cria import tokenizer

TEXTS = ["the weather in Berlin and the weather in Boston 什么是模型 什么是什么"] * 40


def pieces(text: str) -> list[str]:
    trained = tokenizer.train(TEXTS, size=400)
    return [trained.decode([i], skip_special_tokens=False) for i in trained.encode(text).ids]


def test_every_text_comes_back_unchanged() -> None:
    trained = tokenizer.train(TEXTS, size=300)
    text = "Überraschung 🦙 龘\n\tx = {'a': 1}"
    assert trained.decode(trained.encode(text).ids) == text


def test_a_capitalised_word_is_cut_the_same_way_in_a_sentence_and_in_quotes() -> None:
    assert pieces(" Berlin")[1:] == pieces('"Berlin')[1:] == pieces("Berlin")


def test_common_words_take_their_space_along_and_digits_stand_alone() -> None:
    assert pieces("weather in 2026") == ["weather", " in", " ", "2", "0", "2", "6"]


def test_markup_is_one_token() -> None:
    assert pieces("<|im_start|><tool_call>") == ["<|im_start|>", "<tool_call>"]
