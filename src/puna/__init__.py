"""Puna runs large language models on your own machine behind the Ollama REST API."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from puna.testing.server import Server as Server

__version__ = "0.1.0"

OLLAMA_VERSION = "0.33.0"
"""The version of Ollama's API and command line that this is; clients compare it with what they need."""


def __getattr__(name: str) -> Any:
    if name == "Server":  # for scripts, notebooks and tests; nothing else pays for it
        from puna.testing.server import Server

        return Server
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
