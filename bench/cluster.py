"""Measures a cluster that runs: what its way costs, what its caches keep, and what becomes of requests while parts die.

    python bench/cluster.py tokens --url http://127.0.0.1:11434 --other http://127.0.0.1:11435
    python bench/cluster.py turns --url http://127.0.0.1:11434
    python bench/cluster.py chaos --url http://127.0.0.1:11434 --pid 1234 --seconds 600 --clients 100

``--other`` is a single server (``puna serve``) on the same machine, measured turn about with the cluster. ``--pid`` is
the process below which all machines of the cluster run here: its nodes, ingresses and runners are killed at random.
"""

import argparse
import contextlib
import json
import random
import re
import signal
import statistics
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import psutil
import requests

_MODEL = "cria"
_HANGS = 90.0
_SHOWN = 200
_NUMBERS = re.compile(r"[0-9a-f]*\d[0-9a-f]*")
_WORDS = ("river", "stone", "lamp", "garden", "winter", "letter", "bridge", "signal", "copper", "meadow", "engine")


def per_token(url: str, tokens: int = 256) -> float:
    """Return the seconds per token of one stream, from its first piece to its last."""
    options = {"num_predict": tokens, "ignore_eos": True, "temperature": 0, "num_ctx": 1024}
    body: dict[str, Any] = {"model": _MODEL, "prompt": "Tell me about rivers.", "options": options, "think": False}
    times = []
    with requests.post(f"{url}/api/generate", json=body, stream=True, timeout=120) as response:
        response.raise_for_status()
        for _ in response.iter_lines():
            times.append(time.perf_counter())
    return (times[-1] - times[0]) / tokens


def tokens(url: str, other: str, rounds: int) -> None:
    """Print seconds per token of cluster and single server, and the ratio for a model of 30 tokens a second."""
    per_token(url), per_token(other)
    both = [(per_token(url), per_token(other)) for _ in range(rounds)]
    cluster, single = (statistics.median(side) for side in zip(*both, strict=True))
    added = cluster - single
    print(f"per token: cluster {cluster * 1e3:.2f} ms, single {single * 1e3:.2f} ms, added {added * 1e3:.2f} ms")
    print(f"ratio for 30 tokens/s if nothing of it overlapped: {(1 / 30 + max(added, 0)) * 30:.3f}")


def turns(url: str, talks: int = 12, rounds: int = 6) -> None:
    """Print which part of the prompts of conversations by turns came from a cache after their first turn."""
    rng = random.Random(1)
    said: list[list[dict[str, str]]] = [
        [{"role": "user", "content": " ".join(rng.choices(_WORDS, k=120)) + f". I am number {at}."}]
        for at in range(talks)
    ]
    read = cached = 0
    for turn in range(rounds):
        for at, messages in enumerate(said):
            body: dict[str, Any] = {
                "model": _MODEL,
                "messages": messages,
                "max_tokens": 24,
                "seed": 1,
                "options": {"num_ctx": 4096},
            }
            answer = requests.post(
                f"{url}/v1/chat/completions", json=body, timeout=120, headers={"session-id": f"talk-{at}"}
            ).json()
            usage = answer["usage"]
            if turn:
                read += usage["prompt_tokens"]
                cached += usage["prompt_tokens_details"]["cached_tokens"]
            content = answer["choices"][0]["message"]["content"] or ""
            messages += [
                {"role": "assistant", "content": content},
                {"role": "user", "content": rng.choice(_WORDS) + "?"},
            ]
    print(f"{talks} conversations, {rounds} turns: {cached} of {read} tokens from a cache: {cached / read:.3f}")


@dataclass
class Tally:
    """What became of requests."""

    ends: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, end: str) -> None:
        with self.lock:
            self.ends[end] += 1


