"""Commands about models: list, show, ps, stop, cp, rm."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import ollama
import typer
from rich.console import Console
from rich.table import Table

from puna.cli.client import connected, post_lines

_WIDEST = 1000
_UNITS = ("B", "KB", "MB", "GB", "TB")
_ModelArgument = Annotated[str, typer.Argument(help="the model's name", show_default=False)]


def list_models() -> None:
    """List the models on this machine."""
    with connected() as client:
        listed = client.list_models()
    models = ollama.ListResponse.model_validate({"models": listed}).models
    print_table(
        ("NAME", "ID", "SIZE", "MODIFIED"),
        [
            (
                model.model or "",
                (model.digest or "")[:12],
                human_size(int(model.size or 0)),
                human_time(model.modified_at) if model.modified_at else "",
            )
            for model in models
        ],
    )
    for entry in listed:
        if warning := entry.get("warning"):
            typer.echo(f"{entry['name']} cannot run: {warning}", err=True)


def ps() -> None:
    """List the models in memory."""
    with connected() as client:
        models = client.ps().models
    print_table(
        ("NAME", "ID", "SIZE", "PROCESSOR", "CONTEXT", "UNTIL"),
        [
            (
                model.model or "",
                (model.digest or "")[:12],
                human_size(int(model.size or 0)),
                _processor(int(model.size or 0), int(model.size_vram or 0)),
                str(model.context_length or ""),
                human_time(model.expires_at) if model.expires_at else "",
            )
            for model in models
        ],
    )


def _processor(size: int, on_cards: int) -> str:
    """Return where a model lies, in Ollama's words."""
    if not 0 < on_cards < size:
        return "100% GPU" if on_cards else "100% CPU"
    percent = round(100 * on_cards / size)
    return f"{100 - percent}%/{percent}% CPU/GPU"


def show(
    model: _ModelArgument,
    modelfile: Annotated[bool, typer.Option("--modelfile", help="only the Modelfile")] = False,
    parameters: Annotated[bool, typer.Option("--parameters", help="only the parameters")] = False,
    template: Annotated[bool, typer.Option("--template", help="only the template")] = False,
    system: Annotated[bool, typer.Option("--system", help="only the system message")] = False,
    license_: Annotated[bool, typer.Option("--license", help="only the licence")] = False,
) -> None:
    """Describe a model."""
    with connected():
        shown = next(post_lines("/api/show", {"model": model}))  # the official client leaves the system message out
    only = {
        "modelfile": modelfile,
        "parameters": parameters,
        "template": template,
        "system": system,
        "license": license_,
    }
    for name, wanted in only.items():
        if wanted:
            typer.echo(shown.get(name) or "")
            return
    _print_overview(shown)


def _print_overview(shown: Mapping[str, Any]) -> None:
    details, info = shown.get("details") or {}, shown.get("model_info") or {}
    family = details.get("family") or ""
    rows = {
        "architecture": family,
        "parameters": details.get("parameter_size"),
        "context length": info.get(f"{family}.context_length"),
        "embedding length": info.get(f"{family}.embedding_length"),
        "quantization": details.get("quantization_level"),
    }
    if warning := shown.get("warning"):
        _print_section("Warning", [f"it cannot run: {warning}"])
    _print_section("Model", [f"{name:<20}{value}" for name, value in rows.items() if value])
    _print_section("Capabilities", shown.get("capabilities") or [])
    _print_section("Parameters", (shown.get("parameters") or "").splitlines())
    _print_section("System", (shown.get("system") or "").splitlines())
    _print_section("License", (shown.get("license") or "").splitlines()[:2])


def _print_section(title: str, lines: list[str]) -> None:
    if lines:
        typer.echo("\n".join([f"  {title}", *(f"    {line}" for line in lines), ""]))


def stop(model: _ModelArgument) -> None:
    """Take a model out of memory."""
    with connected() as client:
        client.generate(model, keep_alive=0)


def cp(source: _ModelArgument, destination: Annotated[str, typer.Argument(help="the new name")]) -> None:
    """Give a model a second name."""
    with connected() as client:
        client.copy(source, destination)
    typer.echo(f"copied '{source}' to '{destination}'")


def rm(models: Annotated[list[str], typer.Argument(help="the models' names", show_default=False)]) -> None:
    """Delete models."""
    with connected() as client:
        for model in models:
            client.delete(model)
            typer.echo(f"deleted '{model}'")


def human_size(size: int) -> str:
    """Return a number of bytes with a unit of a thousand, as Ollama's lists have it."""
    value = float(size)
    for unit in _UNITS:
        if value < 1000 or unit == _UNITS[-1]:
            break
        value /= 1000
    return f"{value:.0f} {unit}" if value >= 10 or unit == "B" else f"{value:.1f} {unit}"


def human_time(moment: datetime) -> str:
    """Return how far a moment is from now: "3 minutes ago", "4 minutes from now"."""
    seconds = (moment - datetime.now(UTC)).total_seconds()
    if seconds > 50 * 365 * 86400:
        return "Forever"
    units = ((86400 * 30, "month"), (86400 * 7, "week"), (86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
    size, unit = next((entry for entry in units if round(abs(seconds) / entry[0])), units[-1])
    count = round(abs(seconds) / size)
    return f"{count} {unit}{'s' * (count != 1)} {'ago' if seconds < 0 else 'from now'}"


def print_table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="")
    for title in head:
        table.add_column(title, no_wrap=True, overflow="ignore")
    for row in rows:
        table.add_row(*row)
    # As wide as it is: a terminal breaks long lines, and a pipe has no width that could be filled.
    Console(width=_WIDEST, soft_wrap=True, highlight=False, markup=False).print(table)
