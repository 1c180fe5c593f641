"""Manifests and the library over them."""

import json
import threading
from pathlib import Path

import pytest

from puna import builtin
from puna.errors import BadRequestError, ModelNotFoundError
from puna.models.config import ModelConfig
from puna.models.library import Library
from puna.models.manifests import (
    CONFIG_TYPE,
    MESSAGES,
    MODEL,
    PARAMS,
    SYSTEM,
    BadManifestError,
    Layer,
    Manifest,
    ManifestStore,
    make_manifest,
    parse_manifest,
)
from puna.models.storage import StorageError
from puna.models.store import BlobNotFoundError, BlobStore
from puna.names import ModelName, parse_name


def add(root: Path, name: str, **layers: bytes) -> Manifest:
    """Write a model without weights, enough for a library that only lists and deletes."""
    blobs = BlobStore(root)
    types = {"system": SYSTEM, "params": PARAMS, "messages": MESSAGES}
    made = tuple(Layer(types[kind], blobs.add(data), len(data)) for kind, data in layers.items())
    config = ModelConfig(format="gguf", family="llama").encode([layer.digest for layer in made])
    manifest = make_manifest(Layer(CONFIG_TYPE, blobs.add(config), len(config)), made)
    ManifestStore(root).write(parse_name(name), manifest)
    return manifest


def library(root: Path) -> Library:
    return Library(root, hide_builtin=True)


def test_manifest_survives_encoding() -> None:
    config = Layer(CONFIG_TYPE, "sha256:" + "a" * 64, 5)
    manifest = make_manifest(config, (Layer(SYSTEM, "sha256:" + "b" * 64, 7, "cria:latest"),))
    again = parse_manifest(manifest.raw)
    assert (again.config, again.layers, again.digest) == (manifest.config, manifest.layers, manifest.digest)
    assert again.size == 12
    assert json.loads(manifest.raw)["layers"][0]["from"] == "cria:latest"


def test_digest_is_of_the_exact_bytes() -> None:
    manifest = make_manifest(Layer(CONFIG_TYPE, "sha256:" + "a" * 64, 5), ())
    spaced = json.dumps(json.loads(manifest.raw), indent=1).encode()
    assert parse_manifest(spaced).config == manifest.config
    assert parse_manifest(spaced).digest != manifest.digest


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"{",
        b'{"config": {}}',
        b'{"config": {"digest": "sha256:x"}}',
        b'{"config": {"digest": "../../x", "size": 1}}',
        b'{"config": {"digest": "sha256:%s", "size": -1}}' % (b"a" * 64),
        b'{"config": {"digest": "sha256:%s", "size": "1"}}' % (b"a" * 64),
        b'{"config": {"digest": "sha256:%s"}, "layers": [5]}' % (b"a" * 64),
        b'{"config": {"digest": "sha256:%s", "size": 9223372036854775808}}' % (b"a" * 64),
        b'{"config": {"digest": "sha256:%s", "size": 1%s}}' % (b"a" * 64, b"0" * 30),
        b'{"config": {"digest": "sha256:%s"}, "x": NaN}' % (b"a" * 64),
        b'{"config": {"digest": "sha256:%s", "from": "\\ud800"}}' % (b"a" * 64),
        b"[" * 100_000,
    ],
)
def test_what_is_no_manifest(raw: bytes) -> None:
    with pytest.raises(BadManifestError, match="invalid manifest"):
        parse_manifest(raw)


def test_names_without_regard_to_case(tmp_path: Path) -> None:
    add(tmp_path, "Some/Model:Tag")
    assert str(library(tmp_path).get("some/model:tag").name) == "Some/Model:Tag"
    add(tmp_path, "SOME/model:TAG", system=b"new")
    assert [str(name) for name in ManifestStore(tmp_path).names()] == ["Some/Model:Tag"], "replaced, not beside it"


def test_files_that_are_no_model_are_passed_over(tmp_path: Path) -> None:
    add(tmp_path, "one")
    directory = tmp_path / "manifests" / "registry.ollama.ai" / "library"
    (directory / "stray").write_text("x")
    (directory / "one" / ".hidden").write_text("x")
    (directory / "one" / "directory").mkdir()
    assert [str(name) for name in ManifestStore(tmp_path).names()] == ["one:latest"]


