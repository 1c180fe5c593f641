"""The graphics cards that a llama-server computes on, as it lists them itself."""

import re
from dataclasses import dataclass
from functools import lru_cache

from puna.engine.native import identity, output_of
from puna.engine.vllm.program import is_vllm

_HEAD = "Available devices:"
_DEVICE = re.compile(r"^\s+\S+: (.+?)(?: \((\d+) MiB, (\d+) MiB free\))?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Device:
    """A card, or what else is no processor. ``total`` and ``free`` are in bytes, as they were at the look."""

    name: str
    total: int
    free: int

    def __str__(self) -> str:
        return f"{self.name} ({self.total / (1 << 30):.1f} GiB)"


def devices(program: str) -> tuple[Device, ...] | None:
    """Return the cards that a llama-server finds, () for none, ``None`` if it does not say.

    It is asked once, which may take a second, and again only when the program has changed. vLLM is not asked: it takes
    the cards that it finds by its own means.
    """
    return () if is_vllm(program) else _devices(program, identity(program))


@lru_cache(maxsize=16)
def _devices(program: str, _identity: str) -> tuple[Device, ...] | None:
    return devices_now(program)


def devices_now(program: str) -> tuple[Device, ...] | None:
    """Return the same, with the memory that is free on them at this moment."""
    _, found, listed = output_of(program, "--list-devices").partition(_HEAD)
    if not found:
        return None
    lines = _DEVICE.findall(listed)
    return tuple(Device(name, int(total or 0) << 20, int(free or 0) << 20) for name, total, free in lines)


def free_memory(found: tuple[Device, ...] | None) -> int:
    """Return the bytes that are free on all of these cards."""
    return sum(device.free for device in found or ())


def on_processor(program: str) -> bool:
    """Return whether a llama-server computes on the processor alone: whether it says that it finds no card."""
    return devices(program) == ()
