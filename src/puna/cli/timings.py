"""What an answer took, in the words of Ollama's command line."""

from collections.abc import Mapping
from typing import Any

_UNITS = ((1e9, "s"), (1e6, "ms"), (1e3, "µs"))


def timings(last: Mapping[str, Any]) -> list[str]:
    """Return what an answer took, in the lines of Ollama's ``Summary`` (``api/types.go``), which scripts read."""
    lines = []
    for name in ("total", "load"):
        if nanoseconds := last.get(f"{name}_duration"):
            lines.append((f"{name} duration", duration(nanoseconds)))
    for name in ("prompt_eval", "eval"):
        words, count = name.replace("_", " "), last.get(f"{name}_count") or 0
        nanoseconds = last.get(f"{name}_duration") or 0
        if count:
            lines.append((f"{words} count", f"{count} token(s)"))
        if nanoseconds:
            lines.append((f"{words} duration", duration(nanoseconds)))
            lines.append((f"{words} rate", f"{count * 1e9 / nanoseconds:.2f} tokens/s"))
    return [f"{label + ':':<21} {value}" for label, value in lines]


def duration(nanoseconds: int) -> str:
    """Return a duration as Go writes one: 1m2.5s, 12.3ms."""
    minutes, rest = divmod(nanoseconds, 60 * 10**9)
    if minutes:
        hours, minutes = divmod(minutes, 60)
        return (f"{hours}h" if hours else "") + f"{minutes}m{rest / 1e9:.9g}s"
    size, unit = next((entry for entry in _UNITS if nanoseconds >= entry[0]), (1, "ns"))
    return f"{nanoseconds / size:.9g}{unit}"
