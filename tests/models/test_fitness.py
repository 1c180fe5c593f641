"""What the engine would refuse of a header is refused in plain words before, and nothing that it would load."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.mutants.parts import ARRAY, STRING, Entry, Parts, Tensor, put_together, take_apart
from tests.twins.files import WIDTH, write_twin
from tests.twins.models import TWINS

from puna import builtin
from puna.engine import load_check
from puna.engine.load_check import check_load
from puna.models.fitness import check_fits, check_projector, check_tokens
from puna.models.gguf import GGUFError, GGUFFile, read_gguf
from puna.models.layouts.translation import Translation, language_model, projector
from puna.models.library import Library
from puna.models.loadable import ModelFiles, UnloadableError

Pairs = dict[str, tuple[list[Path], list[Path]]]
Lie = Callable[[Parts], None]
U32, I32, F32, BOOL, U64 = 4, 5, 6, 7, 10


def cria() -> Path:
    return Library(builtin.STORE).get(builtin.CRIA).path


@pytest.fixture(scope="module")
def parts() -> bytes:
    return cria().read_bytes()


def put(key: str, kind: int, value: Any, element: int = 0) -> Lie:
    return lambda parts: parts.put(key, kind, value, element)


def without(key: str) -> Lie:
    return lambda parts: parts.entries.remove(entry(parts, key))


def entry(parts: Parts, key: str) -> Entry:
    found = parts.entry(key)
    assert found is not None
    return found


def tensor(parts: Parts, name: str) -> Tensor:
    return next(tensor for tensor in parts.tensors if tensor.name == name.encode())


def lacking(name: str) -> Lie:
    return lambda parts: parts.tensors.remove(tensor(parts, name))


def called(name: str, other: str) -> Lie:
    def lie(parts: Parts) -> None:
        tensor(parts, name).name = other.encode()

    return lie


def more(name: str, size: int = 8) -> Lie:
    return lambda parts: parts.tensors.append(Tensor(name.encode(), [size], 0, bytes(4 * size)))


def half(name: str) -> Lie:
    """Give a tensor of F32 the type F16."""

    def lie(parts: Parts) -> None:
        changed = tensor(parts, name)
        changed.kind, changed.data = 1, changed.data[: len(changed.data) // 2]

    return lie


def unaligned(parts: Parts) -> None:
    """Let the data begin at a multiple of 8 bytes that is none of 32."""
    parts.put("general.alignment", U32, 8)
    parts.alignment = 8
    parts.put("general.name", STRING, b"")
    while len(put_together(parts)) % 32 == sum(-(-len(item.data) // 8) * 8 for item in parts.tensors) % 32:
        entry(parts, "general.name").value += b"12345678"


def shaped(name: str, *shape: int, kind: int = 0) -> Lie:
    def lie(parts: Parts) -> None:
        changed, size = tensor(parts, name), {0: 4, 24: 1, 30: 2}[kind]
        for number in shape:
            size *= number
        changed.shape, changed.kind, changed.data = list(shape), kind, bytes(size)

    return lie


def gap(parts: Parts) -> None:
    parts.tensors[1].data += bytes(64)
    at = 0
    for item in parts.tensors:
        item.offset = at
        at += -(-len(item.data) // 32) * 32


def twice(parts: Parts) -> None:
    tokens = entry(parts, "tokenizer.ggml.tokens").value
    tokens[300] = tokens[400]


def cut(key: str) -> Lie:
    def lie(parts: Parts) -> None:
        del entry(parts, key).value[-1]

    return lie


def of_type(key: str, element: int) -> Lie:
    def lie(parts: Parts) -> None:
        found = entry(parts, key)
        found.element, found.value = element, [1] * len(found.value)

    return lie


def grouped(parts: Parts) -> None:
    for key, value in (("expert_count", 4), ("expert_used_count", 2), ("expert_group_count", 2)):
        parts.put("{}." + key, U32, value)


TOKENIZER = "tokenizer.ggml."
LIES: dict[str, tuple[str, str, Lie]] = {
    "a gap": ("cria", "does not begin where the one before it ends", gap),
    "data": ("cria", "its data begin at byte \\d+, no multiple of 32", unaligned),
    "alignment": ("cria", "general.alignment is uint64, and must be uint32", put("general.alignment", U64, 32)),
    "no context": ("cria", "context_length is missing", without("{}.context_length")),
    "no width": ("cria", "embedding_length is missing", without("{}.embedding_length")),
    "key type": ("cria", "block_count is uint64, and must be uint32", put("{}.block_count", U64, 6)),
    "flag": ("cria", "causal is uint32, and must be bool", put("{}.attention.causal", U32, 1)),
    "base": ("cria", "freq_base is uint32, and must be float32", put("{}.rope.freq_base", U32, 10000)),
    "head size": ("cria", "key_length is int32, and must be uint32", put("{}.attention.key_length", I32, 64)),
    "heads": ("cria", "has 9 elements for 8 blocks", put("{}.feed_forward_length", ARRAY, [768] * 9, U32)),
    "heads of floats": ("cria", "must have whole numbers", put("{}.feed_forward_length", ARRAY, [0] * 8, U64)),
    "experts": ("cria", "expert_used_count is missing", put("{}.expert_count", U32, 4)),
    "groups": ("cria", "expert_group_used_count is 0 of 2 groups", grouped),
    "no experts": ("cria", "expert_count is missing", put("{}.expert_used_count", U32, 2)),
    "blocks": ("cria", "block_count is 513, and engines take 512", put("{}.block_count", U32, 513)),
    "scaling": (
        "cria",
        "rope.scaling.type is 'su', and must be one of none",
        put("{}.rope.scaling.type", STRING, b"su"),
    ),
    "no inner width": ("cria", "llama.feed_forward_length is missing", without("{}.feed_forward_length")),
    "no heads": ("cria", "llama.attention.head_count is missing", without("{}.attention.head_count")),
    "epsilon": ("cria", "layer_norm_rms_epsilon is missing", without("{}.attention.layer_norm_rms_epsilon")),
    "no tokenizer": ("cria", "model is missing", without(f"{TOKENIZER}model")),
    "no tokens": ("cria", "tokens is missing", without(f"{TOKENIZER}tokens")),
    "tokens as text": ("cria", "tokens is no array", put(f"{TOKENIZER}tokens", STRING, b"a")),
    "tokens as numbers": (
        "cria",
        "is an array of uint32, which no tokenizer reads",
        of_type(f"{TOKENIZER}tokens", U32),
    ),
    "no merges": ("cria", "merges is missing", without(f"{TOKENIZER}merges")),
    "merges as numbers": ("cria", "merges is an array of uint8", of_type(f"{TOKENIZER}merges", 0)),
    "types": ("cria", "token_type is an array of float32", of_type(f"{TOKENIZER}token_type", F32)),
    "few types": ("cria", r"token_type has \d+ elements for \d+ tokens", cut(f"{TOKENIZER}token_type")),
    "twice": ("cria", "two tokens of its vocabulary are the same", twice),
    "special": ("cria", "eos_token_id is uint64", put(f"{TOKENIZER}eos_token_id", U64, 1)),
    "add": ("cria", "add_bos_token is uint32", put(f"{TOKENIZER}add_bos_token", U32, 1)),
    "tokens and rows": ("cria", "token_embd.weight' is", cut(f"{TOKENIZER}tokens")),
    "missing": ("cria", "tensor 'blk.1.attn_k.weight' is missing", lacking("blk.1.attn_k.weight")),
    "no embedding": ("cria", "tensor 'output_norm.weight' is missing", lacking("output_norm.weight")),
    "block": ("cria", "not among the", called("blk.0.attn_norm.weight", "blk.77.attn_norm.weight")),
    "other": ("cria", "'extra.weight' is none of a model", more("extra.weight")),
    "other in a block": ("cria", "'blk.0.attn_q_norm.weight' is none of a model", more("blk.0.attn_q_norm.weight", 32)),
    "other bias": ("cria", "'blk.0.attn_norm.bias' is none of a model", more("blk.0.attn_norm.bias", 256)),
    "factors": ("cria", "rope_freqs.weight' is 8, and must be 32", more("rope_freqs.weight")),
    "half a norm": ("cria", "attn_norm.weight' is of the type F16, and must be F32", half("blk.0.attn_norm.weight")),
    "half an end": ("cria", "output_norm.weight' is of the type F16, and must be F32", half("output_norm.weight")),
    "norm": ("cria", "attn_norm.weight' is 8, and must be", shaped("blk.0.attn_norm.weight", 8)),
    "up": ("cria", "ffn_up.weight' is 256 × 8, and must be", shaped("blk.0.ffn_up.weight", 256, 8)),
    "integers": ("cria", "of the type I8", shaped("blk.0.attn_norm.weight", 256, kind=24)),
    "kit": ("qwen35moe", "tensor 'blk.0.ssm_dt.bias' is missing", lacking("blk.0.ssm_dt.bias")),
    "attention": ("qwen35moe", "attn_v.weight' is missing", lacking("blk.3.attn_v.weight")),
    "expert": ("qwen35moe", "and must be (any × any|64 × 32) × 4", shaped("blk.0.ffn_up_exps.weight", 64, 32, 3)),
    "shared": ("llama4", "ffn_up_shexp.weight' is missing", lacking("blk.1.ffn_up_shexp.weight")),
    "mamba": ("nemotron_h_moe", "tensor 'blk.0.ssm_a' is missing", lacking("blk.0.ssm_a")),
    "delta": (
        "qwen35moe",
        "ssm_conv1d.weight' is 4 × 64, and must be 4 × 128",
        shaped("blk.0.ssm_conv1d.weight", 4, 64),
    ),
    "joined": ("qwen35moe", "attn_gate.weight' is 64 × 32, and must", shaped("blk.1.attn_gate.weight", 64, 32)),
    "half a state": ("qwen35moe", "ssm_a' is of the type F16, and must be F32", half("blk.0.ssm_a")),
    "interval": (
        "qwen35moe",
        "tensor 'blk.1.attn_output.weight' is missing",
        put("{}.full_attention_interval", U32, 2),
    ),
    "beta": ("qwen3next", "ssm_ba.weight' is 64 × 4, and must be 64 × 8", shaped("blk.2.ssm_ba.weight", 64, 4)),
    "kernel": ("qwen3next", "ssm.conv_kernel is missing", without("{}.ssm.conv_kernel")),
    "states": ("nemotron_h_moe", "ssm_in.weight' is 64 × 64, and must be", shaped("blk.0.ssm_in.weight", 64, 64)),
    "group type": (
        "nemotron_h_moe",
        "group_count is string, and must be uint32",
        put("{}.ssm.group_count", STRING, b"2"),
    ),
    "kind": ("nemotron_h_moe", "does not belong in a block of the kind", more("blk.2.ssm_a", 4)),
    "latent": ("nemotron_h_moe", "ffn_latent_up.weight' is missing", lacking("blk.1.ffn_latent_up.weight")),
    "shared size": (
        "laguna",
        "ffn_up_shexp.weight' is 64 × 16, and must be",
        shaped("blk.1.ffn_up_shexp.weight", 64, 16),
    ),
    "gate": ("laguna", "attn_gate.weight' is 64 × 8, and must be 64 × 4", shaped("blk.1.attn_gate.weight", 64, 8)),
    "expert size": ("llama4", "and must be 64 × 32 × 16", shaped("blk.1.ffn_up_exps.weight", 64, 16, 16)),
    "step": ("llama4", "interleave_moe_layer_step is missing", without("{}.interleave_moe_layer_step")),
    "each layer": ("gemma4", "per_layer_token_embd.weight' is 8 × ", shaped("per_layer_token_embd.weight", 8, 5120)),
    "of a layer": (
        "gemma4",
        "inp_gate.weight' is 64 × 16, and must be 64 × 8",
        shaped("blk.1.inp_gate.weight", 64, 16),
    ),
    "scale": ("gemma4", "layer_output_scale.weight' is 2, and must be 1", shaped("blk.1.layer_output_scale.weight", 2)),
    "sliding": ("gemma4", "attn_q_norm.weight' is 32, and must be 16", shaped("blk.0.attn_q_norm.weight", 32)),
    "half of two": ("gemma4", "post_ffw_norm_1.weight' is of the type F16", half("blk.1.post_ffw_norm_1.weight")),
    "no sliding size": ("gemma4", "key_length_swa is missing", without("{}.attention.key_length_swa")),
    "odd": ("gemma4", "rope.dimension_count is 31, and must be even", put("{}.rope.dimension_count", U32, 31)),
    "nothing turns": (
        "laguna",
        "dimension_count is 0, and must be even and not 0",
        put("{}.rope.dimension_count", U32, 0),
    ),
    "dense": ("laguna", "ffn_gate.weight' is missing", lacking("blk.0.ffn_gate.weight")),
}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Pairs:
    """Files in the layouts of Ollama and of llama.cpp by their architecture."""
    return {name: write_twin(tmp_path_factory.mktemp(name), cria(), twin()) for name, twin in TWINS.items()}


@pytest.fixture(scope="module")
def twins(pairs: Pairs) -> dict[str, Path]:
    """Models in llama.cpp's layout by their architecture."""
    return {"cria": cria()} | {name: new[0] for name, (_, new) in pairs.items()}


