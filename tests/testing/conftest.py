"""Servers of ``puna.testing``, and runs of pytest with its plugin."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path

import ollama
import pytest

import puna
from puna.testing import Server

SOURCE = Path(puna.__file__).parents[1]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def shared_directed() -> Iterator[Server]:
    with puna.Server() as server:
        yield server


@pytest.fixture
def directed(shared_directed: Server) -> Server:
    """A server that ``puna.testing`` has started, with nothing asked."""
    shared_directed.reset()
    return shared_directed


@pytest.fixture(scope="session")
def shared_client(shared_directed: Server) -> Iterator[ollama.Client]:
    with shared_directed.ollama() as client:
        yield client


@pytest.fixture
def client(directed: Server, shared_client: ollama.Client) -> ollama.Client:
    """A client that asks ``directed``."""
    return shared_client


def plugin() -> list[str]:
    """Return what makes pytest load the plugin where the package is not installed with its entry point."""
    installed = any(entry.name == "puna" for entry in entry_points(group="pytest11"))
    return [] if installed else ["-p", "puna.testing.plugin"]


def python_environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(SOURCE)}


def run_pytest(where: Path, *arguments: str, loaded: bool = True) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-c", os.devnull, "--rootdir", str(where), "-p", "no:cacheprovider"]
        + (plugin() if loaded else [])
        + ["-W", "error::ResourceWarning", *arguments],
        cwd=where,
        env=python_environment(),
        capture_output=True,
        encoding="utf-8",
        timeout=400,
        check=False,
    )


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A function that runs pytest on the text of a file of tests."""

    def run(text: str, *arguments: str, loaded: bool = True) -> "subprocess.CompletedProcess[str]":
        (tmp_path / "test_it.py").write_text(text, encoding="utf-8")
        return run_pytest(tmp_path, *arguments, loaded=loaded)

    return run
