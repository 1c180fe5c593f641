"""``puna replay``: requests that the server has recorded, asked again and compared."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from difflib import SequenceMatcher
from typing import Annotated, Any
from urllib.parse import quote

import typer

from puna.cli.client import Client
from puna.cli.connection import connected
from puna.cli.errors import CommandError
from puna.cli.run_values import option_value
from puna.cli.side_by_side import print_side_by_side
from puna.cli.tables import AsJson, human_time, print_json, print_table

_PATH = "/api/puna/recordings"
_MOST = 1000
_OFF = "nothing is recorded; a server that is started with PUNA_RECORD=1 records"
_TIMES = ("first", "duration")


def replay(
    name: Annotated[str, typer.Argument(metavar="[ID]", help="a recording", show_default=False)] = "",
    model: Annotated[str, typer.Option("--model", help="another model", show_default=False)] = "",
    engine: Annotated[
        str, typer.Option("--engine", help="another engine, as puna engine use takes it", show_default=False)
    ] = "",
    option: Annotated[
        list[str] | None, typer.Option("--option", help="another option, as temperature=0", show_default=False)
    ] = None,
    since: Annotated[str, typer.Option("--since", help="all since so long ago, as 1h", show_default=False)] = "",
    listed: Annotated[bool, typer.Option("--list", help="list the recordings instead")] = False,
    shown: Annotated[bool, typer.Option("--show", help="show the recording, and do not ask again")] = False,
    removed: Annotated[bool, typer.Option("--remove", help='remove the recording, or "all"')] = False,
    as_json: AsJson = False,
) -> None:
    """Ask again what was recorded (PUNA_RECORD=1), and compare the answers and their times."""
    if bool(name) + bool(since or listed) != 1:
        raise CommandError("give the ID of a recording, or --since 1h for many, or --list")
    changed = {"model": model, "engine": engine, "options": dict(map(_option, option or ()))}
    with connected() as client:
        if name and removed:
            _tell_removed(client.delete(_of(name), {})["removed"])
        elif name and shown:
            print_json(client.get(_of(name)))
        elif name:
            _one(client, name, changed, as_json=as_json)
        elif listed:
            _list(client, since, as_json=as_json)
        else:
            _many(client, since, changed, as_json=as_json)


def _of(name: str) -> str:
    return f"{_PATH}/{quote(name, safe='')}"


def _option(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise CommandError(f"{text!r} is not an option: NAME=VALUE, as in temperature=0")
    return name, option_value(value)


def _tell_removed(count: int) -> None:
    typer.echo(f"removed {count} recording{'s' * (count != 1)}")


def _heads(client: Client, since: str) -> list[dict[str, Any]]:
    found = client.get(f"{_PATH}?limit={_MOST}" + (f"&within={quote(since)}" if since else ""))
    if not found["recordings"] and not found["recording"]:
        raise CommandError(_OFF)
    heads: list[dict[str, Any]] = found["recordings"]
    return heads


def _list(client: Client, since: str, *, as_json: bool) -> None:
    heads = _heads(client, since)
    if as_json:
        print_json(heads)
        return
    rows = [
        (
            head["id"],
            human_time(datetime.fromtimestamp(head["created"], UTC)),
            head["path"],
            head.get("model", ""),
            head.get("outcome", ""),
            f"{head.get('prompt', 0)} + {head.get('generated', 0)}",
            f"{head.get('duration', 0.0):.2f} s",
            head["replay_of"],
        )
        for head in heads
    ]
    print_table(("ID", "WHEN", "PATH", "MODEL", "OUTCOME", "TOKENS", "TIME", "REPLAY OF"), rows)


def _one(client: Client, name: str, changed: Mapping[str, Any], *, as_json: bool) -> None:
    found = client.post(f"{_of(name)}/replay", changed)
    if as_json:
        print_json(found)
        return
    before, after = found["recorded"], found["replayed"]
    sides = before.get("options", {}), after.get("options", {})
    options = [name for name in sides[0] if sides[1] and sides[0][name] != sides[1].get(name)]
    rows = [
        ("model", before.get("model", ""), after.get("model", "")),
        ("engine", before.get("engine", ""), after.get("engine", "")),
        ("prompt", _same_prompt(before, after), f"{after.get('prompt', 0)} tokens, {after.get('cached', 0)} cached"),
        *((option, *(_said(side.get(option)) for side in sides)) for option in options),
        ("outcome", _outcome(before), _outcome(after)),
        ("answer", *(f"{side.get('generated', 0)} tokens" for side in (before, after))),
        *((time, *(f"{side.get(time, 0.0):.3f} s" for side in (before, after))) for time in _TIMES),
        ("speed", *(f"{side.get('speed', 0.0):.1f} tokens/s" for side in (before, after))),
    ]
    print_table(("", f"RECORDED {before['id']}", "REPLAYED"), rows)
    typer.echo()
    if before["answer"] == after["answer"]:
        typer.echo("The answers are the same.")
    else:
        print_side_by_side(before["answer"], after["answer"])


def _same_prompt(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    text = f"{before.get('prompt', 0)} tokens, {before.get('cached', 0)} cached"
    is_known = before.get("prompt_digest") and after.get("prompt_digest")
    return f"{text} (not the same text)" if is_known and before["prompt_digest"] != after["prompt_digest"] else text


def _said(value: Any) -> str:
    return "-" if value is None else str(value)


def _outcome(side: Mapping[str, Any]) -> str:
    return side.get("outcome", "") + (f": {side['error']}" if side["error"] else "") or f"status {side['status']}"


def _many(client: Client, since: str, changed: Mapping[str, Any], *, as_json: bool) -> None:
    heads = [head for head in _heads(client, since) if head["body_kept"] and not head["replay_of"]]
    if not heads:
        raise CommandError(f"nothing was recorded in the last {since}")
    pairs = []
    for head in reversed(heads):
        found = client.post(f"{_of(head['id'])}/replay", changed)
        pairs.append((found["recorded"], found["replayed"]))
    if as_json:
        print_json([{"recorded": before, "replayed": after} for before, after in pairs])
        return
    rows = [_row(before, after) for before, after in pairs]
    print_table(("ID", "PATH", "MODEL", "ANSWER", "TOKENS", "FIRST", "TIME", "SPEED"), [*rows, _sums(pairs)])


def _row(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        before["id"],
        before["path"],
        " → ".join(dict.fromkeys(side.get("model", "") for side in (before, after))),
        _likeness(before, after),
        f"{before.get('generated', 0)} → {after.get('generated', 0)}",
        *(f"{before.get(time, 0.0):.2f} → {after.get(time, 0.0):.2f} s" for time in _TIMES),
        f"{before.get('speed', 0.0):.1f} → {after.get('speed', 0.0):.1f}",
    )


def _likeness(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Return how much of the words of two answers is the same, or what has gone wrong instead."""
    if after["status"] >= 400 or after["error"]:
        return after["error"] or f"status {after['status']}"
    if before["answer"] == after["answer"]:
        return "same"
    share = SequenceMatcher(None, before["answer"].split(), after["answer"].split(), autojunk=False).ratio()
    return f"{math.floor(100 * share)} % alike"


def _sums(pairs: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> tuple[str, ...]:
    def total(side: int, name: str) -> float:
        return float(sum(pair[side].get(name, 0) for pair in pairs))

    same = sum(before["answer"] == after["answer"] for before, after in pairs)
    times = [f"{total(0, time):.2f} → {total(1, time):.2f} s" for time in _TIMES]
    tokens = f"{total(0, 'generated'):.0f} → {total(1, 'generated'):.0f}"
    return ("in all", str(len(pairs)), "", f"{same} the same", tokens, *times, "")
