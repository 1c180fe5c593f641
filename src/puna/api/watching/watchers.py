"""Where a request's watchers are on its way from the middleware that sets them to the service that tells them."""

from collections.abc import Sequence

from starlette.requests import HTTPConnection
from starlette.types import Scope

from puna.inference.watching import Watcher

_WATCHERS = "puna.watchers"
TURNS = "puna.turns"
"""The entry of a socket's scope that makes a watcher for each request that comes over it."""


def turn_watchers(scope: Scope) -> Sequence[Watcher]:
    """Return who is told of one request that came over a socket."""
    return (scope[TURNS](),) if TURNS in scope else ()


def watch(scope: Scope, watcher: Watcher) -> None:
    """Let a watcher be told of the request of ``scope``."""
    scope[_WATCHERS] = (*scope.get(_WATCHERS, ()), watcher)


def watchers_of(connection: HTTPConnection) -> Sequence[Watcher]:
    """Return who is told of a request."""
    watchers: Sequence[Watcher] = connection.scope.get(_WATCHERS, ())
    return watchers
