"""``puna doctor``: what is wrong with this installation, in plain words, and the command that mends it."""

import sys
from dataclasses import asdict
from typing import Annotated

import typer
from rich.text import Text

from puna.cli import checks
from puna.cli.checks import BAD, NOTE, OK, Finding
from puna.cli.connection import connected
from puna.cli.errors import CommandError
from puna.cli.rehearsal import rehearse
from puna.cli.screen import console, is_terminal, printable
from puna.cli.tables import AsJson, print_json
from puna.settings import SettingError, Settings

_MARKS = {OK: "ok", NOTE: "note", BAD: "bad"}
_STYLES = {OK: "green", NOTE: "yellow", BAD: "bold red"}
_AREA, _MARK, _LEAST_ROOM = 10, 6, 20


def doctor(
    agent: Annotated[
        str, typer.Option("--agent", help="play a recorded turn of claude, codex or opencode against --model")
    ] = "",
    model: Annotated[str, typer.Option("--model", help="the model for --agent")] = "",
    offline: Annotated[bool, typer.Option("--offline", help="do not ask the registry whether it answers")] = False,
    as_json: AsJson = False,
) -> None:
    """Say what is wrong here, and what mends it."""
    if bool(agent) != bool(model):
        raise CommandError("--agent and --model belong together")
    findings = _rehearse(agent, model, say=not as_json) if agent else _examine(offline=offline, say=not as_json)
    bad = [finding for finding in findings if finding.state == BAD]
    if as_json:
        print_json({"ok": not bad, "findings": [asdict(finding) for finding in findings]})
    if bad:
        raise CommandError(f"{len(bad)} thing{'s' * (len(bad) > 1)} to mend, see above")
    if not as_json:
        notes = any(finding.state == NOTE for finding in findings)
        typer.echo(f"\nNothing is broken{'; what is noted could be better' if notes else ''}.")


def _examine(*, offline: bool, say: bool) -> list[Finding]:
    findings: list[Finding] = []

    def add(found: list[Finding]) -> None:
        findings.extend(found)
        if say:
            for finding in found:
                _print(finding)

    try:
        settings = Settings.from_env()
    except SettingError as error:
        variable = str(error).partition(":")[0]
        add(
            [
                Finding(
                    "settings", BAD, str(error), f"unset {variable}, or correct it (puna serve -h says what it holds)"
                )
            ]
        )
        return findings
    add(checks.settings())
    add(checks.machine())
    add(checks.memory())
    add(checks.store(settings))
    add(checks.server(settings))
    add(checks.engine(settings))
    if not offline:
        add(checks.registry(settings))
    return findings


def _rehearse(agent: str, model: str, *, say: bool) -> list[Finding]:
    findings: list[Finding] = []

    def tell(finding: Finding) -> None:
        findings.append(finding)
        if say:
            _print(finding)

    with connected(start=True) as client:
        rehearse(client, agent, model, tell)
    return findings


def _print(finding: Finding) -> None:
    lines = [printable(finding.text)] + ([f"mend it: {finding.remedy}"] if finding.remedy else [])
    screen = console()
    if is_terminal(sys.stdout):
        room = max(_LEAST_ROOM, screen.width - _AREA - _MARK)
        lines = [str(part) for line in lines for part in Text(line).wrap(screen, room)]
    head = Text(f"{finding.area:<{_AREA}}").append(f"{_MARKS[finding.state]:<{_MARK}}", _STYLES[finding.state])
    for line in lines:
        screen.print(head + Text(line.rstrip()), soft_wrap=True)
        head = Text(" " * (_AREA + _MARK))
