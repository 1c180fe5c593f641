"""How far a build is, by what its steps cost: some files of llama.cpp take a hundred times as long as others."""

import re
from collections.abc import Callable

_STEP = re.compile(r"\[\d+/\d+\] (.*)")
_COSTS: dict[str, float] = {}
"""Seconds of a processor for the steps whose lines contain a text, as measured; the first that fits counts."""
_LINK, _COMPILE = 0.1, 1.5


class Steps:
    """Reads Ninja's lines: first of a dry run (``plan``), then of the real one (``done``)."""

    def __init__(self, progress: Callable[[float, float], None]) -> None:
        self._progress = progress
        self._total = 0.0
        self._done = 0.0

    def plan(self, line: str) -> None:
        """Take a line of the dry run."""
        self._total += cost(line)

    def done(self, line: str) -> None:
        """Take a line of the run, and tell how much is done."""
        if step := cost(line):
            self._done = min(self._total, self._done + step)
            self._progress(self._done, self._total)


def cost(line: str) -> float:
    """Return about how long the step takes that a line of Ninja tells of, 0 for another line."""
    found = _STEP.match(line)
    if not found:
        return 0.0
    step = found[1]
    if "Building" not in step:
        return _LINK
    return next((seconds for text, seconds in _COSTS.items() if text in step), _COMPILE)
