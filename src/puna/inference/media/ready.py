"""Pictures and sound of a request made what the engine reads, each where it goes, beside the event loop."""

import asyncio
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from puna.inference.media.kinds import called, is_sound
from puna.inference.media.pictures import for_engine
from puna.inference.media.placing import placed_completion, placed_messages
from puna.inference.media.sounds import check_sound
from puna.inference.requests import Completion, Conversation, GenerationRequest

_threads = ThreadPoolExecutor(2, "media")
"""Few: a decoded picture may have a quarter of a gigabyte."""


async def ready(request: GenerationRequest) -> GenerationRequest:
    """Return the request with its pictures and sound as the engine reads them, each where its text has it.

    Raises ``PictureError`` or ``SoundError``, which say which of them is at fault.
    """
    match request.input:
        case Conversation(messages=messages) if any(message.images for message in messages):
            found = iter(await _read([image for message in messages for image in message.images]))
            read = (replace(message, images=tuple(next(found) for _ in message.images)) for message in messages)
            return replace(request, input=replace(request.input, messages=placed_messages(read)))
        case Completion(images=images) if images:
            completion = replace(request.input, images=tuple(await _read(images)))
            return replace(request, input=placed_completion(completion))
    return request


async def _read(media: Iterable[bytes]) -> list[bytes]:
    data = list(media)
    loop = asyncio.get_running_loop()
    read: list[bytes] = []
    for number, item in enumerate(data, 1):  # one after another, so that a request with many leaves turns to others
        read.append(await loop.run_in_executor(_threads, _one, item, called(item, number, len(data))))
    return read


def _one(data: bytes, name: str) -> bytes:
    if not is_sound(data):
        return for_engine(data, name)
    check_sound(data, name)
    return data
