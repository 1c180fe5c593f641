"""``/api/puna/models/{model}/settings``: what holds for a model changes while the server runs."""

from typing import Any

import pytest
from tests.conftest import Serve
from tests.server import Server, wait_for

PATH = "/api/puna/models/cria/settings"
ONE = {"model": "cria", "prompt": "x", "stream": False}


def patch(server: Server, **body: Any) -> dict[str, Any]:
    answer = server.request("PATCH", PATH, body)
    assert answer.status_code == 200, answer.text
    assert answer.json() == server.get(PATH).json()
    section: dict[str, Any] = answer.json()
    return section


def test_settings_change_while_the_server_runs(serve: Serve) -> None:
    server = serve({})
    usual = server.get(PATH).json()
    assert usual == {
        "model": "cria:latest",
        "options": {},
        "keep_alive": None,
        "keep_alive_min": 0,
        "keep_alive_max": -1,
        "engine": "",
        "aliases": [],
        "pinned": False,
        "preload": False,
        "nodes": [],
    }
    patch(server, options={"num_predict": 3, "ignore_eos": True}, aliases=["team/coder"])
    assert server.ask("/api/generate", ONE | {"model": "team/coder"})["eval_count"] == 3
    patch(server, options={"num_predict": 2})
    assert server.ask("/api/generate", ONE)["eval_count"] == 2
    assert server.get("/api/puna/models/team/coder/settings").json()["aliases"] == ["team/coder:latest"]
    assert {model["name"] for model in server.get("/api/tags").json()["models"]} == {"cria:latest", "team/coder:latest"}

    patch(server, pinned=True)
    assert server.loaded()["cria:latest"]["expires_at"] > "2300", "a model in memory is pinned at once"
    patch(server, reset=["pinned", "options.num_predict", "aliases"], keep_alive=0.2)
    wait_for(lambda: not server.loaded(), what="the model to leave")
    assert patch(server, reset=["options", "keep_alive"]) == usual
    assert server.post("/api/generate", ONE | {"model": "team/coder"}).status_code == 404


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"pined": True}, "no such setting: pined"),
        ({"options": {"temprature": 1}}, "did you mean temperature"),
        ({"options": {"temperature": -1}}, "temperature"),
        ({"keep_alive": "long"}, "invalid duration"),
        ({"keep_alive_min": 2, "keep_alive_max": 1}, "more than"),
        ({"aliases": ["cria"]}, "is the name of"),
        ({"aliases": ["a b"]}, "invalid model name"),
        ({"engine": "/bin/sh"}, "in a file of settings alone"),
        ({"engine": "../x/../../bin"}, "in a file of settings alone"),
        ({"reset": ["x"]}, "no such setting: x"),
        ({"reset": ["options.x", "y.z"]}, "no such setting"),
    ],
)
def test_what_cannot_be_used_changes_nothing(server: Server, body: dict[str, Any], message: str) -> None:
    before = server.get(PATH).json()
    answer = server.request("PATCH", PATH, body)
    assert (answer.status_code, message in answer.text) == (400, True), answer.text
    assert server.get(PATH).json() == before


def test_what_is_not_there(server: Server) -> None:
    assert server.request("PATCH", PATH, {"engine": "nowhere"}).status_code == 404
    assert server.get("/api/puna/models/nobody/settings").status_code == 404
