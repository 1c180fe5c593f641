"""Converts a PEFT LoRA adapter into a GGUF adapter for a base model."""

import math
from pathlib import Path

import gguf

from puna.models.create.convert.config import Config, read_json
from puna.models.create.convert.errors import ConvertError
from puna.models.create.convert.families.registry import FAMILIES, find_family
from puna.models.create.convert.family import Family
from puna.models.create.convert.output import Change, PlannedTensor, replacing, write_gguf
from puna.models.create.progress import CancelledCheck, Meter, ProgressCallback
from puna.models.create.safetensors import SourceTensor, read_safetensors
from puna.models.gguf import GGUFFile, read_gguf

ADAPTER_FILE = "adapter_model.safetensors"
_PREFIX = "base_model.model."
# The two halves of every pair, and what their names in PEFT end with.
_HALVES = {
    ".lora_A.weight": (".weight", "a"),
    ".lora_B.weight": (".weight", "b"),
    ".lora_embedding_A": (".weight", "a"),
    ".lora_embedding_B": (".weight", "b"),
}


def convert_adapter(
    directory: Path, base: Path, out: Path, *, progress: ProgressCallback, cancelled: CancelledCheck
) -> None:
    """Write the PEFT adapter in ``directory`` to ``out``; its matrices keep F32 or become F16.

    ``base`` is the model that it was trained on: a GGUF file, or a directory with its ``config.json``. Raises
    :class:`ConvertError` or :class:`~puna.models.create.safetensors.SafetensorsError` for what cannot be
    converted, :class:`~puna.models.gguf.GGUFError` for a base that lies, and
    :class:`~puna.models.create.progress.CreateCancelledError`.
    """
    settings = _settings(directory)
    header = None if base.is_dir() else read_gguf(base)
    family = find_family(Config.load(base), base) if header is None else _family_of(header)
    pairs = _pairs(directory, family)
    tensors: list[PlannedTensor] = []
    for name, halves in sorted(pairs.items()):
        tensors += _pair(name, halves, family, header)
    with replacing(out) as partial:
        writer = gguf.GGUFWriter(None, family.arch_name)
        writer.add_type(gguf.GGUFType.ADAPTER)
        writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
        writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, _alpha(settings))
        total = sum(tensor.source.nbytes for tensor in tensors if tensor.source is not None)
        with Meter("converting adapter", total, progress, cancelled) as meter:
            write_gguf(writer, partial, tensors, meter)


def _settings(directory: Path) -> Config:
    data = read_json(directory / "adapter_config.json")
    if data is None:
        raise ConvertError("adapter_config.json is missing")
    settings = Config(data, "adapter_config.json")
    if (settings.text("peft_type") or "LORA").upper() != "LORA":
        raise ConvertError(f"adapter_config.json: adapters of the type {settings.text('peft_type')} are not supported")
    # Each of these changes the sum that the engine computes, and there is no word for it in GGUF.
    for name in ("use_dora", "fan_in_fan_out", "alpha_pattern", "lora_bias"):
        if settings.data.get(name):
            raise ConvertError(f"adapter_config.json: {name} is not supported")
    if settings.flag("use_rslora", False) and settings.data.get("rank_pattern"):
        raise ConvertError("adapter_config.json: use_rslora with rank_pattern is not supported")
    return settings


def _alpha(settings: Config) -> float:
    """The engine divides alpha by the rank; rank-stabilised adapters divide it by the rank's square root."""
    rank = settings.whole("r", most=65_536)
    alpha = settings.number("lora_alpha", default=float(rank))
    return alpha * math.sqrt(rank) if settings.flag("use_rslora", False) else alpha


def _family_of(header: GGUFFile) -> Family:
    """The family of a GGUF base, with as much of a configuration as tensor names and orders depend on."""
    for family in FAMILIES:
        if gguf.MODEL_ARCH_NAMES[family.arch] == header.architecture:
            heads, kv_heads = header.head_counts, header.head_counts_kv
            data = {
                "num_hidden_layers": header.block_count,
                "hidden_size": header.embedding_length,
                "num_attention_heads": heads[0] if heads else None,
                "num_key_value_heads": kv_heads[0] if kv_heads else None,
                "head_dim": header.whole(f"{header.architecture}.attention.key_length"),
            }
            return family(Config(data, header.path.name), header.path.parent)
    raise ConvertError(f"{header.path.name}: adapters for {header.architecture} models are not supported")


def _pairs(directory: Path, family: Family) -> dict[str, dict[str, SourceTensor]]:
    """GGUF name to the two halves of its low-rank pair."""
    pairs: dict[str, dict[str, SourceTensor]] = {}
    for source in read_safetensors(directory / ADAPTER_FILE).values():
        ending = next((end for end in _HALVES if source.name.endswith(end)), None)
        if ending is None or not source.name.startswith(_PREFIX):
            raise ConvertError(f"{ADAPTER_FILE}: tensor {source.name!r} is not part of a low-rank pair")
        suffix, half = _HALVES[ending]
        original = source.name.removeprefix(_PREFIX).removesuffix(ending) + suffix
        name = family.gguf_name(original)
        if name is None:
            raise ConvertError(f"{ADAPTER_FILE}: {family.arch_name} models have no {original!r}")
        if half in pairs.setdefault(name, {}):
            raise ConvertError(f"{ADAPTER_FILE}: tensor {source.name!r} appears twice")
        pairs[name][half] = source
    if not pairs:
        raise ConvertError(f"{ADAPTER_FILE} has no tensors")
    return pairs


def _pair(name: str, halves: dict[str, SourceTensor], family: Family, header: GGUFFile | None) -> list[PlannedTensor]:
    down, up = halves.get("a"), halves.get("b")
    if down is None or up is None:
        raise ConvertError(f"{ADAPTER_FILE}: {name} lacks one half of its pair")
    if len(down.shape) != 2 or len(up.shape) != 2 or down.shape[0] != up.shape[1] or 0 in (*down.shape, *up.shape):
        raise ConvertError(f"{ADAPTER_FILE}: the halves for {name} do not fit: {down.shape} and {up.shape}")
    embedding = name == "token_embd.weight"
    wanted = _base_shape(name, header)
    given = (up.shape[0], down.shape[1]) if embedding else (down.shape[1], up.shape[0])
    if wanted is not None and wanted != given:
        raise ConvertError(f"{ADAPTER_FILE}: {name} is {given}, the base model has {wanted}")
    # Reordered rows of the base matrix are reordered rows of the second factor. Embeddings are looked up by
    # row, so there the first factor is turned.
    original = up.name.removeprefix(_PREFIX).removesuffix(".lora_B.weight") + ".weight"
    change = Change() if embedding else family.change(family.rename(original) or original, up)
    if change.add:
        raise ConvertError(f"{ADAPTER_FILE}: {name} cannot be adapted")
    types = ["F32" if source.dtype in ("F32", "F64") else "F16" for source in (down, up)]
    return [
        PlannedTensor(f"{name}.lora_a", types[0], down, Change(transpose=embedding)),
        PlannedTensor(f"{name}.lora_b", types[1], up, change),
    ]


def _base_shape(name: str, header: GGUFFile | None) -> tuple[int, ...] | None:
    """The shape of the base model's tensor in ggml's order, None where the base is not at hand."""
    if header is None:
        return None
    for tensor in header.tensors:
        if tensor.name == name:
            return tensor.shape
    raise ConvertError(f"{header.path.name} has no tensor {name}")
