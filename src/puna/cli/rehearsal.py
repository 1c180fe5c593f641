"""``puna doctor --agent``: plays a recorded turn of an agent against a model, and says how it went.

A recording has the shape of the agent's request; its texts are not kept but their lengths, as ``~N``.
"""

import json
import random
import time
from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import Any

from puna.cli.agents import AGENTS, Agent
from puna.cli.checks import BAD, NOTE, OK, Finding
from puna.cli.client import NOT_FOUND, Client, ServerError
from puna.cli.errors import CommandError
from puna.cli.turns import Chat, Messages, Responses, Speech, Turn, fits

_SPEECHES: Mapping[str, Speech] = {"claude": Messages(), "codex": Responses(), "opencode": Chat()}
_WORDS = ("the", "a", "of", "and", "one", "more", "about", "model", "reads", "writes", "line", "paper", "river", "hill")
_QUESTION = "Which files are in the current directory? Use one of your tools to find out."
_MOST_TOKENS = 256
_CACHED_ENOUGH = 0.8
_SLOW_SECONDS = 30


def rehearse(client: Client, name: str, model: str, tell: Callable[[Finding], None], share: float = 1.0) -> None:
    """Play a turn, and the one after it, and tell what is found; raise ``CommandError`` where none can be played.

    ``share`` is how long the texts are, of what was recorded.
    """
    agent, speech = AGENTS.get(name), _SPEECHES.get(name)
    if agent is None or speech is None:
        raise CommandError(f"turns are recorded of {', '.join(_SPEECHES)}; not of {name!r}")
    capabilities = client.post("/api/show", {"model": model}).get("capabilities") or ()
    if "tools" not in capabilities:
        tell(Finding("tools", BAD, f"{model} has no way to call tools", "another model: puna show MODEL lists tools"))
        return
    recorded = json.loads((files("puna.cli") / "recorded" / f"{name}.json").read_text(encoding="utf-8"))
    body = _filled(recorded["body"], random.Random(name), share) | {"model": model}
    speech.ask(body, _QUESTION, _MOST_TOKENS)

    def play() -> Turn:
        return _play(client, speech, recorded["path"], recorded["headers"], body)

    try:
        first = play()
    except ServerError as error:
        tell(_refused(error, agent, recorded["path"]))
        return
    tell(Finding("context", OK, f"the {first.tokens:,} tokens of a first prompt of {agent.title} fit"))
    answered = first
    if not first.calls:
        forced = json.loads(json.dumps(body))
        speech.force(forced)
        answered = _play(client, speech, recorded["path"], recorded["headers"], forced)
    tell(_of_calls(first, answered, speech.tools(body)))
    speech.go_on(body, first)
    second = play()
    tell(_of_cache(first, second))
    tell(_of_time(first, second))


def _play(client: Client, speech: Speech, path: str, headers: Mapping[str, str], body: Mapping[str, Any]) -> Turn:
    turn = Turn()
    began = time.monotonic()
    for event in client.events(path, body, headers):
        speech.read(turn, event)
        if not turn.first and (turn.text or turn.calls):
            turn.first = time.monotonic() - began
    turn.seconds = time.monotonic() - began
    return turn


def _refused(error: ServerError, agent: Agent, path: str) -> Finding:
    text = str(error)
    if error.status == NOT_FOUND and "model" not in text:
        return Finding("server", BAD, f"what answers there does not speak {path.partition('?')[0]}", "a newer Puna")
    if "too long" in text:
        remedy = "a model with a longer context, or a larger OLLAMA_CONTEXT_LENGTH for puna serve"
        return Finding("context", BAD, f"the first prompt of {agent.title} does not fit: {text}", remedy)
    return Finding("server", BAD, f"it refused the request of {agent.title}: {text}", "see what it logs")


def _of_calls(first: Turn, answered: Turn, tools: Mapping[str, Mapping[str, Any]]) -> Finding:
    if not answered.calls:
        return Finding("tools", BAD, "it calls no tool, even when told that it must", "another model")
    call = answered.calls[0]
    if wrong := fits(call, tools):
        return Finding("tools", BAD, wrong, "another model, or a larger one of the family")
    if first is not answered:
        text = f"asked to use a tool it called none; when it had to, it called {call.name} as it should"
        return Finding("tools", NOTE, text, "another model, or a larger one of the family")
    return Finding("tools", OK, f"it called {call.name} with arguments that fit")


def _of_cache(first: Turn, second: Turn) -> Finding:
    text = f"{second.cached:,} of the {second.tokens:,} tokens of the next prompt came from the cache"
    if second.cached >= _CACHED_ENOUGH * first.tokens:
        return Finding("cache", OK, text)
    return Finding("cache", NOTE, f"{text}: much is read again", "OLLAMA_NUM_PARALLEL=1, or less beside it in memory")


def _of_time(first: Turn, second: Turn) -> Finding:
    text = (
        f"the first turn took {first.seconds:.1f} s ({first.first or first.seconds:.1f} s to its first word), the next "
        f"{second.seconds:.1f} s"
    )
    slow = second.seconds > _SLOW_SECONDS
    remedy = "puna engine build, puna tune MODEL, or a smaller model" if slow else ""
    return Finding("time", NOTE if slow else OK, text, remedy)


def _filled(value: Any, chance: random.Random, share: float) -> Any:
    """Return a recorded body with words in it, of the recorded lengths times ``share``."""
    if isinstance(value, dict):
        return {name: _filled(entry, chance, share) for name, entry in value.items()}
    if isinstance(value, list):
        return [_filled(entry, chance, share) for entry in value]
    if isinstance(value, str) and value.startswith("~") and value[1:].isdigit():
        wanted, words = int(int(value[1:]) * share), ""
        while len(words) < wanted:
            words += f"{chance.choice(_WORDS)} "
        return words[:wanted]
    return value
