"""A server on an engine that Puna has built, for the tests of one module."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.server import Server, World
from tests.system import require_native


@contextmanager
def native_server(parallel: int) -> Iterator[Server]:
    """Run a server with so many slots; at its end nothing has failed in it, and nothing is left."""
    server = Server(World({"PUNA_ENGINE": require_native(), "OLLAMA_NUM_PARALLEL": str(parallel)}))
    yield server
    server.stop()
    log, left = server.log(), server.world.close()
    assert "Traceback" not in log
    assert not left, f"left behind: {left}"
