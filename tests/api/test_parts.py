"""Pictures and sounds in base64."""

import base64
import random
from typing import Any

import pytest

from puna.api import parts
from puna.errors import BadRequestError


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 6, 7, 8, 30, 31, 32])
@pytest.mark.parametrize("form", ["{}", "data:image/png;base64,{}", " {}\n", "data:,{}="])
def test_what_is_read_in_steps_is_what_was_written(monkeypatch: pytest.MonkeyPatch, size: int, form: str) -> None:
    data = random.Random(size).randbytes(size)
    text = base64.b64encode(data).decode()
    lines = "\r\n".join(text[at : at + 3] for at in range(0, len(text), 3))
    for written in (text, text.rstrip("="), base64.urlsafe_b64encode(data).decode(), lines):
        for step in (1, 2, 3, 4, 5, 7, 1000):
            monkeypatch.setattr(parts, "_LONG", step)
            assert parts.decode_media(form.format(written), "images.0") == data


@pytest.mark.parametrize(
    "text", ["A", "AAAAA", "AA=A", "=AAA", "AAAA=AAA", "AA==AA==", "A!AA", "AAé=", "data:image/png"]
)
def test_what_is_refused_in_one_step_is_in_several(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    def read(step: int) -> bytes | None:
        monkeypatch.setattr(parts, "_LONG", step)
        try:
            return parts.decode_media(text, "images.0")
        except BadRequestError:
            return None

    assert {read(step) for step in (1, 2, 3, 4, 5)} == {read(1000)}


@pytest.mark.parametrize("text", ["A" * 10_000_000, "A " * 5_000_000], ids=["in one line", "in very many"])
def test_a_large_picture_is_read_in_small_steps(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    # A step keeps the interpreter from all other threads.
    steps: list[int] = []

    def decode(part: str, **more: Any) -> bytes:
        steps.append(len(part))
        return base64.b64decode(part, **more)

    monkeypatch.setattr(parts, "base64", type("", (), {"b64decode": staticmethod(decode)}))
    parts.decode_media(text, "images.0")
    assert max(steps) <= parts._LONG + 4
