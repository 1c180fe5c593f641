"""What is asked of a server in a day, in every dialect: right, wrong, broken off, and all with the same word in it."""

import base64
import contextlib
import copy
import json
import random
import signal
import socket
import struct
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import psutil
import requests
from tests.e2e.projector import picture
from tests.inference.media.sounds import wav
from tests.server import Server
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

MARK = "Quittenmus-8264"
TEXT = f"My secret is {MARK}. " * 12  # long enough for its cache to be saved
ASK = [{"role": "user", "content": TEXT}]
FEW = {"num_predict": 4}
SEALED = "reasoning.encrypted_content"


def _told_picture() -> str:
    """Return a picture with the word in a comment, in base64."""
    data = picture(255, 0, 0)
    note = b"tEXtComment\0" + MARK.encode()
    chunk = struct.pack(">I", len(note) - 4) + note + struct.pack(">I", zlib.crc32(note))
    return base64.b64encode(data[:33] + chunk + data[33:]).decode()


PICTURE = _told_picture()
SOUND = base64.b64encode(wav() + MARK.encode()).decode()
URL = f"data:image/png;base64,{PICTURE}"
PARAMETERS = {"type": "object", "properties": {"at": {"type": "string", "description": MARK}}}
TOOL = {"type": "function", "function": {"name": "look", "description": MARK, "parameters": PARAMETERS}}
ODD_TOOL = {
    "type": "function",
    "function": {"name": "look", "parameters": {"type": "object", "properties": {"at": {"type": MARK}}}},
}
CLAUDE_TOOL = {"name": "look", "description": MARK, "input_schema": PARAMETERS}
SCHEMA = {"type": "object", "properties": {MARK: {"type": "integer"}}, "required": [MARK]}
CALLED = [{"id": "call_1", "type": "function", "function": {"name": "look", "arguments": json.dumps({"at": MARK})}}]
TURNS: list[tuple[str, dict[str, Any]]] = [
    ("/api/generate", {"prompt": TEXT, "system": MARK, "options": FEW}),
    ("/api/generate", {"prompt": TEXT, "suffix": MARK, "options": FEW}),
    ("/api/generate", {"prompt": TEXT, "raw": True, "stream": False, "options": {**FEW, "stop": [MARK]}}),
    ("/api/generate", {"prompt": TEXT, "template": MARK + "{{ .Prompt }}", "options": FEW}),
    ("/api/generate", {"prompt": TEXT, "template": MARK + "{{ .Prompt", "options": FEW}),
    ("/api/generate", {"prompt": TEXT, "model": "seeing", "images": [PICTURE], "options": FEW}),
    ("/api/generate", {"prompt": TEXT, "options": {**FEW, "grammar": f'root ::= "{MARK}"'}}),
    ("/api/generate", {"prompt": TEXT, "options": {**FEW, "grammar": f'root ::= "{MARK}" nothing'}}),
    ("/api/generate", {"prompt": TEXT, "options": {"num_predict": MARK}}),
    ("/api/chat", {"messages": ASK, "tools": [TOOL], "options": FEW}),
    ("/api/chat", {"messages": [*ASK, {"role": "assistant", "tool_calls": CALLED}], "tools": [TOOL], "options": FEW}),
    ("/api/chat", {"messages": ASK, "format": SCHEMA, "options": {"num_predict": 40}}),
    ("/api/chat", {"messages": ASK, "format": {"type": MARK}}),
    ("/api/chat", {"messages": ASK, "images": [MARK]}),
    ("/api/chat", {"messages": ASK, "tools": [ODD_TOOL]}),
    ("/v1/chat/completions", {"messages": ASK, "tools": [ODD_TOOL]}),
    ("/api/chat", {"messages": [{"role": "user", "content": TEXT, "images": [PICTURE]}], "options": FEW}),
    ("/api/chat", {"model": "seeing", "messages": [{"role": "user", "content": TEXT, "images": [PICTURE]}]}),
    ("/api/chat", {"model": "hearing", "messages": [{"role": "user", "content": TEXT, "audio": [SOUND]}]}),
    ("/api/chat", {"messages": [{"role": "user", "content": TEXT * 40}], "truncate": False}),
    ("/api/chat", {"messages": [{"role": "user", "content": TEXT}] * 40, "options": FEW}),
    ("/api/chat", {"messages": [{"role": MARK, "content": TEXT}]}),
    ("/api/chat", {"messages": MARK}),
    ("/api/chat", {"messages": ASK, "logprobs": True, "top_logprobs": 3, "think": True, "options": FEW}),
    ("/api/embed", {"input": [TEXT, MARK]}),
    ("/api/embeddings", {"prompt": TEXT}),
    ("/api/tokenize", {"text": TEXT}),
    ("/api/apply_template", {"messages": ASK}),
    ("/api/rerank", {"query": TEXT, "documents": [MARK, "x"]}),
    ("/api/puna/modelfile", {"modelfile": f"FROM cria\nSYSTEM {MARK}\nPARAMETER temperature {MARK}\n"}),
    ("/v1/rerank", {"query": TEXT, "documents": [MARK, "x"]}),
    ("/v1/systemone", {"state": TEXT, "questions": {"q": {"type": "noul", "instructions": MARK}}}),
    ("/v1/chat/completions", {"messages": ASK, "max_tokens": 4, "n": 2, "stream": True, "user": MARK}),
    ("/v1/chat/completions", {"messages": ASK, "tools": [TOOL], "tool_choice": "required", "max_tokens": 30}),
    ("/v1/chat/completions", {"messages": [{"role": "user", "content": TEXT * 40}]}),
    (
        "/v1/chat/completions",
        {
            "model": "seeing",
            "max_tokens": 4,
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "text", "text": TEXT}, {"type": "image_url", "image_url": {"url": URL}}],
                }
            ],
        },
    ),
    (
        "/v1/chat/completions",
        {
            "messages": [*ASK, {"role": "assistant", "tool_calls": CALLED}, {"role": "tool", "content": MARK}],
            "max_tokens": 4,
            "metadata": {"about": MARK},
            "prediction": {"type": "content", "content": MARK},
            "logit_bias": {"5": -1},
        },
    ),
    (
        "/v1/chat/completions",
        {
            "messages": ASK,
            "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}},
            "max_tokens": 40,
        },
    ),
    ("/v1/completions", {"prompt": TEXT, "max_tokens": 4, "echo": True}),
    ("/v1/embeddings", {"input": TEXT}),
    ("/v1/moderations", {"input": TEXT}),
    ("/v1/decisions", {"input": TEXT, "questions": [{"instructions": MARK, "type": "predicate"}]}),
    ("/v1/responses", {"input": TEXT, "max_output_tokens": 4, "instructions": MARK}),
    ("/v1/responses", {"input": TEXT, "max_output_tokens": 4, "stream": True, "include": [SEALED]}),
    ("/v1/responses", {"input": TEXT, "max_output_tokens": 4, "background": True}),
    ("/v1/responses", {"input": TEXT, "max_output_tokens": 4, "include": [MARK]}),
    ("/v1/responses", {"input": TEXT, "max_output_tokens": 4, "tools": [{"type": MARK}]}),
    (
        "/v1/responses",
        {"input": TEXT, "max_output_tokens": 4, "tools": [{"type": "function", "name": MARK}]},
    ),
    (
        "/v1/responses",
        {
            "model": "seeing",
            "max_output_tokens": 4,
            "input": [{"role": "user", "content": [{"type": "input_image", "image_url": URL}]}],
        },
    ),
    ("/v1/responses/input_tokens", {"input": TEXT}),
    ("/v1/responses/compact", {"input": TEXT, "max_output_tokens": 4}),
    ("/v1/messages", {"messages": ASK, "max_tokens": 4, "stream": True, "metadata": {"user_id": MARK}}),
    ("/v1/messages", {"messages": ASK, "max_tokens": 4, "system": [{"type": "text", "text": MARK}]}),
    ("/v1/messages", {"messages": ASK, "max_tokens": 30, "tools": [CLAUDE_TOOL], "tool_choice": {"type": "any"}}),
    (
        "/v1/messages",
        {
            "model": "seeing",
            "max_tokens": 4,
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PICTURE}},
                        {"type": "text", "text": TEXT},
                    ],
                }
            ],
        },
    ),
    ("/v1/messages", {"messages": [{"role": "user", "content": [{"type": MARK}]}], "max_tokens": 4}),
    ("/v1/messages/count_tokens", {"messages": ASK}),
]
"""Requests that succeed and fail, in every dialect; all that is said has the word in it."""
_WRONG: tuple[Any, ...] = (MARK, [MARK], {"text": MARK}, None, 0, -1, True, MARK * 200)
_PATIENCE = 300.0
"""Seconds: an answer whose bound was taken away may go on for ten contexts."""
_HEADERS = {"X-Session-Id": MARK, "Cookie": f"said={MARK}", "Authorization": f"Bearer {MARK}"}


