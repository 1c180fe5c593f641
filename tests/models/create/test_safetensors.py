"""Reading safetensors: honest files give their tensors, hostile ones a SafetensorsError."""

import json
import random
import struct
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from puna.models.create.safetensors import Checkpoint, SafetensorsError, read_safetensors

PLAIN = {
    "__metadata__": {"format": "pt"},
    "a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
    "b": {"dtype": "BF16", "shape": [4], "data_offsets": [24, 32]},
}


def pack(header: Any, data: bytes = bytes(32)) -> bytes:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + data


def with_entry(**changes: Any) -> dict[str, Any]:
    return {**PLAIN, "a": {**PLAIN["a"], **changes}}


def test_tensors_of_an_honest_file(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    values = np.arange(6, dtype=np.float32)
    path.write_bytes(pack(PLAIN, values.tobytes() + np.arange(4, dtype=np.uint16).tobytes()))
    tensors = read_safetensors(path)
    assert set(tensors) == {"a", "b"}
    assert tensors["a"].shape == (2, 3)
    assert tensors["a"].rows(1, 2).tolist() == [[3.0, 4.0, 5.0]]
    assert tensors["b"].rows(1, 4).tolist() == [1, 2, 3]


HOSTILE: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "shorter than a header"),
    "huge header": (struct.pack("<Q", 2**63) + b"{}", "the header claims"),
    "header past the end": (struct.pack("<Q", 99) + b"{}", "the header claims 99"),
    "no JSON": (pack(b"{nope"), "not JSON"),
    "deep JSON": (pack(b"[" * 100_000), "not JSON"),
    "no object": (pack(b"[]"), "not a JSON object"),
    "entry": (pack({"a": 3}), "not described by an object"),
    "type": (pack(with_entry(dtype="F13")), "unknown type 'F13'"),
    "shape": (pack(with_entry(shape=[2, -3])), "no usable shape"),
    "true shape": (pack(with_entry(shape=[True, 6])), "no usable shape"),
    "dimensions": (pack(with_entry(shape=[1] * 9)), "no usable shape"),
    "size": (pack(with_entry(shape=[2, 4])), "does not fit its shape"),
    "overflow": (pack(with_entry(shape=[2**62, 2**62])), "does not fit its shape"),
    "offsets": (pack(with_entry(data_offsets=[24])), "no usable data_offsets"),
    "reversed": (pack(with_entry(data_offsets=[24, 0])), "does not fit its shape"),
    "overlap": (pack(with_entry(data_offsets=[8, 32])), "not at"),
    "gap": (pack(PLAIN, bytes(40)), "but the file has"),
    "truncated": (pack(PLAIN, bytes(31)), "but the file has"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_files_are_refused(case: str, tmp_path: Path) -> None:
    data, message = HOSTILE[case]
    path = tmp_path / "model.safetensors"
    path.write_bytes(data)
    with pytest.raises(SafetensorsError, match=message) as caught:
        read_safetensors(path)
    assert caught.value.status == 400
    assert str(caught.value).startswith("model.safetensors: ")


def shard(directory: Path, name: str, tensor: str) -> None:
    header = {tensor: {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}
    (directory / name).write_bytes(pack(header, bytes(8)))


def index(directory: Path, weights: Any) -> None:
    (directory / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weights}))


def test_shards_are_one_checkpoint(tmp_path: Path) -> None:
    shard(tmp_path, "model-00001-of-00002.safetensors", "a")
    shard(tmp_path, "model-00002-of-00002.safetensors", "b")
    assert [tensor.name for tensor in Checkpoint(tmp_path)] == ["a", "b"]
    index(tmp_path, {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"})
    assert len(Checkpoint(tmp_path)) == 2


def test_another_programs_copy_of_the_weights_is_left_alone(tmp_path: Path) -> None:
    shard(tmp_path, "model.safetensors", "a")
    shard(tmp_path, "consolidated.safetensors", "x")
    assert [tensor.name for tensor in Checkpoint(tmp_path)] == ["a"]


@pytest.mark.parametrize("name", ["../model.safetensors", "/etc/passwd", "a/b.safetensors", "x.bin", "..", 7])
def test_an_index_cannot_name_files_elsewhere(name: Any, tmp_path: Path) -> None:
    directory = tmp_path / "checkpoint"
    directory.mkdir()
    shard(tmp_path, "model.safetensors", "a")
    index(directory, {"a": name})
    with pytest.raises(SafetensorsError, match="names the file"):
        Checkpoint(directory)


def test_contradictory_checkpoints_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SafetensorsError, match="no safetensors files"):
        Checkpoint(tmp_path)
    shard(tmp_path, "model-1.safetensors", "a")
    index(tmp_path, {"a": "model-1.safetensors", "b": "model-1.safetensors"})
    with pytest.raises(SafetensorsError, match="tensor 'b' is in none of its files"):
        Checkpoint(tmp_path)
    index(tmp_path, {"a": "model-2.safetensors"})
    with pytest.raises(SafetensorsError, match=r"model-2\.safetensors: no such file"):
        Checkpoint(tmp_path)
    index(tmp_path, [])
    with pytest.raises(SafetensorsError, match="no weight_map"):
        Checkpoint(tmp_path)
    (tmp_path / "model.safetensors.index.json").unlink()
    shard(tmp_path, "model-2.safetensors", "a")
    with pytest.raises(SafetensorsError, match="in more than one file"):
        Checkpoint(tmp_path)


def test_a_file_that_shrinks_is_noticed(tmp_path: Path) -> None:
    shard(tmp_path, "model.safetensors", "a")
    tensor = next(iter(Checkpoint(tmp_path)))
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(SafetensorsError, match="ends inside tensor 'a'"):
        tensor.rows(0, 2)


def fuzz(path: Path, rounds: int, seed: int) -> int:
    """Read ``rounds`` mutations; returns how many were refused.

    Anything but SafetensorsError is a failure.
    """
    rng = random.Random(seed)
    whole = pack(PLAIN)
    refused = 0
    for _ in range(rounds):
        data = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(data) - 1)
            what = rng.randrange(4)
            if what == 0:
                data[at] = rng.randrange(256)
            elif what == 1:
                data[at : at + 1] = rng.choice([b"9999999999999999999", b"-1", b"[[", b"null", b"1e400", b'"'])
            elif what == 2:
                del data[at : at + rng.randint(1, 9)]
            else:
                data[:8] = struct.pack("<Q", rng.choice([0, 1, 2**31, 2**63, 2**64 - 1, len(data) - 8]))
        path.write_bytes(data)
        start = time.process_time()
        try:
            for tensor in read_safetensors(path).values():
                tensor.rows(0, tensor.shape[0] if tensor.shape else 1)
        except SafetensorsError:
            refused += 1
        assert time.process_time() - start < 10  # a hang, not a slow machine
    return refused


def test_mutated_files_give_an_answer_or_a_safetensors_error(tmp_path: Path) -> None:
    assert 1500 < fuzz(tmp_path / "model.safetensors", 2000, seed=5) < 2000
