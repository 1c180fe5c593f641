"""The page with the figures: goals, tables, plots, and what they were measured on."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from bench.goals import GOALS
from bench.plots import draw
from bench.record import Record, Series
from bench.stats import Spread, ratios

_T = TypeVar("_T")
_TITLES = {
    "speed": "One stream",
    "attention": "Attention",
    "neighbour": "Beside busy processes",
    "streams": "Many streams at once",
    "prompts": "Long prompts at once",
    "first-token": "First token of a conversation",
    "agent": "A new conversation of an agent",
    "editing": "Answers that repeat the prompt",
    "loading": "Loading models",
    "embeddings": "Embeddings",
    "control": "The server without the model",
    "queue": "Five hundred clients at once",
}
_NOTES = {
    "speed": "512 tokens are read, 64 generated; rates are those that a client sees, but for llama-bench's own. The "
    "engine alone has its weights laid out as Puna lays them out for it. llama-server and llama-bench run with their "
    'own defaults; "as Puna starts it" is without flash attention and with small steps, where Puna chooses so. With '
    "`--plain` both are llama.cpp's as they are, without Puna's attention. "
    "`puna` ÷ another is the ratio within a round.",
    "attention": "By llama-bench: prompts of 512 tokens, turns of 34 and answers of 16, each behind so many tokens. "
    "`puna` is the engine that Puna has built, attending as Puna starts it.",
    "neighbour": "A prompt of 256 tokens and an answer of 48, in turn on an idle machine and beside one process for "
    "each core that computes all the time.",
    "streams": "Streams of 24 tokens (`cria`: 256) after prompts of 16 that differ; tokens per second of all "
    "together, reading included. The engine alone has eight slots, as Puna has.",
    "prompts": "Seconds to first tokens: prompts of 1,200 words that differ, one after another and at once, and "
    "prompts of 2,400 words in common and 24 of their own. Each answer has 16 tokens; a word is a token.",
    "first-token": "A conversation of 2,000 tokens. Cold: it is new and the model not in memory. Warm: its next turn. "
    "Then its next turns after the model was unloaded, and after the server was restarted. Turn "
    "about: the fifth turn of two conversations of 1,600 tokens that take turns, 1,200 of them the same. With the load "
    "not counted: less the time that the server says it waited for the model.",
    "agent": "20,000 tokens of instructions, with a question of 40: the first conversation, where the model is not in "
    "memory; another one, with another question; and one more after a restart of the server. Seconds to first tokens.",
    "editing": "A file of 200 lines of 8 words is in the prompt; the answer is that file with the last word of every "
    "twentieth or of every line exchanged, or 200 other words. A grammar makes the model write so. Without guesses: "
    "`draft_num_predict` 0. Tokens per second after the first.",
    "loading": "From the request to the first token. The files are in the page cache. `llama-server`: from the start "
    "of the process. Changes are between models of which only one may be in memory.",
    "embeddings": "32 texts of 32 tokens in one request.",
    "control": "Requests per second are asked over four connections, by a client on the same machine. Processor time "
    "is that of the server's own process, over a stream of 1,000 tokens of `cria`, one event each. Memory of "
    "a runner counts the mapped file; its own is what nobody else could use.",
    "queue": "One client (address) sends 250 requests at once, then 50 others send 5 each, all for 32 tokens of "
    "`cria`. Then four times as many come as may wait.",
}


def write(record: Record, directory: Path) -> None:
    """Write the page and its plots into ``directory``."""
    plots = draw(record, directory)
    (directory / "benchmarks.md").write_text(page(record, plots), encoding="utf-8")


def page(record: Record, plots: dict[str, str]) -> str:
    """Return the page; ``plots`` are file names by part."""
    lines = ["# Benchmarks", "", *_machine(record), "", "## Goals", "", *_goals(record), ""]
    for part, title in _TITLES.items():
        series = [entry for entry in record.series if entry.part == part]
        if series:
            lines += [f"## {title}", "", _NOTES[part], "", *_table(series), ""]
            lines += [f"![{title}]({plots[part]})", ""] if part in plots else []
            load = f"; load average before: {record.loads[part]:g}" if record.loads.get(part) else ""
            lines += [f"`{record.commands[part]}` (Puna {record.versions[part]}{load})", ""]
    return "\n".join(lines)


def _machine(record: Record) -> Iterator[str]:
    machine = record.machine
    instructions = ", ".join(machine.get("instructions", ()))
    cards = "".join(f"{card}, " for card in machine.get("cards", ()))
    yield (
        "Made by `python -m bench` with the engine of `puna engine build`; `--peer NAME=URL` measures another server "
        "with Ollama's API beside it, by the same requests. Rounds alternate between what is compared. Figures are the "
        "median of the rounds, with the lowest and the highest."
    )
    yield ""
    yield (
        f"Machine: {machine.get('processor')}, {machine.get('cores')} cores ({instructions}), {cards}"
        f"{machine.get('memory_gib')} GiB of memory, {machine.get('system')}; Python {machine.get('python')}, "
        f"xllamacpp {machine.get('xllamacpp')}. Models: the built-in `cria`, and models with random weights in the "
        "shapes of Qwen 2.5 0.5B (`0.5b`) and Llama 3.2 1B (`1b`), Q4_K_M."
    )


def _goals(record: Record) -> Iterator[str]:
    yield "| | goal | reached | |"
    yield "|---|---|---|---|"
    for goal in GOALS:
        spread = goal.reached(record)
        if spread is None:
            yield f"| {goal.text} | {goal.wanted} | not measured | |"
        else:
            yield f"| {goal.text} | {goal.wanted} | {spread} | {'yes' if goal.holds(spread) else 'no'} |"


def _table(series: list[Series]) -> Iterator[str]:
    subjects = _distinct(entry.subject for entry in series)
    others = [name for name in subjects if name != "puna"] if "puna" in subjects else []
    yield "| " + " | ".join(["", "unit", *subjects, *(f"`puna` ÷ {name}" for name in others)]) + " |"
    yield "|" + "---|" * (2 + len(subjects) + len(others))
    for key in _distinct((entry.measure, entry.model, entry.at, entry.unit) for entry in series):
        found = {entry.subject: entry for entry in series if _key(entry) == key}
        cells = [str(Spread.of(found[name].values)) if name in found else "" for name in subjects]
        cells += [_ratio(found, name) for name in others]
        yield "| " + " | ".join([_label(key), key[3], *cells]) + " |"


def _key(entry: Series) -> tuple[str, str, int, str]:
    return entry.measure, entry.model, entry.at, entry.unit


def _label(key: tuple[str, str, int, str]) -> str:
    measure, model, at, _ = key
    return measure + (f", {at} stream{'s' if at > 1 else ''}" if at else "") + (f", `{model}`" if model else "")


def _ratio(found: dict[str, Series], other: str) -> str:
    if "puna" not in found or other not in found or not all(found[other].values):
        return ""
    return str(Spread.of(ratios(found["puna"].values, found[other].values)))


def _distinct(entries: Iterable[_T]) -> list[_T]:
    return list(dict.fromkeys(entries))
