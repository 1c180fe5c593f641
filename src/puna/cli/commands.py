"""The commands of the program, of which only those that are asked for are loaded."""

import sys
from importlib import import_module
from pathlib import PurePath
from typing import Annotated

import typer

from puna import OLLAMA_VERSION, __version__
from puna.cli.arguments import Command, Group
from puna.cli.screen import has_colours

_COMMANDS = {
    "run": "run.run",
    "pull": "transfers.pull",
    "list": "models.list_models",
    "ls": "models.list_models",
    "show": "show.show",
    "ps": "models.ps",
    "stop": "models.stop",
    "cp": "models.cp",
    "rm": "models.rm",
    "create": "create.create",
    "push": "transfers.push",
    "serve": "serve.serve",
    "start": "serve.serve",
    "engine": "engine.app",
    "config": "config.config",
    "cluster": "cluster.app",
    "launch": "launch.launch",
    "service": "service.app",
    "doctor": "doctor.doctor",
    "tune": "tune.tune",
    "warm": "warm.warm",
    "verify": "care.verify",
    "repair": "care.repair",
    "sessions": "sessions.sessions",
    "key": "keys.app",
    "usage": "usage.usage",
    "batch": "batch.app",
    "replay": "replay.replay",
    "completion": "completion.completion",
    "complete-line": "completion.complete_line",
    "signin": "account.signin",
    "login": "account.signin",
    "signout": "account.signout",
    "logout": "account.signout",
}
"""Where each command is, under ``puna.cli``."""
_HIDDEN = {"ls", "start", "login", "logout", "complete-line"}
_HELP, _COMPLETE = "help", "complete-line"

app = typer.Typer(
    name="puna",
    cls=Group,
    help="Run large language models on your own machine behind the Ollama REST API.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich" if has_colours(sys.stdout) else None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def _options(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", "-v", help="Show the version and exit.")] = False,
) -> None:
    if version:
        typer.echo(_version())
    elif not context.invoked_subcommand:
        typer.echo(context.get_help())


def _program() -> str:
    """Return the name that the program goes by."""
    return "ollama" if PurePath(sys.argv[0]).stem == "ollama" else "puna"


def _version() -> str:
    """Return the version: of the API, in Ollama's words, where the program goes by that name."""
    if _program() != "ollama":
        return f"puna version {__version__}"
    return f"ollama version is {OLLAMA_VERSION}"


@app.command(_HELP)
def _help(
    command: Annotated[str, typer.Argument(help="the command", show_default=False)] = "",
) -> None:
    """Show help for a command, or for all."""


def run(arguments: list[str]) -> None:
    """Carry out a command line and end with its status."""
    if arguments[:1] == [_HELP]:
        arguments = [*arguments[1:], "--help"]
    _add_commands(_asked(arguments))
    sys.exit(app(arguments, prog_name=_program()) or 0)


def _asked(arguments: list[str]) -> list[str]:
    """Return the commands that are asked for: one, or none that is known; a line to complete asks for its own too."""
    if arguments[:1] == [_COMPLETE]:
        return [_COMPLETE, *(arguments[-1].split()[1:2] or [""])]
    return arguments[:1]


def _add_commands(asked: list[str]) -> None:
    """Add the commands that are asked for, or all: each has modules of its own, which would slow the others down."""
    for name in asked if asked and all(name in _COMMANDS for name in asked) else _COMMANDS:
        module, _, attribute = _COMMANDS[name].partition(".")
        command = getattr(import_module(f"puna.cli.{module}"), attribute)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name, cls=Command, hidden=name in _HIDDEN)(command)
