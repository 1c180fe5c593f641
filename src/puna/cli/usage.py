"""``puna usage``."""

import csv
import sys
from typing import Annotated, Any

import typer

from puna.cli.errors import CommandError
from puna.cli.key_book import open_book
from puna.cli.tables import AsJson, print_json, print_table
from puna.settings import Settings

_COUNTS = ("requests", "prompt_tokens", "cached_tokens", "generated_tokens", "seconds", "refusals")
_PLACES = ("day", "key", "model")


def usage(
    since: Annotated[str, typer.Option(help="the first day, as 2026-11-27, in UTC")] = "",
    until: Annotated[str, typer.Option(help="the last day")] = "",
    key: Annotated[str, typer.Option(help="of one key")] = "",
    by: Annotated[str, typer.Option(help="what to add up by, with commas: day, key, model")] = "key,model",
    as_csv: Annotated[bool, typer.Option("--csv", help="write it as CSV")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what was used, of which models, by which keys. It is kept from the first key on."""
    places = [place.strip() for place in by.split(",") if place.strip()]
    if wrong := [place for place in places if place not in _PLACES]:
        raise CommandError(f"{wrong[0]!r} is not one of {', '.join(_PLACES)}")
    with open_book(Settings.from_env()) as book:
        rows = _added_up(book.usage(since, until, key), places)
    if as_json:
        print_json({"usage": rows})
    elif as_csv:
        writer = csv.DictWriter(sys.stdout, (*places, *_COUNTS), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    else:
        head = (*places, "requests", "in", "cached", "out", "seconds", "refused")
        print_table(tuple(title.upper() for title in head), [_row(row) for row in rows])


def _added_up(rows: list[dict[str, Any]], places: list[str]) -> list[dict[str, Any]]:
    sums: dict[tuple[str, ...], dict[str, Any]] = {}
    for row in rows:
        place = tuple(row[name] for name in places)
        into = sums.setdefault(place, {**dict(zip(places, place, strict=True)), **dict.fromkeys(_COUNTS, 0)})
        for name in _COUNTS:
            into[name] = round(into[name] + row[name], 3)
    return [sums[place] for place in sorted(sums)]


def _row(row: dict[str, Any]) -> tuple[str, ...]:
    return tuple(str(value) or "-" for value in row.values())
