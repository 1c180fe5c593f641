"""The other Punas that blobs may be taken from: who they are, and how they are asked."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from yarl import URL

from puna.config.values import Credentials
from puna.models.manifests import BadManifestError
from puna.models.registry.api import RegistryApi
from puna.models.registry.errors import ManifestNotFoundError, RegistryError, TransientError
from puna.models.registry.http import RegistryHttp, check, read_limited
from puna.models.registry.pieces import piece_count, piece_size
from puna.models.registry.policy import host_of
from puna.models.registry.remote_manifest import RemoteManifest
from puna.models.registry.target import Target
from puna.names import ModelName

if TYPE_CHECKING:
    import aiohttp

EXTENSION = "_puna"
"""Under ``/v2/``: what is beyond the registry protocol, named as that says (``_<extension>/…``)."""
_log = logging.getLogger(__name__)
_HASH_DIGITS = 64
_MOST_STATE = 1 << 20
_ANSWER_SECONDS, _MANIFEST_SECONDS = 3.0, 10.0
_SILENT_SECONDS = 30.0
"""How long a peer that did not answer is not asked for the next blob."""
_DISTRUST_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class State:
    """What a peer says that it has of a blob. ``pieces`` are those after the ones that were known, by ``epoch``."""

    node: str
    kind: str
    """What it has: "whole", "part" or "none"."""
    epoch: str = ""
    received: int = 0
    pieces: tuple[tuple[int, str], ...] = ()
    claims: frozenset[int] = frozenset()


class Peers:
    """The peers of one node: base addresses, such as ``http://10.0.0.2:11434``, a login in them or not."""

    def __init__(self, http: RegistryHttp, api: RegistryApi, addresses: Iterable[URL] = ()) -> None:
        self._http = http
        self._api = api
        self._addresses = tuple(addresses)
        self._silent: dict[URL, float] = {}
        self._distrusted: dict[URL, float] = {}

    def others(self, addresses: Iterable[URL]) -> Peers:
        """Return peers of the same node for one use alone; who is left out here is left out there too, and afterwards.

        Whoever names them says that they answer, even if they were silent a moment ago.
        """
        peers = Peers(self._http, self._api, addresses)
        peers._distrusted = self._distrusted
        return peers

    def all(self) -> tuple[URL, ...]:
        """Return the peers that are believed, also those that do not answer."""
        now = time.monotonic()
        return tuple(url for url in self._addresses if self._distrusted.get(url, 0) <= now)

    def distrust(self, url: URL, reason: str) -> None:
        """Ask a peer for nothing for an hour: it sent what is not true."""
        _log.warning("peer %s is left out for an hour: %s", host_of(url), reason)
        self._distrusted[url] = time.monotonic() + _DISTRUST_SECONDS

    def answers(self, url: URL) -> bool:
        """Return whether a peer is not known to be silent."""
        return self._silent.get(url, 0) <= time.monotonic()

    async def manifest(self, name: ModelName) -> RemoteManifest:
        """Return the manifest that most peers have for a name; raise ``ManifestNotFoundError``."""
        asked = [url for url in self.all() if self.answers(url)]
        found = await asyncio.gather(*(self._manifest(url, name) for url in asked))
        manifests = [manifest for manifest in found if manifest is not None]
        if not manifests:
            raise ManifestNotFoundError
        votes = [manifest.manifest.raw for manifest in manifests]
        return max(manifests, key=lambda manifest: votes.count(manifest.manifest.raw))

    async def _manifest(self, url: URL, name: ModelName) -> RemoteManifest | None:
        try:
            async with asyncio.timeout(_MANIFEST_SECONDS):
                return await self._api.manifest(_target(url, name, of_host=name.host))
        except (RegistryError, ManifestNotFoundError, BadManifestError, TimeoutError):
            return None

    async def state(self, url: URL, digest: str, size: int, *, node: str, epoch: str, known: int, wait: float) -> State:
        """Ask what a peer has of a blob beyond ``known`` pieces; it may wait for news as long as ``wait`` seconds.

        ``node`` is this node, "" where it shares nothing. Raises ``RegistryError``.
        """
        query = {"node": node, "epoch": epoch, "known": str(known), "wait": f"{wait:g}"}
        target = _target(url)
        address = target.base / "v2" / EXTENSION / "pieces" / digest
        try:
            async with asyncio.timeout(wait + _ANSWER_SECONDS):
                async with self._http.request("GET", address.with_query(query), target) as response:
                    if response.status == 404:
                        return State("", "none")
                    await check(response, 200)
                    return _read_state(await read_limited(response, _MOST_STATE), size)
        except TimeoutError:
            self._silent[url] = time.monotonic() + _SILENT_SECONDS
            raise TransientError(f"{host_of(url)} does not answer") from None
        except TransientError:
            self._silent[url] = time.monotonic() + _SILENT_SECONDS
            raise

    @contextlib.asynccontextmanager
    async def range(self, url: URL, digest: str, start: int, stop: int) -> AsyncIterator[aiohttp.StreamReader]:
        """Yield the stream of bytes ``start`` to ``stop`` of a blob from a peer. Raises ``RegistryError``."""
        target = _target(url)
        address = target.base / "v2" / EXTENSION / "blobs" / digest
        headers = {"Range": f"bytes={start}-{stop - 1}"}
        async with self._http.request("GET", address, target, headers=headers) as response:
            await check(response, 206)
            yield response.content


