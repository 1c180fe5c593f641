"""Model references."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.patient import PATIENT

from puna.names import InvalidNameError, ModelName, parse_name


@pytest.mark.parametrize(
    ("text", "path", "shown"),
    [
        ("cria", "registry.ollama.ai/library/cria/latest", "cria:latest"),
        ("cria:8b", "registry.ollama.ai/library/cria/8b", "cria:8b"),
        ("me/cria", "registry.ollama.ai/me/cria/latest", "me/cria:latest"),
        ("example.com/me/cria:x", "example.com/me/cria/x", "example.com/me/cria:x"),
        ("localhost:5000/me/cria", "localhost:5000/me/cria/latest", "localhost:5000/me/cria:latest"),
        ("https://example.com/me/cria", "example.com/me/cria/latest", "example.com/me/cria:latest"),
        ("registry.ollama.ai/library/cria:latest", "registry.ollama.ai/library/cria/latest", "cria:latest"),
        ("Llama3.2_x-y:Q4_K.M", "registry.ollama.ai/library/Llama3.2_x-y/Q4_K.M", "Llama3.2_x-y:Q4_K.M"),
    ],
)
def test_parts_are_filled_in_and_left_out(text: str, path: str, shown: str) -> None:
    name = parse_name(text)
    assert str(name.path) == path
    assert str(name) == shown
    assert parse_name(shown) == name


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        ":x",
        "/x",
        "a/",
        "a:",
        "a//b",
        "a/b/c/d:e",
        ".a",
        "-a",
        "a:.b",
        "..",
        "../a",
        "a/..",
        "a:..",
        "a b",
        "a\n",
        "a\0",
        "ä",
        "a@b",
        "a\\b",
        "x" * 81,
        "a:" + "x" * 81,
        "h" * 351 + "/a/b",
        "./a",
        "a/./b",
        "http://",
    ],
)
def test_what_is_no_name(text: str) -> None:
    with pytest.raises(InvalidNameError, match="invalid model name"):
        parse_name(text)


def test_same_without_regard_to_case() -> None:
    assert parse_name("CRIA:Latest").key == parse_name("cria").key
    assert parse_name("cria:8b").key != parse_name("cria").key


@PATIENT
@given(st.text(max_size=60) | st.text("ab./:-_%\\~", max_size=30))
def test_a_name_never_leaves_its_directory(text: str) -> None:
    try:
        name: ModelName = parse_name(text)
    except InvalidNameError:
        return
    assert len(name.path.parts) == 4
    assert not any(part in {".", ".."} or "/" in part or "\\" in part or "\0" in part for part in name.path.parts)
    assert parse_name(str(name)) == name
