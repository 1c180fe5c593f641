"""``puna show``, and what ``/show`` prints in a conversation."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import typer

from puna.cli.connection import connected
from puna.cli.errors import CommandError
from puna.cli.models import ModelArgument
from puna.cli.screen import print_text
from puna.cli.tables import AsJson, print_json

PARTS = ("license", "modelfile", "parameters", "system", "template")
_HEAD = 2
"""Lines of a long text that an overview shows."""
_SHOWN_ENTRIES, _NAME_COLUMN = 5, 20


def show(
    model: ModelArgument,
    modelfile: Annotated[bool, typer.Option("--modelfile", help="only the Modelfile")] = False,
    parameters: Annotated[bool, typer.Option("--parameters", help="only the parameters")] = False,
    template: Annotated[bool, typer.Option("--template", help="only the template")] = False,
    system: Annotated[bool, typer.Option("--system", help="only the system message")] = False,
    license_: Annotated[bool, typer.Option("--license", help="only the licence")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="with the keys and tensors of the file")] = False,
    as_json: AsJson = False,
) -> None:
    """Describe a model."""
    flags = dict(zip(PARTS, (license_, modelfile, parameters, system, template), strict=True))
    wanted = [part for part, flag in flags.items() if flag]
    if len(wanted) > 1:
        *names, last = (f"--{part}" for part in PARTS)
        raise CommandError(f"only one of {', '.join(names)} and {last} can be given")
    with connected() as client:
        shown = client.post("/api/show", {"model": model, "verbose": verbose})
    if as_json:
        print_json({wanted[0]: shown.get(wanted[0]) or ""} if wanted else shown)
    elif wanted:
        print_text(shown.get(wanted[0]) or "")
    else:
        print_overview(shown, verbose=verbose)


def print_overview(shown: Mapping[str, Any], *, verbose: bool = False) -> None:
    """Print what the server says of a model, as Ollama lays it out."""
    details, info = shown.get("details") or {}, shown.get("model_info") or {}
    family = info.get("general.architecture") or details.get("family") or ""
    if warning := shown.get("warning"):
        _print_section("Warning", [f"it cannot run: {warning}"])
    _print_pairs(
        "Model",
        {
            "architecture": family,
            "parameters": details.get("parameter_size"),
            "context length": info.get(f"{family}.context_length"),
            "embedding length": info.get(f"{family}.embedding_length"),
            "quantization": details.get("quantization_level"),
            "requires": shown.get("requires"),
        },
    )
    _print_section("Capabilities", shown.get("capabilities") or [])
    _print_projector(shown.get("projector_info") or {})
    _print_section("Parameters", (shown.get("parameters") or "").splitlines())
    if verbose:
        _print_pairs("Metadata", {name: _brief(value) for name, value in sorted(info.items())})
        _print_section("Tensors", [_tensor(entry) for entry in shown.get("tensors") or []])
    _print_section("System", _head(shown.get("system") or ""))
    _print_section("License", _head(shown.get("license") or ""))


def _print_projector(info: Mapping[str, Any]) -> None:
    family = info.get("general.architecture") or ""
    _print_pairs(
        "Projector",
        {
            "architecture": family,
            "parameters": info.get("general.parameter_count"),
            "embedding length": info.get(f"{family}.vision.embedding_length"),
            "dimensions": info.get(f"{family}.vision.projection_dim"),
        },
    )


def _print_pairs(title: str, pairs: Mapping[str, Any]) -> None:
    rows = {name: str(value) for name, value in pairs.items() if value not in (None, "")}
    width = max([_NAME_COLUMN, *(len(name) + 2 for name in rows)])
    _print_section(title, [f"{name:<{width}}{value}" for name, value in rows.items()])


def _print_section(title: str, lines: Iterable[str]) -> None:
    if rows := [f"    {line}".rstrip() for line in lines]:
        print_text("\n".join([f"  {title}", *rows, ""]))


def _head(text: str) -> list[str]:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[:_HEAD] + ["..."] * (len(lines) > _HEAD)


def _brief(value: Any) -> str:
    """Return a value of a file's header in one line, a long list with its beginning only."""
    if isinstance(value, list):
        shown = ", ".join(map(_brief, value[:_SHOWN_ENTRIES]))
        more = len(value) - _SHOWN_ENTRIES
        return f"[{shown}, ...+{more} more]" if more > 0 else f"[{shown}]"
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else " ".join(str(value).split())


def _tensor(entry: Mapping[str, Any]) -> str:
    return f"{entry.get('name', ''):<40}{entry.get('type', ''):<8}{entry.get('shape', '')}"
