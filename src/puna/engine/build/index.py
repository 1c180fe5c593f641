"""What a build takes from the Python package index, with pip, into its own directory: nobody's environment changes."""

import importlib.util
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from puna.engine.build.errors import BuildError
from puna.engine.build.work import Work

_UNREACHABLE = re.compile(r"No matching distribution|Could not find a version|Connection|Temporary failure|Max retries")


def ask_pip(work: Work, what: str, arguments: Sequence[str], wanted: str) -> None:
    """Run pip; ``what`` says in a few words what for, and ``wanted`` names the packages. Raises ``BuildError``."""
    if importlib.util.find_spec("pip") is None:
        raise BuildError(
            "pip, which fetches what a build needs, is not installed in Puna's environment; install it with: "
            f"{sys.executable} -m ensurepip"
        )
    try:
        work.run(f"fetching {what}", [sys.executable, "-m", "pip", *arguments])
    except BuildError as error:
        raise _explained(error, what, wanted) from error


def install(work: Work, what: str, packages: Sequence[str]) -> Path:
    """Unpack the wheels of some packages into a folder of the build, and return it. Raises ``BuildError``."""
    place = work.place / "tools"
    flags = ["--quiet", "--no-deps", "--only-binary=:all:", "--upgrade", "--no-compile", "--target", str(place)]
    ask_pip(work, what, ["install", *flags, *packages], ", ".join(packages))
    return place


def _explained(error: BuildError, what: str, wanted: str) -> BuildError:
    text = str(error)
    if "DO NOT MATCH THE HASHES" in text:
        return BuildError(f"{what} has another SHA-256 than it should, and was not used\n{text}")
    if _UNREACHABLE.search(text):
        return BuildError(f"the package index cannot be reached, or does not have {wanted} for this machine\n{text}")
    return error
