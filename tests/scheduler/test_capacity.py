"""Memory limits of control groups, on files like the kernel's."""

from pathlib import Path

import psutil
import pytest

from puna.scheduler.capacity import Capacity
from puna.scheduler.cgroup import MemoryGroups

GIB = 1 << 30


class Fake:
    """A directory like ``/proc/self`` and a hierarchy of groups."""

    def __init__(self, root: Path) -> None:
        self.proc = root / "proc"
        self.proc.mkdir()
        self.mount = root / "sys fs"
        self._root = root

    def v2(self, path: str, root: str = "/") -> None:
        self._write(f"0::{path}\n", f"29 23 0:26 {root} {self._point()} rw,nosuid shared:4 - cgroup2 cgroup2 rw\n")

    def v1(self, path: str, root: str = "/") -> None:
        self._write(
            f"5:cpu,cpuacct:/\n4:memory:{path}\n0::/\n",
            f"30 23 0:27 / /elsewhere rw - cgroup cgroup rw,cpu,cpuacct\n"
            f"31 23 0:28 {root} {self._point()} rw shared:5 - cgroup cgroup rw,memory\n",
        )

    def group(self, name: str, **files: int | str) -> None:
        directory = self.mount / name
        directory.mkdir(parents=True, exist_ok=True)
        for file, content in files.items():
            (directory / f"memory.{file}").write_text(f"{content}\n")

    def available(self) -> int | None:
        return MemoryGroups(self.proc).available()

    def _point(self) -> str:
        return str(self.mount).replace(" ", "\\040")

    def _write(self, membership: str, mounts: str) -> None:
        (self.proc / "cgroup").write_text(membership)
        (self.proc / "mountinfo").write_text(
            f"22 1 8:1 / / rw,relatime - ext4 /dev/root rw\n23 1 0:9 / /x rw - fuse  rw\n{mounts}"
        )


@pytest.fixture
def fake(tmp_path: Path) -> Fake:
    return Fake(tmp_path)


def test_version_2_counts_the_cache_of_files_as_free(fake: Fake) -> None:
    fake.v2("/service")
    fake.group("", stat="anon 1")
    fake.group(
        "service", max=4 * GIB, high="max", current=3 * GIB, stat=f"anon 5\ninactive_file {GIB}\nactive_file {GIB}"
    )
    assert fake.available() == 3 * GIB


def test_the_lower_of_both_limits_counts(fake: Fake) -> None:
    fake.v2("/service")
    fake.group("service", max=4 * GIB, high=2 * GIB, current=GIB)
    assert fake.available() == GIB


def test_a_group_above_may_have_less(fake: Fake) -> None:
    fake.v2("/slice/service")
    fake.group("slice", max=2 * GIB, high="max", current=GIB + 1)
    fake.group("slice/service", max=4 * GIB, high="max", current=0)
    assert fake.available() == GIB - 1


def test_more_than_the_limit_leaves_nothing(fake: Fake) -> None:
    fake.v2("/")
    fake.group("", max=GIB, high=GIB, current=GIB + 4096)
    assert fake.available() == 0


def test_version_1(fake: Fake) -> None:
    fake.v1("/service")
    fake.group("service", limit_in_bytes=2 * GIB, usage_in_bytes=GIB, stat=f"cache 9\ntotal_inactive_file {GIB // 2}")
    assert fake.available() == 3 * GIB // 2


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_in_a_container_the_mount_is_the_group(fake: Fake, version: str) -> None:
    getattr(fake, version)("/docker/0123", root="/docker/0123")
    fake.group("", max=GIB, current=0, limit_in_bytes=GIB, usage_in_bytes=0)
    assert fake.available() == GIB


def test_a_name_that_only_the_host_can_see(fake: Fake) -> None:
    fake.v2("/../host/0123")
    fake.group("", max=GIB, current=0)
    assert fake.available() == GIB


def test_no_limit(fake: Fake) -> None:
    assert fake.available() is None
    fake.v2("/service")
    assert fake.available() is None
    fake.group("service", max="max", high="max", current=GIB)
    assert fake.available() is None


def test_the_machine_and_its_groups_are_both_heeded(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.v2("/service")
    fake.group("service", max=GIB, high="max", current=0)
    capacity = Capacity(lambda: True)
    monkeypatch.setattr(capacity, "_groups", MemoryGroups(fake.proc))
    assert capacity.bytes() == GIB
    fake.group("service", max=1 << 50)
    assert capacity.bytes() == pytest.approx(psutil.virtual_memory().available, rel=0.2)


async def test_cards_are_looked_at_while_no_model_is_loaded(tmp_path: Path) -> None:
    free = tmp_path / "free"
    engine = tmp_path / "llama-server"
    engine.write_text(
        f'#!/bin/sh\necho Available devices:; echo "  CUDA0: A card (9000 MiB, $(cat {free}) MiB free)"\n'
    )
    engine.chmod(0o755)
    held = 0
    capacity = Capacity(lambda: True, lambda: held)

    async def cards() -> int:
        await capacity.look(str(engine))
        return capacity.cards(str(engine)) >> 20

    free.write_text("8000")
    assert await cards() == 8000
    held = 2000 << 20
    free.write_text("3000")
    await capacity.look_again()
    assert await cards() == 8000, "what is free now is what a model has left"
    assert await capacity.free_on_cards(str(engine)) == 3000 << 20
    held = 0
    await capacity.look_again()
    assert await cards() == 3000, "somebody else takes some"
    held = 2000 << 20
    other = engine.rename(tmp_path / "other")
    assert capacity.cards(str(other)) >> 20 == 5000, "as if no model were loaded"


def test_the_portable_engine_has_no_cards() -> None:
    assert Capacity(lambda: True).cards("") == 0
