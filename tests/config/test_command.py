"""``puna config``, and a server that reads files."""

import json
import stat

from tests.conftest import Serve
from tests.server import World


def test_every_value_and_where_it_comes_from(world: World) -> None:
    path = world.home / ".config/puna/config.toml"
    path.parent.mkdir(parents=True)
    path.write_text("basic_auth = 'ada:hunter2'\nkeep_alive = '7m'\n")
    world.environment["PUNA_REGISTRY_AUTH"] = "host=bob:hunter2"
    world.environment["PUNA_MAX_BODY"] = "5M"
    done = world.run("config")
    assert done.returncode == 0, done.stderr
    rows = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert rows["OLLAMA_KEEP_ALIVE"].split()[1:3] == ["7m", f"{path}:2"]
    assert rows["PUNA_MAX_BODY"].split()[1:3] == ["5M", "environment"]
    assert rows["OLLAMA_MAX_QUEUE"].split()[1:3] == ["512", "default"]
    assert "not shown" in rows["OLLAMA_BASIC_AUTH"]
    as_json = world.run("config", "--json")
    settings = {entry["setting"]: entry for entry in json.loads(as_json.stdout)["settings"]}
    assert settings["OLLAMA_KEEP_ALIVE"] | {"default": ""} == {
        "setting": "OLLAMA_KEEP_ALIVE",
        "key": "keep_alive",
        "value": "7m",
        "from": f"{path}:2",
        "default": "",
        "secret": False,
    }
    assert settings["PUNA_REGISTRY_AUTH"]["value"] is None
    assert "hunter2" not in done.stdout + as_json.stdout


def test_a_wrong_file_stops_every_command_in_one_line(world: World) -> None:
    path = world.home / "puna.toml"
    path.write_text("\nkeep_alife = 1\n")
    world.environment["PUNA_CONFIG"] = str(path)
    for command in ("serve", "list", "config"):
        done = world.run(command)
        assert done.returncode == 1
        assert done.stderr == (f"Error: {path}:2: keep_alife: there is no such setting; did you mean keep_alive?\n"), (
            command
        )


def test_server_reads_its_file_and_names_unknown_variables(serve: Serve) -> None:
    world = World({"PUNA_KEEP_ALIVE": "hunter2"})
    path = world.home / "puna.toml"
    path.write_text("max_body = 100\nbasic_auth = 'ada:hunter2'\n")
    path.chmod(stat.S_IRUSR | stat.S_IRGRP)
    world.environment["PUNA_CONFIG"] = str(path)
    server = serve(world=world)
    assert server.get("/api/tags").status_code == 401
    assert server.post("/api/show", b"x" * 200, auth=("ada", "hunter2")).status_code == 413
    log = server.log()
    assert "'PUNA_KEEP_ALIVE' is no setting; did you mean OLLAMA_KEEP_ALIVE?" in log
    assert f"{path}:2: basic_auth is a secret, and others may read the file" in log
    assert "hunter2" not in log