def check(path: Path, lie: Lie, changed: Path) -> None:
    """Check a file with a lie in it; "{}" in a key stands for the architecture."""
    parts = take_apart(path.read_bytes())
    architecture = entry(parts, "general.architecture").value.decode()
    for item in parts.entries:
        if item.key.startswith(f"{architecture}.".encode()):
            item.key = item.key.replace(architecture.encode(), b"{}", 1)
    lie(parts)
    for item in parts.entries:
        item.key = item.key.replace(b"{}", architecture.encode(), 1)
    changed.write_bytes(put_together(parts))
    header = read_gguf(changed)
    check_fits(header)
    check_tokens(header)


@pytest.mark.parametrize("lie", LIES)
def test_what_no_engine_loads_is_told(twins: dict[str, Path], tmp_path: Path, lie: str) -> None:
    name, message, change = LIES[lie]
    with pytest.raises(GGUFError, match=message):
        check(twins[name], change, tmp_path / "lying.gguf")


@pytest.mark.parametrize("name", TWINS)
def test_what_is_right_fits(pairs: Pairs, tmp_path: Path, name: str) -> None:
    old, (model, *eyes) = pairs[name]
    check_model(read_gguf(model))
    seen = projector(read_gguf(old[0]))
    assert bool(seen) == bool(eyes)
    for path in (*eyes, *([translated(seen, tmp_path / "eyes.gguf")] if seen else [])):
        check_projector(read_gguf(path), WIDTH)
    made = language_model(read_gguf(old[0]))
    assert made is not None
    check_model(read_gguf(translated(made, tmp_path / "made.gguf")))


