"""Sections for single models: what they say is read with its line, and holds in a running server."""

import json
import math
from pathlib import Path

import pytest
from tests.conftest import Serve
from tests.server import Server, World, wait_for

from puna.config.file import ConfigError, read_file
from puna.config.sections import PLAIN, Section, Sections, read_sections, words
from puna.names import parse_name


def sections(path: Path, *texts: str) -> Sections:
    files = []
    for number, text in enumerate(texts):
        files.append(path / f"{number}.toml")
        files[-1].write_text(text)
    return read_sections([read_file(file) for file in files])


def test_every_key(tmp_path: Path) -> None:
    found = sections(
        tmp_path,
        '[model."llama3.2:1b"]\noptions = {temperature = 0.5}\nkeep_alive = "1h"\nkeep_alive_min = 60\n'
        'keep_alive_max = -1\nengine = "native"\naliases = ["coder", "CODER:latest"]\npinned = true\npreload = true\n',
    )
    section = found.of(parse_name("Llama3.2:1B"))
    assert section.options == {"temperature": 0.5}
    assert (section.keep_alive, section.keep_alive_min, section.keep_alive_max) == (3600, 60, math.inf)
    assert (section.engine, section.pinned, section.preload) == ("native", True, True)
    assert found.target(parse_name("coder")) == parse_name("llama3.2:1b")
    assert [str(alias) for alias, _ in found.aliases()] == ["CODER:latest"]
    assert found.of(parse_name("llama3.2")) is PLAIN
    assert json.loads(json.dumps(words(section)))["keep_alive_max"] == -1


