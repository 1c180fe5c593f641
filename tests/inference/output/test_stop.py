"""Stop strings end the text wherever the pieces are cut."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.patient import PATIENT

from puna.inference.output.events import ContentText
from puna.inference.output.stop import StopParser


def run(stops: list[str], *pieces: str) -> tuple[str, str | None]:
    parser = StopParser(stops)
    events = [event for piece in pieces for event in parser.feed(piece)] + parser.finish()
    assert all(isinstance(event, ContentText) and event.text for event in events)
    return "".join(event.text for event in events if isinstance(event, ContentText)), parser.matched


@pytest.mark.parametrize(
    ("stops", "pieces", "expected"),
    [
        (["</s>"], ["Hello</s> more"], ("Hello", "</s>")),
        (["</s>"], ["Hello<", "/", "s", ">", "more"], ("Hello", "</s>")),
        (["</s>"], ["a<", "/b"], ("a</b", None)),
        (["</s>"], ["a</s"], ("a</s", None)),
        (["\n\n"], ["a\n", "b\n", "\nc"], ("a\nb", "\n\n")),
        (["abc", "b"], ["ab", "c"], ("a", "b")),
        (["abc", "bc"], ["xabcx"], ("x", "abc")),
        (["", "x"], ["axb"], ("a", "x")),
        ([], ["a", "b"], ("ab", None)),
        (["日本"], ["a日", "本b"], ("a", "日本")),
    ],
)
def test_stops(stops: list[str], pieces: list[str], expected: tuple[str, str | None]) -> None:
    assert run(stops, *pieces) == expected


def test_only_a_possible_stop_is_held_back() -> None:
    parser = StopParser(["STOP"])
    assert parser.feed("one ST") == [ContentText("one ")]
    assert parser.feed("ART") == [ContentText("START")]


TEXT = st.text("abc", max_size=30)


@PATIENT
@given(TEXT, st.lists(st.text("abc", min_size=1, max_size=3), max_size=3), st.lists(st.integers(0, 30)))
def test_the_cut_of_the_pieces_does_not_matter(text: str, stops: list[str], cuts: list[int]) -> None:
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    pieces = [text[a:b] for a, b in pairwise(places)]
    shown, matched = run(stops, *pieces)
    assert (shown, matched) == run(stops, text)
    assert text.startswith(shown)
    assert not any(stop in shown for stop in stops)
    assert (matched is None) == (shown == text and not any(stop in text for stop in stops))
