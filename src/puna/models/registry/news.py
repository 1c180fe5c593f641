"""Something that changes again and again, for several that wait for its next change."""

import asyncio
import contextlib


class News:
    """Whoever waits is told of the next change alone; those before it are nobody's."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    def tell(self) -> None:
        """Tell all who wait now that something has changed."""
        self._next.set()
        self._next = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        """Return at the next change, or after ``seconds``."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._next.wait()
