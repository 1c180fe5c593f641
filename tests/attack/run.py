"""The attack: many odd requests and some bombs at one server, while somebody looks on.

``attack`` returns what happened; its ``faults`` must be empty.
"""

import asyncio
import hashlib
import io
import json
import random
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import psutil
from tests.attack.bodies import TARGET, Body, request
from tests.attack.bombs import bomb, jinja
from tests.attack.watch import Sight, Watch
from tests.e2e.jinja import with_jinja
from tests.server import Server, World, is_end

_WITHIN = 60.0
_LEAST_VERSION, _LEAST_BESIDE, _LEAST_SAME = 0.3, 5.0, 15.0
_SERVER_GROWTH = 768 << 20
_JINJA_PART = 0.1
"""The part of bombs that are templates inside a GGUF."""
_LEAVE_PART = 0.2
"""The part of clients of bombs that go away."""
_BAD_LOG = ("Traceback", "never retrieved", "Exception ignored", "Unclosed", "was destroyed but it is pending")
_ENGINE_WORDS = re.compile(
    r"\w::\w|\bggml|\bllama_|GGML_|basic_string|_Map_base|Traceback|internal server error|by signal"
)
_BOUNDED = re.compile(r"made no progress for|went on working for|took more memory than it may|did not load in time")
"""Why a runner is ended that a request has taken from all others."""
_GENERATING = ("/api/generate", "/api/chat", "/api/embed", "/api/embeddings")


@dataclass(slots=True)
class Course:
    """What came of an attack."""

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By kind and outcome."""
    reached: int = 0
    """How many requests the engine has answered."""
    bodies: int = 0
    bombs: int = 0
    lost: Counter[str] = field(default_factory=Counter)
    """The kinds for which a runner was ended."""
    longest: dict[str, float] = field(default_factory=dict)
    """Seconds of the longest answer of each kind."""
    faults: list[str] = field(default_factory=list)
    sight: Sight = field(default_factory=Sight)
    log: str = ""
    seconds: float = 0.0


async def attack(plan: "Plan", course: Course) -> None:
    """Attack, and write down in ``course`` what happens, also if it is broken off."""
    world = World({"PUNA_ENGINE": plan.engine} | plan.settings if plan.engine else plan.settings)
    began = time.monotonic()
    try:
        server = await asyncio.to_thread(Server, world)
        try:
            await _on(server, plan, course)
        finally:
            await asyncio.to_thread(server.stop)
            course.log = server.log()
            course.faults += [
                f"in the log: {line}" for line in course.log.splitlines() if any(map(line.count, _BAD_LOG))
            ]
    finally:
        course.faults += [f"left over: {item}" for item in world.close()]
        course.seconds = time.monotonic() - began


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How many requests of which kind; ``first`` of each is where to begin, ``seconds`` bounds all of it.

    ``patience`` is how many times as long as promised others may wait.
    """

    bodies: int
    bombs: int
    seed: int = 1
    first: int = 0
    clients: int = 4
    seconds: float = float("inf")
    patience: float = 1.0
    engine: str = ""
    settings: dict[str, str] = field(default_factory=dict)


async def _on(server: Server, plan: Plan, course: Course) -> None:
    for model in (TARGET,):
        server.ask("/api/create", {"model": model, "from": "cria", "stream": False})
    for model in (TARGET, "cria"):
        server.ask("/api/generate", {"model": model, "prompt": "x", "stream": False, "options": {"num_predict": 1}})
        server.ask("/api/embed", {"model": model, "input": "x"})
    memory = _rss(server)
    until = time.monotonic() + plan.seconds
    # Bombs lie evenly among the bodies.
    order = [(number / max(plan.bodies, 1), "body", number) for number in range(plan.bodies)]
    order += [((number + 0.5) / max(plan.bombs, 1), "bomb", number) for number in range(plan.bombs)]
    waiting = iter([(kind, plan.first + number) for _, kind, number in sorted(order)])
    with Watch(server.port, server.process.pid) as watch:
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        timeout = aiohttp.ClientTimeout(total=_WITHIN)
        async with aiohttp.ClientSession(server.url, connector=connector, timeout=timeout) as session:

            async def client() -> None:
                for kind, number in waiting:
                    if time.monotonic() > until:
                        return
                    chance = random.Random(f"{plan.seed}/{kind}/{number}")
                    if kind == "body":
                        await _body(session, chance, number, course)
                    else:
                        await _bomb(session, chance, number, course)

            async with asyncio.TaskGroup() as clients:
                for _ in range(plan.clients):
                    clients.create_task(client())
        await _settle(server, course)
    course.sight = watch.sight
    _judge_sight(course, memory, plan.patience)


def _rss(server: Server) -> int:
    return int(psutil.Process(server.process.pid).memory_info().rss)