def test_the_built_in_model_fits() -> None:
    check_model(read_gguf(cria()))


def check_model(header: GGUFFile) -> None:
    check_fits(header)
    check_tokens(header)


def translated(translation: Translation, path: Path) -> Path:
    with path.open("wb") as file:
        translation.write(file.fileno())
    return path


def test_types_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    header, opened = read_gguf(cria()), []
    real = Path.open
    monkeypatch.setattr(Path, "open", lambda self, *args, **more: opened.append(self) or real(self, *args, **more))
    check_fits(header)
    assert opened == [header.path]


def test_the_engine_is_not_asked_what_the_header_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(*_: Any) -> str:
        raise AssertionError("the engine was asked")

    monkeypatch.setattr(load_check, "_try", asked)
    parts = take_apart(cria().read_bytes())
    gap(parts)
    (tmp_path / "m.gguf").write_bytes(put_together(parts))
    with pytest.raises(UnloadableError, match="does not begin where"):
        check_load(ModelFiles(tmp_path / "m.gguf"))


def test_architectures_that_nobody_knows_are_the_engines_to_name(tmp_path: Path) -> None:
    parts = take_apart(cria().read_bytes())
    parts.put("general.architecture", STRING, b"unheard-of")
    (tmp_path / "m.gguf").write_bytes(put_together(parts))
    with pytest.raises(UnloadableError, match="does not know the architecture"):
        check_load(ModelFiles(tmp_path / "m.gguf"))


