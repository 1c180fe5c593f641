"""Programs that a build runs: their output goes to a log, and they end with the process that started them."""

import errno
import os
import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from puna.engine import bound
from puna.engine.build.errors import BuildError

_SHOWN_LINES = 15
_SHORT_WRITE = re.compile(r"\d+ requested and \d+ written")
"""What NumPy says, without a number, when a file takes no more."""
_DISK_FULL = ("No space left on device", "Disk quota exceeded")
Line = Callable[[str], None]


class Work:
    """The directory of one build, and the log of what runs in it."""

    def __init__(self, place: Path, log: Path) -> None:
        self.place = place
        self.log = log
        self.environment: dict[str, str] = {}
        """What the programs are told beside the environment of this process."""

    def run(
        self,
        what: str,
        command: Sequence[str | os.PathLike[str]],
        *,
        line: Line | None = None,
    ) -> None:
        """Run a program to its end; ``line`` is called with each line that it writes.

        It speaks English, and has its temporary files in the directory of the build: they go with it, and only one disk
        can run full. Raises ``BuildError`` with the last lines when it fails; ``what`` says in a few words what it was
        to do.
        """
        lines: list[str] = []
        temporary = self.place / "temporary"
        temporary.mkdir(exist_ok=True)
        program = [os.fspath(part) for part in command]
        with self.log.open("a", encoding="utf-8", errors="replace") as log:
            log.write(f"\n$ {' '.join(program)}\n")
            log.flush()
            with subprocess.Popen(
                bound.command(program),
                cwd=self.place,
                env={**os.environ, "LC_ALL": "C", "TMPDIR": str(temporary), **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="replace",
            ) as process:
                try:
                    for text in process.stdout or ():
                        log.write(text)
                        lines = [*lines[1 - _SHOWN_LINES :], text.rstrip()]
                        if line:
                            line(text.rstrip())
                except BaseException:
                    process.kill()
                    raise
        if process.returncode:
            raise BuildError(self._failure(what, process.returncode, lines))

    def _failure(self, what: str, code: int, lines: Sequence[str]) -> str:
        text = "\n".join(lines)
        if any(words in text for words in _DISK_FULL):
            return disk_full(self.place.parent)
        return f"{what} failed with status {code}; the log is {self.log}. Its end:\n{text}"


def disk_full(place: Path) -> str:
    """Return what to say when the disk that holds ``place`` is full."""
    return f"the disk that holds {place} is full; nothing has changed (PUNA_HOME or TMPDIR may name another place)"


def build_error(error: OSError, place: Path) -> BuildError:
    """Return the error of a build in ``place`` that the system refused something."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT) or _SHORT_WRITE.search(str(error)):
        return BuildError(disk_full(Path(error.filename).parent if isinstance(error.filename, str) else place))
    return BuildError(f"the engine could not be built: {error}")
