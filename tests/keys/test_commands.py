"""``puna key`` and ``puna usage``: on the file, and through a server."""

import contextlib
import json

from tests.conftest import Serve
from tests.e2e.test_store import mounted
from tests.keys.conftest import bearer, key_of
from tests.server import Server, World

from puna.accounts.keys import find
from puna.accounts.store import Store


def test_keys_from_first_to_last_without_a_server(world: World) -> None:
    made = world.run("key", "create", "ada", "--scope", "infer", "--scope", "pull", "--models", "llama*,cria")
    assert made.returncode == 0, made.stderr
    first = made.stdout.strip()
    assert first.startswith("puna_")
    assert "shown this once" in made.stderr
    options = ["--rate", "60/m", "--tokens", "1M/day", "--concurrent", "4", "--expires", "90d", "--priority", "batch"]
    assert world.run("key", "change", "ada", *options, "--routes", "/v1/*", "--weight", "2").returncode == 0
    (key,) = json.loads(world.run("key", "list", "--json").stdout)["keys"]
    expected = {"scopes": ["infer", "pull"], "models": ["llama*", "cria"], "routes": ["/v1/*"], "rate": "60/m"}
    expected |= {"tokens": "1000000/d", "concurrent": 4, "priority": "batch", "weight": 2.0, "state": "active"}
    assert {name: key[name] for name in expected} == expected
    assert first not in json.dumps(key)
    table = world.run("key", "list").stdout
    assert "rate 60/m, tokens 1000000/d, concurrent 4, batch, weight 2" in table
    second = world.run("key", "rotate", "ada").stdout.strip()
    assert second != first
    with Store(world.home / ".puna" / "accounts.db") as store:
        kept = store.keys()
    keys = {key.id: key for key in kept}
    assert find(keys, first) is None
    assert find(keys, second)
    assert world.run("key", "revoke", "ada").stdout == "ada: revoked\n"
    assert "revoked" in world.run("key", "list").stdout
    assert world.run("usage").stdout.split() == [
        "KEY",
        "MODEL",
        "REQUESTS",
        "IN",
        "CACHED",
        "OUT",
        "SECONDS",
        "REFUSED",
    ]


def test_what_is_wrong_is_one_line(world: World) -> None:
    for arguments, said in [
        (["create", "1"], "a key's name is a letter"),
        (["create", "ada", "--rate", "often"], "'often' is not a limit"),
        (["create", "ada", "--scope", "root"], "there is no scope 'root'"),
        (["create", "ada", "--expires", "soon"], "'soon' is not a time"),
        (["rotate", "ada"], "there is no key 'ada'"),
        (["revoke", "ada"], "there is no key 'ada'"),
    ]:
        done = world.run("key", *arguments)
        assert (done.returncode, done.stdout) == (1, ""), arguments
        assert done.stderr.startswith(f"Error: {said}"), done.stderr
        assert done.stderr.count("\n") == 1
    assert world.run("usage", "--by", "hour").stderr.startswith("Error: 'hour' is not one of")
    for day in ("yesterday", "2026-1-5"):
        assert world.run("usage", "--since", day).stderr == "Error: since must be a day such as 2026-11-27\n"


def test_keys_and_usage_through_a_server(guarded: Server) -> None:
    world = World({"OLLAMA_HOST": f"127.0.0.1:{guarded.port}"})
    world.environment["OLLAMA_API_KEY"] = key_of(guarded.world, "boss", scopes=["admin"])
    made = world.run("key", "create", "away", "--rate", "5/m")
    assert made.returncode == 0, made.stderr
    key = made.stdout.strip()
    assert not (world.home / ".puna").exists(), "the keys of this machine are others"
    assert guarded.get("/api/tags", headers=bearer(key)).status_code == 200
    assert world.run("key", "change", "away", "--rate", "none").stdout == "away: active\n"
    rotated = world.run("key", "rotate", "away").stdout.strip()
    assert guarded.get("/api/tags", headers=bearer(key)).status_code == 401
    assert "away" in world.run("key", "list").stdout
    body = {"model": "cria", "prompt": "x", "stream": False, "max_tokens": 1}
    assert guarded.post("/api/generate", body, headers=bearer(rotated)).status_code == 200
    shown = world.run("usage", "--csv", "--by", "key", "--key", "away").stdout.splitlines()
    assert shown[0] == "key,requests,prompt_tokens,cached_tokens,generated_tokens,seconds,refusals"
    assert shown[1].startswith("away,1,")
    assert world.run("list").stdout.count("cria") == 1
    assert world.run("key", "revoke", "away").returncode == 0
    assert guarded.get("/api/tags", headers=bearer(rotated)).status_code == 401
    world.environment["OLLAMA_API_KEY"] = f"puna_{'0' * 16}_{'A' * 43}"
    assert world.run("key", "list").stderr == "Error: unauthorized\n"
    assert "OLLAMA_API_KEY=KEY, a key that puna key create has made" in world.run("doctor", "--offline").stdout
    assert world.close() == []


def test_a_key_that_the_server_does_not_see_is_told(server: Server, world: World) -> None:
    world.environment["OLLAMA_HOST"] = f"127.0.0.1:{server.port}"
    done = world.run("key", "create", "ada")
    assert done.returncode == 0
    assert "does not see this key" in done.stderr
    assert server.get("/api/tags").status_code == 200


def test_a_server_with_keys_may_listen_to_all(serve: Serve) -> None:
    world = World({"OLLAMA_HOST": "0.0.0.0:0"})
    refused = world.run("serve")
    assert (refused.returncode, "puna key create" in refused.stderr) == (1, True)
    key = key_of(world, "ada")
    server = serve(world=world)
    assert server.get("/api/tags").status_code == 401
    assert server.get("/api/tags", headers=bearer(key)).status_code == 200


def test_a_disk_that_is_full_loses_no_answer_and_says_so(serve: Serve) -> None:
    world = World()
    home = world.home / ".puna"
    home.mkdir()
    with mounted(home, "-t", "tmpfs", "-o", "size=4m", "tmpfs"):
        key = bearer(key_of(world, "ada", scopes=["admin"]))
        server = serve(world=world)
        with (home / "filler").open("wb", buffering=0) as filler, contextlib.suppress(OSError):
            while True:
                filler.write(b"x" * 512)
        asked = {"model": "cria", "prompt": "x", "stream": False, "max_tokens": 1}
        answer = server.post("/api/generate", asked, headers=key)
        assert answer.status_code == 200, answer.text + server.log()
        refused = server.post("/api/puna/keys", {"name": "bob"}, headers=key)
        assert (refused.status_code, "no space left on the disk" in refused.json()["error"]) == (507, True)
        done = world.run("key", "create", "bob")
        assert (done.returncode, "no space left on the disk" in done.stderr) == (1, True), done.stderr
        assert server.get("/api/puna/usage", headers=key).json() == {"usage": []}
        assert "what was used is kept in memory" in server.log()
        (home / "filler").unlink()
        (row,) = server.get("/api/puna/usage", headers=key).json()["usage"]
        assert row["requests"] == 1, "what could not be written is written later"
        server.stop()
