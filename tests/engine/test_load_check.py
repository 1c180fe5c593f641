"""What the engine in its bounded process says of files, and the words in which that reaches the user."""

import signal
import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bench.models import make
from tests.bench.shapes import SMALL
from tests.models.create.tiny import write_bert, write_gguf, write_lora, write_projector
from tests.mutants.parts import ARRAY, STRING, Parts, put_together, take_apart

from puna import builtin
from puna.engine import load_check
from puna.engine.load_check import check_load
from puna.engine.reasons import is_fault_of_files, reason_of
from puna.models.library import Library
from puna.models.loadable import ModelFiles, UnloadableError, UnsupportedModelError
from puna.models.split import linked_parts

Lie = Callable[[Parts], None]


def cria() -> Path:
    return Library(builtin.STORE).get("cria").path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_gguf(tmp_path / "tiny.gguf")[0]


def test_what_is_right_is_let_through(model: Path, tmp_path: Path) -> None:
    check_load(ModelFiles(cria()))
    check_load(ModelFiles(model))
    check_load(ModelFiles(model, (write_lora(tmp_path / "lora.gguf"),)))
    (tmp_path / "parts").mkdir()
    parts = write_gguf(tmp_path / "parts" / "model.gguf", parts=3)
    check_load(ModelFiles(linked_parts(parts, tmp_path)))


