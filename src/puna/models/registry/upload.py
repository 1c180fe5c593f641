"""Sends one blob: in chunks, from where the registry says it stopped, or not at all where it can be mounted."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from yarl import URL

from puna.lazy import lazy
from puna.models.atomic import AtomicFile
from puna.models.registry.errors import RegistryError, TransientError
from puna.models.registry.http import RegistryHttp, check, retry
from puna.models.registry.options import MIB, TransferOptions
from puna.models.registry.policy import host_of
from puna.models.registry.target import Target
from puna.models.registry.threads import in_thread, taken_in_thread
from puna.models.storage import storage_errors
from puna.telemetry.counts import COUNTS

if TYPE_CHECKING:
    import aiohttp
else:
    aiohttp = lazy("aiohttp")

_BLOCK = MIB
_REMEMBERED = 7 * 86400.0
"""Seconds after which the registry that everybody runs removes an upload that was not ended."""


class UploadLostError(RegistryError):
    """The registry does not know the upload any more: it has to begin again."""


class UploadStore:
    """The addresses of uploads under way, kept under ``root/puna/uploads`` so that a later push resumes them."""

    def __init__(self, root: Path) -> None:
        self.directory = root / "puna" / "uploads"

    def load(self, target: Target, digest: str) -> URL | None:
        """Return the address of an upload that was begun before."""
        try:
            return URL(json.loads(self._path(target, digest).read_bytes())["location"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def save(self, target: Target, digest: str, location: URL) -> None:
        """Remember the address; raise ``StorageError``."""
        path = self._path(target, digest)
        with storage_errors(path), AtomicFile(self.directory) as file:
            file.file.write(json.dumps({"location": str(location)}).encode())
            file.publish(path)

    def remove(self, target: Target, digest: str) -> None:
        """Forget the address."""
        self._path(target, digest).unlink(missing_ok=True)

    def clean(self) -> None:
        """Remove the addresses of uploads that a registry has forgotten by now."""
        for path in self.directory.glob("*.json"):
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < time.time() - _REMEMBERED:
                    path.unlink()

    def _path(self, target: Target, digest: str) -> Path:
        key = f"{target.base} {target.repository} {digest}"
        return self.directory / f"{hashlib.sha256(key.encode()).hexdigest()}.json"


@dataclass(frozen=True, slots=True)
class BlobUpload:
    """The upload of one blob. ``report`` is called with the bytes that the registry has."""

    http: RegistryHttp
    store: UploadStore
    options: TransferOptions
    target: Target
    path: Path
    digest: str
    mount_from: str
    """A repository of the same registry that may have the blob, or ""."""
    report: Callable[[int], None]

    async def run(self) -> None:
        """Have the registry store the blob. Raises ``TransientError`` or ``RegistryError``."""
        size = (await in_thread(self.path.stat)).st_size
        for last in (False, True):
            try:
                begun = await self._resume() or await retry(self._begin, self.options, self.options.attempts)
                if begun is not None:
                    await self._send_all(*begun, size)
                break
            except UploadLostError:
                await in_thread(self.store.remove, self.target, self.digest)
                if last:
                    raise
        await in_thread(self.store.remove, self.target, self.digest)
        self.report(size)

    async def _resume(self) -> tuple[URL, int] | None:
        location = await in_thread(self.store.load, self.target, self.digest)
        if location is None:
            return None
        try:
            return await retry(lambda: self._status(location), self.options, self.options.attempts)
        except UploadLostError:
            return None

    async def _begin(self) -> tuple[URL, int] | None:
        """Return the address to send to and 0, or ``None`` if the registry could mount the blob."""
        url = self.target.url("blobs", "uploads", "")
        if self.mount_from:
            url = url.with_query({"mount": self.digest, "from": self.mount_from})
        async with self.http.request("POST", url, self.target, headers={"Content-Length": "0"}, push=True) as response:
            await check(response, 201, 202)
            if response.status == 201:
                return None
            location = _location(response)
        await in_thread(self.store.save, self.target, self.digest, location)
        return location, 0

    async def _send_all(self, location: URL, offset: int, size: int) -> None:
        failures = 0
        while True:
            before = offset
            try:
                while offset < size:
                    location, offset = await self._send_chunk(location, offset, size)
                    failures = 0
                    self.report(offset)
                return await self._finish(location)
            except TransientError as error:
                failures += 1
                if failures >= self.options.attempts:
                    raise
                await asyncio.sleep(max(self.options.delay(failures), error.retry_after or 0))
                location, offset = await self._status(location)
                failures = 0 if offset > before else failures

    async def _send_chunk(self, location: URL, offset: int, size: int) -> tuple[URL, int]:
        stop = min(size, offset + self.options.chunk_size)
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(stop - offset),
            "Content-Range": f"{offset}-{stop - 1}",
        }
        async with self.http.request(
            "PATCH", location, self.target, headers=headers, body=lambda: self._read(offset, stop), push=True
        ) as response:
            if response.status == 416:
                return await self._status(location)
            _check_known(response)
            await check(response, 202, 201, 204)
            following = _location(response)
            received = _received(response, stop)
        await in_thread(self.store.save, self.target, self.digest, following)
        if received < offset or received > stop:
            raise UploadLostError(f"registry {host_of(self.target.base)} lost what was sent")
        return following, received

    async def _read(self, offset: int, stop: int) -> AsyncIterator[bytes]:
        descriptor = await taken_in_thread(lambda: os.open(self.path, os.O_RDONLY | os.O_CLOEXEC), os.close)
        try:
            while offset < stop:
                block = await in_thread(os.pread, descriptor, min(_BLOCK, stop - offset), offset)
                if not block:
                    raise RegistryError(f"{self.path} became shorter while it was sent")
                COUNTS.add("puna_transfer_bytes", ("out",), len(block))
                yield block
                offset += len(block)
                self.report(offset)
        finally:
            os.close(descriptor)

    async def _status(self, location: URL) -> tuple[URL, int]:
        """Return where to go on and how much the registry has; raise ``UploadLostError`` if it has nothing."""
        async with self.http.request("GET", location, self.target, push=True) as response:
            _check_known(response)
            await check(response, 204, 200, 202)
            return _location(response) if "Location" in response.headers else location, _received(response, 0)

    async def _finish(self, location: URL) -> None:
        url = location.update_query(digest=self.digest)
        headers = {"Content-Length": "0", "Content-Type": "application/octet-stream"}
        async with self.http.request("PUT", url, self.target, headers=headers, push=True) as response:
            _check_known(response)
            if response.status == 400:
                await in_thread(self.store.remove, self.target, self.digest)
            await check(response, 201, 204, 200)


def _check_known(response: aiohttp.ClientResponse) -> None:
    if response.status == 404:
        raise UploadLostError(f"registry {host_of(response.url)} forgot the upload")


def _location(response: aiohttp.ClientResponse) -> URL:
    """Return where the next request of an upload goes."""
    text = response.headers.get("Docker-Upload-Location") or response.headers.get("Location")
    if not text:
        raise RegistryError(f"registry {host_of(response.url)} does not say where to upload to")
    try:
        return response.url.join(URL(text, encoded=True))
    except ValueError as error:
        raise RegistryError(f"registry {host_of(response.url)} gives an invalid address to upload to") from error


def _received(response: aiohttp.ClientResponse, default: int) -> int:
    """Return how many bytes the registry has, by a header of the form ``Range: 0-<last>``.

    "0-0" stands for nothing as well as for one byte: it is read as one where one was sent.
    """
    first, dash, last = response.headers.get("Range", "").removeprefix("bytes=").partition("-")
    if not dash or not first.isdigit() or not last.isdigit():
        return default
    return int(last) + 1 if int(last) else int(default == 1)
