"""Makes models of mutants on a real server and asks them for a word: what it accepts must load, or say why not."""

import contextlib
import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import requests
from tests.mutants.mutations import mutant
from tests.server import Server

REFUSED, LOADED, REFUSED_AT_LOAD, WRONG = "refused", "loaded", "refused at load", "wrong"
_NAME = "mutant"
_CLIENT_ERRORS = range(400, 500)


@dataclass
class Tally:
    """What became of the mutants: how many of each, and what went wrong."""

    outcomes: Counter[str] = field(default_factory=Counter)
    by_kind: Counter[tuple[str, str]] = field(default_factory=Counter)
    at_load: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def judge(server: Server, data: bytes, *, embeds: bool) -> tuple[str, str]:
    """Return what becomes of a file, and what the server says of it."""
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    response = server.post(f"/api/blobs/{digest}", data)
    if response.status_code != requests.codes.created and response.status_code != requests.codes.ok:
        return WRONG, f"blob: {response.status_code} {response.text}"
    try:
        made = server.post("/api/create", {"model": _NAME, "files": {"m.gguf": digest}, "stream": False})
        if made.status_code in _CLIENT_ERRORS:
            return REFUSED, made.text
        if made.status_code != requests.codes.ok:
            return WRONG, f"create: {made.status_code} {made.text}"
        path, ask = ("/api/embed", {"input": "a llama"}) if embeds else ("/api/generate", {"prompt": "a llama"})
        options = {"num_predict": 2, "num_ctx": 256}
        answer = server.post(path, {"model": _NAME, "stream": False, "keep_alive": 0, "options": options, **ask})
        if answer.status_code == requests.codes.ok:
            return LOADED, ""
        return REFUSED_AT_LOAD if answer.status_code in _CLIENT_ERRORS else WRONG, f"{answer.status_code} {answer.text}"
    except requests.RequestException as error:
        return WRONG, repr(error)
    finally:
        server.request("DELETE", "/api/delete", {"model": _NAME})
        with contextlib.suppress(FileNotFoundError):
            (server.world.models / "blobs" / digest.replace(":", "-")).unlink()


def try_mutants(server: Server, files: Sequence[Path], seeds: Iterable[int]) -> Tally:
    """Judge a mutant for each of ``seeds``, of one of ``files`` after another."""
    contents = [path.read_bytes() for path in files]
    embedding = [judge_unchanged(server, path, data) for path, data in zip(files, contents, strict=True)]
    tally = Tally()
    for seed in seeds:
        index = seed % len(files)
        kind, data = mutant(seed, contents[index])
        outcome, words = judge(server, data, embeds=embedding[index])
        tally.outcomes[outcome] += 1
        tally.by_kind[kind if " " not in kind else "two at once", outcome] += 1
        line = f"{seed} {files[index].parent.name}/{files[index].name} {kind}: {words}"
        if outcome == WRONG:
            tally.wrong.append(line)
        elif outcome == REFUSED_AT_LOAD:
            tally.at_load.append(line)
    return tally


def judge_unchanged(server: Server, path: Path, data: bytes) -> bool:
    """Return whether a file is one that embeds; it must load as it is, or no mutant of it says anything."""
    for embeds in (False, True):
        outcome, words = judge(server, data, embeds=embeds)
        if outcome == LOADED:
            return embeds
    raise AssertionError(f"{path} does not load: {words}")
