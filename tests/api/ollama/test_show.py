"""What is said of models, where no server is needed to see it."""

import struct
from pathlib import Path

import pytest
from tests.models.registry.conftest import add_model
from tests.models.registry.weights import weights

from puna.api import facts
from puna.api.facts import FactsCache
from puna.api.ollama.show import list_body, shown
from puna.models.config import human_count
from puna.models.library import Library
from puna.models.model import Model
from puna.names import parse_name


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (999, "999"), (1000, "1K"), (1500, "2K"), (134_515_008, "134.52M"), (137_000_000, "137M"),
        (8_130_000, "8.13M"), (999_999_999, "1000.00M"), (7_615_616_512, "7.6B"), (8_000_000_000, "8B"),
        (1_026_000_000_000, "1026B"),
    ],
)  # fmt: skip
def test_counts_are_written_as_ollama_writes_them(count: int, text: str) -> None:
    assert human_count(count) == text


def test_numbers_of_32_bits_are_shown_with_the_digits_that_they_need(tmp_path: Path) -> None:
    numbers = [1e-05, 1e-06, 0.1, 10000.0, 1000000.0, 0.70710677, 3.4028235e38, -0.25]
    keys = [
        struct.pack("<Q", 3) + f"x.{n}".encode() + struct.pack("<If", 6, number) for n, number in enumerate(numbers)
    ]
    keys.append(struct.pack("<Q", 3) + b"x.d" + struct.pack("<Id", 12, 1 / 3))
    head = weights(b"")
    data = head[:16] + struct.pack("<Q", 1 + len(keys)) + head[24:] + b"".join(keys) + b"\0" * 64
    library = Library(tmp_path, hide_builtin=True)
    add_model(library, "numbers", data)
    info = shown(library.get("numbers"), verbose=False)["model_info"]
    assert [info[f"x.{n}"] for n in range(len(numbers))] == numbers
    assert info["x.d"] == 1 / 3


def test_facts_are_read_once_and_headers_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = Library(tmp_path)
    for name in ("one", "two", "three"):
        library.copy(parse_name("cria"), parse_name(name))
    add_model(library, "other", weights(b"x" * 1000))
    read: list[Model] = []
    facts_of = facts.facts_of
    monkeypatch.setattr(facts, "facts_of", lambda model: (read.append(model), facts_of(model))[1])
    cache = FactsCache()
    models = library.list().models
    found = cache.of(models)
    assert found[library.get("one").digest].context_length == 8192
    assert len(read) == len(found) == 2, "models of one digest are one"
    assert [model for model in models if "ggufs" in vars(model)] == []
    assert cache.of(models) == found
    assert len(read) == 2
    assert cache.of([]) == {}


def test_a_model_whose_file_cannot_be_read_is_listed_without_what_it_would_tell(tmp_path: Path) -> None:
    library = Library(tmp_path, hide_builtin=True)
    manifest = add_model(library, "hurt", b"no model")
    assert b'"capabilities"' not in list_body(library.list())
    data = weights(b"no model")
    path = library.blobs.path(manifest.layers[0].digest)
    path.write_bytes(data)
    cache = FactsCache()
    assert cache.of(library.list().models)[library.get("hurt").digest].capabilities == ("completion",), "it was mended"


def test_metadata_of_a_projector_is_shown(tmp_path: Path) -> None:
    library = Library(tmp_path, hide_builtin=True)
    add_model(library, "seeing", weights(b"x"))
    model = library.get("seeing")
    assert "projector_info" not in shown(model, verbose=False)
    vars(model)["projector_gguf"] = model.gguf
    assert shown(model, verbose=False)["projector_info"]["general.architecture"] == "tests"
