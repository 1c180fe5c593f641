"""What was measured is used for the same weights, engine and processor alone, and only if it is what was stored."""

import dataclasses
import json
import logging
import os
from pathlib import Path
from typing import Any

import pytest

from puna.models.create.build import create
from puna.models.create.recipe import Recipe
from puna.models.library import Library
from puna.models.model import Model
from puna.names import parse_name
from puna.scheduler import tuning_store
from puna.scheduler.tuned import UNTUNED, BadTuningError, Tuned
from puna.scheduler.tuning_store import Measured, TuningKey, TuningStore

ENGINE = "an engine"
TUNED = Tuned(threads=1, threads_batch=1, micro_batch=256, kv_type="q8_0")


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(tmp_path / "models")


@pytest.fixture
def cria(library: Library) -> Model:
    return library.get("cria")


@pytest.fixture
def store(tmp_path: Path) -> TuningStore:
    return TuningStore(tmp_path / "home" / "tuning")


def measured(model: Model, tuned: Tuned = TUNED, engine: str = ENGINE) -> Measured:
    return Measured(TuningKey.of(model, engine), str(model.name), tuned, {"reading": 1.5}, "2026-01-02T03:04:05+00:00")


def only_file(tmp_path: Path) -> Path:
    (path,) = (tmp_path / "home" / "tuning").iterdir()
    return path


def test_what_is_stored_is_found_again(store: TuningStore, cria: Model) -> None:
    assert store.get(cria, ENGINE) == UNTUNED
    store.put(measured(cria))
    assert store.get(cria, ENGINE) == TUNED
    assert store.list() == [measured(cria)]


def test_a_new_result_takes_the_place_of_the_old_one(store: TuningStore, cria: Model) -> None:
    store.put(measured(cria))
    assert store.get(cria, ENGINE) == TUNED
    store.put(measured(cria, Tuned(threads=1)))
    assert store.get(cria, ENGINE) == Tuned(threads=1)


def test_only_the_user_can_read_it(store: TuningStore, cria: Model, tmp_path: Path) -> None:
    store.put(measured(cria))
    assert only_file(tmp_path).stat().st_mode & 0o777 == 0o600
    assert only_file(tmp_path).parent.stat().st_mode & 0o777 == 0o700


def test_another_engine_does_not_use_it(store: TuningStore, cria: Model) -> None:
    store.put(measured(cria))
    assert store.get(cria, "another engine") == UNTUNED


@pytest.mark.parametrize("change", ["processor", "cores"])
def test_another_machine_does_not_use_it(
    store: TuningStore, cria: Model, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    store.put(measured(cria))
    if change == "processor":
        monkeypatch.setattr(tuning_store, "_processor", lambda: ("another", "features"))
    else:
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(64)), raising=False)
    assert store.get(cria, ENGINE) == UNTUNED


def test_a_model_with_the_same_weights_uses_it_and_its_system_message_does_not_matter(
    store: TuningStore, library: Library, cria: Model
) -> None:
    store.put(measured(cria))
    create(library, parse_name("terse"), Recipe(base=cria.name, system="Be brief."), lambda _: None, lambda: False)
    terse = library.get("terse")
    assert terse.digest != cria.digest
    assert store.get(terse, ENGINE) == TUNED


def rewrite(path: Path, **changes: Any) -> None:
    about = json.loads(path.read_text())
    for place, value in changes.items():
        *parents, name = place.split("__")
        target = about
        for parent in parents:
            target = target[parent]
        target[name] = value
    path.write_text(json.dumps(about))


@pytest.mark.parametrize(
    "changes",
    [
        {"key__engine": "an engine that it was not measured on"},
        {"key__files": []},
        {"key": None},
        {"tuned__threads": 10**9},
        {"tuned__threads": "2"},
        {"tuned__threads": True},
        {"tuned__threads_batch": 64},
        {"tuned__micro_batch": -1},
        {"tuned__kv_type": "f8"},
        {"tuned__flash_attention": "off"},
        {"tuned__flash_attention": False},
        {"tuned__speculation": "ngram-map-k"},
        {"tuned__speculation": "draft-simple"},
        {"tuned__draft": "sha256:" + "0" * 64},
        {"tuned__draft": "/etc/passwd"},
        {"tuned__model_path": "/etc/passwd"},
        {"speeds": {"reading": "fast"}},
    ],
    ids=str,
)
def test_a_file_that_lies_is_not_used(
    store: TuningStore, cria: Model, tmp_path: Path, caplog: pytest.LogCaptureFixture, changes: dict[str, Any]
) -> None:
    store.put(measured(cria))
    path = only_file(tmp_path)
    rewrite(path, **changes)
    with caplog.at_level(logging.WARNING):
        assert store.get(cria, ENGINE) == UNTUNED
        assert store.get(cria, ENGINE) == UNTUNED
    (record,) = caplog.records  # said once, not with each request
    assert str(path) in record.getMessage()


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"null", b"[" * 100_000, b"\xff\xfe", b"{}" + b" " * 100_000])
def test_a_file_that_is_something_else_is_not_used_or_listed(
    store: TuningStore, cria: Model, tmp_path: Path, content: bytes
) -> None:
    store.put(measured(cria))
    only_file(tmp_path).write_bytes(content)
    assert store.get(cria, ENGINE) == UNTUNED
    assert store.list() == []
    assert store.remove(None) == 1


def test_what_is_removed_is_gone(store: TuningStore, cria: Model, library: Library) -> None:
    store.put(measured(cria))
    store.put(measured(cria, engine="another engine"))
    other = dataclasses.replace(TuningKey.of(cria, ENGINE), files=("sha256:other",))
    store.put(dataclasses.replace(measured(cria), key=other))
    assert store.remove(cria) == 2
    assert store.get(cria, ENGINE) == UNTUNED
    assert [entry.key for entry in store.list()] == [other]


def test_what_a_killed_writer_left_goes_with_the_next_one(store: TuningStore, cria: Model, tmp_path: Path) -> None:
    directory = tmp_path / "home" / "tuning"
    directory.mkdir(parents=True)
    (directory / "puna-writing-x").write_bytes(b"half")
    store.put(measured(cria))
    assert only_file(tmp_path).suffix == ".json"


def test_every_value_survives_storing() -> None:
    full = Tuned(
        threads=2,
        threads_batch=2,
        micro_batch=128,
        flash_attention=True,
        kv_type="q8_0",
        speculation="ngram-simple",
        draft_tokens=16,
        draft_match=8,
    )
    assert Tuned.parse(json.loads(json.dumps(dataclasses.asdict(full)))) == full
    assert (
        str(full)
        == "threads 2/2, micro batch 128, flash attention on, cache q8_0, speculation ngram-simple (16 after 8)"
    )


def test_a_value_that_is_missing_is_not_guessed() -> None:
    with pytest.raises(BadTuningError, match="other values"):
        Tuned.parse({"threads": 1})
