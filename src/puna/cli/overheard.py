"""What an agent asks first, overheard: it is started once, pointed at a listener here, and ended when it has asked.

Only so is it known how its prompts begin, which depends on its version, its settings and the directory.
"""

import json
import os
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from puna.cli.agents import Agent, Target
from puna.cli.errors import CommandError
from puna.cli.turns import SPEECHES
from puna.process import await_end

_PASSED = ("anthropic-", "openai-")
_SECONDS = 90
_STOP_SECONDS = 5
_MOST_BYTES = 32 << 20
_REFUSED = b'{"type":"error","error":{"type":"invalid_request_error","message":"puna warm only listens"}}'


@dataclass(frozen=True, slots=True)
class Overheard:
    """A request of an agent: its path with the query, the headers that its dialect knows, and its body."""

    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]


def overhear(agent: Agent, program: str, target: Target, question: str) -> Overheard:
    """Start an agent in this directory with a question, and return its first request that offers tools.

    Raises ``CommandError`` if there is none.
    """
    listener = _Listener(("127.0.0.1", 0), _Handler)
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    start = agent.start(Target(listener.url, target.key, target.model, target.context, target.capabilities))
    command = [program, *agent.once, *start.arguments, question]
    try:
        process = subprocess.Popen(
            command,
            env=os.environ | start.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except OSError as error:
        raise CommandError(f"{program} cannot be started: {error.strerror}") from error
    try:
        listener.heard.wait(_SECONDS)
    finally:
        process.terminate()
        await_end(process, _STOP_SECONDS)
        listener.shutdown()
        listener.server_close()
    if listener.request is None:
        raise CommandError(
            f"{agent.title} asked nothing within {_SECONDS} seconds (puna launch {agent.name} shows why)"
        )
    return listener.request


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request: Overheard | None = None

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.heard = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Listener

    def do_HEAD(self) -> None:
        self._answer(200, b"")

    def do_GET(self) -> None:
        self._answer(404, b"{}")

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        data = self.rfile.read(int(length)) if length.isdigit() and int(length) <= _MOST_BYTES else b""
        try:
            body = json.loads(data)
        except ValueError:
            body = None
        if self.path.partition("?")[0] in SPEECHES and isinstance(body, dict) and body.get("tools"):
            if self.server.request is None:
                headers = {name: text for name, text in self.headers.items() if name.lower().startswith(_PASSED)}
                self.server.request = Overheard(self.path, headers, body)
            self.server.heard.set()
        self._answer(400, _REFUSED)

    def _answer(self, status: int, data: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass
