"""Repositories of Hugging Face that its registry refuses: GGUF models in several files, and checkpoints.

It answers 400 for both. The files can be had all the same: the repository's listing gives the size and SHA-256 of each,
which is all that a manifest needs.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from puna.lazy import lazy
from puna.models.manifests import CONFIG_TYPE, MODEL, Layer, make_manifest
from puna.models.registry.errors import ManifestNotFoundError, RegistryError
from puna.models.registry.http import RegistryHttp, check, read_limited
from puna.models.registry.huggingface_checkpoint import checkpoint_manifest, file_url
from puna.models.registry.remote_manifest import RemoteManifest, check_manifest
from puna.models.registry.target import Target
from puna.models.store import InvalidDigestError, digest_bytes, parse_digest

if TYPE_CHECKING:
    import aiohttp
else:
    aiohttp = lazy("aiohttp")

_HOSTS = {"hf.co", "huggingface.co"}
_SHARD = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf")
_PREFERRED = ("q4_k_m", "q4_k_s", "q4_0", "q5_k_m", "q8_0")
"""What ``latest`` stands for, in Hugging Face's order."""
_MOST_LISTING = 16 << 20


@dataclass(frozen=True, slots=True)
class _Shard:
    path: str
    number: int
    layer: Layer


def refuses_shards(target: Target, response: aiohttp.ClientResponse) -> bool:
    """Return whether this may be Hugging Face's answer for a split model."""
    return response.status == 400 and target.name.host in _HOSTS


async def sharded_manifest(http: RegistryHttp, target: Target) -> RemoteManifest:
    """Return a manifest made from the repository's listing, with one model layer for each shard in order.

    Of a repository without GGUF files it is that of its checkpoint. Raises ``ManifestNotFoundError`` if no complete set
    of shards fits the tag, or there is no checkpoint.
    """
    url = target.base / "api" / "models" / target.name.namespace / target.name.model / "tree" / "main"
    async with http.request("GET", url.with_query(recursive="true"), target) as response:
        await check(response, 200)
        listing = await read_limited(response, _MOST_LISTING)
    if b".gguf" not in listing:
        return await checkpoint_manifest(http, target, listing)
    shards = _choose(_read_listing(listing), target.name.tag.lower())
    config = _config([shard.layer for shard in shards])
    config_layer = Layer(CONFIG_TYPE, digest_bytes(config), len(config))
    manifest = make_manifest(config_layer, tuple(shard.layer for shard in shards))
    locations = {shard.layer.digest: file_url(target, shard.path) for shard in shards}
    return RemoteManifest(check_manifest(manifest.raw), locations, {config_layer.digest: config})


def _read_listing(listing: bytes) -> dict[str, list[_Shard]]:
    """Return the sets of shards by the path that their files have in common."""
    found: dict[str, list[_Shard]] = {}
    try:
        for entry in json.loads(listing):
            match = _SHARD.fullmatch(entry["path"])
            if match and "lfs" in entry:
                lfs: dict[str, Any] = entry["lfs"]
                layer = Layer(MODEL, parse_digest(f"sha256:{lfs['oid']}"), int(lfs["size"]))
                key = f"{match['stem']}-of-{match['count']}"
                found.setdefault(key, []).append(_Shard(entry["path"], int(match["number"]), layer))
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError, InvalidDigestError) as error:
        raise RegistryError(f"the repository's listing cannot be read: {error}") from error
    ordered = {key: sorted(shards, key=lambda shard: shard.number) for key, shards in found.items()}
    return {key: shards for key, shards in ordered.items() if _complete(key, shards)}


def _complete(key: str, shards: list[_Shard]) -> bool:
    return [shard.number for shard in shards] == list(range(1, int(key[-5:]) + 1))


def _choose(found: dict[str, list[_Shard]], tag: str) -> list[_Shard]:
    wanted = _PREFERRED if tag == "latest" else (tag,)
    for quantization in wanted:
        named = re.compile(rf"(^|[^a-z0-9]){re.escape(quantization)}([^a-z0-9_]|$)")
        for key in sorted(found):
            if named.search(key.lower()):
                return found[key]
    if tag == "latest" and found:
        return found[min(found)]
    raise ManifestNotFoundError


def _config(layers: list[Layer]) -> bytes:
    body = {
        "model_format": "gguf",
        "os": "linux",
        "architecture": "amd64",
        "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in layers]},
    }
    return json.dumps(body, separators=(",", ":")).encode()
