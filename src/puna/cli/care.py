"""Commands that look after the store: verify, repair."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from puna.cli.connection import connected
from puna.cli.errors import CommandError
from puna.cli.progress import show_progress
from puna.cli.tables import AsJson, human_size, print_json
from puna.cli.transfers import Insecure

_AnyModel = Annotated[
    str, typer.Argument(metavar="[MODEL]", help="the model's name; without it, all models", show_default=False)
]


def verify(
    model: _AnyModel = "",
    prune: Annotated[bool, typer.Option("--prune", help="remove what no model uses")] = False,
    as_json: AsJson = False,
) -> None:
    """Read the models' files and say what is damaged."""
    _look_after("/api/puna/verify", {"model": model, "prune": prune}, as_json=as_json)


def repair(model: _AnyModel = "", insecure: Insecure = False, as_json: AsJson = False) -> None:
    """Verify, and fetch damaged parts again."""
    _look_after("/api/puna/repair", {"model": model, "insecure": insecure}, as_json=as_json)


def _look_after(path: str, body: Mapping[str, Any], *, as_json: bool) -> None:
    with connected(start=True) as client:
        report = show_progress(client.lines(path, body))["report"]
    if as_json:
        print_json(report)
    else:
        _print_report(report)
    if not report["ok"]:
        raise CommandError("the store has damaged or missing files")


def _print_report(report: Mapping[str, Any]) -> None:
    for entry in report["broken"]:
        typer.echo(f"unreadable  {entry['model']}: {entry['reason']}")
    for finding in report["findings"]:
        typer.echo(_describe(finding))
    for text in report["warnings"]:
        typer.echo(text, err=True)
    typer.echo(f"{report['checked']} files checked, {human_size(report['size'])}")


def _describe(finding: Mapping[str, Any]) -> str:
    text = f"{finding['state']:<10}  {finding['digest'][7:19]}  {human_size(finding['size'])}"
    if finding.get("models"):
        text += f"  ({', '.join(finding['models'])})"
    if finding.get("ranges"):
        bad = sum(entry["size"] for entry in finding["ranges"])
        text += f"  {human_size(bad)} of it bad"
    return text + (f": {finding['note']}" if finding.get("note") else "")
