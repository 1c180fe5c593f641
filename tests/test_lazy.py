"""What few requests need is loaded beside the event loop, and not looked through for garbage."""

import gc
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType

import pytest

from puna.lazy import load, loaded

WHO = """
import asyncio, sys, threading

class Who:
    found = {}
    def find_spec(self, name, path=None, target=None):
        self.found.setdefault(name, threading.current_thread() is threading.main_thread())

sys.meta_path.insert(0, Who())
"""
EMBED = """
from puna.inference.embed import EmbedRequest, embed
from puna.inference.options import Options
asyncio.run(embed(None, EmbedRequest(model=None, texts=(), options=Options.merge({}))))
print(Who.found["numpy"])
"""
FETCH = """
from puna.api.parts import MediaReader
from puna.net.fetch import FetchError
from puna.settings import Settings
try:
    asyncio.run(MediaReader(Settings.from_env({})).at("http://127.0.0.1:1/", "url"))
except FetchError:
    print(Who.found["aiohttp"])
"""
STREAM = """
from starlette.requests import Request
from puna.api.http.direct import DIRECT
from puna.api.http.responses import ndjson_response

async def rest():
    return
    yield

async def receive():
    return await asyncio.Future()

async def send(message):
    pass

scope = {"type": "http", "method": "POST", "path": "/api/chat", "headers": [], DIRECT: send}

async def stream():
    await ndjson_response(Request(scope), [], rest(), lambda batch: batch)(scope, receive, send)

asyncio.run(stream())
print("anyio._backends._asyncio" in Who.found)
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Yield the name of a module that has a hundred functions and knows which thread has loaded it."""
    functions = "\n".join(f"def f{at}(): pass" for at in range(100))
    (tmp_path / "many_functions.py").write_text(f"import threading\nWHO = threading.current_thread()\n{functions}\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "many_functions", raising=False)
    gc.freeze()  # as a server has done with what it is made of
    yield "many_functions"
    gc.unfreeze()


def looked_through(name: str) -> int:
    return sum(isinstance(item, FunctionType) and item.__module__ == name for item in gc.get_objects())


@pytest.mark.parametrize("collects", [True, False])
def test_a_module_is_not_looked_through_for_garbage(module: str, collects: bool) -> None:
    if not collects:
        gc.disable()
    try:
        load(module)
        assert sys.modules[module].f99
        assert looked_through(module) == 0
        assert gc.isenabled() == collects
    finally:
        gc.enable()


def test_nobody_waits_for_a_look_at_all_where_there_is_much(module: str) -> None:
    requests: list[list[int]] = [[] for _ in range(100_000)]
    looks: list[dict[str, int]] = []
    gc.callbacks.append(lambda phase, info: looks.append(info))
    try:
        load(module)
    finally:
        gc.callbacks.pop()
    assert [look for look in looks if look["generation"] == 2] == []
    assert gc.is_tracked(requests)
    assert any(item is requests for item in gc.get_objects())  # it may become garbage


def test_a_module_that_is_there_is_left_alone(module: str) -> None:
    load(module)
    before = gc.get_freeze_count()
    load(module)
    assert gc.get_freeze_count() == before


async def test_the_event_loop_waits_for_no_module(module: str) -> None:
    await loaded(module)
    assert sys.modules[module].WHO is not threading.main_thread()
    assert looked_through(module) == 0


@pytest.mark.parametrize("what", [EMBED, FETCH], ids=["numpy", "aiohttp"])
def test_what_a_request_needs_is_loaded_in_a_thread(what: str) -> None:
    assert said(what) == "False"


def test_a_stream_needs_nothing_that_is_loaded_late() -> None:
    assert said(STREAM) == "False"


def said(what: str) -> str:
    output = subprocess.run([sys.executable, "-c", WHO + what], capture_output=True, text=True, check=True)
    return output.stdout.strip()
