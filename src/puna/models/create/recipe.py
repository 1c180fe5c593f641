"""Making a model from another model or from GGUF blobs, with layers of its own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from puna.errors import BadRequestError
from puna.models import manifests
from puna.models.config import ModelConfig, config_of, encode_parameters
from puna.models.gguf import GGUFFile, read_gguf
from puna.models.library import Library
from puna.models.manifests import Layer, make_manifest
from puna.names import ModelName

Report = Callable[[Mapping[str, Any]], None]
"""Receives progress in the form of Ollama's stream: ``{"status": …}``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What a new model is made of. ``None`` or empty keeps what the base model has.

    ``files`` and ``adapters`` map file names to digests of blobs that are in the store.
    """

    base: ModelName | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    adapters: Mapping[str, str] = field(default_factory=dict)
    template: str | None = None
    system: str | None = None
    licenses: tuple[str, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    messages: tuple[Mapping[str, Any], ...] = ()


def create(library: Library, name: ModelName, recipe: Recipe, report: Report) -> None:
    """Make the model ``name``; it appears complete or not at all.

    Raises ``ModelNotFoundError`` for the base, ``BlobNotFoundError`` for a file, ``GGUFError`` for one that is
    broken, and ``BadRequestError`` for a recipe without a model in it.
    """
    config, layers = _base(library, recipe) if recipe.base else _from_files(library, recipe.files, report)
    for file_name, digest in recipe.adapters.items():
        kind = _read(library, file_name, digest).kind
        if kind != "adapter":
            raise BadRequestError(f"{file_name} is not an adapter but a {kind}")
        layers.append(_existing(library, manifests.ADAPTER, digest))
    layers = _with_own_layers(library, layers, recipe, report)
    encoded = config.encode([layer.digest for layer in layers])
    config_layer = Layer(manifests.CONFIG_TYPE, library.blobs.add(encoded), len(encoded))
    for layer in layers:
        report({"status": f"using existing layer {layer.digest}"})
    report({"status": "writing manifest"})
    library.put(name, make_manifest(config_layer, tuple(layers)))
    report({"status": "success"})


def _base(library: Library, recipe: Recipe) -> tuple[ModelConfig, list[Layer]]:
    if recipe.files:
        raise BadRequestError('"from" and "files" cannot be used together')
    model = library.get(recipe.base or "")
    source = str(model.name)
    return model.config, [
        Layer(layer.media_type, layer.digest, layer.size, layer.source or source) for layer in model.manifest.layers
    ]


def _from_files(library: Library, files: Mapping[str, str], report: Report) -> tuple[ModelConfig, list[Layer]]:
    if not files:
        raise BadRequestError('neither "from" nor "files" was specified')
    report({"status": "parsing GGUF"})
    layers: list[Layer] = []
    config: ModelConfig | None = None
    for file_name, digest in sorted(files.items()):
        gguf = _read(library, file_name, digest)
        media_type = {"adapter": manifests.ADAPTER, "mmproj": manifests.PROJECTOR}.get(gguf.kind, manifests.MODEL)
        if gguf.architecture == "clip":
            media_type = manifests.PROJECTOR
        if media_type == manifests.MODEL and config is None:
            config = config_of(gguf)
        layers.append(_existing(library, media_type, digest))
    if config is None:
        raise BadRequestError("none of the files is a model")
    return config, layers


def _read(library: Library, file_name: str, digest: str) -> GGUFFile:
    path = library.blobs.path(digest)
    try:
        return read_gguf(path)
    except BadRequestError as error:
        raise type(error)(str(error).replace(path.name, file_name)) from None


def _existing(library: Library, media_type: str, digest: str) -> Layer:
    return Layer(media_type, digest, library.blobs.path(digest).stat().st_size)


def _with_own_layers(library: Library, layers: list[Layer], recipe: Recipe, report: Report) -> list[Layer]:
    own: list[tuple[str, bytes]] = []
    if recipe.template is not None:
        own.append((manifests.TEMPLATE, recipe.template.encode()))
    if recipe.system is not None:
        own.append((manifests.SYSTEM, recipe.system.encode()))
    if recipe.parameters:
        merged: dict[str, Any] = {}
        for layer in layers:
            if layer.media_type == manifests.PARAMS:
                merged |= orjson.loads(library.blobs.read(layer.digest))
        own.append((manifests.PARAMS, encode_parameters(merged | dict(recipe.parameters))))
    if recipe.messages:
        own.append((manifests.MESSAGES, orjson.dumps(list(recipe.messages))))
    replaced = {media_type for media_type, _ in own}
    result = [layer for layer in layers if layer.media_type not in replaced]
    own += [(manifests.LICENSE, text.encode()) for text in recipe.licenses]
    for media_type, data in own:
        if data:
            digest = library.blobs.add(data)
            report({"status": f"creating new layer {digest}"})
            result.append(Layer(media_type, digest, len(data)))
    return result
