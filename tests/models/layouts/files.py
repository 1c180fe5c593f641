"""Small GGUF files with any keys and tensors, and what stands in a file."""

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from puna.models.gguf import GGUFArray, read_gguf
from puna.models.layouts.translation import Translation

TOKENS = [f"<{index}>" for index in range(12)]
Arrays = Mapping[str, Any]


def random(name: str, *shape: int, kind: Any = np.float16) -> Any:
    """Return numbers that follow from the name; the last axis is ggml's first."""
    return np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape).astype(kind)


def arrays(**shapes: tuple[int, ...]) -> dict[str, Any]:
    """Return tensors by name; "__" stands for a dot."""
    return {(name := key.replace("__", ".")): random(name, *shape) for key, shape in shapes.items()}


def write(path: Path, architecture: str, keys: Mapping[str, Any], tensors: Arrays, *, tokens: int = 0) -> Path:
    """Write a file; keys that begin with "." are the architecture's own."""
    writer = gguf.GGUFWriter(path, architecture)
    for key, value in keys.items():
        name = architecture + key if key.startswith(".") else key
        match value:
            case bool():
                writer.add_bool(name, value)
            case int():
                writer.add_uint32(name, value)
            case float():
                writer.add_float32(name, value)
            case str():
                writer.add_string(name, value)
            case _:
                writer.add_array(name, value)
    if tokens:
        writer.add_string("tokenizer.ggml.model", "gpt2")
        writer.add_array("tokenizer.ggml.tokens", TOKENS[:tokens])
        writer.add_array("tokenizer.ggml.token_type", [1] * tokens)
    for name, data in tensors.items():
        writer.add_tensor(name, np.ascontiguousarray(data))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def written(translation: Translation, path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Write a translation and return what a reader of the file finds: its metadata, and its tensors as arrays."""
    with path.open("wb") as file:
        translation.write(file.fileno())
    return content(path)


def content(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the metadata and the tensors of a file."""
    found = read_gguf(path)
    keys = {
        key: tuple(value.load()) if isinstance(value, GGUFArray) else value for key, value in found.metadata.items()
    }
    tensors = {}
    for tensor in gguf.GGUFReader(path).tensors:
        data = np.array(tensor.data)
        kind = {"F32": np.float32, "F16": np.float16}.get(tensor.tensor_type.name)
        if kind:
            data = data.view(kind).reshape(tuple(int(size) for size in tensor.shape[::-1]))
        tensors[tensor.name] = data
    return keys, tensors
