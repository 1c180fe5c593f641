"""Worlds whose commands talk to the server that tests share."""

import json

import pytest
from tests.server import Server, World

from puna.models.create.build import create
from puna.models.create.recipe import Recipe
from puna.models.library import Library
from puna.names import parse_name


@pytest.fixture
def beside(server: Server, world: World) -> World:
    """A world whose commands talk to the shared server."""
    world.environment["OLLAMA_HOST"] = f"127.0.0.1:{server.port}"
    return world


def make_parrot(server: Server, name: str, text: str) -> None:
    """Make a model that always says ``text``."""
    parameters = {"grammar": f"root ::= {json.dumps(text, ensure_ascii=False)}", "num_predict": 400}
    recipe = Recipe(base=parse_name("cria"), parameters=parameters)
    create(Library(server.world.models), parse_name(name), recipe, lambda _: None, lambda: False)