BLIND: dict[str, tuple[str, str, Lie]] = {
    "type": ("gemma4", "block_count is an array of uint32", put("clip.vision.block_count", ARRAY, [1, 2], U32)),
    "no key": ("gemma4", "clip.vision.projection_dim is missing", without("clip.vision.projection_dim")),
    "no kind": ("gemma4", "clip.vision.projector_type is missing", without("clip.vision.projector_type")),
    "patches": ("gemma4", "patch_size is 0", put("clip.vision.patch_size", U32, 0)),
    "picture": ("gemma4", "image_size is 9000", put("clip.vision.image_size", U32, 9000)),
    "colors": ("gemma4", "image_mean must have 3 numbers", put("clip.vision.image_mean", ARRAY, [0.5], F32)),
    "colors as numbers": ("gemma4", "must have float32", put("clip.vision.image_std", ARRAY, [1, 1, 1], U32)),
    "merged": ("gemma4", "projector.scale_factor is string", put("clip.vision.projector.scale_factor", STRING, b"2")),
    "none merged": ("gemma4", "joins is 0", put("clip.vision.projector.scale_factor", U32, 0)),
    "heads": ("gemma4", "head_count is 0", put("clip.vision.attention.head_count", U32, 0)),
    "flag": ("llama4", "clip.use_gelu is uint32, and must be bool", put("clip.use_gelu", U32, 1)),
    "two kinds": ("llama4", "are both true", put("clip.use_silu", BOOL, True)),
    "nothing": ("llama4", "it sees nothing", put("clip.has_vision_encoder", BOOL, False)),
    "gap": ("llama4", "does not begin where the one before it ends", gap),
    "missing": ("llama4", "'mm.model.fc.weight' of the projector is missing", lacking("mm.model.fc.weight")),
    "missing in a block": ("llama4", "'v.blk.1.attn_q.weight' of the pro", lacking("v.blk.1.attn_q.weight")),
    "norm": ("gemma4", "ln2.weight' is 32, and must be 64", shaped("v.blk.0.ln2.weight", 32)),
    "query": ("gemma4", "attn_q.weight' is 32 × 64, and must", shaped("v.blk.0.attn_q.weight", 32, 64)),
    "up": ("llama4", "ffn_up.weight' is 32 × 64, and must", shaped("v.blk.0.ffn_up.weight", 32, 64)),
    "places": ("llama4", "v.position_embd.weight' is 32 × 17, and", shaped("v.position_embd.weight", 32, 17)),
    "integers": ("gemma4", "of the type I8", shaped("v.blk.1.attn_out.weight", 64, 64, kind=24)),
    "half": ("gemma4", "ln1.weight' is of the type F16, and must be F32", half("v.blk.0.ln1.weight")),
    "out": ("llama4", "makes vectors of 32 numbers for a model of 64", shaped("mm.model.fc.weight", 128, 32)),
}


@pytest.mark.parametrize("lie", BLIND)
def test_projectors_that_no_engine_sees_with_are_told(pairs: Pairs, tmp_path: Path, lie: str) -> None:
    name, message, change = BLIND[lie]
    parts = take_apart(pairs[name][1][1].read_bytes())
    change(parts)
    eyes = tmp_path / "eyes.gguf"
    eyes.write_bytes(put_together(parts))
    with pytest.raises(GGUFError, match=message):
        check_projector(read_gguf(eyes), WIDTH)


def test_a_table_of_characters_that_ends_too_early(tmp_path: Path) -> None:
    parts = take_apart(cria().read_bytes())
    parts.put(f"{TOKENIZER}model", STRING, b"t5")
    parts.put(f"{TOKENIZER}precompiled_charsmap", ARRAY, list(struct.pack("<I", 99)), 0)
    (tmp_path / "m.gguf").write_bytes(put_together(parts))
    with pytest.raises(GGUFError, match="precompiled_charsmap ends inside its table"):
        check_fits(read_gguf(tmp_path / "m.gguf"))
