"""The program ``puna``, which is installed as ``ollama`` too."""

import os
import sys
from typing import Annotated

import typer

from puna import __version__
from puna.cli import create, models, run, sessions, transfers
from puna.errors import PunaError

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
    overview = bool(set(sys.argv) & {"-h", "--help"}) or not sys.argv[1:]
    if "serve" in sys.argv[1:2] or overview:
        from puna.cli.serve import serve  # the server's modules would slow every other command down

        app.command()(serve)
    if "tune" in sys.argv[1:2] or overview:
        from puna.cli.tune import tune  # so would the engine's

        app.command()(tune)
    if "engine" in sys.argv[1:2] or overview:
        from puna.cli import engine

        app.add_typer(engine.app, name="engine")
    app.command()(run.run)
    app.command()(create.create)
    app.command()(sessions.sessions)
    for name, command in {**models.COMMANDS, **transfers.COMMANDS}.items():
        app.command(name)(command)
    app.command("ls", hidden=True)(models.list_models)
