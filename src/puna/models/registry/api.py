"""The calls of the OCI distribution protocol that transfers need."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from yarl import URL

from puna.lazy import lazy
from puna.models.manifests import MANIFEST_TYPE, BadManifestError
from puna.models.registry import huggingface
from puna.models.registry.errors import (
    BlobMissingError,
    ManifestNotFoundError,
    RangesUnsupportedError,
    RegistryError,
    TransientError,
)
from puna.models.registry.http import RegistryHttp, check, read_limited, retry
from puna.models.registry.options import TransferOptions
from puna.models.registry.policy import host_of
from puna.models.registry.remote_manifest import ACCEPT, MOST_BYTES, RemoteManifest, check_manifest
from puna.models.registry.target import Target
from puna.models.registry.threads import in_thread
from puna.models.store import digest_bytes

if TYPE_CHECKING:
    import aiohttp
else:
    aiohttp = lazy("aiohttp")

_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_MANIFEST_ATTEMPTS = 4


class RegistryApi:
    """Manifests and blobs of repositories."""

    def __init__(self, http: RegistryHttp, options: TransferOptions) -> None:
        self.http = http
        self._options = options

    async def manifest(self, target: Target) -> RemoteManifest:
        """Return the checked manifest; raise ``ManifestNotFoundError``, ``RegistryError`` or ``BadManifestError``."""

        async def get() -> RemoteManifest:
            url = target.url("manifests", target.name.tag)
            async with self.http.request("GET", url, target, headers={"Accept": ACCEPT}) as response:
                if response.status == 404:
                    raise ManifestNotFoundError
                if huggingface.refuses_shards(target, response):
                    return await huggingface.sharded_manifest(self.http, target)
                await check(response, 200)
                raw = await read_limited(response, MOST_BYTES)
                _check_content_digest(response, raw)
            return RemoteManifest(await in_thread(check_manifest, raw))

        try:
            return await retry(get, self._options, _MANIFEST_ATTEMPTS)
        except (RegistryError, BadManifestError) as error:
            error.args = (f"pull model manifest: {error}",)
            raise

    async def put_manifest(self, target: Target, raw: bytes) -> None:
        """Store a manifest under the target's tag."""

        async def put() -> None:
            url = target.url("manifests", target.name.tag)
            headers = {"Content-Type": MANIFEST_TYPE}
            async with self.http.request("PUT", url, target, headers=headers, body=lambda: raw, push=True) as response:
                await check(response, 200, 201, 202)

        await retry(put, self._options, self._options.attempts)

    async def has_blob(self, target: Target, digest: str, *, push: bool) -> bool:
        """Return whether the repository has the blob; ``push`` asks for the right to write along with it."""

        async def head() -> bool:
            url = target.url("blobs", digest)
            # A redirect to where the bytes lie says that they are there; such addresses often take GET only.
            async with self.http.request("HEAD", url, target, push=push, follow=False) as response:
                if response.status == 404:
                    return False
                await check(response, 200, 301, 302, 303, 307, 308)
                return True

        return await retry(head, self._options, self._options.attempts)

    @contextlib.asynccontextmanager
    async def blob_range(
        self, target: Target, digest: str, location: URL | None, start: int, stop: int, total: int
    ) -> AsyncIterator[aiohttp.StreamReader]:
        """Yield the stream of bytes ``start`` to ``stop`` (exclusive) of a blob of ``total`` bytes.

        The stream may end early or go on too long: the caller counts. Raises ``TransientError``,
        ``RangesUnsupportedError``, ``BlobMissingError`` or ``RegistryError``.
        """
        url = location or target.url("blobs", digest)
        headers = {} if (start, stop) == (0, total) else {"Range": f"bytes={start}-{stop - 1}"}
        async with self.http.request("GET", url, target, headers=headers) as response:
            if response.status == 404:
                raise BlobMissingError(f"registry {host_of(target.base)} does not have blob {digest}")
            await check(response, 200, 206)
            if headers and response.status == 200:
                raise RangesUnsupportedError(f"registry {host_of(target.base)} sends whole blobs only")
            if headers:
                _check_range(response, start, total)
            yield response.content


def _check_range(response: aiohttp.ClientResponse, start: int, total: int) -> None:
    match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if match is None or int(match[1]) != start or match[3] not in ("*", str(total)):
        raise TransientError(f"{host_of(response.url)} sends another range than the one that was asked for")


def _check_content_digest(response: aiohttp.ClientResponse, raw: bytes) -> None:
    stated = response.headers.get("Docker-Content-Digest", "")
    if stated.startswith("sha256:") and stated != digest_bytes(raw):
        raise TransientError("the manifest was damaged on its way")
