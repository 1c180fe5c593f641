"""Where a translated file lies: in memory, in blocks that are shared, or copied; and that nothing is left of it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.models.layouts.files import arrays, content, random, write
from tests.system import require

from puna.models.gguf import GGUFError, read_gguf
from puna.models.layouts.stored import Stored, place_for
from puna.models.layouts.translation import BLOCK, Translation, language_model

ROOM = 1 << 40


def store(translation: Translation, directory: Path, free_memory: int) -> Stored:
    """Return a translation that is written."""
    stored = place_for(translation, directory, free_memory)
    stored.fill()
    return stored


def translation_of(directory: Path, rows: int = 4) -> Translation:
    tensors = {"token_embd.weight": random("t", rows, 64)} | arrays(
        v__a__weight=(8, 8), blk__0__attn_out__weight=(8, 8)
    )
    path = write(directory / "old.gguf", "gptoss", {".block_count": 1, ".embedding_length": 64}, tensors)
    made = language_model(read_gguf(path))
    assert made is not None
    return made


def test_in_memory_where_there_is_room(tmp_path: Path) -> None:
    made = translation_of(tmp_path)
    stored = store(made, tmp_path, ROOM)
    assert stored.way == "memory"
    assert stored.in_memory
    assert stored.size == os.fstat(stored.descriptor).st_size == made.size
    keys, tensors = content(Path(f"/proc/self/fd/{stored.descriptor}"))
    assert keys["general.architecture"] == "gpt-oss"
    assert "blk.0.attn_output.weight" in tensors
    stored.close()
    assert [path.name for path in tmp_path.iterdir()] == ["old.gguf"]


def test_copied_where_there_is_none(tmp_path: Path) -> None:
    made = translation_of(tmp_path)
    stored = store(made, tmp_path, 0)
    assert stored.way == "copied"
    assert content(Path(f"/proc/self/fd/{stored.descriptor}"))[0]["general.architecture"] == "gpt-oss"
    assert [path.name for path in tmp_path.iterdir()] == ["old.gguf"]  # it has no name
    stored.close()


def test_another_process_reads_it_only_if_it_is_given(tmp_path: Path) -> None:
    stored = store(translation_of(tmp_path), tmp_path, ROOM)
    look = [sys.executable, "-c", "import sys; print(open(sys.argv[1], 'rb').read(4))", stored.path]
    given = subprocess.run(look, pass_fds=(stored.descriptor,), capture_output=True, text=True, check=True)
    assert given.stdout.strip() == "b'GGUF'"
    assert subprocess.run(look, capture_output=True, check=False).returncode != 0
    stored.close()


def test_a_file_that_has_shrunk_is_an_error(tmp_path: Path) -> None:
    made = translation_of(tmp_path, rows=100)
    os.truncate(made.gguf.path, made.gguf.path.stat().st_size - 4096)
    for room in (ROOM, 0):
        with pytest.raises(GGUFError, match="the file ends inside its data"):
            store(made, tmp_path, room)


def test_data_lie_within_blocks_as_in_the_original(tmp_path: Path) -> None:
    made = translation_of(tmp_path)
    first = read_gguf(made.gguf.path).tensors[0]
    assert made.gguf.tensors[0].offset % BLOCK == first.offset % BLOCK


@pytest.fixture
def sharing(tmp_path: Path) -> Iterator[Path]:
    """A directory of a file system that can share blocks, in a file."""
    require("mkfs.btrfs", "btrfs-progs")
    image, place = tmp_path / "image", tmp_path / "mounted"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(160 << 20)
    subprocess.run(["mkfs.btrfs", "-q", image], check=True)
    mounted = subprocess.run(["mount", "-o", "loop", image, place], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("file systems cannot be mounted here")
    yield place
    subprocess.run(["umount", place], check=True)


@pytest.mark.system("mkfs.btrfs")
def test_blocks_are_shared_where_the_file_system_can(sharing: Path) -> None:
    made = translation_of(sharing, rows=400_000)  # 49 MiB
    os.sync()
    before = os.statvfs(sharing)
    stored = store(made, sharing, ROOM)
    assert stored.way == "shared"
    os.fsync(stored.descriptor)
    os.sync()
    after = os.statvfs(sharing)
    assert (before.f_bfree - after.f_bfree) * after.f_frsize < made.size // 4
    assert content(Path(f"/proc/self/fd/{stored.descriptor}"))[0]["general.architecture"] == "gpt-oss"
    stored.close()
