"""``puna warm``: has the beginning of an agent's prompts read and saved, before anybody asks."""

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from puna.cli.agents import AGENTS
from puna.cli.client import Client
from puna.cli.connection import connected
from puna.cli.errors import CommandError
from puna.cli.launch import find_agent, program_of, target_for
from puna.cli.overheard import Overheard, overhear
from puna.cli.turns import SPEECHES, Turn
from puna.settings import Settings

_QUESTIONS = ("Which files are here?", "Say hello.")
"""Two that differ: what a prompt has in common with another is saved."""


def warm(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="the model")],
    agent: Annotated[
        str, typer.Option("--agent", help=f"the agent, started once in this directory: {', '.join(AGENTS)}")
    ] = "",
    system: Annotated[
        Path | None, typer.Option("--system", metavar="FILE", help="a file with a system prompt", dir_okay=False)
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="even if the model cannot drive the agent")] = False,
) -> None:
    """Read the beginning of an agent's prompts, or of an application's, before the first question.

    It is kept with the saved sessions, and so is there after a restart as well.
    """
    if bool(agent) == bool(system):
        raise CommandError("either --agent or --system says what prompts begin with")
    with connected(start=True) as client:
        if system:
            asked = _of_file(system)
        else:
            chosen = find_agent(agent)
            program = program_of(chosen)
            if not program:
                raise CommandError(f"{chosen.title} is not installed: {chosen.install}")
            target = target_for(client, chosen, model, Settings.from_env(), force=yes)
            asked = overhear(chosen, program, target, _QUESTIONS[0])
        first, again = (_ask(client, asked, model, question) for question in _QUESTIONS)
    typer.echo(
        f"{again.cached:,} of {again.tokens:,} tokens are read once and kept: the first answer began after "
        f"{first.first or first.seconds:.1f} s, the next after {again.first or again.seconds:.1f} s"
    )


def _of_file(path: Path) -> Overheard:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path} cannot be read: {error}") from error
    messages = [{"role": "system", "content": text}, {"role": "user", "content": ""}]
    body = {"messages": messages, "stream_options": {"include_usage": True}}
    return Overheard("/v1/chat/completions", {}, body)


def _ask(client: Client, asked: Overheard, model: str, question: str) -> Turn:
    """Have a prompt answered with a token, and return what the server says of it."""
    speech = SPEECHES[asked.path.partition("?")[0]]
    body: dict[str, Any] = json.loads(json.dumps(asked.body)) | {"model": model, "stream": True}
    speech.ask(body, question, 1)
    turn, began = Turn(), time.monotonic()
    for event in client.events(asked.path, body, asked.headers):
        speech.read(turn, event)
        if not turn.first and (turn.text or turn.calls):
            turn.first = time.monotonic() - began
    turn.seconds = time.monotonic() - began
    return turn
