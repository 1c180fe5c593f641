"""The program ``puna``, which is installed as ``ollama`` too."""

import sys
from importlib import import_module
from pathlib import PurePath
from typing import Annotated

import typer

from puna import OLLAMA_VERSION, __version__
from puna.cli.arguments import Command
from puna.cli.failure import prepare_streams, status_of

_COMMANDS = {
    "serve": "serve.serve",
    "start": "serve.serve",
    "tune": "tune.tune",
    "engine": "engine.app",
    "config": "config.config",
    "run": "run.run",
    "create": "create.create",
    "sessions": "sessions.sessions",
    "key": "keys.app",
    "usage": "usage.usage",
    "list": "models.list_models",
    "ls": "models.list_models",
    "show": "show.show",
    "ps": "models.ps",
    "stop": "models.stop",
    "cp": "models.cp",
    "rm": "models.rm",
    "pull": "transfers.pull",
    "push": "transfers.push",
    "verify": "care.verify",
    "repair": "care.repair",
    "signin": "account.signin",
    "login": "account.signin",
    "signout": "account.signout",
    "logout": "account.signout",
}
"""Where each command is, under ``puna.cli``."""
_HIDDEN = {"ls", "start", "login", "logout"}
_HELP = "help"

app = typer.Typer(
    name="puna",
    help="Run large language models on your own machine behind the Ollama REST API.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def _options(
    version: Annotated[bool, typer.Option("--version", "-v", help="Show the version and exit.")] = False,
) -> None:
    if version:
        typer.echo(_version())
        raise typer.Exit


def _version() -> str:
    """Return the version: of the API, in Ollama's words, where the program goes by that name."""
    if PurePath(sys.argv[0]).stem != "ollama":
        return f"puna version {__version__}"
    return f"ollama version is {OLLAMA_VERSION}"


@app.command(_HELP)
def _help(
    command: Annotated[str, typer.Argument(help="the command", show_default=False)] = "",
) -> None:
    """Show help for a command, or for all."""


def main() -> None:
    """Run the command line; errors are one line on standard error and status 1."""
    prepare_streams()
    sys.exit(status_of(_run))


def _run() -> None:
    arguments = sys.argv[1:]
    if arguments[:1] == [_HELP]:
        arguments = [*arguments[1:2], "--help"]
    _add_commands(arguments[0] if arguments else "")
    app(arguments)


def _add_commands(asked: str) -> None:
    """Add the command that is asked for, or all: each has modules of its own, which would slow the others down."""
    for name in [asked] if asked in _COMMANDS else _COMMANDS:
        module, _, attribute = _COMMANDS[name].partition(".")
        command = getattr(import_module(f"puna.cli.{module}"), attribute)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name, cls=Command, hidden=name in _HIDDEN)(command)
