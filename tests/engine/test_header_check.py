"""A header that lies is told before an engine reads it, however the file came into the store."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from tests.mutants.parts import Parts, Tensor, put_together, take_apart

from puna import builtin
from puna.engine import header_check
from puna.engine.config import RunnerConfig
from puna.engine.engine_files import EngineFiles
from puna.engine.errors import ModelLoadError
from puna.engine.header_check import check_headers
from puna.engine.runner import Runner
from puna.models.library import Library
from puna.models.loadable import UnloadableError


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model"
    path.write_bytes(Library(builtin.STORE).get(builtin.CRIA).path.read_bytes())
    return path


def damage(path: Path) -> None:
    """Add a tensor that no model of the architecture has."""
    parts: Parts = take_apart(path.read_bytes())
    parts.tensors.append(Tensor(b"blk.0.attn_q_norm.weight", [32], 0, bytes(128)))
    path.write_bytes(put_together(parts))


def config(path: Path, engine: str = "") -> RunnerConfig:
    return RunnerConfig(model_path=str(path), context=64, batch=64, threads=1, engine=engine)


def test_the_engine_is_not_told_to_load_what_cannot_be(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def told(*_: Any) -> None:
        raise AssertionError("the engine was told to load it")

    damage(model)
    monkeypatch.setattr(Runner, "_load", told)
    with pytest.raises(ModelLoadError, match=r"model m failed to load: tensor 'blk\.0\.attn_q_norm\.weight'") as caught:
        asyncio.run(Runner.start("m", config(model), tmp_path / "places", load_timeout=60))
    assert caught.value.status == 400
    assert not list((tmp_path / "places").glob("*"))


async def fill(path: Path, engine: str) -> None:
    files = await EngineFiles.open(config(path, engine))
    await files.fill()


def test_a_llama_server_may_have_other_tables(model: Path) -> None:
    damage(model)
    asyncio.run(fill(model, "/some/llama-server"))
    with pytest.raises(UnloadableError):
        asyncio.run(fill(model, ""))


def test_a_later_release_of_the_portable_engine_may_too(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert header_check.knows_tables()
    monkeypatch.setattr(header_check, "version", lambda _: "2026.11.1")
    header_check.knows_tables.cache_clear()
    try:
        damage(model)
        asyncio.run(fill(model, ""))
    finally:
        header_check.knows_tables.cache_clear()


def test_a_verdict_is_remembered_until_the_file_changes(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[object] = []
    real = header_check.check_fits
    monkeypatch.setattr(header_check, "check_fits", lambda *args, **more: looked.append(args) or real(*args, **more))
    for _ in range(3):
        check_headers(model, None, (model,), tables=True)
    assert len(looked) == 1
    damage(model)
    os.utime(model, ns=(1, 1))
    for _ in range(2):
        with pytest.raises(UnloadableError):
            check_headers(model, None, (model,), tables=True)
    assert len(looked) == 2


def test_what_cannot_be_read_is_the_engines_to_name(tmp_path: Path) -> None:
    check_headers(tmp_path / "gone", None, (tmp_path / "gone",), tables=True)
