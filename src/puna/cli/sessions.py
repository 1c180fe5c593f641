"""``puna sessions``."""

from datetime import datetime
from typing import Annotated

import typer

from puna.cli.client import connected, post_lines
from puna.cli.models import human_size, human_time, print_table


def sessions(
    clear: Annotated[bool, typer.Option("--clear", help="remove all of them")] = False,
) -> None:
    """List the conversations whose caches are saved on disk."""
    with connected():
        (answer,) = post_lines("/api/puna/sessions", {}, "DELETE" if clear else "GET")
    if clear:
        typer.echo(f"removed {answer['removed']}")
        return
    print_table(
        ("MODEL", "TOKENS", "SIZE", "USED"),
        [
            (
                entry["model"],
                str(entry["tokens"]),
                human_size(entry["size"]),
                human_time(datetime.fromisoformat(entry["used_at"])),
            )
            for entry in answer["sessions"]
        ],
    )
