"""Reading GGUF headers: real files give their facts, hostile ones a GGUFError."""

import os
import random
import struct
import time
import tracemalloc
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import gguf as gguf_package
import numpy as np
import pytest

from puna.models.gguf import GGUFArray, GGUFError, ValueType, kept_gguf, kv_cache_bytes_per_token, read_gguf
from puna.models.gguf_types import TENSOR_TYPES

U32, F32, BOOL, STRING, ARRAY, U64 = 4, 6, 7, 8, 9, 10
LLAMA: tuple[tuple[str, int, Any], ...] = (
    ("general.architecture", STRING, "llama"),
    ("llama.block_count", U32, 2),
    ("llama.embedding_length", U32, 64),
    ("llama.attention.head_count", U32, 4),
    ("llama.attention.head_count_kv", U32, 2),
)
TENSOR = ("token_embd.weight", (64, 8), 0, 0)


def text(value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(raw)) + raw


def entry(key: str, kind: int, value: Any) -> bytes:
    codes = {0: "B", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
    body = text(value) if kind == STRING else value if kind == ARRAY else struct.pack("<" + codes[kind], value)
    return text(key) + struct.pack("<I", kind) + body


def build(
    entries: Iterable[tuple[str, int, Any]] = LLAMA,
    tensors: Iterable[tuple[str, tuple[int, ...], int, int]] = (TENSOR,),
    *,
    data: int = 64 * 8 * 4,
    version: int = 3,
) -> bytes:
    entries, tensors = list(entries), list(tensors)
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(entries))
    head += b"".join(entry(*item) for item in entries)
    for name, shape, kind, offset in tensors:
        head += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)
    return head + b"\0" * (-len(head) % 32) + b"\0" * data


def with_field(key: str, kind: int, value: Any) -> tuple[tuple[str, int, Any], ...]:
    return (*(item for item in LLAMA if item[0] != key), (key, kind, value))


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def save(data: bytes) -> Path:
        path = tmp_path / "model.gguf"
        path.write_bytes(data)
        return path

    return save


