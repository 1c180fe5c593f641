"""The server of ``puna.testing``: what it inherits, who may direct it, and when it ends."""

import re
import subprocess
import sys
import time
from pathlib import Path

import ollama
import psutil
import pytest
import requests
from tests.conftest import Serve
from tests.server import Server as OrdinaryServer
from tests.server import World, wait_for
from tests.testing.conftest import python_environment

import puna
from puna.testing import Server, ServerError, call
from puna.testing.shared import SharedServer

CONTROL = "/api/puna/testing"


def test_request_is_told_in_no_dialect_s_words(directed: Server, client: ollama.Client) -> None:
    tool = {"type": "function", "function": {"name": "add", "description": "Add.", "parameters": {"type": "object"}}}
    asked = [{"role": "user", "content": "What is it?"}]
    later = [
        *asked,
        {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "add", "arguments": {"a": 1}}}]},
        {"role": "tool", "content": "2", "tool_name": "add"},
    ]
    with directed.script([call("add", {"a": 1}), "It is 2."]):
        for messages in (asked, later):
            client.chat("cria", messages, tools=[tool])
    first, second = directed.requests
    assert (first.method, first.path, first.dialect, first.status) == ("POST", "/api/chat", "ollama", 200)
    assert first.body["messages"] == asked
    assert (first.model, first.generates) == ("cria", True)
    assert first.tools == [{"name": "add", "description": "Add.", "parameters": {"type": "object"}}]
    assert second.messages == [
        {"role": "user", "content": "What is it?"},
        {"role": "assistant", "content": "", "tool_calls": [{"name": "add", "arguments": {"a": 1}}]},
        {"role": "tool", "content": "2", "tool_name": "add"},
    ]
    assert second.prompt.endswith("<|im_start|>tool\n2<|im_end|>\n<|im_start|>assistant\n")
    assert '<tool_call>\n{"name":"add","arguments":{"a":1}}\n</tool_call>' in second.prompt


def test_other_requests_are_told_as_well(directed: Server) -> None:
    requests.get(f"{directed.url}/api/tags", timeout=60)
    requests.post(f"{directed.url}/api/chat", data="no JSON", timeout=60)
    listed, broken = directed.requests
    assert (listed.path, listed.body, listed.generates, listed.messages) == ("/api/tags", None, False, [])
    assert (broken.status, broken.body) == (400, "no JSON")
    with pytest.raises(ServerError, match="asked for no generation"):
        _ = listed.prompt
    directed.reset()
    assert directed.requests == []


def test_nobody_else_directs_it(directed: Server) -> None:
    for headers in ({}, {"X-Puna-Testing": "0" * 64}, {"X-Puna-Testing": "é".encode()}):
        for method, path in (("GET", ""), ("POST", ""), ("DELETE", ""), ("POST", "/lanes"), ("GET", "/use")):
            response = requests.request(method, directed.url + CONTROL + path, headers=headers, json={}, timeout=60)
            assert response.status_code == 403, path


def test_ordinary_server_has_no_such_routes(server: OrdinaryServer) -> None:
    for method, path in (("GET", ""), ("POST", ""), ("DELETE", ""), ("POST", "/lanes"), ("GET", "/use")):
        assert server.request(method, CONTROL + path, {}).status_code == 404


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"PUNA_TESTING": "1"}, "PUNA_TESTING: it must be a random text of at least 32 characters"),
        ({"PUNA_TESTING": "0" * 64, "OLLAMA_HOST": "0.0.0.0:0", "PUNA_ALLOW_OPEN": "1"}, "which is for tests alone"),
    ],
)
def test_it_is_not_opened_by_mistake(settings: dict[str, str], words: str) -> None:
    world = World(settings)
    told = world.run("serve")
    assert told.returncode != 0
    assert words in told.stderr
    assert not world.close()