def _target(url: URL, name: ModelName | None = None, *, of_host: str = "") -> Target:
    name = name or ModelName(host_of(url), EXTENSION, EXTENSION, EXTENSION)
    login = Credentials(url.user, url.password) if url.user and url.password else None
    return Target(name, url.with_user(None), guarded=False, credentials=login, of_host=of_host)


def _read_state(raw: bytes, size: int) -> State:
    """Return what a peer's answer says; raise ``RegistryError`` unless it fits a blob of ``size`` bytes."""
    try:
        body = json.loads(raw)
        kind = str(body["state"])
        if kind == "none":
            return State(str(body["node"]), kind)
        count = piece_count(size)
        if (body["size"], body["piece"]) != (size, piece_size(size)):
            raise ValueError("it has another size")
        pieces = tuple((_index(index, count), _hash(digest)) for index, digest in body["pieces"])
        claims = frozenset(_index(index, count) for index in body["claims"])
        return State(str(body["node"]), kind, str(body["epoch"]), int(body["received"]), pieces, claims)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise RegistryError(f"what a peer says of its pieces cannot be read: {error}") from error


def _index(value: object, count: int) -> int:
    if not isinstance(value, int) or not 0 <= value < count:
        raise ValueError(f"there is no piece {str(value)[:20]}")
    return value


def _hash(value: object) -> str:
    if not isinstance(value, str) or len(value) != _HASH_DIGITS:
        raise ValueError("a hash is no SHA-256")
    return value.lower()


@dataclass(slots=True)
class Source:
    """One peer as a source of one blob."""

    url: URL
    node: str = ""
    kind: str = "none"
    epoch: str = ""
    hashes: dict[int, str] = field(default_factory=dict)
    claims: frozenset[int] = frozenset()
    received: int = 0
    is_seed: bool | None = None
    """Whether it had all of the blob when it was first asked; ``None`` before that."""
    is_dropped: bool = False
    is_silent: bool = False
    slow_until: float = 0.0
    advanced_at: float = 0.0
    """When it last had more than before."""
    busy: int = 0
    given: int = 0

    @property
    def host(self) -> str:
        """Return what it is called."""
        return host_of(self.url)

    @property
    def is_live(self) -> bool:
        """Return whether it may be asked."""
        return not self.is_dropped and not self.is_silent

    def take(self, state: State) -> None:
        """Note what it has said."""
        if state.epoch != self.epoch:
            self.hashes.clear()
        if state.pieces or state.received != self.received or state.kind != self.kind or state.claims != self.claims:
            self.advanced_at = time.monotonic()
        self.node, self.kind, self.epoch = state.node, state.kind, state.epoch
        self.received, self.claims = state.received, state.claims
        self.hashes.update(state.pieces)
        if self.is_seed is None:
            self.is_seed = state.kind == "whole"
        self.is_silent = False
