"""What tests need of the machine that runs them."""

import os
import shutil

import pytest


def require(program: str) -> str:
    """Return the path of ``program``; skip the test where it is missing, but fail in CI, where it must not be."""
    path = shutil.which(program)
    if path is None:
        reason = f"{program} is not installed"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return path
