"""Hundreds of clients at a time, more than may wait, and more than there are files for."""

import asyncio
import resource
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import psutil
from tests.conftest import Serve
from tests.server import Server, wait_for

ONE = {"model": "cria", "prompt": "x", "stream": False, "options": {"num_predict": 1}}
LONG = {"model": "cria", "prompt": "x", "options": {"num_predict": 20000, "ignore_eos": True}}
CLIENTS, PLACES, LEAVE = 500, 400, 50


async def ask(server: Server, number: int) -> tuple[int, dict[str, Any], int]:
    """Return status, body and ``Retry-After`` of one request on a connection of its own."""
    connector = aiohttp.TCPConnector(local_addr=(f"127.0.0.{2 + number % 8}", 0))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.post(f"{server.url}/api/generate", json=ONE) as response,
    ):
        return response.status, await response.json(), int(response.headers.get("Retry-After", 0))


@asynccontextmanager
async def busy(server: Server) -> AsyncIterator[None]:
    """Keep the only slot occupied."""
    async with aiohttp.ClientSession() as session, session.post(f"{server.url}/api/generate", json=LONG) as response:
        await response.content.readline()
        yield


async def until(look: Callable[[], object]) -> None:
    await asyncio.to_thread(wait_for, look, 60)


def waiting(server: Server) -> list[dict[str, Any]]:
    requests = server.get("/api/queue").json()["requests"]
    return [request for request in requests if request["state"] == "waiting"]


async def test_five_hundred_clients_are_all_answered_or_told_when_to_come_back(serve: Serve) -> None:
    server = serve({"OLLAMA_NUM_PARALLEL": "1", "OLLAMA_MAX_QUEUE": str(PLACES)})
    server.ask("/api/generate", ONE)
    process = psutil.Process(server.process.pid)
    files, memory = process.num_fds(), process.memory_info().rss
    async with busy(server):
        asked = [asyncio.create_task(ask(server, number)) for number in range(CLIENTS)]
        await until(lambda: sum(task.done() for task in asked) == CLIENTS - PLACES)
        seen = await asyncio.to_thread(waiting, server)
        assert [request["position"] for request in seen] == list(range(PLACES))
        assert 0 <= seen[0]["estimated_wait"] < seen[-1]["estimated_wait"]
        assert len({request["client"] for request in seen[:8]}) == 8, "each address has its turn"
        gone = [task for task in asked if not task.done()][:LEAVE]
        for task in gone:
            task.cancel()
        await until(lambda: len(waiting(server)) == PLACES - LEAVE)
    answers = [await task for task in asked if task not in gone]
    assert Counter(status for status, *_ in answers) == {200: PLACES - LEAVE, 503: CLIENTS - PLACES}
    for status, body, retry_after in answers:
        if status == 200:
            assert body["eval_count"] == 1
        else:
            assert body["error"].startswith("server busy, please try again.")
            assert retry_after >= 1
    await until(lambda: process.num_fds() <= files + 2)
    assert process.memory_info().rss - memory < 64 << 20
    assert server.get("/api/queue").json()["requests"] == []


async def test_more_clients_than_files_are_turned_away_and_those_inside_are_answered(serve: Serve) -> None:
    server = serve({"OLLAMA_NUM_PARALLEL": "1"}, files=200)
    assert "only 200 files may be open (ulimit -n): more than 100 clients are turned away" in server.log()
    server.ask("/api/generate", ONE)
    async with busy(server):
        inside = [asyncio.create_task(ask(server, number)) for number in range(80)]
        await until(lambda: len(waiting(server)) == 80)
        outside = []
        while not any(task.done() for task in outside):  # one at a time: the system itself refuses crowds
            outside.append(asyncio.create_task(ask(server, len(outside))))
            await asyncio.wait(outside, timeout=0.05, return_when=asyncio.FIRST_COMPLETED)
            assert len(outside) < 40
    results = await asyncio.gather(*inside, *outside)
    refused = [(body["error"], after) for status, body, after in results if status != 200]
    assert set(refused) == {("server busy, please try again.  too many connections (ulimit -n)", 1)}
    assert server.ask("/api/generate", ONE)["eval_count"] == 1
    assert len(server.runners()) == 1


def test_the_limit_of_files_is_raised(serve: Serve) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        server = serve()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    raised, _ = psutil.Process(server.process.pid).rlimit(psutil.RLIMIT_NOFILE)
    assert raised == min(hard, 65536)
