"""The configuration blob of a model, and what the library derives from a GGUF header for it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from puna.models.gguf import GGUFFile
from puna.models.manifests import BadManifestError, read_json

_KNOWN_FIELDS = frozenset(
    [
        "model_format",
        "model_family",
        "model_families",
        "model_type",
        "file_type",
        "requires",
        "renderer",
        "parser",
        "architecture",
        "os",
        "rootfs",
    ]
)


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """What ``/api/tags`` shows as details; the fields of Ollama's ``ConfigV2`` that a local model has."""

    format: str = ""
    family: str = ""
    families: tuple[str, ...] = ()
    parameter_size: str = ""
    quantization: str = ""
    requires: str = ""
    renderer: str = ""
    parser: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """Fields that only Ollama uses; a model made from another keeps them."""

    @classmethod
    def parse(cls, raw: bytes) -> "ModelConfig":
        """Return the configuration that a blob holds; raise ``BadManifestError``."""
        try:
            body = read_json(raw)
            families = body.get("model_families") or []
            return cls(
                format=str(body.get("model_format") or ""),
                family=str(body.get("model_family") or ""),
                families=tuple(str(item) for item in families),
                parameter_size=str(body.get("model_type") or ""),
                quantization=str(body.get("file_type") or ""),
                requires=str(body.get("requires") or ""),
                renderer=str(body.get("renderer") or ""),
                parser=str(body.get("parser") or ""),
                extra={name: value for name, value in body.items() if name not in _KNOWN_FIELDS},
            )
        except (TypeError, AttributeError) as error:
            raise BadManifestError("invalid model configuration: it does not have the form of one") from error
        except ValueError as error:
            raise BadManifestError(f"invalid model configuration: {error}") from error

    def encode(self, layer_digests: list[str]) -> bytes:
        """Return the configuration blob of a model with these layers."""
        body: dict[str, Any] = {
            "model_format": self.format,
            "model_family": self.family,
            "model_families": list(self.families),
            "model_type": self.parameter_size,
            "file_type": self.quantization,
        }
        own = {"renderer": self.renderer, "parser": self.parser, "requires": self.requires}
        body |= {name: value for name, value in own.items() if value} | dict(self.extra)
        body |= {
            "architecture": "amd64",
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": layer_digests},
        }
        return json.dumps(body, separators=(",", ":")).encode()


def config_of(gguf: GGUFFile) -> ModelConfig:
    """Return the configuration that a model file implies."""
    return ModelConfig(
        format="gguf",
        family=gguf.architecture,
        families=(gguf.architecture,),
        parameter_size=human_count(gguf.parameter_count),
        quantization=gguf.file_type or "unknown",
    )


def human_count(number: int) -> str:
    """Return a count of parameters as Ollama writes it (``format.HumanNumber``): ``7.6B``, ``134.52M``, ``12K``."""
    for size, unit, digits in ((10**9, "B", 1), (10**6, "M", 2), (10**3, "K", 0)):
        if number >= size:
            return f"{number / size:.{0 if number % size == 0 else digits}f}{unit}"
    return str(number)


def encode_parameters(parameters: Mapping[str, Any]) -> bytes:
    """Return the blob of a model's parameters."""
    return json.dumps(parameters, separators=(",", ":"), ensure_ascii=False).encode()
