"""Which scope each route needs: said where the route is, and looked up before it is reached."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from starlette.routing import BaseRoute, Match
from starlette.types import Scope

from puna.accounts.grant import ADMIN, ANY, SCOPES

_SCOPE = "puna_scope"
_REMEMBERED, _LONGEST = 1024, 100
"""How many answers are kept, and for how long a path."""
F = TypeVar("F", bound=Callable[..., Any])


def needs(scope: str) -> Callable[[F], F]:
    """Return a decorator that says which scope a key must have for a route, next to the route's own decorator.

    ``scope`` is one of ``SCOPES``, or ``ANY`` for what every key may. A route that does not say needs ``ADMIN``.
    """
    if scope not in (ANY, *SCOPES):
        raise ValueError(f"there is no scope {scope!r}")

    def declare(endpoint: F) -> F:
        setattr(endpoint, _SCOPE, scope)
        return endpoint

    return declare


def declared(route: BaseRoute) -> str | None:
    """Return the scope that a route says that it needs, ``None`` for one that says nothing."""
    route = getattr(route, "starlette_route", None) or route  # FastAPI tells nothing of a socket in a router but this
    scope: str | None = getattr(getattr(route, "endpoint", None), _SCOPE, None)
    return scope


def flat(routes: Sequence[BaseRoute]) -> Iterator[BaseRoute]:
    """Yield routes one by one, with those of included routers in place of these."""
    for route in routes:
        inner = getattr(route, "effective_candidates", None)  # older versions of FastAPI copy them instead
        if inner is None:
            yield route
        else:
            yield from flat(inner())


class ScopeTable:
    """The scopes of an application's routes. ``pages`` are those of routes that others made, by path."""

    def __init__(self, routes: Sequence[BaseRoute], pages: Mapping[str, str]) -> None:
        self._routes = routes
        self._pages = pages
        self._known: dict[tuple[str, str], str] = {}

    def of(self, scope: Scope) -> str:
        """Return the scope that a request needs: ``ADMIN`` for a route that says nothing, ``ANY`` where none is."""
        place = (scope.get("method", ""), scope["path"])
        if len(place[1]) > _LONGEST:
            return self._look_up(scope)
        if place not in self._known:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[place] = self._look_up(scope)
        return self._known[place]

    def undeclared(self) -> list[BaseRoute]:
        """Return the routes that say nothing of their scope."""
        return [route for route in flat(self._routes) if self._declared(route) is None]

    def _look_up(self, scope: Scope) -> str:
        for route in flat(self._routes):
            if route.matches(dict(scope))[0] is Match.FULL:
                return self._declared(route) or ADMIN
        is_taken = any(route.matches(dict(scope))[0] is Match.FULL for route in self._routes)
        return ADMIN if is_taken else ANY

    def _declared(self, route: BaseRoute) -> str | None:
        return declared(route) or self._pages.get(getattr(route, "path", ""))
