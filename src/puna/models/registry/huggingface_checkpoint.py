"""Checkpoints of Hugging Face: repositories without GGUF files, whose files are kept as they are.

The listing gives the SHA-256 of large files. Of small ones it gives git's own hash, so these are fetched at once.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any
from urllib.parse import quote

from yarl import URL

from puna.models.checkpoint_names import check_name, is_weights
from puna.models.config import ModelConfig
from puna.models.manifests import CHECKPOINT, CONFIG_TYPE, Layer, make_manifest
from puna.models.registry.errors import ManifestNotFoundError, RegistryError
from puna.models.registry.http import RegistryHttp, check, read_limited
from puna.models.registry.remote_manifest import RemoteManifest, check_manifest
from puna.models.registry.target import Target
from puna.models.store import digest_bytes, parse_digest

_WEIGHTS = ("model*.safetensors", "*.safetensors")
_BESIDE = ("*.json", "*.jinja", "tokenizer.model", "vocab.txt", "merges.txt")
_CONFIG = "config.json"
_MOST_SMALL, _MOST_FILES = 16 << 20, 64
_AT_A_TIME = 4


@dataclass(frozen=True, slots=True)
class _File:
    """A file of the listing; ``digest`` is "" where only git knows it."""

    path: str
    size: int
    digest: str


def file_url(target: Target, path: str) -> URL:
    """Return where a file of a repository lies."""
    root = target.base / target.name.namespace / target.name.model / "resolve" / "main"
    return URL(f"{root}/{quote(path)}", encoded=True)


async def checkpoint_manifest(http: RegistryHttp, target: Target, listing: bytes) -> RemoteManifest:
    """Return a manifest with a layer for each file of the checkpoint in a repository's listing.

    Raises ``ManifestNotFoundError`` if there is none.
    """
    files = _chosen(_read(listing))
    if target.name.tag.lower() not in ("latest", "main") or not files:
        raise ManifestNotFoundError
    places = {file.path: file_url(target, file.path) for file in files}
    limit = asyncio.Semaphore(_AT_A_TIME)

    async def small(file: _File) -> tuple[str, bytes]:
        async with limit, http.request("GET", places[file.path], target) as response:
            await check(response, 200)
            return file.path, await read_limited(response, _MOST_SMALL)

    texts = dict(await asyncio.gather(*(small(file) for file in files if not file.digest or file.path == _CONFIG)))
    layers = tuple(_layer(file, texts) for file in files)
    config = _config(texts[_CONFIG], layers)
    inline = {digest_bytes(data): data for data in (config, *texts.values())}
    config_layer = Layer(CONFIG_TYPE, digest_bytes(config), len(config))
    located = {layer.digest: places[layer.name] for layer in layers if layer.digest not in inline}
    return RemoteManifest(check_manifest(make_manifest(config_layer, layers).raw), located, inline)


def _read(listing: bytes) -> list[_File]:
    try:
        return [
            _File(
                check_name(entry["path"]),
                int(entry["size"]),
                parse_digest(f"sha256:{entry['lfs']['oid']}") if "lfs" in entry else "",
            )
            for entry in json.loads(listing)
            if entry.get("type", "file") == "file" and "/" not in entry["path"] and not entry["path"].startswith(".")
        ]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise RegistryError(f"the repository's listing cannot be read: {error}") from error


def _chosen(files: Sequence[_File]) -> list[_File]:
    """Return the weights, and what belongs to them; nothing where there is no whole checkpoint."""
    found = (sorted((file for file in files if fnmatch(file.path, kind)), key=lambda f: f.path) for kind in _WEIGHTS)
    weights = next(filter(None, found), [])
    beside = [file for file in files if any(fnmatch(file.path, kind) for kind in _BESIDE)]
    if not weights or _CONFIG not in {file.path for file in beside}:
        return []
    if len(beside) > _MOST_FILES or any(file.size > _MOST_SMALL for file in beside if not file.digest):
        raise RegistryError("the repository has too many files beside its weights, or too large ones")
    if any(not file.digest for file in weights if file.size > _MOST_SMALL):
        raise RegistryError("the repository's listing does not say which bytes its weights have")
    return [*weights, *sorted(beside, key=lambda file: file.path)]


def _layer(file: _File, texts: Mapping[str, bytes]) -> Layer:
    if file.path in texts:
        data = texts[file.path]
        return Layer(CHECKPOINT, digest_bytes(data), len(data), name=file.path)
    return Layer(CHECKPOINT, file.digest, file.size, name=file.path)


def _config(raw: bytes, layers: Sequence[Layer]) -> bytes:
    try:
        body: dict[str, Any] = json.loads(raw)
        family, kind = str(body.get("model_type") or ""), str(body.get("torch_dtype") or body.get("dtype") or "")
    except (ValueError, AttributeError, RecursionError) as error:
        raise RegistryError(f"{_CONFIG} cannot be read: {error}") from error
    types = {"bfloat16": "BF16", "float16": "F16", "float32": "F32"}
    config = ModelConfig("safetensors", family, (family,), quantization=types.get(kind, "unknown"))
    return config.encode([layer.digest for layer in layers if is_weights(layer.name)])
