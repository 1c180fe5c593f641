"""The pictures and sounds of a request, made ready for the engine."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.inference.media.sounds import wav
from tests.inference.media.test_media import halves, seen, written
from tests.inference.world import model_of, request_of

from puna.inference.media.pictures import PictureError
from puna.inference.media.ready import ready
from puna.inference.requests import Completion, Conversation, Infill, Message

PNG, WEBP = written(halves(), "PNG"), written(halves(), "WEBP")


async def test_each_becomes_what_the_engine_reads(tmp_path: Path) -> None:
    first = Message(role="user", content="see [img]", images=(WEBP,))
    asked = Conversation(messages=(first, Message(role="user", content="hear", images=(wav(), PNG))))
    answer = (await ready(request_of(model_of(tmp_path), asked))).input
    assert isinstance(answer, Conversation)
    seen_first, second = answer.messages
    assert seen(seen_first.images[0]).format == "PNG"
    assert (seen_first.content, seen_first.places) == ("see ", (4,))
    assert second.images == (wav(), PNG)


async def test_the_same_picture_becomes_the_same_bytes(tmp_path: Path) -> None:
    request = request_of(model_of(tmp_path), Completion(prompt="[img]x", images=(WEBP,)))
    first, second = (await ready(request)).input, (await ready(request)).input
    assert first == second
    assert isinstance(first, Completion)
    assert (first.prompt, first.places) == ("x", (0,))


@pytest.mark.parametrize("asked", ["hi", Completion(prompt="[img]"), Infill(prefix="a", suffix="b")])
async def test_without_any_nothing_changes(tmp_path: Path, asked: Any) -> None:
    request = request_of(model_of(tmp_path), asked)
    assert await ready(request) is request


async def test_the_one_at_fault_is_named(tmp_path: Path) -> None:
    messages = (Message(role="user", images=(PNG,)), Message(role="user", images=(PNG, b"no picture")))
    with pytest.raises(PictureError, match=r"^image 3 of 3 cannot be read"):
        await ready(request_of(model_of(tmp_path), Conversation(messages=messages)))


async def test_the_loop_goes_on_meanwhile(tmp_path: Path) -> None:
    large = written(halves(size=(3000, 2000)), "WEBP")
    work = asyncio.create_task(ready(request_of(model_of(tmp_path), Completion(prompt="x", images=(large,)))))
    turns = 0
    while not work.done():
        await asyncio.sleep(0.005)
        turns += 1
    assert turns > 3
