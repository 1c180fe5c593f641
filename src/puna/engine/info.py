"""What the engine is and which instruction sets it uses here.

The engine's library is not loaded into the server's own process, where it would cost memory and could crash it; a
child process, ``python -m puna.engine.info``, looks.
"""

import json
import subprocess
import sys
from dataclasses import dataclass

_UNINTERESTING = {"SSE3", "SSSE3", "LLAMAFILE", "OPENMP", "REPACK"}


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """An engine: its provider, its version, and the instruction sets that it uses on this processor."""

    provider: str
    version: str
    instructions: tuple[str, ...]

    def __str__(self) -> str:
        used = ", ".join(self.instructions) or "no special instructions"
        return f"llama.cpp ({self.provider} {self.version}, {used})"


class EngineInfoProcess:
    """The look at the engine, under way in a child process from the moment this is made."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "puna.engine.info"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        )

    def result(self) -> EngineInfo:
        """Wait for the look to end and return what was seen."""
        output, _ = self._process.communicate()
        try:
            seen = json.loads(output)
        except ValueError:
            return EngineInfo("portable", "unknown", ())
        return EngineInfo("portable", seen["version"], tuple(seen["instructions"]))


def _look() -> dict[str, object]:
    from importlib.metadata import version

    import xllamacpp

    entries = xllamacpp.get_system_info().replace(":", "|").split("|")
    pairs = [entry.split("=") for entry in entries if "=" in entry]
    used = [name.strip() for name, value in pairs if value.strip() == "1"]
    return {"version": version("xllamacpp"), "instructions": [name for name in used if name not in _UNINTERESTING]}


if __name__ == "__main__":
    json.dump(_look(), sys.stdout)
