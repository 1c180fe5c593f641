"""The links by which engines find the files of a model: parts of a split one, and a checkpoint's."""

from pathlib import Path

from puna.models.checkpoint import laid_out
from puna.models.links import remove_stale_links
from puna.models.manifests import CHECKPOINT, Layer
from puna.models.split import linked_parts, parts_beside
from puna.models.store import BlobStore


def blobs(directory: Path, count: int) -> list[Path]:
    """Blobs with a number for content."""
    paths = [directory / f"sha256-{number:064x}" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_text(str(number))
    return paths


def test_links_have_the_names_that_the_engine_looks_for(tmp_path: Path) -> None:
    first = linked_parts(blobs(tmp_path, 3), tmp_path)
    assert [path.read_text() for path in sorted(first.parent.iterdir())] == ["0", "1", "2"]
    assert [path.name[-20:] for path in sorted(first.parent.iterdir())][2] == "l-00003-of-00003.gguf"[-20:]


def test_links_follow_a_store_that_was_moved(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    linked_parts(blobs(old, 2), old)
    old.rename(new)
    first = linked_parts([new / path.name for path in sorted(new.glob("sha256-*"))], new)
    assert first.read_text() == "0"
    assert len(list(first.parent.iterdir())) == 2


def test_models_with_the_first_part_in_common_have_links_of_their_own(tmp_path: Path) -> None:
    paths = blobs(tmp_path, 3)
    one, other = linked_parts(paths[:2], tmp_path), linked_parts([paths[0], paths[2]], tmp_path)
    assert [[path.read_text() for path in parts_beside(first)] for first in (one, other)] == [["0", "1"], ["0", "2"]]
    assert parts_beside(paths[1]) == [paths[1]]


def test_links_to_a_model_that_is_gone_are_removed(tmp_path: Path) -> None:
    paths = blobs(tmp_path, 4)
    kept, gone = linked_parts(paths[:2], tmp_path), linked_parts(paths[2:], tmp_path)
    paths[3].unlink()
    remove_stale_links(tmp_path)
    assert kept.exists()
    assert not gone.parent.exists()


def test_links_to_a_checkpoint_that_is_gone_are_removed(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    digests = [store.add(text) for text in (b"weights", b"extra", b"other")]
    weights, extra, other = (Layer(CHECKPOINT, digest, 1, name="1/model.safetensors") for digest in digests)
    kept = laid_out([other], store, "kept")
    gone = laid_out([weights, Layer(CHECKPOINT, extra.digest, 1, name="config.json")], store, "gone")
    assert (gone / "1/model.safetensors").read_bytes() == b"weights"
    store.path(weights.digest).unlink()
    remove_stale_links(tmp_path)
    assert (kept / "1/model.safetensors").exists()
    assert not gone.exists()
