"""What the engine would refuse of a header is refused in plain words before, and nothing that it would load."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.mutants.parts import ARRAY, STRING, Entry, Parts, Tensor, put_together, take_apart
from tests.twins.files import write_twin
from tests.twins.models import TWINS

from puna import builtin
from puna.engine import load_check
from puna.engine.load_check import check_load
from puna.models.fitness import check_fits, check_projector_keys, check_tokens
from puna.models.gguf import GGUFError, read_gguf
from puna.models.library import Library
from puna.models.loadable import ModelFiles, UnloadableError

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


def more(name: str) -> Lie:
    return lambda parts: parts.tensors.append(Tensor(name.encode(), [8], 0, bytes(32)))


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


TOKENIZER = "tokenizer.ggml."
LIES: dict[str, tuple[str, str, Lie]] = {
    "a gap": ("cria", "does not begin where the one before it ends", gap),
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
    "norm": ("cria", "attn_norm.weight' is 8, and must be", shaped("blk.0.attn_norm.weight", 8)),
    "up": ("cria", "ffn_up.weight' is 256 × 8, and must be", shaped("blk.0.ffn_up.weight", 256, 8)),
    "integers": ("cria", "of the type I8", shaped("blk.0.attn_norm.weight", 256, kind=24)),
    "kit": ("qwen35moe", "tensor 'blk.0.ssm_dt.bias' is missing", lacking("blk.0.ssm_dt.bias")),
    "attention": ("qwen35moe", "attn_v.weight' is missing", lacking("blk.3.attn_v.weight")),
    "expert": ("qwen35moe", "and must be any × any × 4", shaped("blk.0.ffn_up_exps.weight", 64, 32, 3)),
    "shared": ("llama4", "ffn_up_shexp.weight' is missing", lacking("blk.1.ffn_up_shexp.weight")),
    "mamba": ("nemotron_h_moe", "tensor 'blk.0.ssm_a' is missing", lacking("blk.0.ssm_a")),
    "dense": ("laguna", "ffn_gate.weight' is missing", lacking("blk.0.ffn_gate.weight")),
}


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files in llama.cpp's layout by their architecture."""
    found = {"cria": cria()}
    for name in {architecture for architecture, *_ in LIES.values()} & set(TWINS):
        _, (found[name], *_) = write_twin(tmp_path_factory.mktemp(name), cria(), TWINS[name]())
    return found


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


def test_what_is_right_fits(twins: dict[str, Path]) -> None:
    for path in twins.values():
        check_fits(read_gguf(path))
        check_tokens(read_gguf(path))


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


def test_keys_of_projectors(tmp_path: Path) -> None:
    _, (_, eyes) = write_twin(tmp_path, cria(), TWINS["gemma4"]())
    check_projector_keys(read_gguf(eyes))
    parts = take_apart(eyes.read_bytes())
    parts.put("clip.vision.block_count", ARRAY, [1, 2], U32)
    eyes.write_bytes(put_together(parts))
    with pytest.raises(GGUFError, match=r"clip\.vision\.block_count is an array of uint32, and must be uint32"):
        check_projector_keys(read_gguf(eyes))


def test_a_table_of_characters_that_ends_too_early(tmp_path: Path) -> None:
    parts = take_apart(cria().read_bytes())
    parts.put(f"{TOKENIZER}model", STRING, b"t5")
    parts.put(f"{TOKENIZER}precompiled_charsmap", ARRAY, list(struct.pack("<I", 99)), 0)
    (tmp_path / "m.gguf").write_bytes(put_together(parts))
    with pytest.raises(GGUFError, match="precompiled_charsmap ends inside its table"):
        check_fits(read_gguf(tmp_path / "m.gguf"))
