"""Pictures and sounds in the bodies of requests: in base64, as ``data:`` URLs, or to be fetched."""

import asyncio
import base64
import binascii
from collections.abc import Callable

from puna.errors import BadRequestError, PayloadTooLargeError
from puna.inference.media.kinds import is_sound
from puna.lazy import loaded
from puna.net.fetch import FetchError, fetch_media
from puna.settings import Settings

_LONG = 1 << 18
"""Characters of base64 that take a millisecond or so, in which nothing else goes on, in whichever thread."""


def decode_media(text: str, field: str) -> bytes:
    """Return the bytes of a picture or sound in base64, of either alphabet, with or without line breaks and padding.

    The prefix of a data URL is passed over. Errors call it ``field``.
    """
    head = len(text) - len(text.partition(",")[2]) if text.startswith("data:") else 0
    parts, rest = [], ""
    try:
        for at in range(head, len(text), _LONG):
            rest += "".join(text[at : at + _LONG].split()).replace("-", "+").replace("_", "/")
            whole = 0 if "=" in rest else len(rest) - len(rest) % 4  # padding is for the last part to look at
            parts.append(base64.b64decode(rest[:whole], validate=True))
            rest = rest[whole:]
        rest = rest.rstrip("=")
        parts.append(base64.b64decode(rest + "=" * (-len(rest) % 4), validate=True))
    except (binascii.Error, ValueError):
        raise BadRequestError(f"{field} is not valid base64", param=field) from None
    return b"".join(parts)


def decode_sound(text: str, field: str) -> bytes:
    """Return the bytes of a sound in base64, of a kind that models can be given."""
    sound = decode_media(text, field)
    if not is_sound(sound):
        raise BadRequestError(f"{field} is neither WAV, MP3 nor FLAC", param=field)
    return sound


class MediaReader:
    """Reads what one request names by URL, all of it together bounded as its body is (``PUNA_MAX_BODY``)."""

    def __init__(self, settings: Settings) -> None:
        self._limit = self._left = settings.max_body
        self._hosts = settings.media_hosts

    async def at(self, url: str, field: str) -> bytes:
        """Return what a ``data:``, ``http:`` or ``https:`` URL names; errors call it ``field``."""
        scheme = url.partition(":")[0].lower()
        if scheme == "data":
            return await _beside(decode_media, "data" + url[4:], field)
        if scheme not in ("http", "https"):
            raise BadRequestError(f"{field} must be a data: or http(s) URL", param=field)
        await loaded("aiohttp", "puna.net.guard")  # most servers never fetch anything
        try:
            found = await fetch_media(url, max(self._left, 1), self._hosts)
        except FetchError as error:
            error.param = field
            raise
        except PayloadTooLargeError:
            raise PayloadTooLargeError(
                f"what the request names by URL is larger than the limit of {self._limit} bytes (PUNA_MAX_BODY)"
            ) from None
        self._left -= len(found)
        return found

    async def sound(self, text: str, field: str) -> bytes:
        """Return the bytes of a sound in base64; errors call it ``field``."""
        return await _beside(decode_sound, text, field)


async def _beside(decode: Callable[[str, str], bytes], text: str, field: str) -> bytes:
    """Return what ``decode`` makes of a text, beside the event loop where it is long."""
    return decode(text, field) if len(text) < _LONG else await asyncio.to_thread(decode, text, field)
