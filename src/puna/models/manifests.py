"""Manifests in Ollama's layout: ``manifests/host/namespace/model/tag``, Docker image manifests of schema 2."""

import json
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from puna.errors import ModelNotFoundError, PunaError
from puna.models.atomic import AtomicFile
from puna.models.storage import storage_errors
from puna.models.store import InvalidDigestError, digest_bytes, parse_digest
from puna.names import InvalidNameError, ModelName, parse_name

MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG_TYPE = "application/vnd.docker.container.image.v1+json"
MOST_BYTES = 8 << 20
"""What a manifest may have: some thirty thousand layers."""
_LARGEST = (1 << 63) - 1
"""The bytes of all layers; a greater number has no place in the JSON of lists."""
_LAYER_PREFIX = "application/vnd.ollama.image."

MODEL = _LAYER_PREFIX + "model"
ADAPTER = _LAYER_PREFIX + "adapter"
PROJECTOR = _LAYER_PREFIX + "projector"
DRAFT = _LAYER_PREFIX + "draft"
TEMPLATE = _LAYER_PREFIX + "template"
SYSTEM = _LAYER_PREFIX + "system"
PARAMS = _LAYER_PREFIX + "params"
MESSAGES = _LAYER_PREFIX + "messages"
LICENSE = _LAYER_PREFIX + "license"
CHECKPOINT = _LAYER_PREFIX + "checkpoint"
"""A file of a checkpoint that is kept as it is; the layer says how it is called."""


OnError = Callable[[Path, OSError], None]
"""Is told of a directory that cannot be read."""


class BadManifestError(PunaError):
    """A manifest is not what its format says."""


_TITLE = "org.opencontainers.image.title"


@dataclass(frozen=True, slots=True)
class Layer:
    """One blob of a model: its media type, digest and size in bytes, and the model it was taken from.

    ``title`` is what an adapter is called: an annotation, as OCI has them, which Ollama passes over. ``name`` is what a
    file is called where that matters, relative, with "/" between directories.
    """

    media_type: str
    digest: str
    size: int
    source: str = ""
    title: str = ""
    name: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the layer as it stands in a manifest."""
        entry: dict[str, Any] = {"mediaType": self.media_type, "digest": self.digest, "size": self.size}
        own = {"from": self.source, "name": self.name}
        entry |= {key: value for key, value in own.items() if value}
        return entry | {"annotations": {_TITLE: self.title}} if self.title else entry


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a model consists of. ``raw`` are the exact bytes, whose hash identifies the model."""

    config: Layer
    layers: tuple[Layer, ...]
    raw: bytes = field(repr=False)

    @property
    def digest(self) -> str:
        """Return the hex digest of the manifest, which ``/api/tags`` shows as the model's."""
        return digest_bytes(self.raw).removeprefix("sha256:")

    @property
    def size(self) -> int:
        """Return the bytes of all its blobs."""
        return self.config.size + sum(layer.size for layer in self.layers)

    def of_type(self, media_type: str) -> list[Layer]:
        """Return the layers of one media type, in order."""
        return [layer for layer in self.layers if layer.media_type == media_type]


def make_manifest(config: Layer, layers: tuple[Layer, ...]) -> Manifest:
    """Return the manifest of these blobs, encoded as Ollama encodes it."""
    body = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": config.to_json(),
        "layers": [layer.to_json() for layer in layers],
    }
    return Manifest(config, layers, json.dumps(body, separators=(",", ":")).encode())


def parse_manifest(raw: bytes) -> Manifest:
    """Return the manifest that ``raw`` encodes; raise ``BadManifestError`` for anything else."""
    try:
        body = read_json(raw)
        layers = body.get("layers") or []
        manifest = Manifest(_parse_layer(body["config"]), tuple(_parse_layer(layer) for layer in layers), raw)
        if manifest.size > _LARGEST:
            raise ValueError("its layers have more bytes than there can be")
        return manifest
    except (KeyError, TypeError, AttributeError) as error:
        raise BadManifestError("invalid manifest: it does not have the form of one") from error
    except (ValueError, InvalidDigestError) as error:
        raise BadManifestError(f"invalid manifest: {error}") from error


def read_json(raw: bytes) -> Any:
    """Return what a manifest or a blob says; raise ``ValueError`` for what no answer can repeat.

    Halves of characters, NaN and endless numbers are such. Python's own reader takes them, and a list with one such
    model in it could not be written.
    """
    return orjson.loads(raw)


