"""Languages as automata: which words they take, and that repetitions in each other stay few states and one way."""

import pytest

from puna.inference.format.compiler import Compiler
from puna.inference.format.errors import Budget, FormatError
from puna.inference.format.gbnf_cost import check_grammar
from puna.inference.format.strings import Strings


def words(pattern: str, *texts: str) -> list[bool]:
    strings = Strings(Budget(20_000))
    return [strings.finds(pattern, text) for text in texts]


@pytest.mark.parametrize(
    ("pattern", "taken", "refused"),
    [
        ("^((ab){40}){40}$", ["ab" * 1600], ["ab" * 1599, "ab" * 1601, ""]),
        ("^((ab){40}c){40}$", [("ab" * 40 + "c") * 40], [("ab" * 40 + "c") * 39, ("ab" * 39 + "c") * 40]),
        ("^((a{40}b){40}c){40}$", [(("a" * 40 + "b") * 40 + "c") * 40], [(("a" * 40 + "b") * 39 + "c") * 40]),
        ("^(a{40}|b{40}c){34}$", ["a" * 1360, ("b" * 40 + "c") * 34], ["a" * 1361, "b" * 1360]),
        ("^(a{1,1000}){1,1000}$", ["a", "a" * 50_000], ["", "b", "a" * 1_000_001]),
        ("^(a{40,}){40}$", ["a" * 1600, "a" * 5000], ["a" * 1599]),
        ("^(a{2,3}){2}$", ["a" * 4, "a" * 6], ["a" * 3, "a" * 7]),
        ("^(a{3}){2,3}$", ["a" * 6, "a" * 9], ["a" * 7, "a" * 8]),
        ("^(a{2,})*$", ["", "aa", "a" * 9], ["a"]),
        ("^(a{2,}){0,3}$", ["", "aa", "a" * 9], ["a"]),
        ("^(a?){5}$", ["", "a", "a" * 5], ["a" * 6]),
        ("^((a|b)?){2,3}$", ["", "ab", "bab"], ["abab"]),
        ("^((a{0,5}){3})+$", ["", "a" * 40], ["b"]),
    ],
)
def test_repetitions_of_repetitions(pattern: str, taken: list[str], refused: list[str]) -> None:
    assert words(pattern, *taken, *refused) == [True] * len(taken) + [False] * len(refused)


@pytest.mark.parametrize(
    "pattern", ["^((ab?){1,1000}){1,1000}$", "^((ab){40,50}){40,50}$", "^(a{33,50}a){33,50}$", "^(.{1,50}){1,50}$"]
)
def test_repetition_of_unsure_ends_is_followed_in_few_ways_or_refused(pattern: str) -> None:
    try:
        grammar = Compiler({"type": "string", "pattern": pattern}).text()
    except FormatError as error:
        assert "too large to be enforced" in str(error)
    else:
        check_grammar(grammar)
