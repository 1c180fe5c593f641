"""One model: what its manifest, its layers and the headers of its files say."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from puna.models import manifests
from puna.models.checkpoint import header_of, laid_out
from puna.models.checkpoint_names import is_weights
from puna.models.config import ModelConfig
from puna.models.gguf import GGUFError, GGUFFile, kept_gguf
from puna.models.layouts.translation import as_engine_sees, has_projector, projector_as_engine_sees
from puna.models.manifests import BadManifestError, Layer, Manifest
from puna.models.split import MAX_PARTS, linked_parts
from puna.models.store import BlobStore
from puna.names import ModelName


@dataclass(frozen=True)
class Model:
    """One model with everything that its layers say. Big files are paths; small layers are read when first used."""

    name: ModelName
    manifest: Manifest
    modified_at: datetime
    blobs: BlobStore
    is_builtin: bool = False
    go_template: bool | None = None
    """Whether its Go template is used where its file has a template too; ``None`` means the better of the two."""
    overrides: Callable[[], Mapping[str, Any]] = field(default=dict, compare=False)
    """Returns the options that the server's settings have for it."""

    @cached_property
    def digest(self) -> str:
        """Return what identifies the model: its manifest's digest in hex."""
        return self.manifest.digest

    @property
    def size(self) -> int:
        """Return the bytes of its blobs."""
        return self.manifest.size

    @cached_property
    def config(self) -> ModelConfig:
        """Return the details that its configuration blob holds."""
        return ModelConfig.parse(self.blobs.read(self.manifest.config.digest))

    @property
    def defaults(self) -> Mapping[str, Any]:
        """Return the options of requests that do not say: those of the server's settings, then its own."""
        overrides = self.overrides()
        return {**self.parameters, **overrides} if overrides else self.parameters

    @property
    def is_checkpoint(self) -> bool:
        """Return whether it is a checkpoint in safetensors that is kept as it is, and no GGUF file."""
        return bool(self.manifest.of_type(manifests.CHECKPOINT))

    @property
    def path(self) -> Path:
        """Return the GGUF file that an engine loads; the first part of a split one, with the others beside it.

        Of a checkpoint it is the directory.
        """
        if self.is_checkpoint:
            return laid_out(self.manifest.of_type(manifests.CHECKPOINT), self.blobs, self.digest)
        return self.paths[0] if len(self.paths) == 1 else linked_parts(self.paths, self.blobs.directory.parent)

    @cached_property
    def paths(self) -> tuple[Path, ...]:
        """Return its GGUF files: one, or the parts of a split one in order; of a checkpoint those with weights."""
        if self.is_checkpoint:
            layers = self.manifest.of_type(manifests.CHECKPOINT)
            return tuple(self.blobs.path(layer.digest) for layer in layers if is_weights(layer.name))
        paths = self._paths(manifests.MODEL)
        if not paths:
            raise BadManifestError(f"model {self.name} has no model layer")
        return paths

    @cached_property
    def drafts(self) -> tuple[Path, ...]:
        """Return the files of the draft model that it has with it."""
        return self._paths(manifests.DRAFT)

    @cached_property
    def ggufs(self) -> tuple[GGUFFile, ...]:
        """Return the headers of its files, in order; of a checkpoint what stands in their place."""
        if self.is_checkpoint:
            return (header_of(self.path),)
        return tuple(kept_gguf(path) for path in self.paths)

    @property
    def is_read(self) -> bool:
        """Return whether the headers of its files are known; reading them takes up to tens of milliseconds."""
        return "ggufs" in vars(self)

    @property
    def gguf(self) -> GGUFFile:
        """Return the header of its file; of a split one the first, which has the metadata."""
        return self.ggufs[0]

    @cached_property
    def adapters(self) -> tuple[Path, ...]:
        """Return its adapters' files."""
        return self._paths(manifests.ADAPTER)

    @cached_property
    def engine_gguf(self) -> GGUFFile:
        """Return the header of its file as the engine gets it: in llama.cpp's layout, whichever the file has."""
        return self.gguf if self.is_checkpoint or len(self.paths) > 1 else as_engine_sees(self.gguf)

    @cached_property
    def projectors(self) -> tuple[Path, ...]:
        """Return the files with what sees or hears: layers of their own, else the model's file if it lies in there."""
        layers = self._paths(manifests.PROJECTOR)
        if self.is_checkpoint or layers or len(self.paths) > 1 or not has_projector(self.gguf):
            return layers
        return self.paths

    @cached_property
    def projector_gguf(self) -> GGUFFile | None:
        """Return the header of what sees or hears as the engine gets it, ``None`` without one that can be read."""
        if not self.projectors:
            return None
        path = self.projectors[0]  # the one that the engine is given
        try:
            return projector_as_engine_sees(self.gguf if path in self.paths else kept_gguf(path))
        except (GGUFError, OSError):
            return None

    @cached_property
    def senses(self) -> tuple[str, ...]:
        """Return what it perceives beside text, in the words of its capabilities: "vision", "audio"."""
        seen = self.projector_gguf
        if seen is None:
            return ("vision",) if self.projectors else ()  # whoever loads it is told what is wrong with it
        kinds = (seen.text("clip.projector_type"), seen.text("clip.vision.projector_type"))
        # The engine leaves out the ears of Gemma 3n.
        hears = seen.metadata.get("clip.has_audio_encoder") is True and "gemma3nv" not in kinds
        sees = seen.metadata.get("clip.has_vision_encoder") is True
        return ("vision",) * sees + ("audio",) * hears

    @cached_property
    def template(self) -> str:
        """Return its Go template, or "" if it has none of its own."""
        return self._text(manifests.TEMPLATE)

    @cached_property
    def system(self) -> str:
        """Return its system message, or ""."""
        return self._text(manifests.SYSTEM)

    @cached_property
    def licenses(self) -> tuple[str, ...]:
        """Return the texts of its licences."""
        return tuple(self._decode(layer) for layer in self.manifest.of_type(manifests.LICENSE))

    @cached_property
    def parameters(self) -> Mapping[str, Any]:
        """Return the options that it sets for every request."""
        merged: dict[str, Any] = {}
        for layer in self.manifest.of_type(manifests.PARAMS):
            merged |= self._json(layer, dict)
        return merged

    @cached_property
    def messages(self) -> tuple[Mapping[str, Any], ...]:
        """Return the messages that every conversation with it begins with."""
        layers = self.manifest.of_type(manifests.MESSAGES)
        found = tuple(message for layer in layers for message in self._json(layer, list))
        if not all(map(_is_message, found)):
            raise BadManifestError(f"model {self.name} has messages that are none")
        return found

    @property
    def parent(self) -> str:
        """Return the name of the model that its weights were taken from, or ""."""
        return next((layer.source for layer in reversed(self.manifest.of_type(manifests.MODEL)) if layer.source), "")

    def apart(self, same: "Model | None" = None) -> "Model":
        """Return a copy that reads everything anew and keeps it for itself, for looking into many models once.

        Headers that ``same``, a model of the same files, has read are taken from it.
        """
        copy = replace(self)
        if same is not None and "ggufs" in vars(same):
            vars(copy)["ggufs"] = same.ggufs
        return copy

    def files_are_there(self) -> bool:
        """Return whether its files are where they were found. If not, another store may have them."""
        known = (self.__dict__.get(kind, ()) for kind in ("paths", "adapters", "projectors", "drafts"))
        return all(path.is_file() for paths in known for path in paths)

    def _paths(self, media_type: str) -> tuple[Path, ...]:
        layers = self.manifest.of_type(media_type)
        if len(layers) > MAX_PARTS:  # each is looked for on disk, again and again
            raise BadManifestError(f"model {self.name} has more than {MAX_PARTS} layers of type {media_type}")
        return tuple(self.blobs.path(layer.digest) for layer in layers)

    def _text(self, media_type: str) -> str:
        layers = self.manifest.of_type(media_type)
        return self._decode(layers[-1]) if layers else ""

    def _decode(self, layer: Layer) -> str:
        return self.blobs.read(layer.digest).decode(errors="replace")

    def _json(self, layer: Layer, kind: type) -> Any:
        try:
            value = manifests.read_json(self.blobs.read(layer.digest))
        except ValueError as error:
            raise BadManifestError(f"model {self.name}: layer {layer.digest} is not JSON") from error
        if not isinstance(value, kind):
            raise BadManifestError(f"model {self.name}: layer {layer.digest} is not of the form that it must have")
        return value


def _is_message(value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("role"), str):
        return False
    return isinstance(value.get("content") or "", str)