def _parse_layer(entry: Any) -> Layer:
    media_type, size = entry.get("mediaType", ""), entry.get("size", 0)
    if not isinstance(media_type, str) or type(size) is not int or size < 0:
        raise ValueError("a layer's mediaType must be text and its size a number of 0 or more")
    notes = entry.get("annotations")
    title = str(notes.get(_TITLE) or "") if isinstance(notes, dict) else ""
    source, name = str(entry.get("from") or ""), str(entry.get("name") or "")
    return Layer(media_type, parse_digest(entry["digest"]), size, source, title, name)


class ManifestStore:
    """The manifests under ``root/manifests``."""

    def __init__(self, root: Path) -> None:
        self.directory = root / "manifests"

    def locate(self, name: ModelName) -> tuple[Path, os.stat_result]:
        """Return where the manifest of ``name`` lies, and its state.

        Raises ``ModelNotFoundError``, or ``BadManifestError`` for one that cannot be looked at.
        """
        try:
            path = self.path(name)
            state = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            raise ModelNotFoundError(str(name)) from None
        except OSError as error:
            raise _unreadable(name, error) from error
        if not stat.S_ISREG(state.st_mode):
            raise ModelNotFoundError(str(name))
        return path, state

    def path(self, name: ModelName) -> Path:
        """Return where the manifest of ``name`` lies, in the spelling that exists if one differs only in case."""
        exact = self.directory / name.path
        if exact.is_file():
            return exact
        found = self.directory
        for part in name.path.parts:
            found = found / _existing_spelling(found, part)
        return found if found.is_file() else exact

    def read(self, name: ModelName) -> Manifest:
        """Return the manifest of ``name``; raise ``ModelNotFoundError`` or ``BadManifestError``."""
        path, state = self.locate(name)
        if state.st_size > MOST_BYTES:
            raise BadManifestError(f"invalid manifest: it is larger than {MOST_BYTES >> 20} MiB")
        try:
            with path.open("rb") as file:
                return parse_manifest(file.read(MOST_BYTES))
        except FileNotFoundError:
            raise ModelNotFoundError(str(name)) from None
        except OSError as error:
            raise _unreadable(name, error) from error

    def write(self, name: ModelName, manifest: Manifest) -> None:
        """Store ``manifest`` under ``name``, replacing another in one step; raise ``StorageError``."""
        # Written outside the tree that is listed, so that a leftover can never be taken for a model.
        with storage_errors(self.directory / name.path), AtomicFile(self.directory.parent / "blobs") as target:
            target.file.write(manifest.raw)
            target.publish(self.path(name))

    def delete(self, name: ModelName) -> None:
        """Remove the manifest of ``name`` and directories that it leaves empty.

        Raises ``ModelNotFoundError`` or ``StorageError``.
        """
        path, _ = self.locate(name)
        with storage_errors(path):
            path.unlink(missing_ok=True)
        for parent in path.parents[:3]:
            try:
                parent.rmdir()
            except OSError:
                break

    def names(self, on_error: OnError | None = None) -> Iterator[ModelName]:
        """Yield the name of every manifest; files that are no model name are passed over.

        A directory that cannot be read is told to ``on_error``; without it, the error is raised.
        """
        for host in _directories(self.directory, on_error):
            for namespace in _directories(host, on_error):
                for model in _directories(namespace, on_error):
                    for tag in _entries(model, on_error):
                        name = _name_of(host.name, namespace.name, model.name, tag.name)
                        if name is not None and _may_be_file(tag):
                            yield name


def _name_of(host: str, namespace: str, model: str, tag: str) -> ModelName | None:
    try:
        return parse_name(f"{host}/{namespace}/{model}:{tag}")
    except InvalidNameError:
        return None


def _unreadable(name: ModelName, error: OSError) -> BadManifestError:
    return BadManifestError(f"the manifest of {name} cannot be read: {error.strerror or error}")


def _directories(path: Path, on_error: OnError | None) -> Iterator[Path]:
    for entry in _entries(path, on_error):
        try:
            if entry.is_dir():
                yield Path(entry.path)
        except OSError as error:
            if on_error is None:
                raise
            on_error(Path(entry.path), error)


def _entries(path: Path, on_error: OnError | None) -> "list[os.DirEntry[str]]":
    try:
        with os.scandir(path) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        if on_error is None:
            raise
        on_error(path, error)
        return []


def _may_be_file(entry: "os.DirEntry[str]") -> bool:
    """Return whether an entry is a file, or cannot be looked at: whoever reads it then finds out why."""
    try:
        return entry.is_file()
    except OSError:
        return True


def _existing_spelling(directory: Path, part: str) -> str:
    if not (directory / part).exists() and directory.is_dir():
        for entry in directory.iterdir():
            if entry.name.lower() == part.lower():
                return entry.name
    return part
