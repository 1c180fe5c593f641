"""A store as Ollama lays one out: blobs by digest, a configuration and a manifest, written with nothing of Puna's."""

import hashlib
import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from puna.models.gguf import read_gguf

_MEDIA = "application/vnd.ollama.image."
_FLOAT32 = 6


class OllamaStore:
    """The directory that ``OLLAMA_MODELS`` names."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.blobs = root / "blobs"
        self.blobs.mkdir(parents=True, exist_ok=True)

    def add(self, *parts: bytes | Path) -> str:
        """Store bytes or the content of files, joined, as one blob; return its digest."""
        state = hashlib.sha256()
        unfinished = self.blobs / "unfinished"
        with unfinished.open("wb") as out:
            for part in parts:
                data = part if isinstance(part, bytes) else part.read_bytes()
                state.update(data)
                out.write(data)
        digest = f"sha256:{state.hexdigest()}"
        unfinished.rename(self.path(digest))
        return digest

    def path(self, digest: str) -> Path:
        """Return the file of a blob."""
        return self.blobs / digest.replace(":", "-")

    def model(self, name: str, weights: Sequence[str], config: Mapping[str, Any], **layers: Any) -> None:
        """Write the manifest of ``name``; ``layers`` are texts, or what is written as JSON, by their kind."""
        entries = [self._entry(f"{_MEDIA}model", digest) for digest in weights]
        for kind, content in layers.items():
            data = content.encode() if isinstance(content, str) else json.dumps(content).encode()
            entries.append(self._entry(_MEDIA + kind, self.add(data)))
        body = {
            "model_format": "gguf",
            **config,
            "architecture": "amd64",
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": [entry["digest"] for entry in entries]},
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "config": self._entry(
                "application/vnd.docker.container.image.v1+json", self.add(json.dumps(body).encode())
            ),
            "layers": entries,
        }
        model, _, tag = name.partition(":")
        path = self.root / "manifests" / "registry.ollama.ai" / "library" / model / (tag or "latest")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(manifest))

    def _entry(self, media_type: str, digest: str) -> dict[str, Any]:
        return {"mediaType": media_type, "digest": digest, "size": self.path(digest).stat().st_size}


def with_other_keys(path: Path, renamed: Mapping[str, str], added: Mapping[str, float], left_out: set[str]) -> bytes:
    """Return a GGUF file with other metadata: keys under other names, numbers added, keys left out."""
    gguf, data = read_gguf(path), path.read_bytes()
    entries = []
    for key, (start, end) in gguf.spans.items():
        if key not in left_out:
            entries.append(_text(renamed.get(key, key)) + data[start + len(_text(key)) : end])
    entries += [_text(key) + struct.pack("<If", _FLOAT32, value) for key, value in added.items()]
    tensors = data[max(end for _, end in gguf.spans.values()) : gguf.data_offset]
    head = struct.pack("<4sIQQ", b"GGUF", gguf.version, len(gguf.tensors), len(entries)) + b"".join(entries) + tensors
    return head + bytes(-len(head) % gguf.alignment) + data[gguf.data_offset :]


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text)) + text.encode()
