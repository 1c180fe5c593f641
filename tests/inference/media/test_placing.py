"""Where pictures go in a text."""

import pytest

from puna.inference.media.placing import in_order, place, placed_messages, with_marks
from puna.inference.requests import Message

A, B, C = b"a", b"b", b"c"


def marked(text: str, images: list[bytes], first: int = 0) -> str:
    """Return the text with each picture's letter in angle brackets where it goes."""
    text, ordered, places = place(text, images, first)
    parts = in_order(text, ordered, places)
    return "".join(f"<{part.decode()}>" if isinstance(part, bytes) else part for part in parts)


@pytest.mark.parametrize(
    ("text", "images", "first", "expected"),
    [
        ("What?", [A, B], 0, "<a><b>What?"),
        ("", [A], 0, "<a>"),
        ("x [img] y", [A], 0, "x <a> y"),
        ("x [img]", [A], 0, "x <a>"),
        ("[img][img]", [A, B], 0, "<a><b>"),
        ("x [img] y", [A, B], 0, "<b>x <a> y"),
        ("x [img] y [img]", [A], 0, "x <a> y [img]"),
        ("x [img-1] y [img-0]", [A, B], 0, "x <b> y <a>"),
        ("x [img-1] y [img]", [A, B], 0, "x <b> y <a>"),
        ("[img] foo [img-0]", [A], 0, "[img] foo <a>"),
        ("x [img-1] y [img-1]", [A, B], 0, "<a>x <b> y [img-1]"),
        ("x [img-3] y", [A, B], 3, "<b>x <a> y"),
        ("x [img-0] y", [A, B], 3, "<a><b>x [img-0] y"),
        ("x [img-99999999999999999999] [img-] [img-x] [IMG]", [A], 0, None),
        ("x [img-1] [img] [img-0] é", [A, B, C], 0, "x <b> <c> <a> é"),
        ("x [img]", [], 0, "x [img]"),
    ],
)
def test_place(text: str, images: list[bytes], first: int, expected: str | None) -> None:
    assert marked(text, images, first) == (expected if expected is not None else f"<a>{text}")


def test_numbers_count_over_the_whole_conversation() -> None:
    messages = placed_messages(
        [
            Message(role="user", content="[img-0] and [img-1]", images=(A, B)),
            Message(role="assistant", content="[img-0]"),
            Message(role="user", content="then [img-2]", images=(C,)),
        ]
    )
    texts = [with_marks(message.content, message.images, message.places, "*") for message in messages]
    assert texts == ["* and *", "[img-0]", "then *"]


def test_without_places_pictures_come_first() -> None:
    assert list(in_order("x", (A, B), ())) == [A, B, "x"]
