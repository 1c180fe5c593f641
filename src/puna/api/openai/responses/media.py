"""Pictures, sounds and files in the parts of an item: those in its text, and those that it names by URL."""

import asyncio
import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from puna.errors import BadRequestError
from puna.net.fetch import fetch_media

_AT_ONCE = 4
_MOST = 64
_WEB = ("http://", "https://")
_FIELDS = {"input_image": "image_url", "computer_screenshot": "image_url", "input_file": "file_url"}
_NO_TEXT = (b"%PDF-", b"PK\x03\x04")


def parts_of(item: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the parts that an item has, of a message or of what a tool returned."""
    for name in ("content", "output"):
        parts = item.get(name)
        for part in parts if isinstance(parts, list) else (parts,):
            if isinstance(part, dict):
                yield part


async def fetched(items: Iterable[Mapping[str, Any]], limit: int, allowed: tuple[str, ...]) -> dict[str, bytes]:
    """Return what the items name by URL; ``limit`` is in bytes each. Raises as ``fetch_media`` does."""
    urls = dict.fromkeys(
        url
        for item in items
        for part in parts_of(item)
        if isinstance(url := part.get(_FIELDS.get(str(part.get("type")), "")), str) and url.startswith(_WEB)
    )
    if len(urls) > _MOST:
        raise BadRequestError(f"the input names more than {_MOST} files by URL")
    turns = asyncio.Semaphore(_AT_ONCE)

    async def one(url: str) -> bytes:
        async with turns:
            return await fetch_media(url, limit, allowed)

    return dict(zip(urls, await asyncio.gather(*map(one, urls)), strict=True)) if urls else {}


def media_part(part: Mapping[str, Any], field: str, web: Mapping[str, bytes]) -> bytes | str:
    """Return the bytes of a picture or sound, or the text of a file; ``field`` is what errors call the part.

    ``web`` is what has been fetched. What lies with somebody else under a ``file_id``, and files that are neither text
    nor pictures nor sound, are refused.
    """
    match part.get("type"):
        case "input_audio":
            sound = part.get("input_audio")
            return _decoded((sound if isinstance(sound, dict) else part).get("data"), f"{field}.input_audio.data")
        case "input_image" | "computer_screenshot":
            if part.get("file_id") and not part.get("image_url"):
                raise BadRequestError(f"{field}.file_id: no files are kept here; send the picture as image_url")
            url = part.get("image_url")
            if isinstance(url, dict):
                url = url.get("url")
            return web[url] if isinstance(url, str) and url in web else _decoded(url, f"{field}.image_url")
    return _file(part, field, web)


def _file(part: Mapping[str, Any], field: str, web: Mapping[str, bytes]) -> bytes | str:
    url, data, name = part.get("file_url"), part.get("file_data"), part.get("filename")
    if isinstance(url, str) and url in web:
        found = web[url]
    elif data is not None:
        found = _decoded(data, f"{field}.file_data")
    else:
        raise BadRequestError(f"{field}: no files are kept here; send the file as file_data or file_url")
    if found.startswith(_NO_TEXT):
        raise BadRequestError(f"{field}: files of this kind are not read (text, pictures and sound are)")
    try:
        text = found.decode()
    except UnicodeDecodeError:
        return found
    return f"{name}:\n{text}" if isinstance(name, str) and name else text


def _decoded(data: object, field: str) -> bytes:
    """Return bytes of base64, with or without the prefix of a data URL."""
    if not isinstance(data, str):
        raise BadRequestError(f"{field} must be a string")
    plain = data.partition(",")[2] if data.startswith("data:") else data
    try:
        return base64.b64decode("".join(plain.split()), validate=True)
    except (binascii.Error, ValueError):
        raise BadRequestError(f"{field} is neither a URL of http or https nor base64") from None
