"""What tests need of the machine that runs them."""

import importlib
import importlib.util
import os
import shutil
from typing import Any

import pytest


def require(program: str, package: str = "") -> str:
    """Return the path of ``program``; skip the test where it is missing, but fail in CI, where it must not be.

    ``package`` is what the system calls the package that has it, for the message.
    """
    path = shutil.which(program)
    if path is None:
        _missing(f"{program} is not installed" + (f" (package {package})" if package else ""))
        return ""
    return path


def require_module(name: str) -> Any:
    """Return the Python module ``name``; skip the test (or the whole file) where it is missing, but fail in CI."""
    if importlib.util.find_spec(name) is None:
        _missing(f"the Python module {name} is not installed (pip install puna[reference])")
    return importlib.import_module(name)


def _missing(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason, allow_module_level=True)
