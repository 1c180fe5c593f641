"""The plugin for pytest. Where no test asks for the server it does, and imports, nothing."""

import os
from collections.abc import Generator, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import anthropic
    import ollama

    import openai
    from puna.testing.server import Server

_MARKER = "puna(model): the model that puna_server.model names in this test (cria without it)"
_server = pytest.StashKey["Server"]()
_current = pytest.StashKey[pytest.Item]()
_fault = pytest.StashKey[Exception]()


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", _MARKER)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Begin a test that uses the server with nothing of the one before."""
    item.config.stash[_current] = item
    server = item.config.stash.get(_server, None)
    if server and (_uses(item) or item.get_closest_marker("puna")):
        server.reset()
        server.use(_model(item))


@pytest.hookimpl(specname="pytest_runtest_setup", trylast=True)
def pytest_after_setup(item: pytest.Item) -> None:
    """Let the test fail whose model is missing, and not all others as well, which the fixture's own error would do."""
    if fault := item.config.stash.get(_fault, None):
        del item.config.stash[_fault]
        raise fault


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Check the script at the end of a test, and tell what was asked in one that failed."""
    try:
        result = yield
        if server := _used(item):
            server.check()
    except (Exception, pytest.fail.Exception):
        if server := _used(item):
            item.add_report_section("call", "puna", _asked(server))
        raise
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, Any, Any]:
    """End a test that used the server: the next may ask for it in its course only, and is not known to use it."""
    used = _used(item) is not None
    result = yield
    server = item.config.stash.get(_server, None)
    if server and used:
        from puna.testing.process import ServerError

        with suppress(ServerError):  # the next test that uses it says so
            server.reset()
            server.use("cria")
    return result


def _used(item: pytest.Item) -> "Server | None":
    """Return the server if the test has used it, also where it has asked for it in its course."""
    server = item.config.stash.get(_server, None)
    names = getattr(getattr(item, "_request", None), "fixturenames", ())
    return server if _uses(item) or "puna_server" in names else None


def _asked(server: "Server") -> str:
    from puna.testing.process import ServerError

    try:
        return "\n".join(["asked of the server:", *map(str, server.requests)])
    except ServerError as error:
        return str(error)


def _uses(item: pytest.Item) -> bool:
    return "puna_server" in getattr(item, "fixturenames", ())


def _model(item: pytest.Item) -> str:
    marker = item.get_closest_marker("puna")
    named = (marker.args or (marker.kwargs.get("model"),))[0] if marker else None
    return str(named or "cria")


@pytest.fixture(scope="session")
def puna_server(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Server]":
    """A server with a real model, one for all tests and all workers of pytest-xdist; see ``puna.testing.Server``.

    Each test begins without a script, and with nothing asked.
    """
    from puna.testing.process import ServerError
    from puna.testing.server import Server
    from puna.testing.shared import SharedServer

    if "PYTEST_XDIST_WORKER" in os.environ:
        server: Server = SharedServer(tmp_path_factory.getbasetemp().parent / "puna-server")
    else:
        server = Server()
    server.start()
    try:
        pytestconfig.stash[_server] = server
        try:
            server.use(_model(pytestconfig.stash[_current]))
        except ServerError as error:
            pytestconfig.stash[_fault] = error
        yield server
    finally:
        if _server in pytestconfig.stash:
            del pytestconfig.stash[_server]
        server.stop()


@pytest.fixture(scope="session")
def puna_ollama(puna_server: "Server") -> "Iterator[ollama.Client]":
    """A client of the package ``ollama`` that asks ``puna_server``."""
    pytest.importorskip("ollama", reason="the package ollama is not installed")
    with puna_server.ollama() as client:
        yield client


@pytest.fixture(scope="session")
def puna_openai(puna_server: "Server") -> "Iterator[openai.OpenAI]":
    """A client of the package ``openai`` that asks ``puna_server`` and tries nothing twice."""
    pytest.importorskip("openai", reason="the package openai is not installed")
    with puna_server.openai() as client:
        yield client


@pytest.fixture(scope="session")
def puna_anthropic(puna_server: "Server") -> "Iterator[anthropic.Anthropic]":
    """A client of the package ``anthropic`` that asks ``puna_server`` and tries nothing twice."""
    pytest.importorskip("anthropic", reason="the package anthropic is not installed")
    with puna_server.anthropic() as client:
        yield client
