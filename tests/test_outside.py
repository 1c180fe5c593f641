"""Text from outside: what would forge, hide, fill or betray does not get through."""

import time

import orjson
import pytest

from puna.outside import bounded, listed, printable, read_json, without_logins


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, 中文, ñ 🙂", "plain text, 中文, ñ 🙂"),
        ("a\nb\r\n", r"a\nb\r\n"),
        ("\x1b[31mred\x9b", r"\x1b[31mred\x9b"),
        ("a\u202eb\u2028c", r"a\u202eb\u2028c"),
        ("\ud800", r"\ud800"),
        ("\0", r"\x00"),
    ],
)
def test_printable(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert printable(text).isprintable()


def test_bounded() -> None:
    assert bounded("abc", 3) == "abc"
    assert bounded("abcd", 3) == "abc… (4 characters)"


def test_listed() -> None:
    assert listed(["strem", "größe", "a, b", "x: all is well\n"]) == r"strem, größe, 'a, b', 'x: all is well\n'"
    assert listed(["k" * 5000]) == f"'{'k' * 100}… (5000 characters)'"
    assert listed([f"k{i}" for i in range(100_000)]).endswith("k18, k19 and 99980 more")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no address", "no address"),
        ("'http://bob:hunter2@host:1/x' is wrong", "'http://…@host:1/x' is wrong"),
        ("https://token@host/x", "https://…@host/x"),
        ("bob:hunter2@127.0.0.1:1/library/x", "…@127.0.0.1:1/library/x"),
        ("OLLAMA_HOST: 'bob:hunter2@[::1]'", "OLLAMA_HOST: '…@[::1]'"),
        ("http://a:b@h, http://c:d@i", "http://…@h, http://…@i"),
        ("http://bob:p@ss@host", "http://…@host"),
        ("llama:1b@sha256:" + "0" * 64, "llama:1b@sha256:" + "0" * 64),
        ("someone@example.com", "someone@example.com"),
        ("http://host:11434/x", "http://host:11434/x"),
    ],
)
def test_without_logins(text: str, shown: str) -> None:
    assert without_logins(text) == shown


@pytest.mark.parametrize(
    "text", ["a:" * 100_000 + "@", "://" * 100_000 + "@", "a" * 200_000 + "@", "%" * 200_000 + ":@"]
)
def test_hostile_text_takes_time_in_proportion_to_its_size(text: str) -> None:
    began = time.process_time()
    without_logins(text)
    assert time.process_time() - began < 3  # in proportion to its square it would be half a minute


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'"\ud83d"', "\ufffd"),
        (r'"a\ude00b\ud83d\ude00"', "a\ufffdb😀"),
        (r'"\uD83D\uD83D\uDE00\uDE00"', "\ufffd😀\ufffd"),
        (r'"\ud83d\u0041"', "\ufffdA"),
        (r'"\\ud83d \\\ud83d"', "\\ud83d \\\ufffd"),
        (r'{"\ud83d": ["\ude00"]}', {"\ufffd": ["\ufffd"]}),
    ],
)
def test_half_of_a_surrogate_pair_fails_nothing(text: str, value: object) -> None:
    assert read_json(text.encode()) == value


@pytest.mark.parametrize("data", [b'"\\ud83d', b'"\xed\xa0\xbd"', b'"\xe9"', b'"\\ud83"'])
def test_what_is_no_json_is_refused(data: bytes) -> None:
    with pytest.raises(orjson.JSONDecodeError):
        read_json(data)