def test_settings_and_models_of_the_user_do_not_count(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OLLAMA_BASIC_AUTH", "user:password")
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "mine"))
    monkeypatch.setenv("PUNA_HIDE_BUILTIN", "1")
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    with puna.Server(settings={"OLLAMA_CONTEXT_LENGTH": "512"}) as server, server.ollama() as client:
        assert [model.model for model in client.list().models] == ["cria:latest"]
        client.generate("cria", "Hello")
        assert client.ps().models[0].context_length == 512
        root = Path(re.findall(r"(/\S+)/models was not there", server.log())[0])
        assert server.environment["OPENAI_BASE_URL"] == f"{server.url}/v1"
    assert not (tmp_path / "mine").exists()
    assert not root.exists(), "nothing is left of it"


def test_model_of_the_user_s_store_is_lent(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = serve()
    mine.ask("/api/create", {"model": "tidy", "from": "cria", "system": "Be brief.", "stream": False})
    monkeypatch.setenv("OLLAMA_MODELS", str(mine.world.models))
    before = mine.blobs()
    with puna.Server("tidy") as server, server.ollama() as client:
        with server.script(["Yes."]):
            assert client.generate(server.model, "Is it so?").response == "Yes."
        assert server.requests[0].messages[0] == {"role": "system", "content": "Be brief."}
        client.delete("tidy")
        with pytest.raises(ServerError, match=r"'nobody', .* neither built in nor in .*puna pull nobody"):
            server.use("nobody")
    assert mine.blobs() == before
    assert "tidy:latest" in mine.get("/api/tags").text


def test_server_that_is_not_started() -> None:
    with pytest.raises(ServerError, match="not started"):
        _ = puna.Server().url


def test_server_that_cannot_start() -> None:
    with pytest.raises(ServerError, match=r"did not start(?s:.*)OLLAMA_NUM_PARALLEL"):
        puna.Server(settings={"OLLAMA_NUM_PARALLEL": "many"}).start()


def test_server_that_has_ended_is_told() -> None:
    with pytest.raises(ServerError, match=r"does not answer(?s:.*)its log ends"):  # noqa: SIM117
        with puna.Server() as server:
            server._process.kill()  # type: ignore[union-attr]
            server._process.wait()  # type: ignore[union-attr]
            _ = server.requests


def test_server_ends_with_the_process_that_was_killed() -> None:
    start = "import puna, os; s = puna.Server().start(); print(s._process.pid, s._running.root, flush=True)"
    program = [sys.executable, "-c", f"{start}; os.kill(os.getpid(), 9)"]
    pid, root = subprocess.run(program, env=python_environment(), capture_output=True, text=True).stdout.split()
    wait_for(lambda: not psutil.pid_exists(int(pid)), 20, "the end of the server")
    assert (Path(root) / "home").exists()
    subprocess.run(["rm", "-r", root], check=True)


def test_shared_server_outlives_who_started_it_but_not_its_last_user(tmp_path: Path) -> None:
    program = (
        "import os, pathlib, sys; from puna.testing.shared import SharedServer; "
        "s = SharedServer(pathlib.Path(sys.argv[1])).start(); print(s._running.port, s.url, flush=True); "
        "sys.stdin.read(); os.kill(os.getpid(), 9)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        env=python_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as founder:
        port, url = str(founder.stdout and founder.stdout.readline()).split()
        second = SharedServer(tmp_path).start()
        second.script(["mine"])
        assert requests.post(f"{url}/api/generate", json={"model": "cria", "prompt": "Hi"}, timeout=60).ok
        founder.communicate()
    try:
        time.sleep(1.5)
        assert second.url not in (url, f"http://127.0.0.1:{port}")
        with second.ollama() as client:
            assert client.generate("cria", "Hi").response == "mine"
        second.check()
    finally:
        second.stop()
    wait_for(lambda: not processes_in(tmp_path / "home"), 20, "the end of the server")
    with SharedServer(tmp_path) as third:
        assert third.requests == [], "a new one"


def processes_in(directory: Path) -> list[psutil.Process]:
    return [process for process in psutil.process_iter(["cwd"]) if process.info["cwd"] == str(directory)]


def test_importing_puna_costs_nothing() -> None:
    program = "import sys, puna, puna.testing; print(*sys.modules)"
    told = subprocess.run(
        [sys.executable, "-c", program], env=python_environment(), capture_output=True, text=True, check=True
    )
    assert not {"http.client", "subprocess", "pydantic", "httpx", "puna.settings"} & set(told.stdout.split())
