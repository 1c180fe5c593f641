"""What it costs the server to be watched: ``python -m bench.metrics_cost [ROUNDS]``.

Rounds with ``/metrics`` read every second alternate with rounds without; each streams answers, and the processor time
of the server's own process is divided by the tokens. What counts is always on: the reader is all that can differ.
"""

import statistics
import sys
import threading
import urllib.request

import psutil
from tests.server import Server, World

_ANSWERS, _TOKENS = 3, 800


def _read_on(url: str, stop: threading.Event) -> None:
    while not stop.wait(1):
        with urllib.request.urlopen(f"{url}/metrics") as response:
            response.read()


def _round(server: Server, *, watched: bool) -> float:
    """Return the microseconds of the server's process for each token."""
    stop = threading.Event()
    reader = threading.Thread(target=_read_on, args=(server.url, stop))
    if watched:
        reader.start()
    process = psutil.Process(server.process.pid)
    before = process.cpu_times()
    for _ in range(_ANSWERS):
        options = {"num_predict": _TOKENS, "ignore_eos": True, "num_ctx": 2048}
        server.stream("/api/generate", {"model": "cria", "prompt": "Once", "options": options})
    after = process.cpu_times()
    stop.set()
    if watched:
        reader.join()
    return ((after.user + after.system) - (before.user + before.system)) / (_ANSWERS * _TOKENS) * 1e6


def main() -> None:
    """Measure in a server of its own."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 8
    server = Server(World())
    for watched in (False, True):
        _round(server, watched=watched)
    found: dict[bool, list[float]] = {False: [], True: []}
    for number in range(rounds):
        for watched in (False, True) if number % 2 else (True, False):
            found[watched].append(_round(server, watched=watched))
    ratios = [on / off for on, off in zip(found[True], found[False], strict=True)]
    without, with_reader = (statistics.median(found[watched]) for watched in (False, True))
    print(f"{without:.1f} us a token without, {with_reader:.1f} with a reader every second; ")
    print(f"ratio of the rounds: median {statistics.median(ratios):.3f}, {min(ratios):.3f} to {max(ratios):.3f}")
    server.stop()
    server.world.close()


if __name__ == "__main__":
    main()
