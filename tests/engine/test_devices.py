"""The cards that a llama-server lists."""

from pathlib import Path

import pytest
from tests.engine.test_native import script

from puna.engine.devices import Device, devices, devices_now, free_memory, on_processor

GIB = 1 << 30
TWO_CARDS = """ggml_cuda_init: found 2 CUDA devices (Total VRAM: 26 GiB):
  Device 0: NVIDIA H100, compute capability 9.0, VMM: yes
Available devices:
  CUDA0: NVIDIA H100 80GB HBM3 (81920 MiB, 79872 MiB free)
  CUDA1: NVIDIA RTX A2000 (6144 MiB, 5120 MiB free)"""


def test_cards_are_found_with_their_memory(tmp_path: Path) -> None:
    server = script(tmp_path, TWO_CARDS)
    large, small = Device("NVIDIA H100 80GB HBM3", 80 * GIB, 78 * GIB), Device("NVIDIA RTX A2000", 6 * GIB, 5 * GIB)
    assert devices(server) == (large, small)
    assert str(small) == "NVIDIA RTX A2000 (6.0 GiB)"
    assert not on_processor(server)


@pytest.mark.parametrize(
    ("listed", "found", "alone"),
    [
        ("Available devices:\n  (none)", (), True),
        ("Available devices:\n", (), True),
        ("Available devices:\n  XYZ0: Some card", (Device("Some card", 0, 0),), False),
        ("error: unknown argument: --list-devices", None, False),
    ],
)
def test_what_is_not_said_is_not_taken_for_granted(
    tmp_path: Path, listed: str, found: tuple[Device, ...] | None, alone: bool
) -> None:
    server = script(tmp_path, listed)
    assert devices(server) == found
    assert on_processor(server) is alone


def test_no_program_has_no_cards(tmp_path: Path) -> None:
    assert devices(str(tmp_path / "none")) is None


def test_cards_are_looked_at_once_unless_what_is_free_now_matters(tmp_path: Path) -> None:
    free = tmp_path / "free"
    server = tmp_path / "llama-server"
    server.write_text(f"#!/bin/sh\necho 'Available devices:'; echo \"  A: B (9 MiB, $(cat {free}) MiB free)\"\n")
    server.chmod(0o755)
    free.write_text("5")
    assert devices(str(server)) == (Device("B", 9 << 20, 5 << 20),)
    free.write_text("3")
    assert free_memory(devices(str(server))) == 5 << 20
    assert free_memory(devices_now(str(server))) == 3 << 20
    assert free_memory(None) == 0
