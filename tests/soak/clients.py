"""Clients that ask, wait, read, lose patience, cancel and break off; and what they were answered."""

import asyncio
import contextlib
import json
import random
import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp

MODELS = ("soak-a", "soak-b", "soak-c")
SUPPOSED = {
    499: r"request canceled",
    500: r"ended unexpectedly \(by signal 9\)|made no progress for|went on working for|took more memory than it may|"
    r"failed to load|did not load in time",
    503: r"server busy, please try again",
}
"""Errors that the soak causes itself: requests that it cancels, runners that it kills or stops, a full queue."""
HOSTILE: tuple[dict[str, Any], ...] = (
    {"format": {"type": "object", "properties": {"n": {"type": "integer", "multipleOf": 12345678}}, "required": ["n"]}},
    {"format": {"type": "array", "items": {"type": "integer"}, "minItems": 1_000_000_000}},
    {"format": {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}},
    {"options": {"grammar": 'root ::= "a"{5,2}'}},
    {
        "options": {
            "grammar": "\n".join(["root ::= a0", *(f"a{i} ::= a{i + 1} | a{i + 1} a{i + 1}" for i in range(40))])
        }
    },
    {"options": {"dry_multiplier": 1, "dry_penalty_last_n": 2147483647}},
    {"options": {"dry_multiplier": 1, "dry_sequence_breakers": [f"b{i}" for i in range(20_000)]}},
    {"options": {"logit_bias": [["9" * 400, 1]]}},
)
"""What takes a model from everybody where nothing bounds it: refused, answered, or the end of its runner."""
_LINE = "The llama walks over the high plateau and looks for water. "
_QUESTIONS = ("Hello!", "What is two and two?", "Tell me of the sea.")
_CALL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Tell the weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
_ADDRESSES = 8
"""Clients come from so many addresses, each of which has its turns in the queue."""
_LONG_TALK = 8


class FaultyError(Exception):
    """The server did what it must not do."""


@dataclass(slots=True)
class Record:
    """What came of all requests. Times are in seconds."""

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    """How long requests took that were answered."""
    first: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """How long it took until streams of each priority began."""
    longest: float = 0.0
    faults: list[str] = field(default_factory=list)
    """Everything that was not as it must be."""

    @contextlib.contextmanager
    def request(self, kind: str, about: str, within: float) -> Iterator[list[str]]:
        """Note what one request comes to; the word for it is to be put into the list.

        ``about`` is what else to say of it if it fails, and ``within`` bounds its time.
        """
        said: list[str] = []
        began = time.monotonic()
        try:
            yield said
        except TimeoutError:
            self.faults.append(f"{kind}, {about}: not answered within {within:g} seconds")
        except (FaultyError, aiohttp.ClientError, OSError, ValueError) as error:
            self.faults.append(f"{kind}, {about}: {type(error).__name__}: {error}")
        seconds = time.monotonic() - began
        self.longest = max(self.longest, seconds)
        self.outcomes[kind, said[-1] if said else "fault"] += 1
        if said == ["answer"]:
            self.seconds.append(seconds)


