"""Blobs: complete under their digest, or not there at all."""

import errno
import fcntl
import hashlib
import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest

from puna.errors import BadRequestError
from puna.models.atomic import WHOLE, AtomicFile, remove_leftovers
from puna.models.store import (
    BlobNotFoundError,
    BlobStore,
    DigestMismatchError,
    InvalidDigestError,
    digest_bytes,
    digest_file,
    parse_digest,
)

DATA = b"some bytes"
DIGEST = f"sha256:{hashlib.sha256(DATA).hexdigest()}"
ZERO = f"sha256:{'0' * 64}"


def files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_digests() -> None:
    assert parse_digest("sha256-" + "AB" * 32) == "sha256:" + "ab" * 32
    assert digest_bytes(DATA) == DIGEST


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sha256:",
        "sha256:" + "0" * 63,
        "sha256:" + "0" * 65,
        "md5:" + "0" * 32,
        "sha256:../../x",
        "sha256:" + "g" * 64,
        " sha256:" + "0" * 64,
        "sha256:" + "0" * 64 + "\n",
    ],
)
def test_what_is_no_digest(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidDigestError, match="invalid digest format"):
        BlobStore(tmp_path).path_for_write(text)


def test_a_blob_is_written_in_whole_large_pages(tmp_path: Path) -> None:
    """However it comes: the kernel keeps it in pages of the size of its writes, and small ones make a model slow."""
    data = os.urandom(2 * WHOLE + 12_345)
    with BlobStore(tmp_path).writer() as writer:
        for start, end in itertools.pairwise((0, 1, 70_000, WHOLE - 1, WHOLE + 5, len(data) - 7, len(data))):
            writer.write(data[start:end])
            assert writer.path.stat().st_size % WHOLE == 0
        assert writer.commit() == digest_bytes(data)


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1])
def test_bytes_come_back_as_they_were(tmp_path: Path, size: int) -> None:
    store, data = BlobStore(tmp_path), os.urandom(size)
    digest = store.add(data)
    assert digest == digest_bytes(data) == digest_file(store.path(digest))
    assert store.path(digest) == tmp_path / "blobs" / digest.replace(":", "-")
    assert store.path(digest).read_bytes() == data
    assert list(store.digests()) == [digest]


def test_same_bytes_are_one_blob(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    store.add(DATA)
    before = store.path(DIGEST).stat().st_mtime_ns
    store.add(DATA)
    assert store.path(DIGEST).stat().st_mtime_ns == before


def test_nothing_is_visible_before_it_is_complete(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    with store.writer() as writer:
        writer.write(DATA)
        assert not store.has(DIGEST)
        assert list(store.digests()) == []
        writer.commit(DIGEST)
    assert store.has(DIGEST)
    assert files(tmp_path) == [f"blobs/{DIGEST.replace(':', '-')}"]


def test_other_digest_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(DigestMismatchError, match="digest mismatch"), BlobStore(tmp_path).writer() as writer:
        writer.write(DATA)
        writer.commit(ZERO)
    assert files(tmp_path) == []


def test_error_on_the_way_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="on the way"), BlobStore(tmp_path).writer() as writer:
        writer.write(DATA)
        raise RuntimeError("on the way")
    assert files(tmp_path) == []


def test_missing_blob(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    assert not store.has(ZERO)
    with pytest.raises(BlobNotFoundError, match=f'blob "{ZERO}" not found'):
        store.path(ZERO)
    store.remove(ZERO)


def test_small_blobs_are_small(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    digest = store.add(b"x" * 100)
    with pytest.raises(BadRequestError, match="larger than the 99 bytes"):
        store.read(digest, limit=99)


def test_fallback_is_read_and_never_written(tmp_path: Path) -> None:
    below = BlobStore(tmp_path / "below")
    below.add(DATA)
    store = BlobStore(tmp_path / "above", below)
    assert store.read(DIGEST) == DATA
    assert files(tmp_path / "above") == []
    store.materialize(DIGEST)
    assert files(tmp_path / "above") == files(tmp_path / "below")
    store.remove(DIGEST)
    assert below.has(DIGEST)


def test_leftovers_of_the_dead_go_and_those_of_the_living_stay(tmp_path: Path) -> None:
    (tmp_path / "puna-writing-dead").write_bytes(b"half")
    (tmp_path / "sha256-something").write_bytes(b"whole")
    with AtomicFile(tmp_path) as living:
        living.file.write(DATA)
        assert remove_leftovers(tmp_path) == 1
        assert living.path.exists()
    assert files(tmp_path) == ["sha256-something"]
    assert remove_leftovers(tmp_path / "missing") == 0


def test_leftovers_of_the_dead_go_on_nfs_too(tmp_path: Path, nfs_locks: None) -> None:
    (tmp_path / "puna-writing-dead").write_bytes(b"half")
    with AtomicFile(tmp_path):
        assert remove_leftovers(tmp_path) == 1


def test_a_file_that_cannot_be_locked_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_file: object, _how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    open_before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(OSError, match="No locks"):
        AtomicFile(tmp_path)
    assert files(tmp_path) == []
    assert len(list(Path("/proc/self/fd").iterdir())) == open_before


def test_leftover_of_a_killed_process_goes(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys, pathlib; from puna.models.atomic import AtomicFile\n"
        "file = AtomicFile(pathlib.Path(sys.argv[1])); file.file.write(b'half'); file.file.flush()\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], env=environment, check=False)
    assert len(files(tmp_path)) == 1
    assert remove_leftovers(tmp_path) == 1
    assert files(tmp_path) == []


def test_file_being_written_is_locked(tmp_path: Path) -> None:
    with AtomicFile(tmp_path) as target, target.path.open("rb") as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
