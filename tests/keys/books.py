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
_OPTIONS = {"temperature": 0.5}


@dataclass
class Book:
    """What one client has seen: answers with their tokens, statuses of refusals, and errors of the server."""

    answers: int = 0
    prompt: int = 0
    generated: int = 0
    refusals: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def add(self, status: int, body: Any, path: str) -> None:
        """Write down an answer."""
        if status >= 500:
            self.faults.append(f"{path}: {status}: {body['error']}")
        elif status != 200:
            self.refusals[status] += 1
        if status != 200:
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
            book.add(response.status, await response.json(), path)

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


def compare(server: Server, admin: str, books: Mapping[str, Book]) -> list[str]:
    """Return where usage, the log or the metrics differ from what clients have written down."""
    wrong = []
    mine = {name: (book.answers + len(book.faults), book.prompt, book.generated) for name, book in books.items()}
    refused = {name: book.refusals.total() for name, book in books.items()}
    usage: dict[str, Counter[str]] = {name: Counter() for name in books}
    for row in server.get("/api/puna/usage", headers=bearer(admin)).json()["usage"]:
        if row["key"] in usage:
            usage[row["key"]].update({name: value for name, value in row.items() if isinstance(value, int | float)})
    logged: dict[str, Counter[str]] = {name: Counter() for name in books}
    for line in server.log().splitlines():
        told = json.loads(line) if line.startswith("{") else {}
        if told.get("message") == "request" and told["key"] in logged:
            logged[told["key"]].update(requests=1, prompt=told["prompt"], generated=told["generated"])
    for name in books:
        rows = usage[name]
        if (rows["requests"], rows["prompt_tokens"], rows["generated_tokens"]) != mine[name]:
            wrong.append(f"usage of {name}: {dict(rows)}; its own book: {books[name]}")
        if rows["refusals"] != refused[name]:
            wrong.append(f"usage of {name}: {rows['refusals']} refusals; its own book: {books[name].refusals}")
        line = logged[name]
        if (line["requests"], line["prompt"], line["generated"]) != mine[name]:
            wrong.append(f"log of {name}: {dict(line)}; its own book: {books[name]}")
    return wrong + _metrics(server, admin, books)


def _metrics(server: Server, admin: str, books: Mapping[str, Book]) -> list[str]:
    text = server.get("/metrics", headers=bearer(admin)).text
    sums: Counter[str] = Counter()
    statuses: Counter[int] = Counter()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            sums[sample.name] += sample.value
            if sample.name == "puna_refusals_total":
                statuses[int(sample.labels["status"])] += int(sample.value)
    refusals: Counter[int] = sum((book.refusals for book in books.values()), Counter())
    pairs = {
        "puna_requests_total": sum(book.answers + len(book.faults) for book in books.values()),
        "puna_request_success_total": sum(book.answers for book in books.values()),
        "puna_prompt_tokens_total": sum(book.prompt for book in books.values()),
        "puna_generation_tokens_total": sum(book.generated for book in books.values()),
    }
    for book in books.values():
        refusals.update(int(fault.split(": ")[1]) for fault in book.faults)
    wrong = [f"metrics: {name} is {sums[name]}; books: {own}" for name, own in pairs.items() if sums[name] != own]
    return wrong + ([f"metrics: refusals {statuses}; books: {refusals}"] if statuses != refusals else [])
