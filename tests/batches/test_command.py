"""``puna batch`` with a server, and with one that it starts for itself."""

import json
import os
import subprocess
import sys
import threading
from typing import Any

from tests.batches.batching import LONG, chat
from tests.conftest import Serve
from tests.server import Server, World, free_port, wait_for


def written(world: World, *lines: Any) -> str:
    path = world.home / "requests.jsonl"
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    return str(path)


def puna(server: Server, *arguments: str) -> "subprocess.CompletedProcess[str]":
    server.world.environment["OLLAMA_HOST"] = f"127.0.0.1:{server.port}"
    return server.world.run("batch", *arguments)


def test_a_file_is_answered_in_its_order(serve: Serve) -> None:
    server = serve()
    given = written(server.world, chat("b", model="x"), chat("a", model="y"), "")
    out = server.world.home / "out.jsonl"
    ended = puna(server, "run", given, "--model", "cria", "-o", str(out))
    assert (ended.returncode, ended.stdout) == (0, ""), ended.stderr
    assert "is completed: 2/2 answered" in ended.stderr
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [line["custom_id"] for line in lines] == ["b", "a"]
    assert {line["response"]["body"]["model"] for line in lines} == {"cria"}

    wrong = puna(server, "run", written(server.world, chat("good"), chat("bad", model="nobody")))
    assert (wrong.returncode, json.loads(wrong.stdout)["custom_id"]) == (1, "good")
    assert "bad: model 'nobody' not found" in wrong.stderr
    twice = puna(server, "run", written(server.world, chat("a"), chat("a")))
    assert (twice.returncode, twice.stdout) == (1, "")
    assert "line 2: the custom_id 'a' is that of an earlier line" in twice.stderr
    unreadable = puna(server, "run", written(server.world, "hello"))
    assert (unreadable.returncode, unreadable.stderr) == (1, "Error: line 1 is not a JSON object\n")
    listed = json.loads(puna(server, "list", "--json").stdout)
    assert [batch["status"] for batch in listed] == ["failed", "completed", "completed"]
    assert "2/2" in puna(server, "list").stdout
    again = puna(server, "results", listed[2]["id"])
    assert again.stdout == out.read_text()
    assert "No batch found" in puna(server, "cancel", "batch_x").stderr


def test_requests_from_a_pipe_and_answers_to_where_there_is_nothing(serve: Serve) -> None:
    server = serve()
    asked = json.dumps(chat("a", "\ud83d")).encode()
    pipe = server.world.home / "pipe"
    os.mkfifo(pipe)
    for more in ([], ["--model", "cria"]):
        writer = threading.Thread(target=pipe.write_bytes, args=(asked,))
        writer.start()
        ended = puna(server, "run", str(pipe), *more)
        writer.join()
        assert "1/1 answered" in ended.stderr
    given = written(server.world, chat("a"))
    lost = puna(server, "run", given, "-o", "/none/out.jsonl")
    assert (lost.returncode, lost.stderr) == (1, "Error: /none/out.jsonl: No such file or directory\n")
    assert len(server.get("/v1/batches").json()["data"]) == 2


def test_the_command_outlives_its_server_and_the_batch_outlives_the_command(serve: Serve) -> None:
    server = serve()
    server.world.environment["OLLAMA_HOST"] = f"127.0.0.1:{server.port}"
    given = written(server.world, chat("first"), *(chat(f"{number}", **LONG) for number in range(8)))
    command = [sys.executable, "-m", "puna", "batch", "run", given]
    with subprocess.Popen(command, env=server.world.environment, stderr=subprocess.PIPE, text=True) as run:
        assert run.stderr
        name = run.stderr.readline().split()[0]
        wait_for(lambda: server.get(f"/v1/batches/{name}").json()["output_file_id"])
        server.kill()
        server = serve(world=server.world)
        assert puna(server, "cancel", name).stdout == f"{name} is cancelled\n"
        assert run.wait(30) == 1
    assert json.loads(puna(server, "results", name).stdout.splitlines()[0])["custom_id"] == "first"


def test_without_a_server_one_is_started(world: World) -> None:
    world.environment["OLLAMA_HOST"] = f"127.0.0.1:{free_port()}"
    ended = world.run("batch", "run", written(world, chat("a")))
    assert json.loads(ended.stdout)["custom_id"] == "a", ended.stderr
