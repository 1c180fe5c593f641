"""Listing many models."""

import gc
import math
import os
import time
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from puna.models import manifests
from puna.models.config import ModelConfig
from puna.models.library import Library
from puna.models.listing import Listing
from puna.models.manifests import Layer, Manifest, ManifestStore, make_manifest
from puna.names import parse_name


@dataclass
class Clock:
    """A clock that stands still."""

    now: float

    def monotonic(self) -> float:
        return self.now


def config_layer(library: Library, size: str) -> Layer:
    """A configuration in the store."""
    data = ModelConfig(format="gguf", parameter_size=size).encode([])
    return Layer(manifests.CONFIG_TYPE, library.blobs.add(data), len(data))


def manifest_of(library: Library, size: str) -> Manifest:
    """A manifest with nothing but a configuration."""
    return make_manifest(config_layer(library, size), ())


def settle(root: Path) -> None:
    """Make everything old enough to be told from a change."""
    past = time.time() - 60
    for path in [root, *root.rglob("*")]:
        os.utime(path, (past, past))


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """A library of a thousand models, listed once."""
    library = Library(tmp_path, hide_builtin=True)
    manifest = manifest_of(library, "1B")
    for number in range(1000):
        path = library.manifests.path(parse_name(f"user{number % 20}/model{number % 100}:t{number}"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(manifest.raw)
    settle(tmp_path)
    return library


def test_a_list_of_a_thousand_models_is_made_once(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    first = library.list()
    assert len(first.models) == 1000
    monkeypatch.setattr(library, "get", None)  # reading any model would fail now
    assert library.list() is first


def test_every_change_is_seen(library: Library, tmp_path: Path) -> None:
    def listed() -> dict[str, str]:
        settle(library.manifests.directory)
        library.list()
        return {str(model.name): model.config.parameter_size for model in library.list().models}

    assert listed()["user0/model0:t0"] == "1B"
    library.manifests.write(parse_name("new"), manifest_of(library, "2B"))
    assert library.list().models[0].name == parse_name("new")
    library.manifests.delete(parse_name("user0/model0:t0"))
    assert "user0/model0:t0" not in listed()
    # Another program writes into the file itself, which changes no directory.
    library.manifests.path(parse_name("new")).write_bytes(manifest_of(library, "33B").raw)
    assert {str(model.name): model.config.parameter_size for model in library.list().models}["new:latest"] == "33B"


def test_what_has_just_changed_is_looked_at_again(library: Library) -> None:
    library.manifests.write(parse_name("new"), manifest_of(library, "2B"))
    assert library.list() is not library.list()


def test_the_list_is_known_for_a_moment_without_a_look(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("puna.models.library._REST", math.inf)  # a moment of the longest length, on any machine
    assert library.latest() is None
    first = library.list()
    assert library.latest() is first
    monkeypatch.setattr("puna.models.library.time", Clock(time.monotonic() + 1))
    assert library.latest() is None


def test_only_one_caller_at_a_time_is_asked_for_a_look(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    first, clock = library.list(), Clock(time.monotonic() + 1)
    monkeypatch.setattr("puna.models.library.time", clock)
    assert [library.latest() for _ in range(3)] == [None, first, first]
    clock.now += 1  # it has not come back
    assert library.latest() is None
    library.list()
    assert library.latest() is first
    clock.now += 0.01
    assert library.latest() is None


def test_a_change_by_the_library_itself_is_seen_at_once(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("puna.models.library._REST", math.inf)
    library.list()
    library.put(parse_name("new"), manifest_of(library, "2B"))
    assert library.latest() is None
    assert library.list().models[0].name == parse_name("new")
    assert library.latest() is not None
    library.delete(library.get("new"))
    assert library.latest() is None


def test_what_has_gone_takes_no_memory(library: Library) -> None:
    library.put(parse_name("mine"), manifest_of(library, "2B"))
    library.put(parse_name("theirs"), manifest_of(library, "2B"))
    mine, theirs = (weakref.ref(library.get(name)) for name in ("mine", "theirs"))
    library.delete(library.get("mine"))
    gc.collect()
    assert mine() is None
    library.manifests.delete(parse_name("theirs"))  # as another program would
    assert theirs() is not None
    library.list()
    gc.collect()
    assert theirs() is None


def test_a_change_during_a_look_is_not_taken_for_seen(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("puna.models.library._REST", math.inf)
    read = library._list

    def change_meanwhile(stores: Sequence[ManifestStore]) -> Listing:
        listing = read(stores)
        library.put(parse_name("late"), manifest_of(library, "2B"))
        return listing

    monkeypatch.setattr(library, "_list", change_meanwhile)
    assert "late:latest" not in {str(model.name) for model in library.list().models}
    assert library.latest() is None


def test_a_model_that_was_mended_is_listed(library: Library, tmp_path: Path) -> None:
    manifest = manifest_of(library, "4B")
    library.blobs.remove(manifest.config.digest)
    library.manifests.write(parse_name("hurt"), manifest)
    settle(library.manifests.directory)
    assert [str(name) for name, _ in library.list().broken] == ["hurt:latest"]
    config_layer(library, "4B")
    assert not library.list().broken
