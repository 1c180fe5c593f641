"""Puts a GGUF file into the package as the built-in model: ``python -m puna.builtin.pack cria.gguf LICENSE``."""

import shutil
import sys
from pathlib import Path

from puna.builtin import CRIA, STORE
from puna.models.config import config_of, encode_parameters
from puna.models.gguf import read_gguf
from puna.models.manifests import CONFIG_TYPE, LICENSE, MODEL, PARAMS, Layer, ManifestStore, make_manifest
from puna.models.store import BlobStore
from puna.names import parse_name

# A small model copies from its prompt all the time, which a penalty on repetition would punish; and it should
# answer plainly unless asked to think.
PARAMETERS = {"repeat_penalty": 1.0, "temperature": 0.2, "think": False}


def pack(gguf: Path, license_text: bytes, store: Path = STORE) -> None:
    """Make ``gguf`` the built-in model of ``store``, in the place of another."""
    config = config_of(read_gguf(gguf))
    shutil.rmtree(store, ignore_errors=True)
    blobs = BlobStore(store)
    layers = tuple(
        Layer(media_type, blobs.add(data), len(data))
        for media_type, data in (
            (MODEL, gguf.read_bytes()),
            (LICENSE, license_text),
            (PARAMS, encode_parameters(PARAMETERS)),
        )
    )
    encoded = config.encode([layer.digest for layer in layers])
    manifest = make_manifest(Layer(CONFIG_TYPE, blobs.add(encoded), len(encoded)), layers)
    ManifestStore(store).write(parse_name(CRIA), manifest)


if __name__ == "__main__":
    pack(Path(sys.argv[1]), Path(sys.argv[2]).read_bytes())
