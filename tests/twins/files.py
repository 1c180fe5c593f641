"""Pairs of files with the same random numbers: as Ollama's registry has an architecture, and as llama.cpp wants it."""

import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from tests.models.layouts.files import write
from tests.server import Server

WIDTH, HEADS, GROUPS, INNER = 64, 4, 2, 128
EYE, EYE_HEADS, EYE_BLOCKS, EYE_INNER = 64, 4, 2, 128
Shapes = dict[str, tuple[int, ...]]
Keys = dict[str, Any]


@dataclass(kw_only=True)
class Twin:
    """What two files have in common, and what differs; names of tensors are llama.cpp's, without ".weight".

    A size of 0 is that of the vocabulary. ``old`` and ``new`` are keys of one of the two alone; ``eyes`` are those of
    the projector, "vision." or "clip." before them. Where the names differ, ``renamed`` has the old ones, as parts of
    names (that end before a dot or with the name).
    """

    architecture: str
    keys: Keys
    text: Shapes
    called: str = ""
    """The old architecture, if it has another name."""
    old: Keys = field(default_factory=dict)
    new: Keys = field(default_factory=dict)
    tokenizer: Keys = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)
    seen: Shapes = field(default_factory=dict)
    eyes: Keys = field(default_factory=dict)
    hidden: Shapes = field(default_factory=dict)
    """Tensors of the old file that nothing reads."""
    ends: Shapes = field(
        default_factory=lambda: {"token_embd": (0, WIDTH), "output_norm": (WIDTH,), "output": (0, WIDTH)}
    )
    """Tensors that belong to no block."""
    spoken: Keys = field(default_factory=dict)
    """A vocabulary, if it is not that of the built-in model."""


def base(head: int, blocks: int, **more: Any) -> Keys:
    """Return the keys that all language models have."""
    return {
        ".context_length": 512,
        ".embedding_length": WIDTH,
        ".block_count": blocks,
        ".feed_forward_length": INNER,
        ".attention.head_count": HEADS,
        ".attention.head_count_kv": GROUPS,
        ".attention.key_length": head,
        ".attention.value_length": head,
        ".attention.layer_norm_rms_epsilon": 1e-6,
    } | {f".{key.replace('__', '.')}": value for key, value in more.items()}


def attention(head: int, *, normed: bool = False, twice: bool = False) -> Shapes:
    """Return the tensors of attention; ``twice``: the queries come with their gates."""
    norms: Shapes = {"attn_q_norm": (head,), "attn_k_norm": (head,)} if normed else {}
    return norms | {
        "attn_q": (HEADS * head * (2 if twice else 1), WIDTH),
        "attn_k": (GROUPS * head, WIDTH),
        "attn_v": (GROUPS * head, WIDTH),
        "attn_output": (WIDTH, HEADS * head),
    }


def dense(inner: int = INNER) -> Shapes:
    """Return the tensors of a feed-forward part."""
    return {"ffn_gate": (inner, WIDTH), "ffn_up": (inner, WIDTH), "ffn_down": (WIDTH, inner)}


def experts(count: int, inner: int = 32, *, shared: bool = True) -> Shapes:
    """Return the tensors of experts, and of one that all tokens have."""
    found: Shapes = {"ffn_gate_inp": (count, WIDTH)}
    found |= {"ffn_gate_exps": (count, inner, WIDTH), "ffn_up_exps": (count, inner, WIDTH)}
    found |= {"ffn_down_exps": (count, WIDTH, inner)}
    if shared:
        found |= {"ffn_gate_shexp": (inner, WIDTH), "ffn_up_shexp": (inner, WIDTH), "ffn_down_shexp": (WIDTH, inner)}
    return found


def norms(*names: str, width: int = WIDTH) -> Shapes:
    """Return vectors."""
    return dict.fromkeys(names, (width,))


def in_block(block: int, shapes: Shapes, prefix: str = "") -> Shapes:
    """Return the tensors under the names that they have in a block."""
    return {f"{prefix}blk.{block}.{name}": shape for name, shape in shapes.items()}