def test_deleting_leaves_no_empty_directory(tmp_path: Path) -> None:
    add(tmp_path, "host.example/space/model:tag")
    ManifestStore(tmp_path).delete(parse_name("host.example/space/model:tag"))
    assert list((tmp_path / "manifests").iterdir()) == []
    with pytest.raises(ModelNotFoundError, match="not found"):
        ManifestStore(tmp_path).delete(parse_name("host.example/space/model:tag"))


def test_delete_keeps_what_others_use(tmp_path: Path) -> None:
    shared = {"system": b"shared"}
    one = add(tmp_path, "one", **shared, params=b'{"seed":1}')
    two = add(tmp_path, "two", **shared, params=b'{"seed":2}')
    models = library(tmp_path)
    models.delete(models.get("one"))
    left = set(BlobStore(tmp_path).digests())
    assert left == {layer.digest for layer in (two.config, *two.layers)}
    assert one.layers[0].digest in left
    models.delete(models.get("two"))
    assert list(BlobStore(tmp_path).digests()) == []


def test_put_removes_what_only_the_old_one_used(tmp_path: Path) -> None:
    add(tmp_path, "one", system=b"old")
    new = add(tmp_path, "new", system=b"new")
    library(tmp_path).put(parse_name("one"), new)
    assert set(BlobStore(tmp_path).digests()) == {layer.digest for layer in (new.config, *new.layers)}


def test_broken_manifest_does_not_break_the_list(tmp_path: Path) -> None:
    add(tmp_path, "good")
    ManifestStore(tmp_path).path(parse_name("bad")).parent.mkdir()
    ManifestStore(tmp_path).path(parse_name("bad")).write_bytes(b"{")
    no_config = add(tmp_path, "no-config", system=b"x")
    BlobStore(tmp_path).remove(no_config.config.digest)
    listing = library(tmp_path).list()
    assert [str(model.name) for model in listing.models] == ["good:latest"]
    assert sorted(str(name) for name, _ in listing.broken) == ["bad:latest", "no-config:latest"]


@pytest.mark.parametrize(
    "config", [b'{"model_family": "\\ud800"}', b'{"model_format": "gguf", "context_length": NaN}', b"[]"]
)
def test_a_configuration_that_no_list_can_repeat_hides_only_its_model(tmp_path: Path, config: bytes) -> None:
    add(tmp_path, "good", system=b"x")
    manifest = make_manifest(Layer(CONFIG_TYPE, BlobStore(tmp_path).add(config), len(config)), ())
    ManifestStore(tmp_path).write(parse_name("bad"), manifest)
    listing = library(tmp_path).list()
    assert [str(model.name) for model in listing.models] == ["good:latest"]
    assert [name for name, _ in listing.broken] == ["bad:latest"]


@pytest.mark.parametrize(
    "messages",
    [b"[5]", b'[{"role": 5}]', b'[{"role": "user", "content": ["a"]}]', b'[{"role":"user","content":"\\ud800"}]'],
)
def test_messages_that_are_none_are_named(tmp_path: Path, messages: bytes) -> None:
    add(tmp_path, "odd", messages=messages)
    with pytest.raises(BadManifestError, match="model odd:latest"):
        _ = library(tmp_path).get("odd").messages


def test_a_model_of_too_many_files_is_refused_before_they_are_looked_for(tmp_path: Path) -> None:
    one = add(tmp_path, "one")
    layers = tuple(Layer(MODEL, f"sha256:{number:064x}", 1) for number in range(1025))
    ManifestStore(tmp_path).write(parse_name("many"), make_manifest(one.config, layers))
    with pytest.raises(BadManifestError, match="more than 1024 layers"):
        _ = library(tmp_path).get("many").paths


def test_change_on_disk_is_seen(tmp_path: Path) -> None:
    add(tmp_path, "one", system=b"old")
    models = library(tmp_path)
    assert models.get("one").system == "old"
    add(tmp_path, "one", system=b"new")
    assert models.get("one").system == "new"


def test_built_in_model_can_be_copied_and_not_deleted(tmp_path: Path) -> None:
    models = Library(tmp_path)
    with pytest.raises(BadRequestError, match="PUNA_HIDE_BUILTIN"):
        models.delete(models.get("cria"))
    models.copy(parse_name("cria"), parse_name("mine"))
    assert models.get("mine").digest == models.get("cria").digest
    assert set(BlobStore(tmp_path).digests()) == set(BlobStore(builtin.STORE).digests())
    models.delete(models.get("mine"))
    assert list(BlobStore(tmp_path).digests()) == []
    assert models.get("cria").path.is_file()


