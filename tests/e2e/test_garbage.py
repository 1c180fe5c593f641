"""A request leaves nothing that only a look for garbage finds: while one goes on, nobody is answered."""

import itertools
import re
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from tests.e2e import uncollected
from tests.server import Server, World, wait_for

TIMES = 10
LITTLE = 5
"""Objects for each request: a connection to the engine may be about to end."""
HI = {"model": "cria", "messages": [{"role": "user", "content": "hi"}], "stream": False, "options": {"num_predict": 4}}
_LOOK = re.compile(rf"^(\d+) {uncollected.MARK}(.*)$", re.MULTILINE)
_numbers = itertools.count()


class Uncollected(Server):
    command = (str(Path(uncollected.__file__)), "--exit-with-stdin")

    def look(self) -> tuple[int, str]:
        """How many objects of garbage there are, and of what kind; there are none afterwards."""
        before = len(_LOOK.findall(self.log()))
        self.process.send_signal(signal.SIGUSR1)

        def looked() -> list[tuple[str, str]]:
            self.get("/api/version")  # a thread that waits for the network hears of no signal
            return _LOOK.findall(self.log())[before:]

        ((count, kinds),) = wait_for(looked, what="a look for garbage")
        return int(count), kinds


@pytest.fixture(scope="module")
def server() -> Iterator[Uncollected]:
    server = Uncollected(World())
    try:
        yield server
    finally:
        server.stop()
        server.world.close()


def _chat(server: Server, **more: Any) -> None:
    server.post("/api/chat", HI | more)


def _other() -> str:
    return f"k{next(_numbers)}"


def _schema(server: Server) -> None:
    text = {"type": "string", "pattern": "^a+b$"}
    one, other = {"type": "object", "properties": {_other(): text}}, {"type": "array", "items": {"type": "integer"}}
    _chat(server, format={"anyOf": [one, other]})


def _alternatives(server: Server) -> None:
    kinds = [{"type": "object", "properties": {"kind": {"const": f"{_other()}{at}"}}} for at in range(2)]
    _chat(server, format={"oneOf": kinds})


def _unenforceable(server: Server) -> None:
    _chat(server, format={"type": "object", "properties": {_other(): {"type": "string", "pattern": "(?<=a)b"}}})


def _tools(server: Server) -> None:
    parameters = {"type": "object", "properties": {"place": {"type": "string"}}}
    _chat(server, tools=[{"type": "function", "function": {"name": _other(), "parameters": parameters}}])


def _template(server: Server) -> None:
    text = '{{define "a"}}{{template "b" .}}{{end}}{{define "b"}}{{if .X}}{{template "a" .}}{{end}}{{end}}'
    body = {"model": "cria", "prompt": "hi", "template": f'{text}{{{{template "a" .}}}}{_other()}', "stream": False}
    server.post("/api/generate", body | {"options": {"num_predict": 2}})


def _unreadable(server: Server) -> None:
    body = {"model": "cria", "prompt": "hi", "template": f"{{{{ .Prompt {_other()}", "stream": False}
    server.post("/api/generate", body)


def _go_away(server: Server) -> None:
    body = HI | {"stream": True, "options": {"num_predict": 300}}
    with requests.post(f"{server.url}/api/chat", json=body, stream=True, timeout=60) as response:
        next(response.iter_lines())
    wait_for(lambda: not server.get("/api/queue").json()["running"], what="the end of an answer that nobody reads")


def _break_off(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
        client.shutdown(socket.SHUT_WR)
        while client.recv(1000):
            pass


KINDS: dict[str, Callable[[Server], object]] = {
    "what there is": lambda server: server.get("/api/tags"),
    "nothing there": lambda server: server.get("/nowhere"),
    "on a connection of its own": lambda server: requests.get(f"{server.url}/api/version", timeout=60),
    "not JSON": lambda server: server.post("/api/chat", b"{"),
    "answered at once": _chat,
    "answered bit by bit": lambda server: _chat(server, stream=True),
    "a schema": _schema,
    "a schema of alternatives": _alternatives,
    "a schema that cannot be enforced": _unenforceable,
    "tools": _tools,
    "a template": _template,
    "a template that cannot be read": _unreadable,
    "gone in the middle of the answer": _go_away,
    "gone in the middle of the request": _break_off,
}


@pytest.mark.parametrize("ask", KINDS.values(), ids=KINDS.keys())
def test_a_request_leaves_no_garbage(server: Uncollected, ask: Callable[[Server], object]) -> None:
    for warm in (_chat, ask):  # modules are loaded when they are used first
        warm(server)
    server.look()
    for _ in range(TIMES):
        ask(server)
    count, kinds = server.look()
    assert count <= TIMES * LITTLE, kinds
