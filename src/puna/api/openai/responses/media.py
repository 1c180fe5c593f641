"""Pictures, sounds and files in the parts of an item: those in its text, and those that it names by URL."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from puna.api.parts import MediaReader, decode_media
from puna.errors import BadRequestError

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


def urls_of(items: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the URLs that the items name, each once."""
    urls = dict.fromkeys(
        url
        for item in items
        for part in parts_of(item)
        if isinstance(url := part.get(_FIELDS.get(str(part.get("type")), "")), str) and url.startswith(_WEB)
    )
    if len(urls) > _MOST:
        raise BadRequestError(f"the input names more than {_MOST} files by URL", param="input")
    return list(urls)


async def fetched(items: Iterable[Mapping[str, Any]], reader: MediaReader) -> dict[str, bytes]:
    """Return what the items name by URL."""
    return {url: await reader.at(url, "input") for url in urls_of(items)}


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
    if not isinstance(data, str):
        raise BadRequestError(f"{field} must be a string", param=field)
    return decode_media(data, field)