class Client:
    """One client. What it does follows from ``seed`` and ``number`` alone; ``pause`` is its mean rest in seconds."""

    def __init__(self, url: str, record: Record, *, seed: int, number: int, pause: float, within: float) -> None:
        self._url = url
        self._record = record
        self._chance = random.Random(f"{seed}/{number}")
        self._address = f"127.0.0.{2 + number % _ADDRESSES}"
        self._name = f"client{number}"
        self._pause = pause
        self._within = within
        self._asked = 0
        self._talk: list[dict[str, Any]] = []

    async def run(self, until: float) -> None:
        """Ask until the monotonic clock says ``until``, on one connection after the other."""
        while time.monotonic() < until:
            connector = aiohttp.TCPConnector(local_addr=(self._address, 0))
            async with aiohttp.ClientSession(self._url, connector=connector) as session:
                for _ in range(self._chance.randint(1, 6)):
                    rest = min(self._chance.expovariate(1 / self._pause), max(until - time.monotonic(), 0))
                    await asyncio.sleep(rest)
                    if time.monotonic() >= until:
                        return
                    await self._ask(session)

    async def _ask(self, session: aiohttp.ClientSession) -> None:
        kind, path, body = self._request()
        manner = self._chance.choices(("stay", "leave", "cancel", "break off"), (60, 24, 12, 4))[0]
        patience = self._chance.expovariate(1 / 0.4)
        self._asked += 1
        headers = {"X-Request-Id": f"{self._name}.{self._asked}"}
        about = f"{body['model']} {body.get('priority', '')}".rstrip()
        with self._record.request(f"{kind}, {manner}", about, self._within) as said:
            async with asyncio.timeout(self._within):
                if manner == "break off":
                    await self._break_off(path, body)
                    said.append("left")
                elif manner == "leave":
                    hostile = kind == "hostile"
                    said.append(await self._impatiently(session, path, body, patience, hostile=hostile))
                else:
                    cancelling = asyncio.create_task(self._cancel(session, headers["X-Request-Id"], patience))
                    if manner == "stay":
                        cancelling.cancel()
                    try:
                        said.append(await self._answer(session, path, body, headers, hostile=kind == "hostile"))
                    finally:
                        await asyncio.gather(cancelling, return_exceptions=True)

    def _request(self) -> tuple[str, str, dict[str, Any]]:
        chance = self._chance
        kind = chance.choices(
            ("generate", "chat", "talk", "json", "tools", "think", "embed", "unload", "hostile"),
            (5, 5, 4, 2, 2, 2, 4, 1, 0.5),
        )[0]
        long = chance.random() < 0.1
        options = {"num_predict": 400, "ignore_eos": True} if long else {"num_predict": chance.randint(1, 24)}
        body: dict[str, Any] = {
            "model": chance.choices(MODELS, (5, 3, 2))[0],
            "stream": chance.random() < 0.6,
            "options": options | {"seed": chance.randrange(1 << 20)},
        }
        if chance.random() < 0.15:
            body["priority"] = "batch"
        question = [
            {"role": "user", "content": chance.choice(("Hello!", "What is two and two?", "Tell me of the sea."))}
        ]
        match kind:
            case "generate":
                return kind, "/api/generate", body | {"prompt": _LINE}
            case "embed":
                return kind, "/api/embed", {"model": body["model"], "input": [_LINE] * chance.randint(1, 8)}
            case "unload":
                return kind, "/api/generate", {"model": body["model"], "keep_alive": 0}
            case "hostile":
                bomb = chance.choice(HOSTILE)
                options = {"num_predict": 20} | bomb.get("options", {})
                return kind, "/api/chat", body | {"messages": question} | bomb | {"options": options}
            case "talk":
                return kind, "/api/chat", body | {"messages": self._next_turn(question)}
        more = {"json": {"format": "json"}, "tools": {"tools": [_CALL]}, "think": {"think": True}}.get(kind, {})
        return kind, "/api/chat", body | {"messages": question} | more

    def _next_turn(self, question: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return a conversation that goes on from the one before, so that saved caches are of use."""
        if len(self._talk) > _LONG_TALK or not self._talk:
            self._talk = [{"role": "system", "content": _LINE * self._chance.randint(4, 12)}]
        elif self._talk[-1]["role"] == "user":
            self._talk.append({"role": "assistant", "content": "It does."})
        self._talk += question
        return list(self._talk)

    async def _answer(
        self,
        session: aiohttp.ClientSession,
        path: str,
        body: dict[str, Any],
        headers: dict[str, str] | None = None,
        *,
        hostile: bool = False,
    ) -> str:
        """Return what a request was answered: "answer", or the status of an error; what is hostile may be refused."""
        asked = time.monotonic()
        async with session.post(path, json=body, headers=headers) as response:
            if response.content_type == "application/x-ndjson":
                self._record.first[body.get("priority", "interactive")].append(time.monotonic() - asked)
                lines = [json.loads(line) async for line in response.content]
            else:
                lines = [await response.json()]
        if any("error" in line or line.get("done") for line in lines[:-1]):
            raise FaultyError(f"an answer went on after its end: {lines[-3:]}")
        if not lines:
            raise FaultyError("an empty answer")
        if hostile and response.status == 400 and lines[-1].get("error"):
            return "400 refused"
        return _judge(response, lines[-1])

    async def _impatiently(
        self, session: aiohttp.ClientSession, path: str, body: dict[str, Any], patience: float, *, hostile: bool
    ) -> str:
        asking = asyncio.create_task(self._answer(session, path, body, hostile=hostile))
        done, _ = await asyncio.wait({asking}, timeout=patience)
        if done:
            return asking.result()
        asking.cancel()  # which closes its connection
        await asyncio.gather(asking, return_exceptions=True)
        return "left"

    async def _cancel(self, session: aiohttp.ClientSession, request_id: str, patience: float) -> None:
        await asyncio.sleep(patience)
        async with session.delete(f"/api/queue/{request_id}") as response:
            if response.status not in (200, 404):
                raise FaultyError(f"cancelling was answered with {response.status}: {await response.text()}")

    async def _break_off(self, path: str, body: dict[str, Any]) -> None:
        """Send a part of a request and go away."""
        host, port = self._url.removeprefix("http://").split(":")
        data = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(data)}\r\n\r\n".encode()
        whole = head + data
        _, writer = await asyncio.open_connection(host, int(port), local_addr=(self._address, 0))
        writer.write(whole[: self._chance.randrange(len(whole))])
        await writer.drain()
        writer.transport.abort()


def _judge(response: aiohttp.ClientResponse, last: dict[str, Any]) -> str:
    """Return the word for an answer by its last object; raise ``FaultyError`` for one that must not be."""
    error = last.get("error")
    if error is None:
        if response.status != 200 or not (last.get("done") or "embeddings" in last):
            raise FaultyError(f"status {response.status} with {last}")
        if last.get("done_reason", "stop") not in ("stop", "length", "unload"):
            raise FaultyError(f"it ended with {last}")
        return "answer"
    statuses = SUPPOSED if response.status == 200 else {response.status: SUPPOSED.get(response.status, "^never$")}
    for status, pattern in statuses.items():
        if re.search(pattern, error):
            if response.status == 503 and int(response.headers.get("Retry-After", 0)) < 1:
                raise FaultyError("503 without Retry-After")
            return f"{status} {re.search(pattern, error)[0]}"  # type: ignore[index]
    raise FaultyError(f"status {response.status}: {error}")
