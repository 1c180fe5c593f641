"""The engine's words as users and logs get them."""

import pytest

from puna.engine.words import UNEXPLAINED, before_content, clean, last_words, told, without_content


@pytest.mark.parametrize(
    "text",
    [
        "_Map_base::at",
        "map::at",
        "vector::_M_range_check: __n (which is 5) >= this->size() (which is 2)",
        "basic_string::substr: __pos (which is 9) > this->size() (which is 1)",
        "std::bad_alloc",
        "stoi",
        "stoull",
        "[json.exception.type_error.302] type must be string, but is null",
        "",
        "\x07",
    ],
)
def test_cpp_is_not_told(text: str) -> None:
    assert told(text) == UNEXPLAINED


@pytest.mark.parametrize("text", ["unable to load model", "Failed to parse grammar", "a restoing map of the town"])
def test_what_means_something_is_told(text: str) -> None:
    assert told(text) == text


def test_what_comes_from_a_file_is_bounded_and_on_one_line() -> None:
    assert clean("a\x1b[31mred\r\nb\x00 ") == "a [31mred b"
    assert len(clean("x" * 100_000)) == 2001
    assert len(told("x" * 100_000)) == 301


def test_an_abort_is_told_without_its_path() -> None:
    lines = [
        "0.1 E something before",
        "/workspace/thirdparty/llama.cpp/ggml/src/ggml.c:3355: GGML_ASSERT(ggml_can_mul_mat(a, b)) failed",
        "",
    ]
    assert last_words(lines) == "GGML_ASSERT(ggml_can_mul_mat(a, b)) failed (ggml.c:3355)"
    assert last_words(["0.1 W nothing of the kind"]) == ""


@pytest.mark.parametrize(
    ("line", "logged"),
    [
        (
            '0.02.127.711 W srv    operator(): got exception: {"error":{"message":"unrecognized type SECRET"}}',
            "0.02.127.711 W srv    operator(): got exception: …",
        ),
        ("0.02.1 E llama_grammar: error parsing grammar: SECRET", "0.02.1 E llama_grammar: error parsing grammar: …"),
        ("0.02.1 W srv: Failed to parse input at pos 3: SECRET", "0.02.1 W srv: Failed to parse input at pos 3: …"),
        ("0.02.1 W common: tool 'SECRET' is odd", "0.02.1 W common: tool …"),
        ("SECRET, the next line of what was told", ""),
        ("notes.txt:3: SECRET", ""),
        ("0.01.182.325 W slot   operator(): id  7 | task 3 | n_past was set to 8", None),
        ("/a/b/ggml.c:3355: GGML_ASSERT(ggml_can_mul_mat(a, b)) failed", None),
        ("(EngineCore pid=9) WARNING 11-27 10:00:00 gpu.py:3] out of memory", None),
    ],
)
def test_no_word_of_a_request_is_logged(line: str, logged: str | None) -> None:
    assert without_content(line) == (line if logged is None else logged)


def test_no_word_of_a_request_is_logged_with_an_error() -> None:
    said = "[json.exception.parse_error.101] parse error at line 1, column 2: invalid literal; last read: 'SECRET'"
    assert before_content(said) == "[json.exception.parse_error.101] parse error at line 1, column 2: …"
    assert before_content("map::at") == "map::at"
