"""The server as a program: it starts, says so in one line, answers at once and goes without a trace."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests
from tests.cluster.server import of_serve
from tests.conftest import Serve
from tests.server import Server, World, free_port, wait_for

from puna import __version__


def test_root_says_what_clients_look_for(server: Server) -> None:
    response = server.get("/")
    assert (response.status_code, response.text) == (200, "Ollama is running")


def test_version_is_ollamas(server: Server) -> None:
    body = server.get("/api/version").json()
    assert re.fullmatch(r"0\.33\.\d+", body["version"])
    assert body["puna"] == __version__


@pytest.mark.parametrize("path", ["/", "/api/version", "/api/tags", "/health", "/ready"])
def test_head_has_the_status_and_no_body(server: Server, path: str) -> None:
    response = server.request("HEAD", path)
    assert (response.status_code, response.content) == (200, b"")


def test_openapi_pages_describe_every_body(server: Server) -> None:
    assert server.get("/docs").status_code == 200
    paths = server.get("/openapi.json").json()["paths"]
    for path in ("generate", "chat", "embed", "embeddings", "show", "create", "copy"):
        schema = paths[f"/api/{path}"]["post"]["requestBody"]["content"]["application/json"]["schema"]
        assert schema["properties"], path
    assert (
        "model" in paths["/api/delete"]["delete"]["requestBody"]["content"]["application/json"]["schema"]["properties"]
    )


def test_the_page_that_describes_the_api_needs_no_other_server(server: Server) -> None:
    page = server.get("/docs").text
    addresses = re.findall(r"""(?:src|href)=["']([^"']+)""", page)
    assert any(address.endswith(".js") for address in addresses)
    for address in [*addresses, "/openapi.json"]:
        assert address.startswith("/docs/assets/") or address == "/openapi.json"
        assert server.get(address).status_code == 200
    assert "http://" not in page
    assert "https://" not in page


@of_serve
def test_one_line_says_where_and_with_what(server: Server) -> None:
    assert re.fullmatch(
        rf"Puna {re.escape(__version__)} listens on http://127\.0\.0\.1:\d+, engine: llama\.cpp \(.+\)\n", server.line
    )


def test_nobody_to_tell_that_it_listens_is_no_reason_to_answer_nobody(world: World) -> None:
    port = free_port()
    world.environment["OLLAMA_HOST"] = f"127.0.0.1:{port}"
    log = world.root / "log"
    with Path("/dev/full").open("w") as full, log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "puna", "serve"], env=world.environment, stdout=full, stderr=errors
        )
    try:
        wait_for(lambda: "the output cannot be written" in log.read_text())
        assert requests.get(f"http://127.0.0.1:{port}/api/version", timeout=10).status_code == 200
    finally:
        process.terminate()
        assert process.wait(30) == -signal.SIGTERM


def test_ready_and_gone_without_a_trace(serve: Serve) -> None:
    server = serve()
    assert server.get("/").status_code == 200
    server.ask("/api/generate", {"model": "cria"})
    assert len(server.runners()) == 1
    assert server.stop() == -signal.SIGTERM
    assert server.world.leftovers() == []


def test_interrupt_ends_the_server_in_the_middle_of_an_answer(serve: Serve) -> None:
    server = serve()
    server.faults_expected = True  # uvicorn logs where it broke the answer off
    body = {"model": "cria", "prompt": "x", "options": {"num_predict": 20000, "ignore_eos": True}}
    stream = server.open_stream("/api/generate", body)
    next(stream)
    server.process.send_signal(signal.SIGINT)
    server.process.wait(60)
    stream.close()
    assert server.world.leftovers() == []


def test_a_second_interrupt_leaves_nothing_behind_and_lets_all_be_closed(serve: Serve) -> None:
    server = serve()
    server.faults_expected = True  # as above
    body = {"model": "cria", "prompt": "x", "options": {"num_predict": 20000, "ignore_eos": True}}
    stream = server.open_stream("/api/generate", body)
    next(stream)
    server.process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(60) == 130
    stream.close()
    assert server.world.leftovers() == []
    assert "_lifespan" not in server.log()


def test_killed_server_takes_its_runners_and_their_directory_along(serve: Serve) -> None:
    server = serve()
    server.ask("/api/generate", {"model": "cria"})
    assert server.runners()
    assert list(server.world.temporary.iterdir())
    server.kill()
    wait_for(lambda: not server.world.leftovers(), what="the end of the runners")


def test_killed_idle_server_leaves_nothing(serve: Serve) -> None:
    server = serve()
    server.kill()
    assert server.world.leftovers() == []


def test_killed_server_ends_a_runner_in_the_middle_of_an_answer(serve: Serve) -> None:
    server = serve()
    body = {"model": "cria", "prompt": "x", "options": {"num_predict": 20000, "ignore_eos": True}}
    stream = server.open_stream("/api/generate", body)
    next(stream)
    server.kill()
    wait_for(lambda: not server.world.leftovers(), what="the end of the runners")
    with pytest.raises(Exception, match=r"broken|ended|reset|closed"):
        list(stream)


@of_serve
def test_address_in_use_is_one_line(server: Server, world: World) -> None:
    world.environment["OLLAMA_HOST"] = f"127.0.0.1:{server.port}"
    done = world.run("serve")
    assert done.returncode == 1
    who = rf"port {server.port} is in use by \S+ \(process {server.process.pid}\)"
    assert re.fullmatch(rf"Error: {who} \(OLLAMA_HOST\)\n", done.stderr), done.stderr


def test_wrong_setting_is_one_line(world: World) -> None:
    world.environment["OLLAMA_KEEP_ALIVE"] = "soon"
    done = world.run("serve")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: OLLAMA_KEEP_ALIVE: invalid duration")
    assert done.stderr.count("\n") == 1


def test_directory_of_the_sockets_is_private(serve: Serve) -> None:
    server = serve()
    server.ask("/api/generate", {"model": "cria"})
    (directory,) = server.world.temporary.iterdir()
    assert directory.stat().st_mode & 0o077 == 0, "only this user may reach the runners' sockets"
    assert directory.stat().st_uid == os.getuid()
