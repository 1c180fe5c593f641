"""``puna run``: one answer, or a conversation."""

import sys
from typing import Annotated, Any

import typer

from puna.cli.chat import Conversation
from puna.cli.client import connected
from puna.cli.errors import CommandError
from puna.cli.transfers import fetch_if_missing

_THINK = {"true": True, "false": False, "low": "low", "medium": "medium", "high": "high", "max": "max"}


def run(
    model: Annotated[str, typer.Argument(help="the model's name", show_default=False)],
    prompt: Annotated[list[str] | None, typer.Argument(help="what to answer; without it, a conversation")] = None,
    think: Annotated[str, typer.Option(help="true, false, low, medium, high or max")] = "",
    hide_thinking: Annotated[bool, typer.Option("--hidethinking", help="do not show thoughts")] = False,
    output_format: Annotated[str, typer.Option("--format", help='"json" for an answer in JSON')] = "",
    keep_alive: Annotated[str, typer.Option("--keepalive", help='how long the model stays in memory ("5m")')] = "",
    insecure: Annotated[bool, typer.Option("--insecure", help="speak plain http to the registry")] = False,
    verbose: Annotated[bool, typer.Option(help="show timings")] = False,
) -> None:
    """Run a model: answer one prompt, or talk with it. A model that is not here is fetched first."""
    options: dict[str, Any] = {}
    if think:
        if think not in _THINK:
            raise CommandError(f"--think must be one of {', '.join(_THINK)}")
        options["think"] = _THINK[think]
    if output_format:
        options["format"] = output_format
    if keep_alive:
        options["keep_alive"] = keep_alive
    text = " ".join(prompt or [])
    if not sys.stdin.isatty():
        piped = sys.stdin.read()
        text = "\n\n".join(part for part in (text, piped.strip()) if part)
    with connected(start=True) as client:
        fetch_if_missing(client, model, insecure=insecure)
        conversation = Conversation(client, model, options, show_thinking=not hide_thinking, verbose=verbose)
        if text:
            conversation.ask(text)
        elif sys.stdin.isatty():
            conversation.talk()
        else:
            raise CommandError("there is no prompt: give one as an argument or on standard input")
