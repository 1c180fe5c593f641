"""Many keys with different limits, whose owners keep books of their own, to be compared with those of the server."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families
from tests.keys.conftest import bearer
from tests.server import Server

from puna.accounts import changes
from puna.accounts.store import Store

GRANTS: tuple[Mapping[str, Any], ...] = (
    {"scopes": ["infer"]},
    {"scopes": ["infer"], "rate": "3/h"},
    {"scopes": ["infer"], "rate": "2/10s", "concurrent": 2},
    {"scopes": ["infer"], "tokens": "60/day"},
    {"scopes": ["infer"], "concurrent": 1, "weight": 4},
    {"scopes": ["infer"], "priority": "batch", "tokens": "10k/day", "rate": "100/m"},
    {"scopes": ["infer"], "models": ["other*"]},
    {"scopes": ["infer"], "routes": ["/api/*"]},
    {"scopes": ["pull"]},
    {"scopes": ["admin"], "rate": "4/h", "expires": "1d"},
)
"""What keys may do, turn about."""
_REFUSED = (403, 404, 429)
_OPTIONS = {"temperature": 0.5}


@dataclass
class Book:
    """What one client has seen: answers with their tokens, statuses of refusals, and by their ids the requests that
    failed on the way, of which nobody tells a client how many tokens they have used."""

    answers: int = 0
    prompt: int = 0
    generated: int = 0
    refusals: Counter[int] = field(default_factory=Counter)
    faults: dict[str, tuple[int, str]] = field(default_factory=dict)

    def add(self, name: str, status: int, body: Any, path: str) -> None:
        """Write down an answer."""
        if status in _REFUSED:
            self.refusals[status] += 1
            return
        if status != 200:
            self.faults[name] = status, f"{path}: {body['error']}"
            return
        prompt, generated = _tokens(body, path)
        self.answers, self.prompt, self.generated = self.answers + 1, self.prompt + prompt, self.generated + generated


def _tokens(body: Any, path: str) -> tuple[int, int]:
    if path.startswith("/api"):
        return body["prompt_eval_count"], body.get("eval_count", 0)
    used = body["usage"]
    if path == "/v1/messages":
        cached = used.get("cache_read_input_tokens") or 0
        return used["input_tokens"] + cached + (used.get("cache_creation_input_tokens") or 0), used["output_tokens"]
    if "input_tokens" in used:
        return used["input_tokens"], used["output_tokens"]
    return used["prompt_tokens"], used.get("completion_tokens", 0)


def _asked(chance: random.Random) -> tuple[str, dict[str, Any]]:
    """Return the path and the body of one request, in any dialect."""
    text, length = f"Say {chance.randrange(1000)} and more", chance.randrange(1, 6)
    chat = [{"role": "user", "content": text}]
    path, body = chance.choice(
        [
            ("/api/chat", {"messages": chat, "options": {**_OPTIONS, "num_predict": length}}),
            ("/api/generate", {"prompt": text, "options": {**_OPTIONS, "num_predict": length}}),
            ("/api/embed", {"input": [text, "x"]}),
            ("/v1/chat/completions", {"messages": chat, "max_tokens": length, "n": chance.choice((1, 1, 2))}),
            ("/v1/completions", {"prompt": text, "max_tokens": length}),
            ("/v1/embeddings", {"input": text}),
            ("/v1/messages", {"messages": chat, "max_tokens": length}),
            ("/v1/responses", {"input": text, "max_output_tokens": length, "store": False}),
            ("/v1/rerank", {"query": text, "documents": ["a"]}),
        ]
    )
    return path, {"model": chance.choice(("cria", "cria", "other")), "stream": False, **body}


async def _client(
    http: aiohttp.ClientSession, url: str, key: str, book: Book, chance: random.Random, count: int
) -> None:
    async def ask() -> None:
        path, body = _asked(chance)
        async with http.post(url + path, json=body, headers=dict(bearer(key))) as response:
            book.add(response.headers["X-Request-Id"], response.status, await response.json(), path)

    while count > 0:
        together = min(chance.randrange(1, 4), count)
        await asyncio.gather(*(ask() for _ in range(together)))
        count -= together


async def _soak(url: str, keys: Mapping[str, str], books: Mapping[str, Book], count: int, most: int, seed: int) -> None:
    few = asyncio.Semaphore(most)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(600)) as http:

        async def one(name: str) -> None:
            async with few:
                await _client(http, url, keys[name], books[name], random.Random(f"{seed} {name}"), count)

        await asyncio.gather(*map(one, keys))


def keep_books(server: Server, keys: int, count: int, most: int = 24, seed: int = 1) -> Mapping[str, Book]:
    """Let so many keys make ``count`` requests each, ``most`` of them at a time, and return their owners' books.

    The server must log as JSON and have a model ``other``.
    """
    texts = {}
    with Store(server.world.home / ".puna" / "accounts.db") as store:
        for number in range(keys):
            name = f"key{number:03d}"
            texts[name] = changes.create(store, name, dict(GRANTS[number % len(GRANTS)]))[1]
    books = {name: Book() for name in texts}
    asyncio.run(_soak(server.url, texts, books, count, most, seed))
    return books


@dataclass(frozen=True)
class Told:
    """What the server says of one client: requests, tokens of prompts, tokens of answers."""

    requests: int = 0
    prompt: int = 0
    generated: int = 0

    def __add__(self, other: "Told") -> "Told":
        return Told(self.requests + other.requests, self.prompt + other.prompt, self.generated + other.generated)


def compare(server: Server, admin: str, books: Mapping[str, Book]) -> list[str]:
    """Return where usage, the log or the metrics differ from what clients have written down."""
    wrong = []
    lines = [json.loads(line) for line in server.log().splitlines() if line.startswith("{")]
    logged = {
        line["id"]: (line["key"], Told(1, line["prompt"], line["generated"]))
        for line in lines
        if line["message"] == "request"
    }
    rows = server.get("/api/puna/usage", headers=bearer(admin)).json()["usage"]
    everything = Told()
    for name, book in books.items():
        failed = sum((logged[one][1] for one in book.faults if one in logged), Told())
        mine = Told(book.answers, book.prompt, book.generated) + failed
        everything += mine
        own = [row for row in rows if row["key"] == name]
        used = Told(*(sum(row[one] for row in own) for one in ("requests", "prompt_tokens", "generated_tokens")))
        if used != mine:
            wrong.append(f"usage of {name}: {used}; its own book: {mine}")
        if (refused := sum(row["refusals"] for row in own)) != book.refusals.total():
            wrong.append(f"usage of {name}: {refused} refusals; its own book: {book.refusals}")
        if (line := sum((told for key, told in logged.values() if key == name), Told())) != mine:
            wrong.append(f"log of {name}: {line}; its own book: {mine}")
    return wrong + _metrics(server, admin, books, everything)


def _metrics(server: Server, admin: str, books: Mapping[str, Book], everything: Told) -> list[str]:
    sums: Counter[str] = Counter()
    statuses: Counter[int] = Counter()
    for family in text_string_to_metric_families(server.get("/metrics", headers=bearer(admin)).text):
        for sample in family.samples:
            sums[sample.name] += sample.value
            if sample.name == "puna_refusals_total":
                statuses[int(sample.labels["status"])] += int(sample.value)
    refusals: Counter[int] = Counter()
    for book in books.values():
        refusals += book.refusals + Counter(status for status, _ in book.faults.values())
    pairs = {
        "puna_requests_total": everything.requests,
        "puna_request_success_total": sum(book.answers for book in books.values()),
        "puna_prompt_tokens_total": everything.prompt,
        "puna_generation_tokens_total": everything.generated,
    }
    wrong = [f"metrics: {name} is {sums[name]}; books: {own}" for name, own in pairs.items() if sums[name] != own]
    return wrong + ([f"metrics: refusals {statuses}; books: {refusals}"] if statuses != refusals else [])
