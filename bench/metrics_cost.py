"""What it costs the server to count and to be read: ``python -m bench.metrics_cost [ROUNDS]``.

Counting is done once for each request, so its time is taken by itself and divided by the tokens of an answer; a look at
``/metrics`` is timed by itself as well. Then rounds in which somebody looks once a second, which is fifteen times as
often as Prometheus does, alternate with rounds without, and the processor time of the server's own process for each
token is compared. Times are those of the process's own clock.
"""

import statistics
import sys
import threading
import time
import timeit
import urllib.request

from tests.server import Server, World

from bench.machine import processor_nanoseconds
from puna.telemetry.metrics import count_record
from puna.telemetry.record import Record

_TOKENS = 800
_ANSWER = {"num_predict": _TOKENS, "ignore_eos": True, "num_ctx": 2048}
_LOOKS = 200


def _look(url: str) -> None:
    with urllib.request.urlopen(f"{url}/metrics") as response:
        response.read()


def _look_on(url: str, stop: threading.Event) -> None:
    while not stop.wait(1):
        _look(url)


def _round(server: Server, *, watched: bool) -> float:
    """Return the microseconds of the server's process for each token of one answer."""
    stop = threading.Event()
    reader = threading.Thread(target=_look_on, args=(server.url, stop))
    if watched:
        reader.start()
    before = processor_nanoseconds(server.process.pid)
    server.stream("/api/generate", {"model": "cria", "prompt": "Once", "options": _ANSWER})
    after = processor_nanoseconds(server.process.pid)
    stop.set()
    if watched:
        reader.join()
    return (after - before) / _TOKENS / 1e3


def _of_counting() -> float:
    """Return the microseconds of counting one answer."""
    record = Record("1", "cria:latest", "ollama", (count_record,), ready=1000, first=2000, duration=3000)
    record.outcome = "done"
    record.count(100, 50, 0, _TOKENS, 0, 0, 1000)
    return min(timeit.repeat(lambda: count_record(record), number=2000, repeat=7)) / 2000 * 1e6


def _of_looking(server: Server) -> float:
    """Return the microseconds of the server's process for one look."""
    _look(server.url)
    before = processor_nanoseconds(server.process.pid)
    for _ in range(_LOOKS):
        _look(server.url)
    return (processor_nanoseconds(server.process.pid) - before) / _LOOKS / 1e3


def main() -> None:
    """Measure in a server of its own."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    server = Server(World())
    for watched in (False, True):
        _round(server, watched=watched)
    found: dict[bool, list[float]] = {False: [], True: []}
    began = time.monotonic()
    for number in range(rounds):
        for watched in (False, True) if number % 2 else (True, False):
            found[watched].append(_round(server, watched=watched))
    rate = 2 * rounds * _TOKENS / (time.monotonic() - began)
    ratios = sorted(on / off for on, off in zip(found[True], found[False], strict=True))
    without, with_reader = (statistics.median(found[watched]) for watched in (False, True))
    counting, looking = _of_counting(), _of_looking(server)
    print(f"{without:.1f} us a token at {rate:.0f} tokens/s; {with_reader:.1f} with a look every second")
    print(f"  ratio of the rounds: median {statistics.median(ratios):.3f}", end="")
    print(f", half of them {ratios[rounds // 4]:.3f} to {ratios[-1 - rounds // 4]:.3f}")
    print(f"counting: {counting:.1f} us an answer, {counting / _TOKENS / without:.3%} of its {_TOKENS} tokens")
    for seconds in (1, 15):
        share = looking / seconds / rate / without
        print(f"a look: {looking:.0f} us; every {seconds} s {share:.2%} of what the tokens of that time take")
    server.stop()
    server.world.close()


if __name__ == "__main__":
    main()
