"""Trouble from outside: the server is told to end in the middle of everything, the disk is full, the store vanishes."""

import asyncio
import json
import shutil
import signal

import aiohttp
import psutil
import pytest
from tests.conftest import Serve
from tests.server import Server, wait_for

LONG = {"num_predict": 20000, "ignore_eos": True}
TEXT = "The llama walks over the high plateau and looks for water. " * 8
SHUTTING_DOWN = "the server is shutting down"


def read(server: Server, model: str = "cria") -> None:
    """Let a model read a text that is long enough to be saved."""
    body = {"model": model, "prompt": TEXT, "raw": True, "stream": False, "options": {"num_predict": 4}}
    assert server.ask("/api/generate", body)["done"]


def unload(server: Server, model: str = "cria") -> None:
    server.ask("/api/generate", {"model": model, "keep_alive": 0})
    assert f"{model}:latest" not in server.loaded()


def session_files(server: Server) -> list[str]:
    return [path.name for path in server.world.models.rglob("*") if path.suffix in (".part", ".session")]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_fifty_streams_end_with_a_word_when_the_server_is_told_to(serve: Serve, number: signal.Signals) -> None:
    server = serve({"OLLAMA_NUM_PARALLEL": "4"})
    server.ask("/api/generate", {"model": "cria"})

    async def last_word(session: aiohttp.ClientSession) -> tuple[int, str]:
        body = {"model": "cria", "prompt": "x", "options": LONG}
        async with session.post("/api/generate", json=body) as response:
            lines = [json.loads(line) async for line in response.content]
            return response.status, lines[-1].get("error", "")

    async with aiohttp.ClientSession(server.url) as session:
        asked = [asyncio.create_task(last_word(session)) for _ in range(50)]
        await asyncio.to_thread(wait_for, lambda: len(server.get("/api/queue").json()["requests"]) == 50)
        server.process.send_signal(number)
        words = await asyncio.gather(*asked)
    assert sorted(words) == [(200, SHUTTING_DOWN)] * 4 + [(503, SHUTTING_DOWN)] * 46
    server.process.wait(60)
    assert server.world.leftovers() == []


def test_a_session_that_finds_no_room_leaves_nothing_and_does_no_harm(serve: Serve) -> None:
    server = serve()
    read(server)
    (runner,) = server.runners()
    runner.rlimit(psutil.RLIMIT_FSIZE, (4096, 4096))  # to the runner, the disk is full after a page
    unload(server)
    assert "sessions could not be saved" in server.log()
    assert session_files(server) == []
    read(server)
    unload(server)
    assert len(session_files(server)) == 1


def test_a_store_that_vanishes_is_an_empty_one(serve: Serve) -> None:
    server = serve()
    server.ask("/api/create", {"model": "one", "from": "cria", "system": "1", "stream": False})
    for model in ("one", "cria"):
        read(server, model)
    shutil.rmtree(server.world.models)
    assert [model["name"] for model in server.get("/api/tags").json()["models"]] == ["cria:latest"]
    assert server.post("/api/generate", {"model": "one", "prompt": "x"}).status_code == 404
    assert set(server.loaded()) == {"one:latest", "cria:latest"}
    unload(server)
    read(server)
    server.ask("/api/create", {"model": "two", "from": "cria", "system": "2", "stream": False})
    read(server, "two")
    unload(server)
    unload(server, "two")
    assert len(session_files(server)) == 2


def test_the_built_in_model_outlives_the_copy_of_its_file(serve: Serve) -> None:
    server = serve()
    server.ask("/api/create", {"model": "one", "from": "cria", "system": "1", "stream": False})
    read(server)
    unload(server)
    server.request("DELETE", "/api/delete", {"model": "one"})
    assert not any(digest.startswith("sha256") for digest in server.blobs())
    read(server)
    assert server.ask("/api/show", {"model": "cria", "verbose": True})["tensors"]
