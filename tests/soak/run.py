"""The soak: one server, models that do not fit together, clients that come and go, runners that are killed.

``soak`` returns what happened; its ``faults`` must be empty.
"""

import asyncio
import contextlib
import random
import signal
import statistics
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import psutil
from tests.server import Server, World
from tests.soak.clients import MODELS, Client, Record
from tests.soak.group import MemoryGroup, memory_group

_STALL = 5
_WITHIN = 120.0
"""Seconds within which every request must end: several stalled runners, one after the other."""
_SETTLE = 40.0
"""Seconds within which what is ending has ended: a runner that is stopped while its sessions are saved takes most."""
_SAMPLE_EVERY = 5.0
_GROWTH = 24 << 20
_SPARE_FILES = 4
_BAD_LOG = ("Traceback", "never retrieved", "Exception ignored", "Unclosed", "was destroyed but it is pending")
_TOGETHER = 2
"""Models that fit into memory at the same time."""
_BUDGET = 0.85
"""The part of free memory that the server plans with."""
SETTINGS = {
    "OLLAMA_NUM_PARALLEL": "4",
    "OLLAMA_LOAD_TIMEOUT": f"{_STALL}s",
    "PUNA_STALL_TIMEOUT": f"{_STALL}s",
    "PUNA_SESSIONS": "64M",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do for how long: times are in seconds, ``engine`` is a llama-server, "" the portable engine.

    ``by_memory`` keeps the models from being together by a limit on memory, and not on their number.
    """

    seconds: float
    clients: int
    harm_every: float
    seed: int
    pause: float
    engine: str = ""
    by_memory: bool = False

    @property
    def settings(self) -> dict[str, str]:
        """Return the server's environment."""
        settings = SETTINGS | ({"PUNA_ENGINE": self.engine} if self.engine else {})
        return settings if self.by_memory else settings | {"OLLAMA_MAX_LOADED_MODELS": str(_TOGETHER)}


@dataclass(frozen=True, slots=True)
class Sample:
    """The server at one moment: resident bytes, open files, threads, models in memory."""

    rss: int
    files: int
    threads: int
    models: int


@dataclass(slots=True)
class Course:
    """One soak, as far as it has come."""

    record: Record = field(default_factory=Record)
    harm: Counter[str] = field(default_factory=Counter)
    """What was done to runners."""
    samples: list[Sample] = field(default_factory=list)
    before: Sample | None = None
    after: Sample | None = None
    loads: int = 0
    log: str = ""
    processor_seconds: float = 0.0

    @property
    def faults(self) -> list[str]:
        """Return what must not have been."""
        return self.record.faults


async def soak(plan: Plan, course: Course) -> None:
    """Run a soak and write down in ``course`` what happens, also if it is broken off.

    Raises ``OSError`` where memory is to be limited and the system does not let that be done.
    """
    world = World(plan.settings)
    try:
        with memory_group(world.root.name) if plan.by_memory else contextlib.nullcontext() as group:
            await _in(world, group, plan, course)
    finally:
        course.faults.extend(f"left over: {item}" for item in world.close())


async def _in(world: World, group: MemoryGroup | None, plan: Plan, course: Course) -> None:
    server = await asyncio.to_thread(Server, world, before=group.enter if group else "")
    try:
        await _on(server, group, plan, course)
    finally:
        began = time.monotonic()
        await asyncio.to_thread(server.stop)
        if time.monotonic() - began > _SETTLE:
            course.faults.append(f"the server took {time.monotonic() - began:.0f} seconds to end")
        log = course.log = server.log()
        course.loads = log.count(" loaded soak-")
        course.faults.extend(f"in the log: {line}" for line in log.splitlines() if any(map(line.count, _BAD_LOG)))


async def _on(server: Server, group: MemoryGroup | None, plan: Plan, course: Course) -> None:
    size = await asyncio.to_thread(_prepare, server)
    course.before = await _settled(server, course, "at the beginning")
    if group:
        group.leave_room(int((_TOGETHER + 0.5) * size / _BUDGET))
    until = time.monotonic() + plan.seconds
    looks = [
        asyncio.create_task(_harm(server, course, plan.harm_every, plan.seed)),
        asyncio.create_task(_watch(server, course)),
    ]
    try:
        async with asyncio.TaskGroup() as clients:
            for number in range(plan.clients):
                client = Client(
                    server.url, course.record, seed=plan.seed, number=number, pause=plan.pause, within=_WITHIN
                )
                clients.create_task(client.run(until))
    finally:
        for task in looks:
            task.cancel()
        for result in await asyncio.gather(*looks, return_exceptions=True):
            if isinstance(result, Exception):
                course.faults.append(f"the soak itself failed: {result!r}")
    course.after = await _settled(server, course, "at the end")
    course.processor_seconds = sum(psutil.Process(server.process.pid).cpu_times()[:2])
    _compare(course)


def _prepare(server: Server) -> int:
    """Make the models, and use everything once that stays in memory once it is used.

    Return the least size of a model there: that of a runner that was not asked to embed yet.
    """
    sizes: list[int] = []
    for model in MODELS:
        server.ask("/api/create", {"model": model, "from": "cria", "system": model, "stream": False})
        server.ask("/api/generate", {"model": model, "prompt": "x", "stream": False, "options": {"num_predict": 1}})
        sizes += [entry["size"] for entry in server.loaded().values()]
        server.ask("/api/embed", {"model": model, "input": "x"})
    return min(sizes)


async def _harm(server: Server, course: Course, every: float, seed: int) -> None:
    """Kill a runner, or stop it for ever or for a moment, again and again."""
    chance = random.Random(seed)
    while True:
        await asyncio.sleep(every)
        how = chance.choices(("killed", "stopped", "stopped for a second"), (6, 2, 2))[0]
        victim = await asyncio.to_thread(_busiest if chance.random() < 0.5 else _any, server, chance)
        if victim is None:
            continue
        with contextlib.suppress(psutil.NoSuchProcess):
            victim.send_signal(signal.SIGKILL if how == "killed" else signal.SIGSTOP)
            course.harm[how] += 1
            if how == "stopped for a second":
                await asyncio.sleep(1)
                victim.send_signal(signal.SIGCONT)


def _any(server: Server, chance: random.Random) -> psutil.Process | None:
    runners = server.runners()
    return chance.choice(runners) if runners else None


def _busiest(server: Server, chance: random.Random) -> psutil.Process | None:
    """Return a runner that computes, as soon as there is one; any at all if there is none for a while."""
    for _ in range(60):
        runners = server.runners()
        before = [_computed(runner) for runner in runners]
        time.sleep(0.05)
        worked = [(_computed(runner) - old, runner.pid, runner) for old, runner in zip(before, runners, strict=True)]
        most, _, runner = max(worked, default=(0.0, 0, None))
        if most > 0.02:
            return runner
    return _any(server, chance)


def _computed(runner: psutil.Process) -> float:
    try:
        return float(sum(runner.cpu_times()[:2]))
    except psutil.Error:
        return 0.0


async def _watch(server: Server, course: Course) -> None:
    """Note how the server does, and that it answers questions about itself meanwhile."""
    async with aiohttp.ClientSession(server.url, timeout=aiohttp.ClientTimeout(total=_STALL)) as session:
        while True:
            await asyncio.sleep(_SAMPLE_EVERY)
            course.samples.append(await asyncio.to_thread(_sample, server))
            try:
                for path in ("/api/ps", "/api/queue", "/api/tags"):
                    async with session.get(path) as response:
                        await response.json()
            except (aiohttp.ClientError, TimeoutError) as error:
                course.faults.append(f"the server did not say how it is: {error!r}")


def _sample(server: Server) -> Sample:
    process = psutil.Process(server.process.pid)
    return Sample(process.memory_info().rss, process.num_fds(), process.num_threads(), len(server.loaded()))


async def _settled(server: Server, course: Course, when: str) -> Sample:
    """Look whether everything ends that should end when nobody asks any more, and return what remains."""

    async def expect(what: str, look: Callable[[], Any], wanted: Any) -> None:
        if await _until(lambda: _look(look), wanted) != wanted:
            course.faults.append(f"{when}, {what}: {await asyncio.to_thread(look)} instead of {wanted}")

    def queue() -> dict[str, Any]:
        answer = server.get("/api/queue").json()
        return {name: answer[name] for name in ("running", "waiting", "requests")}

    def in_memory() -> int:
        """Return how many more processes there are than the one or two of each model in the list."""
        listed, running = len(server.loaded()), len(server.runners())
        return 0 if listed <= running <= 2 * listed else running - listed

    await expect("in the queue", queue, {"running": 0, "waiting": 0, "requests": []})
    await expect("runners that /api/ps does not list", in_memory, 0)
    for model in MODELS:
        await asyncio.to_thread(server.ask, "/api/generate", {"model": model, "keep_alive": 0})
    await expect("models in memory", lambda: sorted(server.loaded()), [])
    await expect("child processes", lambda: psutil.Process(server.process.pid).children(), [])
    await expect("temporary files", lambda: [path.name for path in server.world.temporary.iterdir()], [])
    await expect("unfinished sessions", lambda: [path.name for path in server.world.models.rglob("*.part")], [])
    return await asyncio.to_thread(_sample, server)


def _look(look: Callable[[], Any]) -> Awaitable[Any]:
    return asyncio.to_thread(look)


async def _until(look: Callable[[], Awaitable[Any]], wanted: Any) -> Any:
    """Return what ``look`` gives, as soon as it is what is wanted or time is up."""
    deadline = time.monotonic() + _SETTLE
    while (seen := await look()) != wanted and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
    return seen


def _compare(course: Course) -> None:
    """Find what has grown."""
    before, after = course.before, course.after
    if before and after and after.files > before.files + _SPARE_FILES:
        course.faults.append(f"open files: {before.files} before, {after.files} after")
    most = max((sample.models for sample in course.samples), default=0)
    if most > _TOGETHER:
        course.faults.append(f"{most} models were in memory together")
    if growth(course) > _GROWTH:
        course.faults.append(f"memory goes on growing: {growth(course) / 1e6:.0f} MB from the second to the last fifth")


def growth(course: Course) -> float:
    """Return how many bytes the median of the last fifth of the time lies over that of the second fifth."""
    sizes = [sample.rss for sample in course.samples]
    fifth = len(sizes) // 5
    if not fifth:
        return 0.0
    return statistics.median(sizes[-fifth:]) - statistics.median(sizes[fifth : 2 * fifth])
