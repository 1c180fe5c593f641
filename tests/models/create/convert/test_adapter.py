"""LoRA adapters: what is written for a base model, and what is refused."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from puna.errors import BadRequestError
from puna.models.create.convert import convert, convert_adapter
from puna.models.create.progress import CreateCancelledError
from puna.models.gguf import read_gguf

QUERY = "base_model.model.model.layers.0.self_attn.q_proj"
EMBEDDING = "base_model.model.model.embed_tokens"
SETTINGS = {"peft_type": "LORA", "r": 2, "lora_alpha": 8}
Arrays = Mapping[str, Any]


def pair(rank: int = 2, rows: int = 16, columns: int = 16) -> dict[str, Any]:
    down = np.arange(rank * columns, dtype=np.float32).reshape(rank, columns)
    up = np.repeat(np.arange(rows, dtype=np.float32)[:, None], rank, axis=1)
    return {f"{QUERY}.lora_A.weight": down, f"{QUERY}.lora_B.weight": up}


@pytest.fixture
def make_adapter(tmp_path: Path, save_safetensors: Any) -> Any:
    def make(tensors: Arrays, settings: Mapping[str, Any] = SETTINGS) -> Path:
        directory = tmp_path / "adapter"
        directory.mkdir(exist_ok=True)
        (directory / "adapter_config.json").write_text(json.dumps(settings))
        save_safetensors(directory / "adapter_model.safetensors", tensors)
        return directory

    return make


@pytest.fixture
def base(make_checkpoint: Any, tmp_path: Path) -> Path:
    path = tmp_path / "base.gguf"
    convert(make_checkpoint(), path, outtype="f16", progress=lambda _: None, cancelled=lambda: False)
    return path


def run(directory: Path, base: Path, out: Path) -> None:
    convert_adapter(directory, base, out, progress=lambda _: None, cancelled=lambda: False)


@pytest.mark.parametrize("from_directory", [True, False])
def test_an_adapter_fits_its_base(from_directory: bool, make_adapter: Any, base: Path, tmp_path: Path) -> None:
    given = base.with_name("checkpoint") if from_directory else base
    run(make_adapter(pair()), given, tmp_path / "lora.gguf")
    adapter = read_gguf(tmp_path / "lora.gguf")
    assert (adapter.kind, adapter.architecture) == ("adapter", "llama")
    assert (adapter.metadata["adapter.type"], adapter.metadata["adapter.lora.alpha"]) == ("lora", 8.0)
    down, up = adapter.tensors
    assert (down.name, down.shape) == ("blk.0.attn_q.weight.lora_a", (16, 2))
    assert (up.name, up.shape) == ("blk.0.attn_q.weight.lora_b", (2, 16))
    rows = np.frombuffer(adapter.path.read_bytes(), np.float32, 32, up.offset).reshape(16, 2)[:, 0]
    assert rows.tolist() == [0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15]  # as the base's rows


def test_the_first_factor_of_embeddings_is_turned(make_adapter: Any, base: Path, tmp_path: Path) -> None:
    down = np.arange(24, dtype=np.float32).reshape(2, 12)
    tensors = {
        f"{EMBEDDING}.lora_embedding_A": down,
        f"{EMBEDDING}.lora_embedding_B": np.zeros((16, 2), np.float32),
    }
    run(make_adapter(tensors), base, tmp_path / "lora.gguf")
    turned = read_gguf(tmp_path / "lora.gguf").tensors[0]
    assert (turned.name, turned.shape) == ("token_embd.weight.lora_a", (2, 12))
    raw = np.frombuffer((tmp_path / "lora.gguf").read_bytes(), np.float32, 24, turned.offset)
    assert raw.reshape(12, 2).tolist() == down.T.tolist()


def test_rank_stabilised_adapters(make_adapter: Any, base: Path, tmp_path: Path) -> None:
    run(make_adapter(pair(), {**SETTINGS, "use_rslora": True}), base, tmp_path / "lora.gguf")
    alpha = read_gguf(tmp_path / "lora.gguf").metadata["adapter.lora.alpha"]
    assert alpha == pytest.approx(8 * math.sqrt(2))


REFUSED: dict[str, tuple[Arrays, dict[str, Any], str]] = {
    "dora": (pair(), {"use_dora": True}, "use_dora is not supported"),
    "patterns": (pair(), {"alpha_pattern": {"q": 3}}, "alpha_pattern is not supported"),
    "both": (pair(), {"use_rslora": True, "rank_pattern": {"q": 3}}, "use_rslora with rank_pattern"),
    "type": (pair(), {"peft_type": "IA3"}, "type IA3"),
    "rank": (pair(), {"r": 0}, "r is 0"),
    "alpha": (pair(), {"lora_alpha": "many"}, "lora_alpha is 'many'"),
    "half": ({f"{QUERY}.lora_A.weight": np.zeros((2, 16), np.float32)}, {}, "lacks one half"),
    "whole": ({f"{QUERY}.weight": np.zeros((16, 16), np.float32)}, {}, "not part of a low-rank pair"),
    "nothing": ({}, {}, "has no tensors"),
    "rows": (pair(rows=20), {}, r"is \(16, 20\), the base model has \(16, 16\)"),
    "columns": (pair(columns=8), {}, "the base model has"),
    "empty": (pair(rank=0), {}, "do not fit"),
    "elsewhere": (
        {name.replace("q_proj", "x_proj"): values for name, values in pair().items()},
        {},
        "no place",
    ),
    "other layer": ({name.replace("0", "7"): values for name, values in pair().items()}, {}, "no place"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_adapters_that_cannot_be_converted(case: str, make_adapter: Any, base: Path, tmp_path: Path) -> None:
    tensors, settings, message = REFUSED[case]
    with pytest.raises(BadRequestError, match=message):
        run(make_adapter(tensors, {**SETTINGS, **settings}), base, tmp_path / "lora.gguf")
    assert not list(tmp_path.glob("lora*"))


def test_an_adapter_for_another_architecture(make_adapter: Any, base: Path, tmp_path: Path) -> None:
    base.write_bytes(base.read_bytes().replace(b"llama", b"lxama"))
    with pytest.raises(BadRequestError, match="adapters for lxama models are not supported"):
        run(make_adapter(pair()), base, tmp_path / "lora.gguf")
    base.write_bytes(b"GGUF")
    with pytest.raises(BadRequestError, match="ends inside its header"):
        run(make_adapter(pair()), base, tmp_path / "lora.gguf")


def test_cancelling_leaves_nothing_behind(make_adapter: Any, base: Path, tmp_path: Path) -> None:
    with pytest.raises(CreateCancelledError):
        convert_adapter(
            make_adapter(pair()),
            base,
            tmp_path / "lora.gguf",
            progress=lambda _: None,
            cancelled=lambda: True,
        )
    assert not list(tmp_path.glob("lora*"))
