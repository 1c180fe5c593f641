"""A registry's manifest is input from outside: everything that is used of it is checked first."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from yarl import URL

from puna.models.checkpoint_names import check_name
from puna.models.manifests import CHECKPOINT, MANIFEST_TYPE, MODEL, BadManifestError, Layer, Manifest, parse_manifest

OCI_MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
ACCEPT = f"{MANIFEST_TYPE}, {OCI_MANIFEST_TYPE}"

MOST_BYTES = 2 << 20
_MOST_LAYERS = 2048
_MOST_SIZE = 1 << 50
_MOST_CONFIG = 16 << 20
_LAYER_PREFIX = "application/vnd.ollama.image."


@dataclass(frozen=True, slots=True)
class RemoteManifest:
    """A manifest with what is known of blobs that do not lie in the registry's repository, by their digests."""

    manifest: Manifest
    locations: Mapping[str, URL] = field(default_factory=dict)
    """Where else they lie."""
    inline: Mapping[str, bytes] = field(default_factory=dict)
    """Their bytes."""


def blobs_of(manifest: Manifest) -> list[Layer]:
    """Return the layers and the configuration, each digest once, in the order in which they are fetched."""
    return list({layer.digest: layer for layer in (*manifest.layers, manifest.config)}.values())


def check_manifest(raw: bytes) -> Manifest:
    """Return the manifest that ``raw`` encodes; raise ``BadManifestError`` unless it describes a model soundly.

    For a thread: a large one takes tens of milliseconds.
    """
    manifest = parse_manifest(raw)
    body = json.loads(raw)
    media_type = body.get("mediaType") or MANIFEST_TYPE
    if body.get("schemaVersion") != 2 or media_type not in (MANIFEST_TYPE, OCI_MANIFEST_TYPE):
        raise BadManifestError(f"invalid manifest: {str(media_type)[:100]!r} is not the manifest of a model")
    if len(manifest.layers) > _MOST_LAYERS:
        raise BadManifestError(f"invalid manifest: it has more than {_MOST_LAYERS} layers")
    if manifest.size > _MOST_SIZE:
        raise BadManifestError("invalid manifest: its layers are impossibly large")
    if manifest.config.size > _MOST_CONFIG:
        raise BadManifestError("invalid manifest: its configuration is impossibly large")
    _check_layers(manifest)
    return manifest


def _check_layers(manifest: Manifest) -> None:
    sizes: dict[str, int] = {}
    for layer in (*manifest.layers, manifest.config):
        if sizes.setdefault(layer.digest, layer.size) != layer.size:
            raise BadManifestError(f"invalid manifest: it gives two sizes for {layer.digest}")
    for layer in manifest.of_type(CHECKPOINT):
        check_name(layer.name)
    for layer in manifest.layers:
        if not layer.media_type.startswith(_LAYER_PREFIX):
            raise BadManifestError(f"this is not a model: it has a layer of type {layer.media_type[:100]!r}")
        if layer.media_type == MODEL and layer.size == 0:
            raise BadManifestError(f"invalid manifest: the model layer {layer.digest} is empty")
    if not manifest.of_type(MODEL) and not manifest.of_type(CHECKPOINT):
        kinds = ", ".join(sorted({layer.media_type.removeprefix(_LAYER_PREFIX) for layer in manifest.layers}))
        raise BadManifestError(f"it has no GGUF file that can be run here (its layers: {kinds[:100] or 'none'})")
