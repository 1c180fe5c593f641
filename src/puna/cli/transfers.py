"""Commands that move models to and from registries: pull, push."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from puna.cli.client import NOT_FOUND, Client, ServerError
from puna.cli.connection import connected, nearest
from puna.cli.errors import CommandError
from puna.cli.progress import show_progress
from puna.cli.tables import AsJson, human_size, print_json
from puna.names import parse_name

Insecure = Annotated[bool, typer.Option("--insecure", help="speak plain http to the registry")]


def pull(
    model: Annotated[str, typer.Argument(metavar="[MODEL]", help="the model's name", show_default=False)] = "",
    all_: Annotated[bool, typer.Option("--all", help="refresh every model that its registry has newer")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what would be fetched")] = False,
    insecure: Insecure = False,
    as_json: AsJson = False,
) -> None:
    """Fetch a model from a registry."""
    if bool(model) == all_:
        raise CommandError("name a model, or give --all")
    if as_json and all_ and not dry_run:
        raise CommandError("--json is for one model, or for what --dry-run says")
    with connected(start=True) as client:
        if as_json and dry_run:
            print_json({"plans": _plans(client, {"model": model, "all": all_, "insecure": insecure})})
        elif all_:
            _pull_all(client, dry_run=dry_run, insecure=insecure)
        elif dry_run:
            for plan in _plans(client, {"model": model, "insecure": insecure}):
                typer.echo(_describe(plan))
        else:
            pull_model(client, model, insecure=insecure, as_json=as_json)


def pull_model(client: Client, model: str, *, insecure: bool = False, as_json: bool = False) -> None:
    """Fetch one model and show the progress."""
    show_progress(client.lines("/api/pull", {"model": model, "insecure": insecure}), as_json=as_json)


def show_or_fetch(client: Client, model: str, *, insecure: bool = False) -> Mapping[str, Any]:
    """Return what the server says of a model; one that it does not have is fetched first, as ``run`` does."""
    try:
        return client.post("/api/show", {"model": model})
    except ServerError as error:
        if error.status != NOT_FOUND:
            raise
    near = nearest(client, model)
    typer.echo(f"{model} is not here{f' (did you mean {near}?)' if near else ''}; asking its registry", err=True)
    pull_model(client, model, insecure=insecure)
    return client.post("/api/show", {"model": model})


def _pull_all(client: Client, *, dry_run: bool, insecure: bool) -> None:
    """Refresh every model; one that fails does not keep the others from it."""
    failed = 0
    for plan in _plans(client, {"all": True, "insecure": insecure}):
        typer.echo(_describe(plan))
        try:
            if not dry_run and plan.get("current") is False:
                pull_model(client, plan["model"], insecure=insecure)
        except ServerError as error:
            typer.echo(f"{plan['model']}: {error}", err=True)
            failed += 1
        failed += "error" in plan and not plan["unknown"]
    if failed:
        raise CommandError(f"{failed} of the models could not be refreshed")


def _plans(client: Client, body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    plans: list[Mapping[str, Any]] = client.post("/api/pull", {"dry_run": True, **body})["plans"]
    return plans


def _describe(plan: Mapping[str, Any]) -> str:
    if "error" in plan:
        return f"{plan['model']}: {plan['error']}"
    if plan["current"] and not plan["download"]:
        return f"{plan['model']}: up to date"
    word = "new" if plan["new"] else "incomplete" if plan["current"] else "update"
    return f"{plan['model']}: {word}, {human_size(plan['download'])} of {human_size(plan['total'])} to fetch"


def push(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="the model's name, with its registry or user", show_default=False)
    ],
    insecure: Insecure = False,
    as_json: AsJson = False,
) -> None:
    """Send a model to a registry."""
    with connected(start=True) as client:
        show_progress(client.lines("/api/push", {"model": model, "insecure": insecure}), as_json=as_json)
    if not as_json:
        typer.echo(f"\nYou can find your model at:\n\n\t{parse_name(model)}")
