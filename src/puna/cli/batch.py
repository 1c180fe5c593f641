"""``puna batch``: many requests in a file, answered when there is room."""

import json
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Annotated, Any

import typer

from puna.cli.arguments import Command
from puna.cli.client import Client, ServerError
from puna.cli.connection import connected
from puna.cli.errors import CommandError
from puna.cli.tables import AsJson, human_time, print_json, print_table

_NAME = re.compile(r"[\w-]{1,100}", re.ASCII)
_OVER = ("completed", "failed", "expired", "cancelled")
_LOOK = 0.5
_PATIENCE = 120.0
"""Seconds for which a server may be away, since it may be started again."""
_SHOWN_ERRORS = 5
_OUT = typer.Option("--output", "-o", help="file for the answers instead of the standard output", show_default=False)
_ERRORS = typer.Option("--errors", help="file for what went wrong, a line each", show_default=False)

app = typer.Typer(
    help="Answer many requests from a file.",
    no_args_is_help=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command(cls=Command)
def run(
    file: Annotated[Path, typer.Argument(help="requests in OpenAI's form, one a line", show_default=False)],
    model: Annotated[str, typer.Option("--model", help="the model for all of them", show_default=False)] = "",
    output: Annotated[Path | None, _OUT] = None,
    errors: Annotated[Path | None, _ERRORS] = None,
    window: Annotated[str, typer.Option("--window", help="how long they may take")] = "24h",
) -> None:
    """Answer the requests of a file, and write the answers in its order.

    If this command ends before, the server goes on; "puna batch results" has the answers.
    """
    with connected(start=True) as client, _lines(file, model) as (lines, endpoint):
        for path in filter(None, (output, errors)):
            path.open("ab").close()  # what cannot be written is told before anything is asked
        given = client.upload("/v1/files", file.name, lines)["id"]
        asked = {"input_file_id": given, "endpoint": endpoint, "completion_window": window}
        name = client.post("/v1/batches", asked)["id"]
        typer.echo(f"{name} has begun", err=True)
        batch = _wait(client, name)
        _write(client, batch, output, errors)
    _tell(batch)


@app.command("list", cls=Command)
def list_batches(as_json: AsJson = False) -> None:
    """List the batches, the newest first."""
    with connected() as client:
        batches = client.get("/v1/batches?limit=100")["data"]
    if as_json:
        print_json(batches)
        return
    rows = [(one["id"], one["status"], _counts(one), one.get("model", ""), _age(one["created_at"])) for one in batches]
    print_table(("ID", "STATUS", "ANSWERED", "MODEL", "BEGUN"), rows)


@app.command(cls=Command)
def results(
    name: Annotated[str, typer.Argument(help="the batch", show_default=False)],
    output: Annotated[Path | None, _OUT] = None,
    errors: Annotated[Path | None, _ERRORS] = None,
    wait: Annotated[bool, typer.Option("--wait", help="wait for its end first")] = False,
) -> None:
    """Write the answers of a batch; of one under way, those that there are."""
    with connected() as client:
        batch = _wait(client, name) if wait else client.get(_path(name))
        _write(client, batch, output, errors)
    _tell(batch)


@app.command(cls=Command)
def cancel(name: Annotated[str, typer.Argument(help="the batch", show_default=False)]) -> None:
    """End a batch; what has been answered stays."""
    with connected() as client:
        client.post(f"{_path(name)}/cancel", {})
        typer.echo(f"{name} is {_wait(client, name)['status']}")


@contextmanager
def _lines(file: Path, model: str) -> Iterator[tuple[IO[bytes], str]]:
    """Give the requests of a file as they are to be sent, and the route that the first one names."""
    with ExitStack() as stack:
        lines: IO[bytes] = stack.enter_context(file.open("rb"))
        if model or not lines.seekable():  # a pipe can be read once
            given, lines = lines, stack.enter_context(tempfile.TemporaryFile())
            for number, line in enumerate(given, 1):
                if line.strip():
                    lines.write(_encoded(_with_model(line, model, number)) if model else line)
            lines.seek(0)
        first = next((line for line in lines if line.strip()), b"")
        lines.seek(0)
        yield lines, str(_request(first, 1).get("url", ""))


def _with_model(line: bytes, model: str, number: int) -> dict[str, Any]:
    asked = _request(line, number)
    body = asked.get("body")
    return {**asked, "body": {**body, "model": model}} if isinstance(body, dict) else asked


def _encoded(asked: dict[str, Any]) -> bytes:
    return json.dumps(asked, ensure_ascii=False).encode(errors="replace") + b"\n"  # half of a pair has no UTF-8


def _request(line: bytes, number: int) -> dict[str, Any]:
    try:
        asked = json.loads(line)
    except (ValueError, RecursionError):
        asked = None
    if not isinstance(asked, dict):
        raise CommandError(f"line {number} is not a JSON object")
    return asked


def _path(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise CommandError(f"{name!r} is the name of no batch; puna batch list shows them")
    return f"/v1/batches/{name}"


def _wait(client: Client, name: str) -> dict[str, Any]:
    """Return a batch when it is over, showing how far it is; a server that is started again meanwhile is waited for."""
    path = _path(name)  # what is the name of none is wrong at once
    away_since: float | None = None
    shown = ""
    while True:
        try:
            batch = client.get(path)
            away_since = None
        except ServerError:
            raise
        except CommandError as error:
            away_since = away_since or time.monotonic()
            if time.monotonic() - away_since > _PATIENCE:
                raise CommandError(f"{error}; the answers to come: puna batch results {name}") from None
            time.sleep(_LOOK)
            continue
        if batch["status"] in _OVER:
            return batch
        if (line := f"{batch['status']} {_counts(batch)}") != shown and sys.stderr.isatty():
            typer.echo(line, err=True)
            shown = line
        time.sleep(_LOOK)


def _write(client: Client, batch: dict[str, Any], output: Path | None, errors: Path | None) -> None:
    for field, path in (("output_file_id", output), ("error_file_id", errors)):
        if path is None and field == "error_file_id":
            _show_errors(client, batch)
            continue
        with ExitStack() as stack:
            file: IO[bytes] = stack.enter_context(path.open("wb")) if path else sys.stdout.buffer
            for part in client.parts(f"/v1/files/{batch[field]}/content") if batch[field] else ():
                file.write(part)
            file.flush()


def _show_errors(client: Client, batch: dict[str, Any]) -> None:
    if not batch["error_file_id"]:
        return
    text = b"".join(client.parts(f"/v1/files/{batch['error_file_id']}/content"))
    lines = text.decode().splitlines()
    for line in lines[:_SHOWN_ERRORS]:
        told = json.loads(line)
        error = told["error"] or told["response"]["body"]["error"]
        typer.echo(f"{told['custom_id']}: {error['message']}", err=True)
    if len(lines) > _SHOWN_ERRORS:
        typer.echo(f"and {len(lines) - _SHOWN_ERRORS} more (--errors FILE)", err=True)


def _tell(batch: dict[str, Any]) -> None:
    """Say how a batch stands, by the status of this command too."""
    for error in (batch["errors"] or {}).get("data", ()):
        line = f"line {error['line']}: " if error["line"] else ""
        typer.echo(f"{line}{error['message']}", err=True)
    typer.echo(f"{batch['id']} is {batch['status']}: {_counts(batch)} answered", err=True)
    if batch["status"] in ("failed", "expired", "cancelled") or batch["request_counts"]["failed"]:
        raise typer.Exit(1)


def _counts(batch: dict[str, Any]) -> str:
    counts = batch["request_counts"]
    failed = f", {counts['failed']} failed" if counts["failed"] else ""
    return f"{counts['completed']}/{counts['total']}{failed}"


def _age(created: int) -> str:
    return human_time(datetime.fromtimestamp(created, UTC))