def vision(**more: Any) -> Keys:
    """Return the keys of a tower."""
    return {
        "block_count": EYE_BLOCKS,
        "embedding_length": EYE,
        "feed_forward_length": EYE_INNER,
        "attention.head_count": EYE_HEADS,
        "attention.layer_norm_epsilon": 1e-6,
    } | {key.replace("__", "."): value for key, value in more.items()}


_SINGLE = (
    "ffn_gate_inp",
    "ssm_conv1d",
    "ssm_a",
    "ssm_d",
    "ssm_norm",
    "position_embd",
    "positional_embedding",
    "token_types",
)
"""What llama.cpp wants as F32, whatever its shape."""
_WITHOUT_SUFFIX = ("ssm_a", "ssm_d", "v.class_embd", "v.position_embd")


def _numbers(name: str, shape: tuple[int, ...]) -> Any:
    made = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    if name.endswith("ssm_a"):
        return -np.abs(made).astype(np.float32)
    if "rope_freqs" in name:
        return np.linspace(1, 2, shape[0]).astype(np.float32)
    if len(shape) > 1 and "norm" not in name:
        made = made * 1.5 / shape[-1] ** 0.5
        return made.astype(np.float32 if any(part in name for part in _SINGLE) else np.float16)
    # Large norms behind each part, or the last token would be said again and again.
    around = 6.0 if "post_" in name and "v." not in name else 1.0 if "norm" in name or "scale" in name else 0.0
    return (around + made * 0.1).astype(np.float32)


def _tensors(shapes: Shapes) -> dict[str, Any]:
    def full(name: str) -> str:
        whole = name.endswith((".bias", ".weight", ".scale", *_WITHOUT_SUFFIX[:2])) or name in _WITHOUT_SUFFIX
        return name if whole else f"{name}.weight"

    return {full(name): _numbers(full(name), shape) for name, shape in shapes.items()}


def _with_old_names(tensors: Mapping[str, Any], renamed: Mapping[str, str]) -> dict[str, Any]:
    found = {}
    for name, data in tensors.items():
        old = f"{name}."
        for now, before in renamed.items():
            old = old.replace(f"{now}.", f"{before}.", 1)
        found[old[:-1]] = data
    return found


def _vocabulary(path: Path) -> Keys:
    fields = gguf.GGUFReader(path).fields
    return {key: field.contents() for key, field in fields.items() if key.startswith("tokenizer.ggml.")}


def write_twin(folder: Path, vocabulary: Path, twin: Twin) -> tuple[list[Path], list[Path]]:
    """Write both; return the files of each: one of Ollama's, and llama.cpp's with or without a projector."""
    spoken = twin.spoken or _vocabulary(vocabulary)
    rows = len(spoken["tokenizer.ggml.tokens"])
    sized = {name: tuple(size or rows for size in shape) for name, shape in (twin.ends | twin.text).items()}
    text, seen = _tensors(sized), _tensors(twin.seen)
    old_eyes = {f".{key}": value for key, value in twin.eyes.items() if not key.startswith("clip.")}
    old = write(
        folder / "old.gguf",
        twin.called or twin.architecture,
        twin.keys | old_eyes | spoken | twin.old,
        _with_old_names(text | seen, twin.renamed) | _tensors(twin.hidden),
    )
    new = write(folder / "new.gguf", twin.architecture, twin.keys | spoken | twin.tokenizer | twin.new, text)
    if not seen:
        return [old], [new]
    keys = {key if key.startswith("clip.") else f"clip.{key}": value for key, value in twin.eyes.items()}
    keys |= {"general.type": "mmproj", "clip.has_vision_encoder": True, "clip.vision.projection_dim": WIDTH}
    single = {
        name: data.astype(np.float32) if "patch_embd" in name or "class_embd" in name else data
        for name, data in seen.items()
    }
    return [old], [new, write(folder / "eyes.gguf", "clip", keys, single)]


def create(server: Server, name: str, *paths: Path) -> str:
    """Make a model of files on a server, whose template is the prompt itself; return its name."""
    files = {}
    for path in paths:
        data = path.read_bytes()
        files[path.name] = digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        assert server.post(f"/api/blobs/{digest}", data).status_code in {200, 201}
    server.ask("/api/create", {"model": name, "files": files, "template": "{{ .Prompt }}", "stream": False})
    return name
