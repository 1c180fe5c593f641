"""``puna key``: make, list, change and end the keys of a server."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from puna.accounts.grant import SCOPES
from puna.cli.arguments import Command
from puna.cli.client import Client
from puna.cli.key_book import KeyBook, open_book
from puna.cli.tables import AsJson, human_time, parse_time, print_json, print_table
from puna.settings import Settings

_UNSEEN = (
    "Warning: the server at {url} lets everybody in: it does not see this key. It must have the same PUNA_HOME as this "
    "command, and be of a version that knows keys."
)
_LIMITS = ("models", "routes", "rate", "tokens", "concurrent")

app = typer.Typer(
    help="Make, list, change and end the keys with which clients are let in.\n\n"
    "On the machine of the server its file of keys is changed. With OLLAMA_API_KEY, or for a server elsewhere, the "
    "server is asked, which takes a key with the scope admin.",
    no_args_is_help=False,
)

_Name = Annotated[str, typer.Argument(help="the key's name", show_default=False)]
_Act = Callable[[KeyBook, str, Mapping[str, Any]], dict[str, Any]]
_Told = Mapping[str, Any]


def _with_words(act: _Act, help_text: str) -> Callable[..., None]:
    """Return a command that takes all that can be said of a key."""

    def command(
        name: _Name,
        scopes: Annotated[
            list[str] | None, typer.Option("--scope", help=f"what it may do: {', '.join(SCOPES)}; a new key: infer")
        ] = None,
        models: Annotated[list[str] | None, typer.Option(help="models that it may use, as 'llama*'; '*': all")] = None,
        routes: Annotated[list[str] | None, typer.Option(help="routes that it may use, as '/v1/*'; '*': all")] = None,
        rate: Annotated[str | None, typer.Option(help="requests in a time, as 60/m; none: no limit")] = None,
        tokens: Annotated[str | None, typer.Option(help="tokens in a time, as 1M/day; none: no limit")] = None,
        concurrent: Annotated[int | None, typer.Option(help="requests at a time; 0: no limit")] = None,
        expires: Annotated[str | None, typer.Option(help="when it ends: 90d, 12h, a date, or never")] = None,
        priority: Annotated[str | None, typer.Option(help="interactive, or batch: let others go first")] = None,
        weight: Annotated[float | None, typer.Option(help="turns in the queue where others have one")] = None,
        as_json: AsJson = False,
    ) -> None:
        words = {
            "scopes": scopes,
            "models": models,
            "routes": routes,
            "rate": rate,
            "tokens": tokens,
            "concurrent": concurrent,
            "expires": expires,
            "priority": priority,
            "weight": weight,
        }
        given = {word: value for word, value in words.items() if value is not None}
        _carry_out(name, lambda book: act(book, name, given), as_json=as_json)

    command.__doc__ = help_text
    return command


def _carry_out(name: str, act: Callable[[KeyBook], _Told], *, as_json: bool) -> None:
    settings = Settings.from_env()
    with open_book(settings) as book:
        told = act(book)
    if as_json:
        print_json(told)
    elif "key" in told:
        typer.echo(told["key"])
        typer.echo("It is shown this once. Clients send it as a bearer token or as x-api-key.", err=True)
    else:
        typer.echo(f"{name}: {told['state']}")
    with Client(settings) as client:
        if client.lets_anybody_in():
            typer.echo(_UNSEEN.format(url=client.url), err=True)


_create = _with_words(
    lambda book, name, words: book.create(name, words),
    "Make a key and write it, this once. From the first key on, nobody is let in without one.",
)
_change = _with_words(
    lambda book, name, words: book.change(name, words),
    "Change what a key may do, from its next request on; what is not named stays as it is.",
)
app.command("create", cls=Command)(_create)
app.command("change", cls=Command)(_change)


@app.command("list", cls=Command)
def list_keys(as_json: AsJson = False) -> None:
    """List the keys."""
    with open_book(Settings.from_env()) as book:
        keys = book.keys()
    if as_json:
        print_json({"keys": keys})
    else:
        print_table(("NAME", "ID", "STATE", "SCOPES", "LIMITS", "EXPIRES"), [_row(key) for key in keys])


@app.command("rotate", cls=Command)
def rotate(name: _Name, as_json: AsJson = False) -> None:
    """Give a key a new text and write it, this once; the old one lets nobody in any more."""
    _carry_out(name, lambda book: book.rotate(name), as_json=as_json)


@app.command("revoke", cls=Command)
def revoke(name: _Name, as_json: AsJson = False) -> None:
    """End a key: its next request is not let in."""
    _carry_out(name, lambda book: book.revoke(name), as_json=as_json)


def _row(key: _Told) -> tuple[str, ...]:
    limits = [f"{name} {_shown(key[name])}" for name in _LIMITS if key[name]]
    limits += [key["priority"]] if key["priority"] != "interactive" else []
    limits += [f"weight {key['weight']:g}"] if key["weight"] != 1 else []
    expires = human_time(parse_time(key["expires_at"])) if key["expires_at"] else "never"
    return key["name"], key["id"], key["state"], ",".join(key["scopes"]), ", ".join(limits) or "-", expires


def _shown(value: Any) -> str:
    return "|".join(value) if isinstance(value, list) else str(value)