def test_own_model_hides_the_built_in_one_of_its_name(tmp_path: Path) -> None:
    add(tmp_path, "cria", system=b"mine")
    models = Library(tmp_path)
    assert models.get("cria").system == "mine"
    assert len(models.list().models) == 1
    models.delete(models.get("cria"))
    assert models.get("cria").is_builtin


def test_a_model_that_gets_its_name_loses_no_blob_to_a_delete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = add(tmp_path, "old", system=b"shared")
    models = library(tmp_path)
    deleting = threading.Thread(target=lambda: models.delete(models.get("old")))
    write = models.manifests.write

    def write_while_another_deletes(name: ModelName, manifest: Manifest) -> None:
        deleting.start()
        deleting.join(0.3)  # without a lock it ends here, and takes the blobs along
        write(name, manifest)

    monkeypatch.setattr(models.manifests, "write", write_while_another_deletes)
    models.put(parse_name("new"), old)
    deleting.join(10)
    assert [str(model.name) for model in models.list().models] == ["new:latest"]
    assert models.get("new").system == "shared"


def test_a_name_that_cannot_be_given_leaves_no_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = Library(tmp_path)

    def fail(name: ModelName, manifest: Manifest) -> None:
        raise StorageError("no space left")

    monkeypatch.setattr(models.manifests, "write", fail)
    with pytest.raises(StorageError):
        models.copy(parse_name("cria"), parse_name("mine"))
    assert list(BlobStore(tmp_path).digests()) == []


def test_a_name_without_its_blobs_is_refused(tmp_path: Path) -> None:
    lost = add(tmp_path, "one", system=b"x")
    BlobStore(tmp_path).remove(lost.layers[0].digest)
    with pytest.raises(BlobNotFoundError):
        library(tmp_path).put(parse_name("two"), lost)
    assert [str(name) for name in ManifestStore(tmp_path).names()] == ["one:latest"]


def test_nothing_is_removed_while_a_manifest_cannot_be_read(tmp_path: Path) -> None:
    one = add(tmp_path, "one", system=b"x")
    path = ManifestStore(tmp_path).path(parse_name("bad"))
    path.parent.mkdir()
    path.symlink_to(path.name)
    models = library(tmp_path)
    models.delete(models.get("one"))
    assert {layer.digest for layer in one.layers} <= set(BlobStore(tmp_path).digests())


def test_a_directory_that_cannot_be_read_hides_only_itself(tmp_path: Path) -> None:
    add(tmp_path, "good")
    (tmp_path / "manifests" / "other.example").symlink_to("other.example")
    listing = library(tmp_path).list()
    assert [str(model.name) for model in listing.models] == ["good:latest"]
    assert [name for name, _ in listing.broken] == ["other.example"]
    with pytest.raises(OSError, match="symbolic"):
        list(ManifestStore(tmp_path).names())


def test_what_was_made_here_is_known_until_it_is_not(tmp_path: Path) -> None:
    add(tmp_path, "pulled")
    models, mine = library(tmp_path), parse_name("mine")
    models.copy(parse_name("pulled"), mine)
    assert library(tmp_path).made_here.has(parse_name("MINE"))
    assert not models.made_here.has(parse_name("pulled"))
    add(tmp_path, "mine", system=b"another program pulled over it")
    assert not models.made_here.has(mine)
    models.copy(parse_name("pulled"), mine)
    models.put(mine, models.get("pulled").manifest)
    assert not models.made_here.has(mine)


def test_names_that_are_gone_are_forgotten(tmp_path: Path) -> None:
    add(tmp_path, "pulled")
    models = library(tmp_path)
    for name in ("one", "two", "three"):
        models.copy(parse_name("pulled"), parse_name(name))
    marks = tmp_path / "puna" / "made"
    models.delete(models.get("one"))
    assert len(list(marks.iterdir())) == 2
    ManifestStore(tmp_path).delete(parse_name("two"))  # as another program does
    (marks / "broken.json").write_text("{")
    models.clean()
    assert len(list(marks.iterdir())) == 1
    assert models.made_here.has(parse_name("three"))
