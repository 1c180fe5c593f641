"""The commands of a conversation, which begin with a slash; names and words are Ollama's (``cmd/interactive.go``)."""

import shlex
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import typer

from puna.cli.errors import CommandError
from puna.cli.models import list_models
from puna.cli.run_values import parse_format, parse_think
from puna.cli.screen import print_text
from puna.cli.show import print_overview
from puna.cli.slash_help import HELP, HELPS, SET_HELP, SHOW_HELP
from puna.errors import BadRequestError
from puna.inference.options import OPTION_NAMES, Options
from puna.models.modelfile.values import parameter_value

if TYPE_CHECKING:
    from puna.cli.terminal import Terminal

_PARAMETER_HELP = "Usage: /set parameter <name> <value>, <value> <value> ... for stop. Names:\n  "
_NONE = {
    "license": "No license was specified for this model.",
    "system": "No system message was specified for this model.",
    "template": "No prompt template was specified for this model.",
}
_LINE = 76


def run_command(terminal: "Terminal", text: str) -> bool:
    """Carry out a command; return whether the conversation goes on. Raises ``CommandError``."""
    words = _split(text)
    match words:
        case ["/bye" | "/exit"]:
            return False
        case ["/?" | "/help", *rest]:
            typer.echo(HELPS.get(" ".join(rest).removeprefix("/"), HELP))
        case ["/clear"]:
            terminal.conversation.messages.clear()
            typer.echo("Cleared session context")
        case ["/list", *prefix] if len(prefix) <= 1:
            list_models("".join(prefix))
        case ["/load", model]:
            typer.echo(f"Loading model '{model}'")
            terminal.conversation.change_model(model)
            terminal.show_earlier()
        case ["/save", model]:
            terminal.conversation.save(model)
            typer.echo(f"Created new model '{model}'")
        case ["/load" | "/save" as command, *_]:
            raise CommandError(f"usage: {command} <model>")
        case ["/show"]:
            typer.echo(SHOW_HELP)
        case ["/show", part]:
            _show(terminal, part)
        case ["/set"]:
            typer.echo(SET_HELP)
        case ["/set", what, *rest]:
            _set(terminal, what, rest, text)
        case _:
            raise CommandError(f"unknown command: {text} (/? lists them)")
    return True


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def _show(terminal: "Terminal", part: str) -> None:
    talk = terminal.conversation
    shown = talk.client.post("/api/show", {"model": talk.model})
    if part == "info":
        print_overview(shown)
    elif part == "parameters":
        typer.echo("Model defined parameters:")
        for line in (shown.get("parameters") or "No additional parameters were specified for this model.").splitlines():
            print_text(f"  {line}")
        if talk.parameters:
            typer.echo("\nUser defined parameters:")
            for name, value in talk.parameters.items():
                typer.echo(f"  {name:<30} {value}")
    elif part == "system" and talk.system:
        typer.echo(talk.system)
    elif part in (*_NONE, "modelfile"):
        print_text(shown.get(part) or _NONE[part])
    else:
        raise CommandError(f"unknown command: /show {part} (/? show lists them)")


def _set(terminal: "Terminal", what: str, rest: list[str], text: str) -> None:
    if what == "parameter":
        _set_parameter(terminal, rest)
    elif what == "system" and rest:
        after = text.split(None, 2)[2]
        quoted = after.startswith('"""')
        terminal.conversation.system = (
            after.strip().removeprefix('"""').removesuffix('"""') if quoted else " ".join(rest)
        )
        typer.echo("Set system message.")
    elif (what, len(rest)) in _SETTINGS:
        typer.echo(_SETTINGS[what, len(rest)](terminal, rest))
    else:
        raise CommandError(f"unknown command: /set {' '.join([what, *rest])} (/? set lists them)")


def _set_parameter(terminal: "Terminal", words: list[str]) -> None:
    if len(words) <= 1:
        typer.echo(_PARAMETER_HELP + "\n  ".join(_columns(OPTION_NAMES)))
        return
    name, *values = words
    terminal.conversation.parameters[name] = parse_parameter(name, values)
    typer.echo(f"Set parameter '{name}' to '{', '.join(values)}'")


def parse_parameter(name: str, values: list[str]) -> Any:
    """Return the value that the API takes for an option; raise ``CommandError`` by the server's own rules."""
    if name not in OPTION_NAMES:
        near = get_close_matches(name, OPTION_NAMES, 1)
        raise CommandError(f"unknown parameter '{name}'{f'; did you mean {near[0]}?' if near else ''}")
    value = parameter_value(name, " ".join(values))
    if isinstance(value, list):
        value = values
    try:
        Options.merge({name: value})
    except BadRequestError as error:
        raise CommandError(str(error)) from error
    return value


def _columns(names: Sequence[str]) -> list[str]:
    lines = [""]
    for name in names:
        if len(lines[-1]) + len(name) > _LINE:
            lines.append("")
        lines[-1] += f"{name} "
    return [line.rstrip() for line in lines]


def _history(terminal: "Terminal", keep: bool) -> str:
    terminal.keep_history(keep)
    return "What is typed from now on is kept." if keep else "What is typed from now on is not kept."


def _mode(name: str, field: str, value: bool) -> Callable[["Terminal", list[str]], str]:
    def change(terminal: "Terminal", _rest: list[str]) -> str:
        setattr(terminal.conversation.display, field, value)
        return f"Set '{name}' mode."

    return change


def _think(terminal: "Terminal", word: str) -> str:
    value = parse_think({"on": "true", "off": "false"}.get(word, word))
    talk = terminal.conversation
    talk.request["think"] = value
    if "thinking" not in talk.capabilities:
        typer.echo(f"warning: {talk.model} does not support thinking", err=True)
    if value is True:
        return "Set 'think' mode."
    return f"Set 'think' mode to '{value}'." if value else "Set 'nothink' mode."


def _format(terminal: "Terminal", word: str) -> str:
    terminal.conversation.request["format"] = parse_format(word)
    return "Set format to 'json' mode." if word == "json" else "Set format to a schema."


def _no_format(terminal: "Terminal", _rest: list[str]) -> str:
    terminal.conversation.request.pop("format", None)
    return "Disabled format."


_SETTINGS: dict[tuple[str, int], Callable[["Terminal", list[str]], str]] = {
    ("history", 0): lambda terminal, _: _history(terminal, True),
    ("nohistory", 0): lambda terminal, _: _history(terminal, False),
    ("wordwrap", 0): _mode("wordwrap", "wrap", True),
    ("nowordwrap", 0): _mode("nowordwrap", "wrap", False),
    ("markdown", 0): _mode("markdown", "markdown", True),
    ("nomarkdown", 0): _mode("nomarkdown", "markdown", False),
    ("verbose", 0): _mode("verbose", "verbose", True),
    ("quiet", 0): _mode("quiet", "verbose", False),
    ("verbose", 1): lambda terminal, rest: _verbose(terminal, rest[0]),
    ("think", 0): lambda terminal, _: _think(terminal, "true"),
    ("think", 1): lambda terminal, rest: _think(terminal, rest[0]),
    ("nothink", 0): lambda terminal, _: _think(terminal, "false"),
    ("format", 1): lambda terminal, rest: _format(terminal, rest[0]),
    ("noformat", 0): _no_format,
}
"""What ``/set`` takes: the word and how many more follow it."""


def _verbose(terminal: "Terminal", word: str) -> str:
    name = {"on": "verbose", "off": "quiet"}.get(word)
    if name is None:
        raise CommandError("usage: /set verbose on|off")
    return _SETTINGS[name, 0](terminal, [])
