"""What an engine is, and which instruction sets and graphics cards it uses here.

The engine's library is not loaded into the server's own process, where it would cost memory and could crash it; a
child process, ``python -m puna.engine.info``, looks.
"""

import json
import subprocess
import sys
from dataclasses import dataclass

from puna.engine.devices import devices
from puna.engine.environment import environment
from puna.engine.native import instructions_of, used_instructions, version_of


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """An engine: its name, its version, and the instruction sets and graphics cards that it uses on this machine."""

    name: str
    version: str
    instructions: tuple[str, ...]
    cards: tuple[str, ...] = ()

    def __str__(self) -> str:
        used = ", ".join([*self.cards, *self.instructions]) or "no special instructions"
        return f"llama.cpp ({self.name} {self.version}, {used})"


class EngineInfoProcess:
    """The look at an engine, under way in a child process from the moment this is made.

    ``program`` is its llama-server, "" for the portable engine; ``name`` is what it is called.
    """

    def __init__(self, name: str, program: str) -> None:
        self._name = name
        self._process = subprocess.Popen(
            [sys.executable, "-m", "puna.engine.info", program],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env=environment(),
        )

    def result(self) -> EngineInfo:
        """Wait for the look to end and return what was seen."""
        output, _ = self._process.communicate()
        try:
            seen = json.loads(output)
        except ValueError:
            return EngineInfo(self._name, "unknown", ())
        return EngineInfo(self._name, seen["version"], tuple(seen["instructions"]), tuple(seen["cards"]))


def _look(program: str) -> dict[str, object]:
    if program:
        version = version_of(program).partition(", built with ")[0]
        cards = [str(device) for device in devices(program) or ()]
        return {"version": version or "unknown", "instructions": instructions_of(program), "cards": cards}
    from importlib.metadata import version as installed

    import xllamacpp

    used = used_instructions(xllamacpp.get_system_info())
    return {"version": installed("xllamacpp"), "instructions": used, "cards": ()}


if __name__ == "__main__":
    json.dump(_look(sys.argv[1]), sys.stdout)
