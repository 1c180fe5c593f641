"""How many tokens the pictures and sounds of a prompt take, which only the engine with its projector knows."""

from collections.abc import Iterable

from puna.engine.errors import EngineError
from puna.engine.protocol import Engine
from puna.errors import BadRequestError
from puna.inference.engine_body import chat_message
from puna.inference.media.kinds import called
from puna.inference.requests import Message


class ImageCounter:
    """Counts for one request; each image is looked at once."""

    def __init__(self, client: Engine) -> None:
        self._client = client
        self._known: dict[bytes, int] = {}
        self._none = 0

    async def count(self, messages: Iterable[Message]) -> int:
        """Return how many tokens the images of ``messages`` add to their text.

        Raises ``BadRequestError`` for what is none, otherwise as the client does.
        """
        images = [image for message in messages for image in message.images]
        names = [called(image, number, len(images)) for number, image in enumerate(images, 1)]
        return sum([await self._of(image, name) for image, name in zip(images, names, strict=True)])

    async def _of(self, image: bytes, name: str) -> int:
        if not self._known:
            self._none = await self._whole(())
        if image not in self._known:
            try:
                self._known[image] = await self._whole((image,)) - self._none
            except EngineError as error:
                raise BadRequestError(f"{name} cannot be read: {error}") from error
        return self._known[image]

    async def _whole(self, images: tuple[bytes, ...]) -> int:
        body = {"messages": [chat_message(Message(role="user", content="x", images=images))]}
        return await self._client.count_tokens(body)
