"""``puna run``: one answer, an embedding, or a conversation."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from puna.cli.answer import Display
from puna.cli.client import Client
from puna.cli.connection import connected
from puna.cli.conversation import Conversation
from puna.cli.engine_hint import tell_of_engine
from puna.cli.errors import CommandError
from puna.cli.run_file import find_file, model_of
from puna.cli.run_values import parse_format, parse_think
from puna.cli.standard_input import read_standard_input
from puna.cli.transfers import show_or_fetch


def run(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="its name, or a GGUF file", show_default=False)],
    prompt: Annotated[
        list[str] | None, typer.Argument(metavar="[PROMPT]", help="what to answer; without it, a conversation")
    ] = None,
    think: Annotated[str, typer.Option(help="true (also without a value), false, low, medium, high or max")] = "",
    hide_thinking: Annotated[bool, typer.Option("--hidethinking", help="do not show thoughts")] = False,
    output_format: Annotated[str, typer.Option("--format", help="json, or a JSON schema that the answer follows")] = "",
    keep_alive: Annotated[str, typer.Option("--keepalive", help="how long the model stays in memory, 5m for one")] = "",
    insecure: Annotated[bool, typer.Option("--insecure", help="speak plain http to the registry")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="show timings")] = False,
    no_wrap: Annotated[bool, typer.Option("--nowordwrap", help="leave long lines to the terminal")] = False,
    no_markdown: Annotated[
        bool, typer.Option("--nomarkdown", help="show answers on a terminal as the model wrote them")
    ] = False,
    truncate: Annotated[
        bool | None, typer.Option("--truncate/--no-truncate", help="cut a text to embed that is too long, or fail")
    ] = None,
    dimensions: Annotated[int, typer.Option(min=0, help="numbers of an embedding; 0: all")] = 0,
) -> None:
    """Run a model: answer a prompt, embed it, or talk.

    A model that is not here is fetched first.
    """
    request: dict[str, Any] = {}
    if think:
        request["think"] = parse_think(think)
    if output_format:
        request["format"] = parse_format(output_format)
    if keep_alive:
        request["keep_alive"] = keep_alive
    text, can_talk = _prompt(prompt)
    tell_of_engine()
    display = Display(show_thinking=not hide_thinking, wrap=not no_wrap, markdown=not no_markdown, verbose=verbose)
    file = find_file(model)
    with connected(start=True) as client:
        if file:
            model = model_of(client, file)
        shown = show_or_fetch(client, model, insecure=insecure)
        if shown.get("capabilities") == ["embedding"]:
            more = {"truncate": truncate, "dimensions": dimensions or None, "keep_alive": keep_alive or None}
            _embed(client, model, text, more)
            return
        conversation = Conversation(client, model, request, display, shown)
        if text:
            conversation.ask(text)
        elif can_talk:
            from puna.cli.terminal import Terminal  # one answer needs no line editor

            Terminal(conversation).run()
        elif prompt:
            conversation.load()  # an empty prompt is how scripts bring a model into memory
        else:
            raise CommandError("there is no prompt: give one as an argument or on standard input")


def _prompt(arguments: Sequence[str] | None) -> tuple[str, bool]:
    """Return what is asked, standard input first as with Ollama, and whether there is somebody to talk with."""
    words = " ".join(arguments or [])
    if sys.stdin.isatty():
        return words, not arguments and sys.stdout.isatty()
    try:
        piped = read_standard_input().decode().strip()
    except UnicodeDecodeError as error:
        raise CommandError(f"standard input is not UTF-8 (byte {error.start})") from None
    return "\n\n".join(part for part in (piped, words) if part), False


def _embed(client: Client, model: str, text: str, more: Mapping[str, Any]) -> None:
    if not text:
        raise CommandError(f'{model} embeds text and needs some: puna run {model} "text"')
    given = {name: value for name, value in more.items() if value is not None}
    vectors = client.post("/api/embed", {"model": model, "input": text, **given})["embeddings"]
    typer.echo(json.dumps(vectors[0], separators=(",", ":")))