async def _settle(server: Server, course: Course) -> None:
    """See that nothing goes on when nobody asks any more."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        queue = (await asyncio.to_thread(server.get, "/api/queue")).json()
        if not queue["waiting"] and queue["running"] <= 2:
            return
        await asyncio.sleep(0.2)
    course.faults.append(f"in the queue at the end: {queue}")


async def _body(session: aiohttp.ClientSession, chance: random.Random, number: int, course: Course) -> None:
    path, body = request(chance)
    course.bodies += 1
    await _ask(session, f"body {path}", f"body {number}", path, body, course)


async def _bomb(session: aiohttp.ClientSession, chance: random.Random, number: int, course: Course) -> None:
    course.bombs += 1
    if chance.random() < _JINJA_PART:
        await _jinja_bomb(session, chance, number, course)
        return
    kind, path, body = bomb(chance)
    leave = chance.expovariate(1.0) if chance.random() < _LEAVE_PART else None
    made = "template" in body and chance.random() < 0.3
    if made:
        name = f"bomb-{number}"
        creating = {"model": name, "from": "cria", "template": body.pop("template"), "stream": False}
        if await _ask(session, f"{kind} created", f"bomb {number}", "/api/create", creating, course) == 200:
            await _ask(session, kind, f"bomb {number}", path, {"model": name} | body, course, leave)
            await _ask(session, "delete", f"bomb {number}", "/api/delete", {"model": name}, course, method="DELETE")
        return
    await _ask(session, kind, f"bomb {number}", path, {"model": TARGET} | body, course, leave)


async def _jinja_bomb(session: aiohttp.ClientSession, chance: random.Random, number: int, course: Course) -> None:
    data = await asyncio.to_thread(with_jinja, jinja(chance))
    digest, name = f"sha256:{hashlib.sha256(data).hexdigest()}", f"bomb-{number}"
    async with session.post(f"/api/blobs/{digest}", data=io.BytesIO(data)) as response:
        if response.status not in (200, 201):
            course.faults.append(f"bomb {number}: its file was answered {response.status}")
    creating = {"model": name, "files": {"m.gguf": digest}, "stream": False}
    about = f"bomb {number}"
    if await _ask(session, "jinja created", about, "/api/create", creating, course) == 200:
        body: Body = {"model": name, "messages": [{"role": "user", "content": "hi"}], "options": {"num_predict": 2}}
        body |= {"stream": chance.random() < 0.5, "format": chance.choice(("", "json")), "keep_alive": 0}
        leave = chance.expovariate(1.0) if chance.random() < _LEAVE_PART else None
        await _ask(session, "jinja", about, "/api/chat", body, course, leave)
        await _ask(session, "delete", about, "/api/delete", {"model": name}, course, method="DELETE")


async def _ask(
    session: aiohttp.ClientSession,
    kind: str,
    about: str,
    path: str,
    body: Body,
    course: Course,
    leave: float | None = None,
    method: str = "POST",
) -> int:
    """Send one request and judge what is answered; return its status, 0 for none."""
    data = json.dumps(body).encode()
    began = time.monotonic()
    outcome, status = "fault", 0
    try:
        async with asyncio.timeout(leave), session.request(method, path, data=io.BytesIO(data)) as response:
            text = await response.read()
            status = response.status
            outcome = _judge(path, status, response.content_type, text)
            if status == 200 and path in _GENERATING and outcome == "200":
                course.reached += 1
    except TimeoutError:
        outcome = "left" if leave is not None else "hangs"
    except (aiohttp.ClientError, OSError, ValueError) as error:
        outcome = f"fault: {error!r}"
    took = time.monotonic() - began
    course.longest[kind] = max(course.longest.get(kind, 0.0), took)
    if outcome.startswith("bounded"):
        course.lost[kind] += 1
    short = outcome.partition(":")[0]
    course.outcomes[kind, short] += 1
    if short in ("fault", "hangs"):
        course.faults.append(f"{about}, {kind}, after {took:.1f} s: {outcome[:400]}")
    return status


def _judge(path: str, status: int, kind: str, text: bytes) -> str:
    """Return a word for an answer, "fault: …" for one that must not be."""
    lines: list[Any] = [json.loads(line) for line in text.splitlines()] if kind == "application/x-ndjson" else []
    if kind == "application/json":
        lines = [json.loads(text)]
    if kind == "application/x-ndjson":
        if not lines or not is_end(lines[-1]) or any(map(is_end, lines[:-1])):
            return f"fault: not exactly one end at its end: {text[-300:]!r}"
    elif not lines and (text or status != 200):
        return f"fault: {status} {kind} {text[:200]!r}"
    error = lines[-1].get("error") if lines and isinstance(lines[-1], dict) else None
    if error is None:
        return "200" if status == 200 else f"fault: {status} without a reason"
    if not isinstance(error, str) or not error:
        return f"fault: {status} {error!r}"
    if _BOUNDED.search(error):
        return f"bounded: {error}"
    if _ENGINE_WORDS.search(error):
        return f"fault: {status} {error}"
    if status >= 500 and not (status == 503 and error.startswith("server busy")):
        return f"fault: {status} {error}"
    if status == 200 and not error.isprintable():
        return f"fault: {status} {error!r}"
    return f"{status} refused" if status != 200 else "200 error"


def _judge_sight(course: Course, memory: int, patience: float) -> None:
    sight, faults = course.sight, course.faults
    faults += sight.failed
    faults += [
        f"/api/version took {took:.2f} s after {at:.1f} s (beside it {beside:.2f} s)"
        for at, took, beside in sight.late(patience * _LEAST_VERSION)
    ]
    for model, asked in sight.innocent.items():
        least = patience * (_LEAST_SAME if model == TARGET else _LEAST_BESIDE)
        faults += [
            f"an innocent chat of {model} took {took:.1f} s after {at:.0f} s" for at, took in asked if took > least
        ]
    if sight.over_plan > 0:
        faults.append(f"a runner took {sight.over_plan / 1e6:.0f} MB more than its bound")
    if sight.server_memory > memory + _SERVER_GROWTH:
        faults.append(f"the server took {sight.server_memory / 1e6:.0f} MB, at first {memory / 1e6:.0f} MB")