def test_nothing_is_left_behind(model: Path, socket_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(socket_path))
    check_load(ModelFiles(model))
    assert not list(socket_path.iterdir())


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The options of every process that is run from now on."""
    noted: list[dict[str, Any]] = []
    run = subprocess.run

    def note(*arguments: Any, **options: Any) -> Any:
        noted.append(options)
        return run(*arguments, **options)

    monkeypatch.setattr(subprocess, "run", note)
    return noted


def test_the_process_is_told_no_secrets(
    model: Path, monkeypatch: pytest.MonkeyPatch, runs: list[dict[str, Any]]
) -> None:
    monkeypatch.setenv("OLLAMA_BASIC_AUTH", "me:secret")
    monkeypatch.setenv("PUNA_REGISTRY_AUTH", "secret")
    check_load(ModelFiles(model))
    (options,) = runs
    assert not {"me:secret", "secret"} & set(options["env"].values())


def _missing_tensor(parts: Parts) -> None:
    del parts.tensors[3]


def _other_shape(parts: Parts) -> None:
    parts.tensors[-4].shape = parts.tensors[-4].shape[::-1]


def _gap(parts: Parts) -> None:
    at = len(parts.tensors[0].data)
    parts.tensors[0].data += bytes(32)
    for tensor in parts.tensors[1:]:
        tensor.offset = at + 32
        at += len(tensor.data)


def _no_heads(parts: Parts) -> None:
    parts.entries = [entry for entry in parts.entries if entry.key != b"llama.attention.head_count"]


def _fewer_tokens(parts: Parts) -> None:
    entry = parts.entry("tokenizer.ggml.tokens")
    assert entry
    entry.value = entry.value[:-1]


def _fewer_scores(parts: Parts) -> None:
    entry = parts.entry("tokenizer.ggml.scores")
    assert entry
    entry.value = entry.value[:-1]


def _doubled_token(parts: Parts) -> None:
    entry = parts.entry("tokenizer.ggml.tokens")
    assert entry
    entry.value[7] = entry.value[8]


def _other_type(parts: Parts) -> None:
    parts.put("tokenizer.ggml.bos_token_id", STRING, b"1")


def _other_tokenizer(parts: Parts) -> None:
    parts.put("tokenizer.ggml.model", STRING, b"no-such")


def _alignment(parts: Parts) -> None:
    parts.put("general.alignment", 4, 8)
    parts.alignment = 8


def _numbers_for_tokens(parts: Parts) -> None:
    parts.put("tokenizer.ggml.tokens", ARRAY, list(range(48)), 4)


@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        (_missing_tensor, "is missing"),
        (_other_shape, "and must be any × 64"),
        (_gap, "does not begin where the one before it ends"),
        (_no_heads, "llama.attention.head_count is missing"),
        (_fewer_tokens, "and must be 64 × 47"),
        (_fewer_scores, "scores"),
        (_doubled_token, "two tokens of its vocabulary are the same"),
        (_other_type, "tokenizer.ggml.bos_token_id is string"),
        (_other_tokenizer, "unknown tokenizer: 'no-such'"),
        (_alignment, "alignment"),
        (_numbers_for_tokens, "tokenizer.ggml.tokens"),
    ],
)
def test_what_is_wrong_is_said_in_plain_words(model: Path, lie: Lie, reason: str) -> None:
    parts = take_apart(model.read_bytes())
    lie(parts)
    model.write_bytes(put_together(parts))
    with pytest.raises(UnloadableError, match=reason) as caught:
        check_load(ModelFiles(model))
    assert caught.value.status == 400
    assert not isinstance(caught.value, UnsupportedModelError)
    assert "error loading" not in str(caught.value) and "::" not in str(caught.value)


def test_weights_that_the_engine_dies_of_only_when_it_computes(tmp_path: Path) -> None:
    model = write_bert(tmp_path / "bert.gguf")
    check_load(ModelFiles(model))
    parts = take_apart(model.read_bytes())
    kinds = next(tensor for tensor in parts.tensors if tensor.name == b"position_embd.weight")
    kinds.kind = 26  # whole numbers of as many bytes
    model.write_bytes(put_together(parts))
    with pytest.raises(UnloadableError, match=r"the engine (crashes|asserts)"):
        check_load(ModelFiles(model))


def test_an_architecture_that_is_not_known_is_told_apart(model: Path) -> None:
    parts = take_apart(model.read_bytes())
    parts.put("general.architecture", STRING, b"of-tomorrow")
    model.write_bytes(put_together(parts))
    with pytest.raises(UnsupportedModelError, match="does not know the architecture 'of-tomorrow'"):
        check_load(ModelFiles(model))


def test_adapters_and_projectors_are_tried_as_well(model: Path, tmp_path: Path) -> None:
    lora = write_lora(tmp_path / "lora.gguf")
    parts = take_apart(lora.read_bytes())
    parts.tensors[0].name = b"blk.7.attn_q.weight.lora_a"
    lora.write_bytes(put_together(parts))
    with pytest.raises(UnloadableError, match=r"^the adapter does not fit: LoRA tensor"):
        check_load(ModelFiles(model, (lora,)))
    with pytest.raises(UnloadableError):
        check_load(ModelFiles(model, (), write_projector(tmp_path / "projector.gguf")))


def test_an_answer_is_remembered_until_the_file_changes(model: Path, runs: list[dict[str, Any]]) -> None:
    for _ in range(2):
        check_load(ModelFiles(model))
    assert len(runs) == 1
    model.write_bytes(model.read_bytes()[:-4096])
    with pytest.raises(UnloadableError):
        check_load(ModelFiles(model))


def test_another_part_is_another_question(tmp_path: Path) -> None:
    parts = write_gguf(tmp_path / "model.gguf", parts=3)
    check_load(ModelFiles(linked_parts(parts, tmp_path)))
    broken = take_apart(parts[2].read_bytes())
    broken.tensors[0].name += b"x"
    other = tmp_path / "other.gguf"
    other.write_bytes(put_together(broken))
    with pytest.raises(UnloadableError, match="not found"):
        check_load(ModelFiles(linked_parts([*parts[:2], other], tmp_path)))
    check_load(ModelFiles(linked_parts(parts, tmp_path)))


def test_nothing_is_computed_with_many_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(load_check, "_try", lambda config, descriptors, how: asked.append(how["compute"]) or "")
    parts = write_gguf(tmp_path / "model.gguf", parts=3)
    size = sum(path.stat().st_size for path in parts)
    for most in (size, size - 1):  # each is more than one part
        monkeypatch.setattr(load_check, "_LARGEST_COMPUTED", most)
        load_check._reason.cache_clear()
        check_load(ModelFiles(linked_parts(parts, tmp_path)))
    assert asked == [True, False]


def test_memory_is_bounded() -> None:
    code = "from puna.engine import load_probe; load_probe._bound(300 << 20, 9, 9); bytearray(600 << 20)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", timeout=60, check=False)
    assert "MemoryError" in done.stderr
    said = ["ggml_backend_cpu_buffer_type_alloc_buffer: failed to allocate buffer of size 99999999999"]
    assert "memory" in load_check._verdict(-signal.SIGABRT, said)


def test_time_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_check, "_PROCESSOR_SECONDS", 0)
    # The system looks at each tick of a clock, and a model of few tokens may be loaded between two of them.
    many_tokens = make(replace(SMALL, vocabulary=128_256), tmp_path / "many.gguf")
    with pytest.raises(UnloadableError, match="0 seconds"):
        check_load(ModelFiles(many_tokens))


def test_a_check_that_cannot_be_made_says_nothing(
    model: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("sys.executable", "/no/such/python")
    check_load(ModelFiles(model))
    assert "cannot check whether tiny.gguf loads" in caplog.text
    check_load(ModelFiles(model.with_name("gone")))


E_ = "0.00.017.945 E "


@pytest.mark.parametrize(
    ("lines", "code", "reason", "at_fault"),
    [
        (
            [f"{E_}llama_model_load: error loading model: error loading model vocabulary: _Map_base::at", "later"],
            3,
            "what its header says does not fit together",
            True,
        ),
        ([f"{E_}llama_model_load: error loading model: missing tensor 'x'"], 3, "missing tensor 'x'", True),
        ([f"{E_}llama_model_load: error loading model: unable to allocate CPU buffer"], 3, None, False),
        (["x.cpp:7: GGML_ASSERT(a == b) failed"], -6, "the engine asserts a == b", False),
        ([f"{E_}llama_model_load: error loading model: unknown x: '\x1b{'y' * 999}'"], 3, "unknown x: '�yy", True),
        ([], -9, "the process was ended by signal 9", False),
        ([f"{E_}x: failed:", "---", "While executing y", "Error: z", f"{E_}w: "], 1, "x: failed: z; w:", False),
        ([f"{E_}srv start: couldn't bind"], 1, "srv start: couldn't bind", False),
        (["Traceback", "ImportError: no"], 1, "ImportError: no", False),
    ],
)
def test_reasons(lines: list[str], code: int, reason: str | None, at_fault: bool) -> None:
    assert is_fault_of_files(lines) is at_fault
    if reason is not None:
        assert reason in reason_of(lines, code)
    assert len(reason_of(lines, code)) < 310


def test_parts_put_together_are_the_file() -> None:
    data = cria().read_bytes()
    assert put_together(take_apart(data)) == data
    assert struct.unpack_from("<I", data, 4) == (3,)