def test_later_files_win_key_by_key(tmp_path: Path) -> None:
    found = sections(
        tmp_path,
        "[model.a]\npinned = true\nkeep_alive = 1\noptions = {seed = 1, top_k = 2}",
        "[model.A]\nkeep_alive = 2\n[model.a.options]\nseed = 3",
    )
    section = found.of(parse_name("a"))
    assert (section.pinned, section.keep_alive, section.options) == (True, 2, {"seed": 3, "top_k": 2})
    assert found.origins[parse_name("a").key, "keep_alive"] == f"{tmp_path}/1.toml:2"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("model = 1", 1, "a table for each model"),
        ("[model]\na = 1", 2, "it must be a table"),
        ('[model."a b"]', 1, "invalid model name"),
        ("[model.a]\n\npined = true", 3, "no such setting; did you mean pinned"),
        ("[model.a]\npinned = 1", 2, "it must be true or false"),
        ("[model.a]\nkeep_alive = 'long'", 2, "invalid duration"),
        ("[model.a]\noptions = 1", 2, "a table of options"),
        ("[model.a]\naliases = 'b'", 2, "a list of names"),
        ("[model.a]\naliases = ['b c']", 2, "invalid model name"),
        ("[model.a]\naliases = ['A']", 2, "a:latest is the name|A:latest is the name"),
        ("[model.a]\naliases = ['c']\n[model.b]\naliases = ['C']", 4, "an alias of a:latest already"),
        ("[model.a]\npinned = true\n[model.b]\naliases = ['a']", 4, "the name of a model that has a section"),
        ("[model.a]\naliases = ['b']\n[model.b]\npinned = true", 3, "an alias of a:latest"),
        ("[model.a]\nkeep_alive_min = 2\nkeep_alive_max = 1", 1, "more than keep_alive_max"),
    ],
)
def test_error_names_file_and_line(tmp_path: Path, text: str, line: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        sections(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path}/0.toml:{line}: ")


@pytest.mark.parametrize(
    ("section", "asked", "seconds"),
    [
        (PLAIN, None, 300),
        (PLAIN, 0, 0),
        (Section(keep_alive=10), None, 10),
        (Section(keep_alive=10), 20, 20),
        (Section(keep_alive_min=60), 0, 60),
        (Section(keep_alive_max=60), math.inf, 60),
        (Section(keep_alive_max=60), None, 60),
        (Section(pinned=True, keep_alive_max=60), 0, math.inf),
    ],
)
def test_how_long_a_model_stays(section: Section, asked: float | None, seconds: float) -> None:
    assert section.stay(asked, 300) == seconds


def served(serve: Serve, text: str) -> Server:
    world = World()
    path = world.home / "puna.toml"
    path.write_text(text)
    world.environment["PUNA_CONFIG"] = str(path)
    return serve(world=world)


ONE = {"model": "coder", "prompt": "x", "stream": False}


def test_section_holds_in_a_server(serve: Serve) -> None:
    server = served(
        serve,
        '[model.cria]\naliases = ["coder"]\npreload = true\nkeep_alive = "1h"\nkeep_alive_min = "30m"\n'
        "[model.cria.options]\nnum_predict = 3\nignore_eos = true\nnum_ctx = 1024\n"
        '[model.absent]\naliases = ["nobody"]\npreload = true\n',
    )
    wait_for(server.loaded)
    assert server.loaded()["cria:latest"]["context_length"] == 1024, "it was preloaded, with its options"
    wait_for(lambda: "absent:latest is not brought into memory: model 'absent:latest' not found" in server.log())
    (runner,) = server.runners()
    assert server.ask("/api/generate", ONE)["eval_count"] == 3
    assert server.ask("/api/generate", ONE | {"options": {"num_predict": 2}})["eval_count"] == 2
    chat = {"model": "coder", "messages": [{"role": "user", "content": "x"}]}
    assert server.post("/v1/chat/completions", chat).json()["usage"]["completion_tokens"] == 3
    server.ask("/api/generate", ONE | {"keep_alive": 0})
    assert server.loaded(), "the floor holds"
    assert server.runners() == [runner], "an alias is the same model in memory"

    models = {model["name"]: model for model in server.get("/api/tags").json()["models"]}
    assert set(models) == {"cria:latest", "coder:latest"}
    assert models["coder:latest"]["alias_of"] == "cria:latest"
    assert models["coder:latest"]["digest"] == models["cria:latest"]["digest"]
    assert "alias_of" not in models["cria:latest"]
    assert [model["id"] for model in server.get("/v1/models").json()["data"]] == ["cria:latest", "coder:latest"]
    server.world.environment["OLLAMA_HOST"] = server.url
    assert "coder:latest -> cria:latest" in server.world.run("list").stdout

    assert server.ask("/api/show", {"model": "coder"})["details"]
    for path, body in (
        ("/api/create", {"model": "coder", "from": "cria"}),
        ("/api/create", {"model": "other", "from": "coder"}),
        ("/api/copy", {"source": "cria", "destination": "coder"}),
        ("/api/pull", {"model": "coder"}),
        ("/api/push", {"model": "coder"}),
    ):
        answer = server.post(path, body)
        assert answer.status_code == 400, path
        assert "alias of cria:latest" in answer.text
    answer = server.request("DELETE", "/api/delete", {"model": "coder"})
    assert (answer.status_code, "alias of cria:latest" in answer.text) == (400, True)
    assert server.post("/api/generate", ONE | {"model": "nobody"}).json()["error"] == "model 'absent:latest' not found"
    server.ask("/api/generate", {"model": "coder", "keep_alive": 0, "stream": False})
    wait_for(lambda: not server.loaded(), what="the model to leave when it is stopped, floor or not")


def test_options_that_cannot_be_used_stop_the_start(world: World) -> None:
    path = world.home / "puna.toml"
    world.environment["PUNA_CONFIG"] = str(path)
    for options, message in (
        ("temprature = 1", "there is no option temprature; did you mean temperature?"),
        ("temperature = -1", "temperature"),
    ):
        path.write_text(f"[model.cria]\npinned = true\n[model.cria.options]\n{options}\n")
        done = world.run("serve")
        assert done.returncode == 1
        assert done.stderr.startswith(f"Error: {path}:3: cria:latest: options: "), done.stderr
        assert message in done.stderr


def test_sections_are_shown(world: World) -> None:
    path = world.home / "puna.toml"
    path.write_text("[model.cria]\nkeep_alive = '1h'\noptions = {seed = 1}\n")
    world.environment["PUNA_CONFIG"] = str(path)
    lines = [line.split() for line in world.run("config").stdout.splitlines()]
    assert ["3600.0", f"{path}:2", 'model."cria:latest".keep_alive'] in lines
    models = json.loads(world.run("config", "--json").stdout)["models"]
    assert models == {
        "cria:latest": {
            "options": {"value": {"seed": 1}, "from": f"{path}:3"},
            "keep_alive": {"value": 3600.0, "from": f"{path}:2"},
        }
    }
