"""Commands about the models on this machine: list, ps, stop, cp, rm."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated

import typer

from puna.cli.client import NOT_FOUND, ServerError
from puna.cli.connection import connected, nearest
from puna.cli.errors import CommandError
from puna.cli.tables import AsJson, human_size, human_time, parse_time, print_json, print_table

ModelArgument = Annotated[str, typer.Argument(metavar="MODEL", help="the model's name", show_default=False)]
_Prefix = Annotated[
    str, typer.Argument(metavar="[PREFIX]", help="only models whose name begins so", show_default=False)
]


def list_models(prefix: _Prefix = "", as_json: AsJson = False) -> None:
    """List the models on this machine."""
    with connected() as client:
        models = client.get("/api/tags")["models"] or []
    models = [model for model in models if model["name"].lower().startswith(prefix.lower())]
    if as_json:
        print_json({"models": models})
        return
    print_table(
        ("NAME", "ID", "SIZE", "MODIFIED"),
        [
            (
                f"{model['name']} -> {model['alias_of']}" if "alias_of" in model else model["name"],
                model["digest"][:12],
                human_size(model["size"]),
                human_time(parse_time(model["modified_at"])),
            )
            for model in models
        ],
    )
    for model in models:
        if warning := model.get("warning"):
            typer.echo(f"{model['name']} cannot run: {warning}", err=True)


def ps(prefix: _Prefix = "", as_json: AsJson = False) -> None:
    """List the models in memory."""
    with connected() as client:
        models = client.get("/api/ps")["models"] or []
    models = [model for model in models if model["name"].lower().startswith(prefix.lower())]
    if as_json:
        print_json({"models": models})
        return
    told = any("memory" in model for model in models)  # not by another server with this API
    print_table(
        ("NAME", "ID", "SIZE", "PROCESSOR", "CONTEXT", "UNTIL", *(("MEMORY",) if told else ())),
        [
            (
                model["name"],
                model["digest"][:12],
                human_size(model["size"]),
                _processor(model["size"], model.get("size_vram") or 0),
                str(model.get("context_length") or ""),
                _until(parse_time(model["expires_at"])),
                *((_memory(model.get("memory") or {}),) if told else ()),
            )
            for model in models
        ],
    )


def _memory(parts: Mapping[str, int]) -> str:
    """Return which part of a model's memory is which."""
    weights, contexts, used = (human_size(parts.get(name, 0)) for name in ("weights", "contexts", "used"))
    return f"{weights} weights, up to {contexts} contexts, {used} in use"


def _processor(size: int, on_cards: int) -> str:
    """Return where a model lies, in Ollama's words."""
    if not 0 < on_cards < size:
        return "100% GPU" if on_cards else "100% CPU"
    percent = round(100 * on_cards / size)
    return f"{100 - percent}%/{percent}% CPU/GPU"


def _until(moment: datetime) -> str:
    return human_time(moment) if moment > datetime.now(UTC) else "Stopping..."


def stop(model: ModelArgument) -> None:
    """Take a model out of memory."""
    with connected() as client:
        try:
            client.post("/api/generate", {"model": model, "keep_alive": 0, "stream": False})
        except ServerError as error:
            if error.status != NOT_FOUND:
                raise
            near = nearest(client, model)
            more = f"; did you mean {near}?" if near else ""
            raise CommandError(f'couldn\'t find model "{model}" to stop{more}') from error


def cp(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="the model's name", show_default=False)],
    destination: Annotated[str, typer.Argument(metavar="DESTINATION", help="the new name")],
) -> None:
    """Give a model a second name."""
    with connected() as client:
        client.post("/api/copy", {"source": source, "destination": destination})
    typer.echo(f"copied '{source}' to '{destination}'")


def rm(
    models: Annotated[list[str], typer.Argument(metavar="MODEL...", help="the models' names", show_default=False)],
) -> None:
    """Delete models."""
    with connected() as client:
        for model in models:
            client.delete("/api/delete", {"model": model})
            typer.echo(f"deleted '{model}'")
