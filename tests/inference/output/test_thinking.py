"""Thinking is told from the answer wherever the pieces are cut."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.patient import PATIENT

from puna.inference.output.events import ContentText, ParserChain, ThinkingText
from puna.inference.output.stop import StopParser
from puna.inference.output.thinking import ThinkingParser


def run(*pieces: str, opened: bool = False) -> tuple[str, str]:
    parser = ThinkingParser("<think>", "</think>", opened=opened)
    events = [event for piece in pieces for event in parser.feed(piece)] + parser.finish()
    thinking = "".join(event.text for event in events if isinstance(event, ThinkingText))
    return thinking, "".join(event.text for event in events if isinstance(event, ContentText))


CASES = {
    "plain": ("<think>Hm.</think>Yes", False, ("Hm.", "Yes")),
    "space is dropped around the tags": (" \n<think>\n Hm.\n</think>\n\nYes \n", False, ("Hm.", "Yes \n")),
    "no thinking": ("  Yes", False, ("", "  Yes")),
    "a tag later is text": ("Yes <think>no</think>", False, ("", "Yes <think>no</think>")),
    "another tag at the start": ("<thinner>", False, ("", "<thinner>")),
    "empty": ("<think>\n\n</think>\n\nYes", False, ("", "Yes")),
    "opened in the prompt": ("Hm.</think>\nYes", True, ("Hm.", "Yes")),
    "opened, with space": ("\n Hm. </think> Yes", True, ("Hm.", "Yes")),
    "never closed": ("<think>Hm. </thi", False, ("Hm. </thi", "")),
    "never closed, with space": ("<think>Hm. \n", False, ("Hm.", "")),
    "almost closed": ("<think>a</think b</think>c", False, ("a</think b", "c")),
    "cut in the opening tag": ("<thi", False, ("", "<thi")),
    "a second pair is text": ("<think>a</think><think>b</think>", False, ("a", "<think>b</think>")),
    "only space": (" \n", False, ("", " \n")),
    "nothing": ("", True, ("", "")),
}


@pytest.mark.parametrize(("text", "opened", "expected"), CASES.values(), ids=CASES)
def test_whole_and_at_every_cut(text: str, opened: bool, expected: tuple[str, str]) -> None:
    assert run(text, opened=opened) == expected
    assert run(*text, opened=opened) == expected
    for cut in range(len(text) + 1):
        assert run(text[:cut], text[cut:], opened=opened) == expected


def test_thinking_arrives_while_it_is_written() -> None:
    parser = ThinkingParser("<think>", "</think>")
    assert parser.feed("<think>One") == [ThinkingText("One")]
    assert parser.feed(" two</") == [ThinkingText(" two")]
    assert parser.feed("b> three") == [ThinkingText("</b> three")]
    assert parser.feed("</think>Yes") == [ContentText("Yes")]


ALPHABET = st.lists(st.sampled_from(["<think>", "</think>", " ", "\n", "a", "<", "</", "think>"]), max_size=12)


@PATIENT
@given(ALPHABET.map("".join), st.lists(st.integers(0, 80)), st.booleans())
def test_the_cut_of_the_pieces_does_not_matter(text: str, cuts: list[int], opened: bool) -> None:
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    pieces = [text[a:b] for a, b in pairwise(places)]
    assert run(*pieces, opened=opened) == run(text, opened=opened)


def test_parsers_in_a_row() -> None:
    chain = ParserChain(StopParser(["END"]), ThinkingParser("<think>", "</think>"))
    events = chain.feed("<think>a E") + chain.feed("N</think>b") + chain.feed("EN") + chain.finish()
    assert events == [ThinkingText("a"), ThinkingText(" EN"), ContentText("b"), ContentText("EN")]
