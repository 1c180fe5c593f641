"""The program ``puna``, which is installed as ``ollama`` too."""

import os
import sys
from importlib import import_module
from typing import Annotated

import typer

from puna import __version__
from puna.errors import PunaError

_COMMANDS = {
    "serve": "serve.serve",
    "tune": "tune.tune",
    "engine": "engine.app",
    "run": "run.run",
    "create": "create.create",
    "sessions": "sessions.sessions",
    "list": "models.list_models",
    "ls": "models.list_models",
    "show": "models.show",
    "ps": "models.ps",
    "stop": "models.stop",
    "cp": "models.cp",
    "rm": "models.rm",
    "pull": "transfers.pull",
    "push": "transfers.push",
    "verify": "transfers.verify",
    "repair": "transfers.repair",
}
"""Where each command is, under ``puna.cli``."""
_HIDDEN = {"ls"}

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
        typer.echo(f"puna version {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command line; errors are one line on standard error and status 1."""
    _add_commands()
    try:
        app()
    except PunaError as error:
        typer.echo(f"Error: {error}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that nothing is flushed into it at the end
        sys.exit(1)


def _add_commands() -> None:
    """Add the command that is asked for, or all: each has modules of its own, which would slow the others down."""
    asked = sys.argv[1] if len(sys.argv) > 1 else ""
    for name in [asked] if asked in _COMMANDS else _COMMANDS:
        module, _, attribute = _COMMANDS[name].partition(".")
        command = getattr(import_module(f"puna.cli.{module}"), attribute)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name, hidden=name in _HIDDEN)(command)
