"""A real model in the tests of an application: ``Server``, scripts, faults, and a plugin for pytest.

The plugin (``puna_server`` and the clients) is described in ``docs/testing.md``. Without pytest::

    with puna.Server() as server:
        with server.script([puna.testing.call("weather", {"city": "Paris"}), "It is sunny."]):
            ...

Nothing of a server is imported here: it is a process of its own.
"""

from typing import TYPE_CHECKING, Any

from puna.testing.answers import (
    Answer,
    Call,
    Fault,
    answer,
    call,
    cut,
    overflow,
    own,
    rate_limited,
    server_error,
    slow,
)

if TYPE_CHECKING:
    from puna.testing.asked import Request
    from puna.testing.process import ServerError
    from puna.testing.server import ScriptError, Server

__all__ = [
    "Answer",
    "Call",
    "Fault",
    "Request",
    "ScriptError",
    "Server",
    "ServerError",
    "answer",
    "call",
    "cut",
    "overflow",
    "own",
    "rate_limited",
    "server_error",
    "slow",
]
_LATER = {
    "Request": "puna.testing.asked",
    "ServerError": "puna.testing.process",
    "ScriptError": "puna.testing.server",
    "Server": "puna.testing.server",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LATER[name]), name)
