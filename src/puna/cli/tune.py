"""``puna tune``."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Annotated

import psutil
import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from puna.cli.client import Client
from puna.cli.errors import CommandError
from puna.cli.screen import console
from puna.cli.store import prepare_models
from puna.cli.tables import AsJson, human_time, parse_time, print_json, print_table
from puna.models.library import Library
from puna.scheduler.tuning_store import Measured, TuningStore, usable_cores
from puna.settings import Settings
from puna.tuning.search import NO_TIME, Finding
from puna.tuning.tune import Tuning
from puna.tuning.tune import tune as measure

_INTERRUPTED = 130
_ASK_SECONDS = 2.0
_BUSY = 0.5
"""Processes that want to run, for each core, from which on a measurement is disturbed."""


def tune(
    model: Annotated[str, typer.Argument(metavar="[MODEL]", help="the model's name", show_default=False)] = "",
    seconds: Annotated[float, typer.Option("--seconds", min=1, help="about how long to measure")] = 120,
    draft: Annotated[str, typer.Option("--draft", help="a smaller model of the same vocabulary, to guess ahead")] = "",
    show: Annotated[bool, typer.Option("--show", help="list what is stored")] = False,
    reset: Annotated[bool, typer.Option("--reset", help="remove what is stored for the model, or for all")] = False,
    as_json: AsJson = False,
) -> None:
    """Measure how a model runs fastest here.

    The outcome is stored, and used by the server from the next load of the model on.
    """
    settings = Settings.from_env()
    store = TuningStore(settings.home / "tuning")
    library = Library(settings.models)
    if show:
        _show(store.list(), model and str(library.get(model).name), as_json=as_json)
    elif reset:
        typer.echo(f"removed {store.remove(library.get(model) if model else None)}")
    elif not model:
        raise CommandError("which model? (puna tune MODEL, or puna tune --show)")
    else:
        if said := prepare_models(settings):
            typer.echo(said, err=True)
        asked = Tuning(library.get(model), library.get(draft) if draft else None, seconds)
        _warn_of_load()
        _warn_of_server(settings)
        measured, findings = _measure(asked, settings)
        if not as_json:
            _print_findings(findings)
        if not any(finding.ratios for finding in findings):
            raise CommandError(
                f"nothing was compared within {seconds:g} seconds, so nothing is stored; --seconds gives more time"
            )
        if not as_json:
            _print_outcome(measured, findings)
        try:
            store.put(measured)
        except OSError as error:
            raise CommandError(f"the result could not be stored in {settings.home}: {error.strerror}") from error
        if as_json:
            print_json({"findings": [asdict(finding) for finding in findings], "stored": asdict(measured)})
            return
        typer.echo("Stored. A server uses it from the next load of the model on.")


def _measure(asked: Tuning, settings: Settings) -> tuple[Measured, list[Finding]]:
    findings: list[Finding] = []
    try:
        with _progress(asked) as tell:

            def report(finding: Finding) -> None:
                findings.append(finding)
                tell(f"{finding.setting}: {finding.tried} against {finding.against}: {_speed(finding)} {finding.note}")

            measured = asyncio.run(measure(asked, settings, report))
    except KeyboardInterrupt:
        typer.echo("interrupted: nothing is stored", err=True)
        raise typer.Exit(_INTERRUPTED) from None
    return measured, findings


def _print_findings(findings: list[Finding]) -> None:
    print_table(
        ("SETTING", "TRIED", "AGAINST", "SPEED", "TAKEN", ""),
        [(found.setting, found.tried, found.against, _speed(found), _taken(found), found.note) for found in findings],
    )


def _print_outcome(measured: Measured, findings: list[Finding]) -> None:
    if any(found.note == NO_TIME for found in findings):
        typer.echo("\nNot all was compared: --seconds gives more time.")
    typer.echo(f"\n{measured.model}: {measured.tuned} ({_gains(measured)})")
    if measured.tuned.kv_type == "q8_0":
        typer.echo("A cache in q8_0 changes answers a little; OLLAMA_KV_CACHE_TYPE=f16 keeps them as they were.")


@contextlib.contextmanager
def _progress(asked: Tuning) -> Iterator[Callable[[str], None]]:
    """Give a function that shows how far the measurement is: in one line, or in many where that is no terminal."""
    screen = console(stderr=True)
    about = f"of about {asked.seconds:g} s"
    if not screen.is_terminal:
        typer.echo(f"measuring {asked.model.name} ({about[3:]})", err=True)
        yield lambda text: typer.echo(text, err=True)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn(), TextColumn(about))
    with Progress(*columns, console=screen, transient=True) as line:
        task = line.add_task(f"measuring {asked.model.name}")
        yield lambda text: line.update(task, description=text)


def _show(stored: list[Measured], model: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"tuned": [asdict(entry) for entry in stored if model in ("", entry.model)]})
        return
    print_table(
        ("MODEL", "MEASURED", "ENGINE", "PROCESSOR", "RUNS WITH", "SPEED"),
        [
            (
                entry.model,
                human_time(parse_time(entry.measured_at)),
                _engine(entry.key.engine),
                f"{entry.key.processor}, {entry.key.cores} cores",
                str(entry.tuned),
                _gains(entry),
            )
            for entry in stored
            if model in ("", entry.model)
        ],
    )


def _engine(identity: str) -> str:
    """Return an engine's identity without the size and time of its file."""
    return identity.rsplit(" ", 2)[0] if identity.startswith("/") else identity


def _speed(finding: Finding) -> str:
    if not finding.ratios:
        return "-"
    return f"{finding.ratio:.2f} ({min(finding.ratios):.2f} to {max(finding.ratios):.2f})"


def _taken(finding: Finding) -> str:
    if not finding.ratios:
        return "-"
    return "yes" if finding.taken else "no"


def _gains(measured: Measured) -> str:
    """Return how much faster the model is, in words."""
    gains = ", ".join(f"{name} {ratio:.2f}" for name, ratio in measured.speeds.items())
    return f"times as fast as before: {gains}" if gains else "as it was"


def _warn_of_load() -> None:
    load, cores = psutil.getloadavg()[0], usable_cores()
    if load > _BUSY * cores:
        typer.echo(
            f"warning: the machine is busy (a load of {load:.1f} on {cores} cores); figures may be wrong", err=True
        )


def _warn_of_server(settings: Settings) -> None:
    """Say that a server has models in memory: what it answers meanwhile falsifies the measurement."""
    try:
        with Client(settings, timeout=_ASK_SECONDS) as client:
            names = [entry["name"] for entry in client.get("/api/ps")["models"]]
    except (CommandError, KeyError, TypeError):
        return  # no server, or none that could tell
    if names:
        typer.echo(
            f"warning: the server at {settings.url} has {', '.join(names)} in memory; what it computes "
            "meanwhile falsifies the figures, and its memory is not there for them (puna stop MODEL)",
            err=True,
        )