def one(url: str, rng: random.Random, models: Sequence[str] = (_MODEL,), said: Counter[str] | None = None) -> str:
    """Return how one request ended: answered, with an error, broken off, or not at all.

    ``said`` counts what errors say, without the numbers in it.
    """
    model = rng.choice(models)
    body: dict[str, Any] = {"model": model, "options": {"num_predict": rng.choice((4, 32, 128)), "ignore_eos": True}}
    kind = rng.choice(("generate", "chat", "openai", "embed"))
    prompt = " ".join(rng.choices(_WORDS, k=rng.choice((5, 50))))
    said = Counter() if said is None else said

    def refused(response: requests.Response) -> str:
        said[f"{kind} {response.status_code}: {_NUMBERS.sub('#', response.text)[:_SHOWN]}"] += 1
        return f"error {response.status_code}"

    try:
        if kind == "embed":
            response = requests.post(f"{url}/api/embed", json={"model": model, "input": prompt}, timeout=_HANGS)
            return "answered" if response.ok else refused(response)
        if kind == "openai":
            messages = [{"role": "user", "content": prompt}]
            chat: dict[str, Any] = {"model": model, "messages": messages, "max_tokens": 32}
            response = requests.post(f"{url}/v1/chat/completions", json=chat, timeout=_HANGS)
            return "answered" if response.ok else refused(response)
        more = {"prompt": prompt} if kind == "generate" else {"messages": [{"role": "user", "content": prompt}]}
        with requests.post(f"{url}/api/{kind}", json=body | more, stream=True, timeout=_HANGS) as response:
            if not response.ok:
                return refused(response)
            last: dict[str, Any] = {}
            for line in response.iter_lines():
                last = json.loads(line)
            if "error" in last:
                said[f"{kind} in the stream: {_NUMBERS.sub('#', last['error'])[:_SHOWN]}"] += 1
            return "answered" if last.get("done") else "error in the stream" if "error" in last else "broken off"
    except requests.Timeout:
        return "HANGS"
    except (requests.RequestException, ValueError):
        return "broken off"


def victims(pid: int, kind: str) -> list[psutil.Process]:
    """Return the processes of a kind below a process."""
    words = {"node": "ray::NodeHere", "ingress": ":ingress", "runner": "puna.engine.embedded"}[kind]
    found = []
    for process in psutil.Process(pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if words in " ".join(process.cmdline()):
                found.append(process)
    return found


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of requests by how they ended, what was killed, and what the cluster is like afterwards.

    ``hang`` counts the clients that never came to an end; ``said`` what errors said.
    """

    ends: Counter[str]
    said: Counter[str]
    killed: Counter[str]
    hang: int
    nodes: int
    whole: int
    answered: str


def chaos(url: str, pid: int, seconds: float, clients: int, pause: float) -> Outcome:
    """Ask for several models while nodes, ingresses and runners are killed; return what became of it all."""
    models = [_MODEL, *_make_models(url)]
    tally, until, said = Tally(), time.monotonic() + seconds, Counter[str]()

    def work(number: int) -> None:
        rng = random.Random(number)
        while time.monotonic() < until:
            tally.add(one(url, rng, models, said))

    whole = len(requests.get(f"{url}/api/puna/cluster", timeout=30).json()["nodes"])
    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(clients)]
    for thread in threads:
        thread.start()
    rng, killed = random.Random(0), Counter[str]()
    while time.monotonic() < until - pause:
        time.sleep(pause)
        kind = rng.choice(("node", "runner", "runner", "ingress"))
        if found := victims(pid, kind):
            with contextlib.suppress(psutil.Error):
                rng.choice(found).send_signal(signal.SIGKILL)
                killed[kind] += 1
    for thread in threads:
        thread.join(_HANGS + 30)
    hang = sum(thread.is_alive() for thread in threads)
    again = time.monotonic() + 90
    nodes, answered = 0, ""
    while time.monotonic() < again and (nodes < whole or answered != "answered"):
        with contextlib.suppress(requests.RequestException, ValueError, KeyError):
            nodes = len(requests.get(f"{url}/api/puna/cluster", timeout=30).json()["nodes"])
            answered = one(url, random.Random(1))
        time.sleep(1)
    return Outcome(tally.ends, said, killed, hang, nodes, whole, answered)


def _make_models(url: str) -> list[str]:
    """Make models that are the built-in one by other templates, and so others to the cluster; return their names."""
    names = ["cria-asks", "cria-says"]
    for name in names:
        body: dict[str, Any] = {
            "model": name,
            "from": _MODEL,
            "template": f"{name}: {{{{ .Prompt }}}}",
            "stream": False,
        }
        requests.post(f"{url}/api/create", json=body, timeout=120).raise_for_status()
    return names


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("tokens", "turns", "chaos"))
    parser.add_argument("--url", default="http://127.0.0.1:11434")
    parser.add_argument("--other", default="http://127.0.0.1:11435")
    parser.add_argument("--pid", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--pause", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    if asked.what == "tokens":
        tokens(asked.url, asked.other, asked.rounds)
    elif asked.what == "turns":
        turns(asked.url)
    else:
        out = chaos(asked.url, asked.pid, asked.seconds, asked.clients, asked.pause)
        print(f"killed: {dict(out.killed)}")
        print(f"ends: {dict(out.ends)}; clients that hang: {out.hang}")
        for text, times in out.said.most_common():
            print(f"  {times} times {text}")
        print(f"afterwards: {out.nodes} of {out.whole} nodes, a request is {out.answered}")


if __name__ == "__main__":
    main()
