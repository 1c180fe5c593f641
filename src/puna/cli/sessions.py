"""``puna sessions``."""

from typing import Annotated

import typer

from puna.cli.connection import connected
from puna.cli.tables import AsJson, human_size, human_time, parse_time, print_json, print_table


def sessions(
    clear: Annotated[bool, typer.Option("--clear", help="remove all of them")] = False,
    as_json: AsJson = False,
) -> None:
    """List conversations whose caches are on disk, and what several of them begin with."""
    path = "/api/puna/sessions"
    with connected() as client:
        answer = client.delete(path, {}) if clear else client.get(path)
    if as_json:
        print_json(answer)
        return
    if clear:
        typer.echo(f"removed {answer['removed']}")
        return
    print_table(
        ("MODEL", "TOKENS", "SIZE", "USED", "KIND"),
        [
            (
                entry["model"],
                str(entry["tokens"]),
                human_size(entry["size"]),
                human_time(parse_time(entry["used_at"])),
                "beginning" if entry.get("beginning") else "conversation",
            )
            for entry in answer["sessions"]
        ],
    )
