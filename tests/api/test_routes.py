"""The routes, in parts that are loaded when they are asked for."""

from fastapi import FastAPI
from starlette.routing import BaseRoute

from puna.api.access.scopes import flat
from puna.api.app import create_app
from puna.api.routes import Part, Routes
from puna.settings import Settings


def waiting(app: FastAPI) -> list[Part]:
    routes: Routes = app.state.routes
    return routes.waiting()


def path_of(route: BaseRoute) -> str:
    """Return a route's path; FastAPI tells nothing of a socket in a router but its Starlette route."""
    return str(getattr(getattr(route, "starlette_route", None) or route, "path", ""))


def test_each_part_has_the_paths_that_it_is_loaded_for_and_no_others() -> None:
    for part in waiting(create_app(Settings.from_env({}))):
        app = FastAPI()
        app.include_router(part.router())
        paths = [path_of(route) for route in flat(app.routes)][4:]  # FastAPI's own are the first
        assert paths, part.module
        for path in paths:
            assert any(f"{path}/".startswith(f"{beginning}/") for beginning in part.beginnings), path
        for beginning in part.beginnings:
            assert any(f"{path}/".startswith(f"{beginning}/") for path in paths), beginning


async def test_a_path_loads_its_part_and_no_other() -> None:
    app = create_app(Settings.from_env({}))
    routes: Routes = app.state.routes
    before = {part.module for part in waiting(app)}
    for path, modules in (
        ("/api/version", set()),
        ("/nothing/of/ours", set()),
        ("/v1", set()),
        ("/api/tags", {"ollama.models"}),
        ("/v1/messages/batches/x/results", {"anthropic.batches"}),
        ("/v1/messages/count_tokens", {"anthropic.messages"}),
        ("/openai/v1/models/library/cria", {"openai.models"}),
        ("/responses/", {"openai.responses.responses", "openai.responses.socket"}),
    ):
        await routes.ready(path)
        after = {part.module for part in waiting(app)}
        assert before - after == {f"puna.api.{module}" for module in modules}, path
        before = after


async def test_the_order_of_routes_does_not_depend_on_what_is_asked_for_first() -> None:
    one, other = create_app(Settings.from_env({})), create_app(Settings.from_env({}))
    one.state.routes.load()
    for path in ("/batches", "/v1/chat/completions", "/api/chat", "/openapi.json"):
        await other.state.routes.ready(path)
    assert not waiting(other)
    assert list(map(path_of, flat(one.routes))) == list(map(path_of, flat(other.routes)))
    assert len(list(flat(one.routes))) > 100
