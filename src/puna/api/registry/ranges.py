"""Files in ranges, as RFC 9110 has them (section 14): whole, one range, or none that there is."""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from puna.api.http.responses import Streamed
from puna.errors import PunaError
from puna.telemetry.counts import COUNTS

_BLOCK = 1 << 20
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.IGNORECASE)
_MEDIA_TYPE = "application/octet-stream"


class RangeError(PunaError):
    """A range begins where the blob has no bytes."""

    status = 416

    def __init__(self, size: int) -> None:
        super().__init__(f"the blob has {size} bytes, and none of them lies in this range")
        self._size = size

    @property
    def headers(self) -> Mapping[str, str]:
        return {"Content-Range": f"bytes */{self._size}"}


def asked_range(request: Request, size: int, tag: str) -> tuple[int, int] | None:
    """Return the range that a request asks for, its end exclusive; ``None`` for the whole. Raises ``RangeError``.

    Of several ranges, and of what is no range, the whole is sent, as the RFC allows.
    """
    if request.headers.get("if-range", tag) != tag:
        return None
    match = _RANGE.fullmatch(request.headers.get("range", "").strip())
    if match is None or match[0].endswith("=-"):
        return None
    first, last = match[1], match[2]
    if not first:
        start, stop = max(0, size - int(last)), size
    else:
        start, stop = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < int(first):
            return None
    if start >= size or start >= stop:
        raise RangeError(size)
    return start, stop


def blob_response(request: Request, path: Path, digest: str, size: int, part: tuple[int, int] | None) -> Response:
    """Return bytes of a blob: the range ``part``, or all of them. Raises ``FileNotFoundError``."""
    start, stop = part or (0, size)
    headers = {
        "Content-Length": str(stop - start),
        "Accept-Ranges": "bytes",
        "Docker-Content-Digest": digest,
        "ETag": f'"{digest}"',
        "Cache-Control": "max-age=31536000, immutable",
    }
    if part:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    else:
        headers["Location"] = request.url.path  # Ollama asks for the ranges of what a whole blob's answer names
    status = 206 if part else 200
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=_MEDIA_TYPE)
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    return Streamed(_blocks(descriptor, start, stop), status, headers, _MEDIA_TYPE)


async def _blocks(descriptor: int, start: int, stop: int) -> AsyncIterator[bytes]:
    try:
        while start < stop:
            block = await asyncio.to_thread(os.pread, descriptor, min(_BLOCK, stop - start), start)
            if not block:
                return  # shorter than announced: the connection breaks, and the client asks again
            yield block
            start += len(block)
            COUNTS.add("puna_transfer_bytes", ("out",), len(block))
    finally:
        os.close(descriptor)