def found(data: bytes) -> bool:
    """Return whether the word is in some bytes, as it is or in the letters of base64, UTF-16 or hexadecimal digits."""
    letters = (base64.b64encode(b" " * shift + MARK.encode()).decode()[4:-4] for shift in range(3))
    forms = [MARK.encode(), MARK.encode("utf-16-le"), MARK.encode().hex().encode(), *map(str.encode, letters)]
    return any(form in data for form in forms)


def wronged(body: Mapping[str, Any], chance: random.Random) -> dict[str, Any]:
    """Return a body in which something, anywhere, is something else."""
    changed = copy.deepcopy(dict(body))
    places = list(_places(changed))
    holder, key = chance.choice(places)
    if isinstance(holder, dict) and chance.random() < 0.2:
        del holder[key]
    else:
        holder[key] = chance.choice(_WRONG)
    return changed


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in entries:
        yield value, key
        yield from _places(inner)


class Day:
    """Requests to one server, one after another, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self.statuses: Counter[int] = Counter()
        self._chance = random.Random(seed)

    def ask(self, server: Server, count: int) -> None:
        """Ask so many times: each kind once, then any, a third of them wrong, some broken off, some by odd ways."""
        server.patience = _PATIENCE
        for number in range(count):
            path, body = TURNS[number] if number < len(TURNS) else self._chance.choice(TURNS)
            body = {"model": "cria", **body}
            kind = self._chance.random() if number >= len(TURNS) else 1.0
            if kind < 0.08:
                self._odd(server, path, body)
            elif kind < 0.16:
                how = self._chance.choice(("leave", "leave", "cancel", "cancel", "kill", "crash"))
                self.break_off(server, path, body, how)
            else:
                self._post(server, path, wronged(body, self._chance) if kind < 0.5 else body)

    def _post(self, server: Server, path: str, body: Mapping[str, Any] | bytes) -> None:
        headers = _HEADERS if self._chance.random() < 0.3 else {}
        self.statuses[server.post(path, body, headers=headers).status_code] += 1

    def break_off(self, server: Server, path: str, body: Mapping[str, Any], how: str) -> None:
        """Begin a long answer and "leave" or "cancel" it, or let its runner die, by "crash" or by "kill"."""
        name = f"day-{self._chance.getrandbits(32)}"
        long = {"stream": True, "max_tokens": 3000, "options": {"num_predict": 3000, "ignore_eos": True}}
        with contextlib.suppress(requests.RequestException):
            response = server.post(path, {**body, **long}, stream=True, headers={"X-Request-Id": name})
            lines = response.iter_lines()
            next(lines, None)
            if how == "cancel":
                server.request("DELETE", f"/api/queue/{name}")
            if how in ("kill", "crash"):
                for runner in server.runners():
                    with contextlib.suppress(psutil.Error):
                        runner.send_signal(signal.SIGKILL if how == "kill" else signal.SIGSEGV)
            if how != "leave":
                list(lines)
            response.close()

    def _odd(self, server: Server, path: str, body: Mapping[str, Any]) -> None:
        text = json.dumps(body).encode()
        match self._chance.randrange(7):
            case 0:
                self._post(server, path, text[: self._chance.randrange(len(text))])
            case 1:
                self._post(server, path, text.replace(b'"cria"', b'"cria\xff' + MARK.encode() + b'"'))
            case 2:
                self._post(server, f"{path}/{MARK}", body)
            case 3:
                self.statuses[server.get(f"/api/tags?said={MARK}").status_code] += 1
            case 4:
                head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n".encode()
                with socket.create_connection(("127.0.0.1", server.port)) as half:
                    half.sendall(head + text)
            case 5:
                form = {"file": ("said.wav", wav()), "model": (None, "cria"), "prompt": (None, TEXT)}
                response = requests.post(f"{server.url}/v1/audio/transcriptions", files=form, timeout=60)
                self.statuses[response.status_code] += 1
            case _:
                socket_turns(server)


def socket_turns(server: Server) -> None:
    """Ask over a WebSocket: what is answered, what is refused, and what is no message."""
    fields = {"type": "response.create", "model": "cria", "input": TEXT, "max_output_tokens": 4}
    over = ("response.completed", "response.incomplete", "error")
    with connect(server.url.replace("http", "ws") + "/v1/responses", proxy=None) as link:
        for message in (fields, {**fields, "type": MARK}, {**fields, "store": False}):
            link.send(json.dumps(message))
            while json.loads(link.recv(60))["type"] not in over:
                pass
        with contextlib.suppress(WebSocketException):
            link.send(f'{{"type": "{MARK}')
            link.recv(60)
