"""Commands that move models to and from registries, and those that look after the store: pull, push, verify, repair."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import ollama
import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TaskID, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.progress import Progress as Bars

from puna.cli.client import connected, post_lines
from puna.cli.errors import CommandError
from puna.cli.models import human_size

_Insecure = Annotated[bool, typer.Option("--insecure", help="speak plain http to the registry")]
_AnyModel = Annotated[str, typer.Argument(help="the model's name; without it, all models", show_default=False)]


def pull(
    model: Annotated[str, typer.Argument(help="the model's name", show_default=False)] = "",
    all_: Annotated[bool, typer.Option("--all", help="refresh every model that its registry has newer")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what would be fetched")] = False,
    insecure: _Insecure = False,
) -> None:
    """Fetch a model from a registry."""
    if bool(model) == all_:
        raise CommandError("name a model, or give --all")
    with connected(start=True) as client:
        if all_:
            _pull_all(client, dry_run=dry_run, insecure=insecure)
        elif dry_run:
            for plan in _plans({"model": model, "insecure": insecure}):
                typer.echo(_describe(plan))
        else:
            pull_model(client, model, insecure=insecure)


def pull_model(client: ollama.Client, model: str, *, insecure: bool = False) -> None:
    """Fetch one model and show the progress on standard error."""
    show_progress(event.model_dump() for event in client.pull(model, insecure=insecure, stream=True))


def fetch_if_missing(client: ollama.Client, model: str, *, insecure: bool = False) -> None:
    """Fetch a model that the server does not have, as ``run`` does."""
    try:
        client.show(model)
    except ollama.ResponseError as error:
        if error.status_code != 404:
            raise
        pull_model(client, model, insecure=insecure)


def _pull_all(client: ollama.Client, *, dry_run: bool, insecure: bool) -> None:
    """Refresh every model; one that fails does not keep the others from it."""
    failed = 0
    for plan in _plans({"all": True, "insecure": insecure}):
        typer.echo(_describe(plan))
        try:
            if not dry_run and plan.get("current") is False:
                pull_model(client, plan["model"], insecure=insecure)
        except ollama.ResponseError as error:
            typer.echo(f"{plan['model']}: {error.error}", err=True)
            failed += 1
        failed += "error" in plan and not plan["unknown"]
    if failed:
        raise CommandError(f"{failed} of the models could not be refreshed")


def _plans(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    (answer,) = post_lines("/api/pull", {"dry_run": True, **body})
    plans: list[Mapping[str, Any]] = answer["plans"]
    return plans


def _describe(plan: Mapping[str, Any]) -> str:
    if "error" in plan:
        return f"{plan['model']}: " + ("not in a registry" if plan["unknown"] else plan["error"])
    if plan["current"] and not plan["download"]:
        return f"{plan['model']}: up to date"
    word = "new" if plan["new"] else "incomplete" if plan["current"] else "update"
    return f"{plan['model']}: {word}, {human_size(plan['download'])} of {human_size(plan['total'])} to fetch"


def push(
    model: Annotated[str, typer.Argument(help="the model's name, with its registry or user", show_default=False)],
    insecure: _Insecure = False,
) -> None:
    """Send a model to a registry."""
    with connected(start=True) as client:
        show_progress(event.model_dump() for event in client.push(model, insecure=insecure, stream=True))


def verify(
    model: _AnyModel = "",
    prune: Annotated[bool, typer.Option("--prune", help="remove what no model uses")] = False,
) -> None:
    """Read the models' files again and say which are damaged."""
    with connected(start=True):
        _look_after("/api/puna/verify", {"model": model, "prune": prune})


def repair(model: _AnyModel = "", insecure: _Insecure = False) -> None:
    """Verify, put damaged files aside, and fetch what is bad of them again."""
    with connected(start=True):
        _look_after("/api/puna/repair", {"model": model, "insecure": insecure})


def _look_after(path: str, body: Mapping[str, Any]) -> None:
    last = show_progress(post_lines(path, body))
    report = last["report"]
    for entry in report["broken"]:
        typer.echo(f"unreadable  {entry['model']}: {entry['reason']}")
    for finding in report["findings"]:
        typer.echo(_describe_finding(finding))
    for text in report["warnings"]:
        typer.echo(text, err=True)
    typer.echo(f"{report['checked']} files checked, {human_size(report['size'])}")
    if not report["ok"]:
        raise CommandError("the store has damaged or missing files")


def _describe_finding(finding: Mapping[str, Any]) -> str:
    text = f"{finding['state']:<10}  {finding['digest'][7:19]}  {human_size(finding['size'])}"
    if finding.get("models"):
        text += f"  ({', '.join(finding['models'])})"
    if finding.get("ranges"):
        bad = sum(entry["size"] for entry in finding["ranges"])
        text += f"  {human_size(bad)} of it bad"
    return text + (f": {finding['note']}" if finding.get("note") else "")


def show_progress(events: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Show the lines of a stream on standard error, a bar for each blob on a terminal, and return the last line."""
    console = Console(stderr=True, highlight=False, markup=False)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    last: Mapping[str, Any] = {}
    with Bars(*columns, TimeRemainingColumn(compact=True), console=console, disable=not console.is_terminal) as bars:
        tasks: dict[str, TaskID] = {}
        said: set[str] = set()
        for last in events:
            status, total = str(last.get("status") or ""), last.get("total") or 0
            if total and console.is_terminal:
                if status not in tasks:
                    tasks[status] = bars.add_task(status, total=total)
                bars.update(tasks[status], completed=last.get("completed") or 0)
            elif status not in said:
                console.print(status, soft_wrap=True)
            said.add(status)
    return last
