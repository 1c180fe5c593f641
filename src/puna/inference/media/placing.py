"""Where pictures and sound go in a text: where it says so, else before it.

``[img]`` takes the next of its text's pictures, and ``[img-N]`` a certain one, counted from 0 over the whole prompt
(Ollama's ``server/prompt.go``). A mark for which there is none is text.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from puna.inference.requests import Completion, Message

_MARK = re.compile(r"\[img(?:-([0-9]{1,9}))?\]")


def place(text: str, images: Sequence[bytes], first: int = 0) -> tuple[str, tuple[bytes, ...], tuple[int, ...]]:
    """Return a text without its marks, its pictures in order, and where in the text each goes, in characters.

    No places without marks. ``first`` is the number of the first picture.
    """
    named: dict[int, int] = {}
    for index, mark in enumerate(_MARK.finditer(text)):
        number = int(mark[1] or -1) - first
        if mark[1] and 0 <= number < len(images):
            named.setdefault(number, index)
    taken = {index: number for number, index in named.items()}
    others = iter([number for number in range(len(images)) if number not in named])
    pieces: list[str] = []
    placed: list[tuple[int, int]] = []
    at = length = 0
    for index, mark in enumerate(_MARK.finditer(text)):
        chosen = taken.get(index) if mark[1] else next(others, None)
        if chosen is not None:
            pieces.append(text[at : mark.start()])
            length += mark.start() - at
            at = mark.end()
            placed.append((length, chosen))
    if not placed:
        return text, tuple(images), ()
    placed = [*((0, number) for number in others), *placed]
    return (
        "".join(pieces) + text[at:],
        tuple(images[number] for _, number in placed),
        tuple(offset for offset, _ in placed),
    )


def placed_messages(messages: Iterable[Message]) -> tuple[Message, ...]:
    """Return messages with the pictures of each where its text has them, unless their places are known already."""
    done: list[Message] = []
    first = 0
    for message in messages:
        count = len(message.images)
        if count and not message.places:
            content, images, places = place(message.content, message.images, first)
            message = replace(message, content=content, images=images, places=places)
        done.append(message)
        first += count
    return tuple(done)


def placed_completion(completion: Completion) -> Completion:
    """Return a text to go on with, its pictures where it has them."""
    if isinstance(completion.prompt, tuple):
        return completion
    prompt, images, places = place(completion.prompt, completion.images)
    return replace(completion, prompt=prompt, images=images, places=places)


def joined(parts: Iterable[str | bytes]) -> tuple[str, tuple[bytes, ...], tuple[int, ...]]:
    """Return what parts of a message are as a text, its pictures and sounds, and their places in it.

    Texts that follow each other are on lines of their own.
    """
    text, images, places = "", [], []
    after_text = False
    for part in parts:
        if isinstance(part, bytes):
            images.append(part)
            places.append(len(text))
        else:
            text += ("\n" if after_text else "") + part
        after_text = isinstance(part, str)
    return text, tuple(images), tuple(places)


def in_order(text: str, images: Sequence[bytes], places: Sequence[int]) -> Iterator[str | bytes]:
    """Yield the parts of a text and the pictures in it, in their order; all pictures first without ``places``."""
    at = 0
    for image, offset in zip(images, places or [0] * len(images), strict=True):
        if offset > at:
            yield text[at:offset]
            at = offset
        yield image
    if text[at:]:
        yield text[at:]


def with_marks(text: str, images: Sequence[bytes], places: Sequence[int], mark: str) -> str:
    """Return a text with ``mark`` where each of its pictures goes."""
    return "".join(mark if isinstance(part, bytes) else part for part in in_order(text, images, places))
