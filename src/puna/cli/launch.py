"""``puna launch``: sets a coding agent up for a model here, and starts it."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from difflib import get_close_matches, unified_diff
from pathlib import Path
from typing import Annotated, Any

import typer

from puna.cli.agents import AGENTS, NO_KEY, Agent, Start, Target, home_file
from puna.cli.client import Client
from puna.cli.connection import connected
from puna.cli.copies import Copies
from puna.cli.errors import CommandError
from puna.cli.tables import print_json
from puna.cli.transfers import show_or_fetch
from puna.config.home import expanded
from puna.settings import Settings

_SHOWN_KEY = "…"


def launch(
    agent: Annotated[
        str, typer.Argument(metavar="AGENT", help=f"one of {', '.join(AGENTS)}; without it, they are listed")
    ] = "",
    arguments: Annotated[list[str] | None, typer.Argument(metavar="ARGUMENTS", help="for the agent, after --")] = None,
    model: Annotated[str, typer.Option("--model", help="the model; without it, one here that can drive it")] = "",
    config: Annotated[bool, typer.Option("--config", help="write its configuration and do not start it")] = False,
    restore: Annotated[bool, typer.Option("--restore", help="undo what --config wrote")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="without an agent: list them as JSON")] = False,
) -> None:
    """Set a coding agent up for a model here, and start it.

    Nothing is written unless --config says so; what that changes is shown first, kept in a copy, and undone by
    --restore.
    """
    if not agent:
        _list(as_json=as_json)
        return
    chosen = find_agent(agent)
    settings = Settings.from_env()
    copies = Copies(settings.home / "launch" / chosen.name)
    if restore:
        typer.echo(copies.restore(force=yes))
        return
    program = program_of(chosen)
    if not (program or config):
        raise CommandError(f"{chosen.title} is not installed: {chosen.install}")
    with connected(start=not config) as client:
        target = target_for(client, chosen, model, settings, force=yes)
        if config:
            _configure(chosen, target, copies, ask=not yes)
        else:
            start = chosen.start(target)
            _show(chosen, start, target)
            raise typer.Exit(_run(program, start, arguments or []))


def _list(*, as_json: bool) -> None:
    if as_json:
        told = [{"name": one.name, "title": one.title, "program": program_of(one)} for one in AGENTS.values()]
        print_json({"agents": told})
        return
    for agent in AGENTS.values():
        state = "installed" if program_of(agent) else f"not installed: {agent.install}"
        typer.echo(f"{agent.name:<10} {agent.title} ({state})")


def find_agent(name: str) -> Agent:
    """Return an agent; raise ``CommandError`` with the nearest for a name that none has."""
    if name in AGENTS:
        return AGENTS[name]
    near = get_close_matches(name, AGENTS, 1)
    more = f"; did you mean {near[0]}?" if near else ""
    raise CommandError(f"unknown agent {name!r}{more} (there are {', '.join(AGENTS)})")


def program_of(agent: Agent) -> str:
    """Return where an agent's program is, "" if it is not installed."""
    paths = (shutil.which(str(expanded(Path(name)))) for name in agent.programs)
    return next((path for path in paths if path), "")


def target_for(client: Client, agent: Agent, model: str, settings: Settings, *, force: bool) -> Target:
    """Return what an agent is pointed at; without ``force``, raise ``CommandError`` if the model cannot drive it."""
    key = os.environ.get("OLLAMA_API_KEY", "")
    if settings.basic_auth and not key:
        raise CommandError(
            f"{agent.title} presents a key and cannot send OLLAMA_BASIC_AUTH's password; OLLAMA_API_KEY holds a key"
        )
    name = model or _best(client, agent)
    shown = show_or_fetch(client, name)
    capabilities = tuple(shown.get("capabilities") or ())
    context = _context(shown, settings)
    wrong = _cannot(agent, capabilities, context)
    if wrong and not force:
        raise CommandError(f"{name} {wrong} (--yes starts it all the same)")
    if wrong:
        typer.echo(f"warning: {name} {wrong}", err=True)
    return Target(client.url, key or NO_KEY, name, context, capabilities)


def _context(shown: Mapping[str, Any], settings: Settings) -> int:
    info = shown.get("model_info") or {}
    own = info.get(f"{info.get('general.architecture')}.context_length") or 0
    return min(filter(None, (own, settings.context_length)), default=0)


def _cannot(agent: Agent, capabilities: tuple[str, ...], context: int) -> str:
    """Return why a model cannot drive an agent, "" if it can."""
    if "tools" not in capabilities:
        return f"cannot call tools, without which {agent.title} can do nothing"
    if context and context < agent.tokens:
        return (
            f"has a context of {context:,} tokens; {agent.title} needs {agent.tokens:,} for its first prompt and answer"
        )
    return ""


def _best(client: Client, agent: Agent) -> str:
    """Return the largest model here that can drive an agent."""
    models = client.get("/api/tags")["models"] or []
    able = [
        entry
        for entry in models
        if not _cannot(agent, tuple(entry.get("capabilities") or ()), entry["details"].get("context_length") or 0)
    ]
    if not able:
        raise CommandError(
            f"no model here can drive {agent.title}, which needs tools and {agent.tokens:,} tokens of context; fetch "
            "one (puna pull qwen3-coder, for one) or name one with --model"
        )
    return str(max(able, key=lambda entry: entry["size"])["name"])


def _show(agent: Agent, start: Start, target: Target) -> None:
    """Say what an agent is started with, its key left out."""
    lines = [f"{name}={shlex.quote(value)}" for name, value in start.environment.items()]
    lines.append(shlex.join([agent.name, *start.arguments]))
    text = "\n".join(lines)
    if target.key != NO_KEY:
        text = text.replace(target.key, _SHOWN_KEY)
    typer.echo(f"{agent.title} starts with:\n\n{text}\n", err=True)


def _run(program: str, start: Start, arguments: list[str]) -> int:
    """Run an agent and return its status; Ctrl-C is for it alone."""
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        command = [program, *start.arguments, *arguments]
        done = subprocess.run(command, env=os.environ | start.environment, check=False)
    except OSError as error:
        raise CommandError(f"{program} cannot be started: {error.strerror}") from error
    finally:
        signal.signal(signal.SIGINT, before)
    return done.returncode if done.returncode >= 0 else 128 - done.returncode


def _configure(agent: Agent, target: Target, copies: Copies, *, ask: bool) -> None:
    path = home_file(agent)
    try:
        old = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        old = ""
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path} cannot be read: {error}") from error
    new = agent.configure(target, old)
    if new == old:
        typer.echo(f"{path} says so already")
        return
    changes = "".join(unified_diff(old.splitlines(True), new.splitlines(True), str(path), str(path)))
    typer.echo(changes.replace(json.dumps(target.key), f'"{_SHOWN_KEY}"') if target.key != NO_KEY else changes)
    if ask:
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise CommandError("nothing was written; --yes does it")
        if not typer.confirm(f"Write this to {path}?"):
            return
    copy = copies.write(path, new)
    typer.echo(f"wrote {path}" + (f"; what it was is in {copy}" if copy else ""))
    typer.echo(f"start it with {agent.use or agent.name}; puna launch {agent.name} --restore undoes it")
