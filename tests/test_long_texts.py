"""Texts from outside that are long, and as hard to read as they can be: each is read in one go.

Where two repeats of a regular expression take the same characters, all ways to share them out are tried, and the whole
server waits: 50,000 characters were a minute, some texts would never have been read.
"""

import contextlib
import signal
from collections.abc import Callable, Iterator

import pytest

from puna.accounts.quota import parse_quota
from puna.cli.pictures import find_pictures
from puna.durations import parse_duration
from puna.errors import PunaError
from puna.gotemplate import Template
from puna.inference.families.parsers import PARSERS
from puna.inference.families.parsing import Asked
from puna.inference.families.python_calls import NotACallError, read_calls
from puna.inference.format.gbnf import read_grammar
from puna.models.registry.auth import parse_challenges

LONG = 200_000
BLANKS = " " * LONG
SECONDS = 20
"""Each takes less than one; with a fault of this kind, minutes."""


@contextlib.contextmanager
def soon() -> Iterator[None]:
    """Raise ``TimeoutError`` after a while: regular expressions look at signals now and then."""

    def end(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def said(name: str, text: str) -> None:
    """Let a parser read an answer, in pieces."""
    parser = PARSERS[name].make(Asked(tools={"f": {}}, think=False))
    for start in range(0, len(text), LONG // 10):
        parser.feed(text[start : start + LONG // 10])
    parser.finish()


PAIRS = "<arg_key>a</arg_key><arg_value>b</arg_value>" * 400
CASES: dict[str, Callable[[], object]] = {
    "keep_alive": lambda: parse_duration("1" * LONG + "x"),
    "quota": lambda: parse_quota("1/" + BLANKS + "!"),
    "challenge": lambda: parse_challenges([BLANKS + "x"]),
    "grammar": lambda: read_grammar('root ::= "a"{1,' + BLANKS[:60_000] + "x"),
    "typed": lambda: find_pictures("/" * LONG),
    **{
        f"template, {number[:3]}…": lambda number=number: Template.parse("{{" + number + "}}")
        for number in ("1" * LONG, "0x" + "f" * LONG, "0" * LONG, "1" * LONG + ".5e", "0x" + "_f" * LONG + "p")
    },
    **{
        f"calls as in Python, {text[:6]}…": lambda text=text: read_calls(text)
        for text in ("f" + BLANKS, f"f({BLANKS}x", f"f(a{BLANKS})", f"f(a={'1' * LONG}x)")
    },
    "a key": lambda: said("glm-4.7", f"<tool_call>f<arg_key>a{BLANKS}</tool_call>"),
    "a name": lambda: said("glm-4.7", f"<tool_call>f{BLANKS}x</tool_call>"),
    "many pairs": lambda: said("glm-4.7", f"<tool_call>f{PAIRS}!"),
    "an object": lambda: said("laguna", f"<tool_call>f{BLANKS}x</tool_call>"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_long_text_is_read_in_one_go(name: str) -> None:
    with soon(), contextlib.suppress(PunaError, NotACallError):
        CASES[name]()
