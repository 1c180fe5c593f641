"""The text of a JSON object's first member, however it arrives."""

import json

import pytest

from puna.inference.output.json_text import JsonText

TEXTS = ["", "plain", 'quotes " and \\ and / \b\f\n\r\t', "é 世界 😀", "\u2028\x00", "a" * 50]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_every_cut(text: str, ascii_only: bool, size: int) -> None:
    whole = " " + json.dumps({"input": text, "other": 'x"}'}, ensure_ascii=ascii_only)
    reader = JsonText("input")
    said = "".join(reader.feed(whole[at : at + size]) for at in range(0, len(whole), size))
    assert said == reader.text == text


@pytest.mark.parametrize("text", ['{"other": "x"}', '["input"]', '{"input": 5}', '"input"', ""])
def test_of_anything_else_nothing_is_read(text: str) -> None:
    reader = JsonText("input")
    assert [reader.feed(letter) for letter in text] == [""] * len(text)


def test_what_is_no_escape_ends_it() -> None:
    reader = JsonText("input")
    assert reader.feed('{"input": "a\\ud800x') == "a\ufffdx"
    assert reader.feed("b\\qqqqqq") == "b"
    assert reader.feed('c"}') == ""
