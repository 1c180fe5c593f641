"""``puna engine``: which engine runs, and builds for this machine."""

import json
import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from puna.cli.arguments import Command, Group
from puna.cli.errors import CommandError
from puna.cli.screen import console, is_terminal
from puna.cli.tables import AsJson, print_json, print_line, print_table
from puna.cli.timings import duration
from puna.engine.account import account
from puna.engine.build import zig
from puna.engine.build.build import Order, Outcome, build_engine
from puna.engine.build.toolchain import find_compilers
from puna.engine.engines import DEFAULT, PORTABLE, Build, Engines, Speed
from puna.engine.gain import Gain, advice
from puna.engine.native import known_options
from puna.engine.vllm import program as vllm
from puna.names import parse_name
from puna.settings import Settings

_NANOSECONDS = 10**9
_WHOLE_BUILD = 3600.0
"""Seconds of the past by which the time left is told: what else the machine does comes and goes."""
_QUIET_SECONDS = 15.0
"""How often a line is written where there is no terminal."""

app = typer.Typer(
    cls=Group,
    help="Show which engine runs, and build one for this machine.",
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _engines() -> Engines:
    settings = Settings.from_env()
    return Engines(settings.home, settings.engine)


@app.callback()
def show(
    context: typer.Context,
    as_json: AsJson = False,
) -> None:
    """Show which engine runs, which instruction sets and cards it uses, and the builds on this machine."""
    if context.invoked_subcommand:
        return
    logging.basicConfig(format="Warning: %(message)s")
    engines = _engines()
    told = account(engines)
    if as_json:
        print_json(told)
        return
    name, builds = told["engine"], engines.builds()
    typer.echo(f"engine  {name}: llama.cpp {'of xllamacpp ' if name == PORTABLE else ''}{told['version']}")
    typer.echo(f"uses    {', '.join(told['instructions']) or 'no special instructions'}")
    if told["cards"]:
        typer.echo(f"cards   {', '.join(told['cards'])}")
    if told["unused_instructions"]:
        typer.echo(f"unused  {', '.join(told['unused_instructions'])} (this processor has them)")
    if not builds:
        plain = "There is no build for this machine; puna engine build makes one."
        typer.echo(f"\n{advice(Gain(told['factor'], told['measured_with'])) if told['factor'] else plain}")
    else:
        typer.echo("")
        _print_builds(name, builds)
    if models := engines.choice().models:
        typer.echo("")
        print_table(("MODEL", "ENGINE"), sorted(models.items()))


def _print_builds(running: str, builds: list[Build]) -> None:
    rows: list[tuple[str, ...]] = []
    for build in builds:
        about = build.about
        speed = _speed(about.speed)
        against = _ratio(about.speed, about.portable_speed) if about.speed and about.portable_speed else ""
        mark = "*" if build.name == running else ""
        rows.append((mark, build.name, about.version, about.compiler, "yes" if about.cuda else "no", *speed, against))
    print_table(("", "NAME", "LLAMA.CPP", "COMPILER", "CUDA", "PROMPT/S", "ANSWER/S", "AGAINST PORTABLE"), rows)


def _speed(speed: Speed | None) -> tuple[str, str]:
    return (f"{speed.prompt:.0f}", f"{speed.generation:.0f}") if speed else ("", "")


def _ratio(speed: Speed, other: Speed) -> str:
    return f"{speed.prompt / other.prompt:.2f}x, {speed.generation / other.generation:.2f}x"


@app.command(cls=Command)
def build(
    name: Annotated[str, typer.Option(help="what to call the build")] = "native",
    source: Annotated[
        Path | None, typer.Option(help="a tree of llama.cpp to build instead of the pinned source", exists=True)
    ] = None,
    jobs: Annotated[int, typer.Option(min=0, help="compilers at a time; 0: one for each core")] = 0,
    cuda: Annotated[bool, typer.Option(help="build for an NVIDIA card where there is one and its compiler")] = True,
    fetch_compiler: Annotated[
        bool, typer.Option("--fetch-compiler", help=f"take the compiler from the package index ({zig.SIZE})")
    ] = False,
    tools: Annotated[bool, typer.Option("--tools", help="build llama-bench and llama-quantize too")] = False,
    as_json: AsJson = False,
) -> None:
    """Build llama-server for this machine, check it, measure it, and use it if it is faster.

    Where there is no compiler, it offers to take one from the package index.
    """
    fetch_compiler = fetch_compiler or (not as_json and _wants_compiler())
    order = Order(name, source, jobs, cuda, fetch_compiler, tools)
    began = time.monotonic()
    if as_json:
        outcome = build_engine(_engines(), order, lambda status: print_line({"status": status}), _objects())
        print_line({"status": "success", **_told(outcome), "seconds": round(time.monotonic() - began)})
        return
    with _progress() as (say, step):
        outcome = build_engine(_engines(), order, say, step)
    about, answers = outcome.build.about, outcome.answers
    _say(f"{answers.same} of {answers.asked} answers are those of the portable engine, token for token")
    _print_builds(name if outcome.is_used else PORTABLE, [outcome.build])
    if about.speed and about.portable_speed:
        prompt, answer = _speed(about.portable_speed)
        _say(f"the portable engine: {prompt} tokens of a prompt per second, {answer} of an answer")
    _say(f"{name} {_verdict(outcome)} ({time.monotonic() - began:.0f} s)")


def _told(outcome: Outcome) -> dict[str, Any]:
    """Return what came of a build: its speeds and those of the portable engine are in ``about``, in tokens a second."""
    return {
        "name": outcome.build.name,
        "used": outcome.is_used,
        "answers": asdict(outcome.answers),
        "about": json.loads(outcome.build.about.to_json()),
    }


def _objects() -> Callable[[float, float], None]:
    said = -1

    def step(done: float, total: float) -> None:
        nonlocal said
        percent = int(100 * done / total)
        if percent > said:
            said = percent
            print_line({"status": "compiling", "completed": done, "total": total})

    return step


def _wants_compiler() -> bool:
    """Ask whether to fetch a compiler where there is none, if there is somebody to ask; else the build says so."""
    if find_compilers() or not (is_terminal(sys.stdin) and is_terminal(sys.stdout)):
        return False
    typer.echo("There is no C++ compiler on this machine.")
    return typer.confirm(f"Take one from the Python package index for this build ({zig.SIZE})?", default=True)


def _verdict(outcome: Outcome) -> str:
    if outcome.build.about.speed:
        if outcome.is_used:
            return "is faster and is used from now on"
        return f"is not faster; the choice stays as it was (puna engine use {outcome.build.name} changes it)"
    busy = "could not be measured, for the machine is too busy;"
    if outcome.is_used:
        return (
            f"{busy} it uses instructions of this processor that the portable engine leaves out, so it is used from "
            f"now on (puna engine use {PORTABLE} takes that back)"
        )
    return f"{busy} it uses the same instructions as the portable engine, so the choice stays as it was"


@app.command(cls=Command)
def use(
    engine: Annotated[str, typer.Argument(metavar="ENGINE", help="a build, portable, vllm, or a llama-server's path")],
    model: Annotated[str, typer.Option(help="for this model alone; the engine 'default' ends that")] = "",
) -> None:
    """Choose the engine of all models, or of one; a running server follows at its next load."""
    engines = _engines()
    key = str(parse_name(model)) if model else ""
    if engine == vllm.NAME and not key:
        raise CommandError("vllm runs checkpoints in safetensors alone: choose it for one, with --model")
    if not (key and engine == DEFAULT) and (program := engines.resolve(engine)) and not vllm.is_vllm(program):
        known_options(program)  # it is a llama-server that Puna can use
    engines.use(engine, key)
    _say(f"{key or 'every model'} runs on {engines.chosen(key)}")
    if engines.override:
        _say(f"but PUNA_ENGINE={engines.override} stands above that, where it is set")


@app.command(cls=Command)
def remove(name: Annotated[str, typer.Argument(metavar="NAME", help="the build")]) -> None:
    """Remove a build; what ran on it runs on the portable engine again."""
    _engines().remove(name)
    _say(f"removed {name}")


def _say(text: str) -> None:
    typer.echo(text)
    sys.stdout.flush()


@contextmanager
def _progress() -> Iterator[tuple[Callable[[str], None], Callable[[float, float], None]]]:
    """Give a function that says what begins, and one that shows how far the compiler is.

    That is a bar in a terminal, from the first step to the last, and now and then a line elsewhere.
    """
    screen = console()
    if not screen.is_terminal:
        yield _say, _lines()
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    bar = Progress(*columns, console=screen, transient=True, speed_estimate_period=_WHOLE_BUILD)
    task = bar.add_task("compiling", total=None)

    def step(done: float, total: float) -> None:
        bar.update(task, completed=done, total=total)
        (bar.start if done < total else bar.stop)()

    def say(text: str) -> None:
        bar.stop()
        screen.print(text, soft_wrap=True)

    try:
        yield say, step
    finally:
        bar.stop()


def _lines() -> Callable[[float, float], None]:
    began = said = 0.0

    def step(done: float, total: float) -> None:
        nonlocal began, said
        now = time.monotonic()
        began = began or now
        if done >= total or now - said > _QUIET_SECONDS:
            said = now
            left = round((now - began) * (total - done) / done)
            _say(f"compiled {done / total:.0%}" + (f", {duration(left * _NANOSECONDS)} left" if left else ""))

    return step