def test_facts_of_a_file_from_the_gguf_package(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    writer = gguf_package.GGUFWriter(path, "llama")
    writer.add_block_count(2)
    writer.add_context_length(512)
    writer.add_embedding_length(64)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_file_type(gguf_package.LlamaFileType.MOSTLY_Q4_K_M)
    writer.add_chat_template("{{ messages }}")
    tokens = [f"token {number} é" for number in range(3000)]
    writer.add_token_list(tokens)
    writer.add_token_scores([0.5] * 3000)
    weights = np.arange(64 * 3000, dtype=np.float32).reshape(3000, 64)
    writer.add_tensor("token_embd.weight", weights)
    writer.add_tensor("blk.0.attn_q.weight", np.ones((64, 64), np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()

    model = read_gguf(path)
    assert (model.architecture, model.kind, model.file_type) == ("llama", "model", "Q4_K_M")
    assert (model.context_length, model.embedding_length, model.block_count) == (512, 64, 2)
    assert (model.head_counts, model.head_counts_kv) == ((4, 4), (2, 2))
    assert model.chat_template == "{{ messages }}"
    assert model.parameter_count == 64 * 3000 + 64 * 64
    assert model.file_size == path.stat().st_size
    stored = model.metadata["tokenizer.ggml.tokens"]
    assert isinstance(stored, GGUFArray)
    assert (stored.element_type, len(stored), stored.load()) == (ValueType.STRING, 3000, tokens)
    scores = model.metadata["tokenizer.ggml.scores"]
    assert isinstance(scores, GGUFArray) and scores.load() == [0.5] * 3000
    first = model.tensors[0]
    assert (first.name, first.shape, first.type.name) == ("token_embd.weight", (64, 3000), "F32")
    assert path.read_bytes()[first.offset : first.offset + first.nbytes] == weights.tobytes()
    start, end = model.spans["general.architecture"]
    assert path.read_bytes()[start:end] == entry("general.architecture", STRING, "llama")


@pytest.mark.parametrize("version", [2, 3])
def test_both_versions_are_read(write: Any, version: int) -> None:
    assert read_gguf(write(build(version=version))).version == version


def test_a_header_is_kept_until_its_file_changes(write: Any) -> None:
    path = write(build(version=2))
    first = kept_gguf(path)
    assert kept_gguf(path) is first
    other = path.with_name("other")
    other.write_bytes(build(version=3))
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    other.replace(path)  # as large and as old as the one before
    assert kept_gguf(path).version == 3
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(GGUFError):
        kept_gguf(path)


def test_a_large_header_is_not_kept(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("puna.models.gguf._LARGEST_KEPT", 100)
    path = write(build())
    assert kept_gguf(path) is not kept_gguf(path)


def test_short_arrays_are_values(write: Any) -> None:
    flags = struct.pack("<IQ3?", BOOL, 3, True, False, True)
    words = struct.pack("<IQ", STRING, 2) + text("a") + text(b"\xff")
    model = read_gguf(write(build([*LLAMA, ("x.flags", ARRAY, flags), ("x.words", ARRAY, words)])))
    assert model.metadata["x.flags"] == (True, False, True)
    assert model.metadata["x.words"] == ("a", "�")


def test_file_type_is_guessed_from_the_tensors(write: Any) -> None:
    assert read_gguf(write(build())).file_type == "F32"


def test_block_sizes_are_those_of_the_gguf_package() -> None:
    for kind, (block_size, type_size) in gguf_package.GGML_QUANT_SIZES.items():
        if kind.name != "Q8_1":  # the package counts its scale twice as wide as ggml does
            assert (TENSOR_TYPES[kind].block_size, TENSOR_TYPES[kind].type_size) == (block_size, type_size)


def test_cache_size_counts_grouped_heads(write: Any) -> None:
    model = read_gguf(write(build()))
    assert kv_cache_bytes_per_token(model) == 2 * 2 * (16 + 16) * 2
    assert kv_cache_bytes_per_token(model, "q8_0") == 2 * 2 * (16 + 16) * 34 // 32
    longer = (("llama.attention.key_length", U32, 32), ("llama.attention.value_length", U32, 8))
    assert kv_cache_bytes_per_token(read_gguf(write(build([*LLAMA, *longer])))) == 2 * 2 * (32 + 8) * 2
    encoder = read_gguf(write(build([*LLAMA, ("llama.attention.causal", BOOL, False)])))
    assert kv_cache_bytes_per_token(encoder) == 0
    with pytest.raises(GGUFError, match="unknown cache type 'f99'"):
        kv_cache_bytes_per_token(model, "f99")


def test_a_large_vocabulary_is_skipped(write: Any) -> None:
    tokens = b"".join(text(f"tok{number}") for number in range(16_000))
    merges = b"".join(text(f"to k{number}") for number in range(32_000))
    path = write(
        build(
            [
                *LLAMA,
                ("tokenizer.ggml.tokens", ARRAY, struct.pack("<IQ", STRING, 16_000) + tokens),
                ("tokenizer.ggml.merges", ARRAY, struct.pack("<IQ", STRING, 32_000) + merges),
            ]
        )
    )
    tracemalloc.start()
    model = read_gguf(path)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 3 * path.stat().st_size, "no text of its 48,000 was made"
    assert len(model.metadata["tokenizer.ggml.merges"]) == 32_000  # type: ignore[arg-type]


BIG = 2**63 + 5
HOSTILE: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "ends inside its header"),
    "other format": (b"ggjt" + bytes(64), "not a GGUF file"),
    "version 1": (build(version=1), "version 1 is not supported"),
    "big endian": (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "big-endian"),
    "key count": (b"GGUF" + struct.pack("<IQQ", 3, 0, BIG) + bytes(99), "metadata keys"),
    "tensor count": (b"GGUF" + struct.pack("<IQQ", 3, BIG, 0) + bytes(99), "tensors"),
    "string length": (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, BIG) + bytes(99), "a metadata key is"),
    "value length": (
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("k") + struct.pack("<IQ", STRING, BIG),
        "the value of 'k' is",
    ),
    "string in array": (
        build([*LLAMA, ("x", ARRAY, struct.pack("<IQQ", STRING, 1, BIG))]),
        "ends inside its header",
    ),
    "array length": (build([*LLAMA, ("x", ARRAY, struct.pack("<IQ", U64, BIG))]), "ends inside its header"),
    "array strings": (build([*LLAMA, ("x", ARRAY, struct.pack("<IQ", STRING, BIG))]), "claims"),
    "nested arrays": (build([*LLAMA, ("x", ARRAY, struct.pack("<IQ", ARRAY, 1))]), "arrays inside an array"),
    "element type": (
        build([*LLAMA, ("x", ARRAY, struct.pack("<IQ", 99, 1))]),
        "elements of the unknown type",
    ),
    "value type": (build([*LLAMA, ("x", ARRAY, b"")]).replace(b"x\t", b"x\x63"), "unknown type 99"),
    "same key twice": (build([*LLAMA, LLAMA[0]]), "appears twice"),
    "empty key": (build([*LLAMA, ("", U32, 1)]), "key is empty"),
    "alignment zero": (build([*LLAMA, ("general.alignment", U32, 0)]), "alignment is 0"),
    "alignment 48": (build([*LLAMA, ("general.alignment", U32, 48)]), "alignment is 48"),
    "alignment text": (build([*LLAMA, ("general.alignment", STRING, "32")]), "not a whole number"),
    "long tensor name": (build(tensors=[("x" * 64, (64, 8), 0, 0)]), "a tensor name is 64"),
    "same tensor twice": (build(tensors=[TENSOR, (*TENSOR[:3], 2048)], data=4096), "appears twice"),
    "dimension zero": (build(tensors=[("x", (0, 8), 0, 0)]), "dimension of 0"),
    "dimensions": (build(tensors=[("x", (1,) * 5, 0, 0)]), "5 dimensions"),
    "overflow": (build(tensors=[("x", (2**33, 2**33), 0, 0)]), "ends at byte"),
    "wrapping overflow": (build(tensors=[("x", (2**32, 2**32), 0, 0)]), "ends at byte"),
    "tensor type": (build(tensors=[("x", (32,), 5, 0)]), "unknown type 5"),
    "half a block": (build(tensors=[("x", (48, 8), 8, 0)]), "do not fill the blocks of Q8_0"),
    "unaligned": (build(tensors=[("x", (32,), 0, 7)]), "not aligned"),
    "overlap": (build(tensors=[("x", (64,), 0, 0), ("y", (64,), 0, 128)]), "'y' overlaps 'x'"),
    "outside": (build(tensors=[("x", (64,), 0, 4096)]), "ends at byte"),
    "truncated data": (build()[:-1], "ends at byte"),
    "no architecture": (build(LLAMA[1:]), "general.architecture is missing"),
    "architecture of control characters": (build([("general.architecture", STRING, "\x1b[2J")]), "not a name"),
    "numeric architecture": (build([("general.architecture", U32, 1)]), "not a name"),
    "no heads": (build(with_field("llama.attention.head_count", U32, 0)), "head_count is 0"),
    "no kv heads": (build(with_field("llama.attention.head_count_kv", U32, 0)), "head_count_kv is 0"),
    "uneven heads": (build(with_field("llama.attention.head_count_kv", U32, 3)), "not a multiple"),
    "no blocks": (build(with_field("llama.block_count", U32, 0)), "block_count is 0"),
    "blocks of text": (build(with_field("llama.block_count", STRING, "2")), "not a whole number"),
    "huge block count": (build(with_field("llama.block_count", U32, 2**31)), "block_count is"),
    "no width": (build(with_field("llama.embedding_length", U32, 0)), "embedding_length is 0"),
    "other width": (build(with_field("llama.embedding_length", U32, 32)), "rows of 64"),
    "no context": (build([*LLAMA, ("llama.context_length", U32, 0)]), "context_length is 0"),
    "no state": (build([*LLAMA, ("llama.ssm.state_size", U32, 0)]), "ssm.state_size is 0"),
    "no expert used": (
        build([*LLAMA, ("llama.expert_count", U32, 8), ("llama.expert_used_count", U32, 0)]),
        "expert_used_count is 0",
    ),
    "rope of nan": (build([*LLAMA, ("llama.rope.freq_base", F32, float("nan"))]), "freq_base is nan"),
    "rope of less than nothing": (build([*LLAMA, ("llama.rope.freq_base_swa", F32, -1.0)]), r"freq_base_swa is -1\.0"),
    "heads of few blocks": (
        build(with_field("llama.attention.head_count", ARRAY, struct.pack("<IQI", U32, 1, 4))),
        "1 elements for 2 blocks",
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_files_are_refused(write: Any, case: str) -> None:
    data, message = HOSTILE[case]
    with pytest.raises(GGUFError, match=message) as caught:
        read_gguf(write(data))
    assert caught.value.status == 400
    assert str(caught.value).startswith("model.gguf: ")


def test_each_block_may_use_a_number_of_experts_of_its_own(write: Any) -> None:
    def experts(*used: int) -> bytes:
        each = struct.pack(f"<IQ{len(used)}I", U32, len(used), *used)
        return build([*LLAMA, ("llama.expert_count", U32, 8), ("llama.expert_used_count", ARRAY, each)])

    assert read_gguf(write(experts(0, 8))).metadata["llama.expert_used_count"] == (0, 8)
    with pytest.raises(GGUFError, match="expert_used_count is 9 of 8 experts"):
        read_gguf(write(experts(9, 1)))


def test_models_without_attention_may_have_no_heads(write: Any) -> None:
    entries = [*with_field("llama.attention.head_count", U32, 0), ("llama.ssm.state_size", U32, 16)]
    assert kv_cache_bytes_per_token(read_gguf(write(build(entries)))) == 0


def test_every_truncation_of_a_file_is_refused(write: Any) -> None:
    data = build()
    for length in range(len(data)):
        with pytest.raises(GGUFError):
            read_gguf(write(data[:length]))


def test_a_huge_header_takes_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "huge.gguf"
    with path.open("wb") as file:
        file.write(b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("k") + struct.pack("<IIQ", ARRAY, 0, 2**35))
        file.truncate(2**36)
    tracemalloc.start()
    start = time.process_time()
    with pytest.raises(GGUFError, match="header is larger than"):
        read_gguf(path)
    assert time.process_time() - start < 10  # a hang, not a slow machine
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()


def test_a_directory_is_not_a_model(tmp_path: Path) -> None:
    with pytest.raises(GGUFError, match="not a regular file"):
        read_gguf(tmp_path)


def test_an_array_notices_that_its_file_shrank(write: Any) -> None:
    path = write(build([*LLAMA, ("x", ARRAY, struct.pack("<IQ", 0, 2000) + bytes(2000))]))
    array = read_gguf(path).metadata["x"]
    path.write_bytes(b"")
    assert isinstance(array, GGUFArray)
    with pytest.raises(GGUFError, match="ends inside an array"):
        array.load()


def mutate(data: bytes, rng: random.Random) -> bytes:
    """Change some bytes, mostly in the header, sometimes to the numbers that break parsers."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(changed) - 8 if rng.random() < 0.1 else min(420, len(changed) - 8))
        what = rng.randrange(4)
        if what == 0:
            changed[at] = rng.randrange(256)
        elif what == 1:
            changed[at : at + 8] = struct.pack("<Q", rng.choice([0, 1, 2**31, 2**32, 2**63, 2**64 - 1, 2**40]))
        elif what == 2:
            changed[at : at + 4] = struct.pack("<I", rng.choice([0, 1, 8, 9, 2**31, 2**32 - 1]))
        else:
            del changed[at : at + rng.randint(1, 16)]
    return bytes(changed)


def fuzz(write: Any, rounds: int, seed: int) -> int:
    """Read ``rounds`` mutations; returns how many were refused. Anything but GGUFError is a failure."""
    rng = random.Random(seed)
    words = struct.pack("<IQ", STRING, 1500) + b"".join(text(f"t{number}") for number in range(1500))
    seeds = [build(), build([*LLAMA, ("tokenizer.ggml.tokens", ARRAY, words)])]
    refused = 0
    for _ in range(rounds):
        path = write(mutate(rng.choice(seeds), rng))
        start = time.process_time()
        try:
            model = read_gguf(path)
            kv_cache_bytes_per_token(model)
            for value in model.metadata.values():
                if isinstance(value, GGUFArray):
                    value.load()
        except GGUFError:
            refused += 1
        assert time.process_time() - start < 10  # a hang, not a slow machine
    return refused


def test_mutated_files_give_an_answer_or_a_gguf_error(write: Any) -> None:
    refused = fuzz(write, 3000, seed=7)
    assert 1000 < refused < 3000
