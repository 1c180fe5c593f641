"""``puna service``: has the system start the server with the user's session, and again when it ends."""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated
from xml.sax.saxutils import escape

import typer

from puna.accounts.accounts import has_keys
from puna.cli.arguments import Command, Group
from puna.cli.copies import Copies
from puna.cli.errors import CommandError
from puna.cli.tables import AsJson, print_json
from puna.settings import SETTINGS, Settings

_UNIT, _LABEL = "puna.service", "org.puna.serve"
_READ_BESIDE = re.compile(
    r"(?i:https?|all|no)_(?i:proxy)|SSL_CERT_(?:FILE|DIR)|DOCKER_CONFIG|CUDA_VISIBLE_DEVICES|(?:OTEL|VLLM)_\w+|PATH"
)
"""What a server reads of its environment besides settings; vLLM is looked for on the path."""
_SYSTEMD = """\
[Unit]
Description=Puna, large language models behind the Ollama REST API
After=network.target

[Service]
ExecStart={command}
{environment}Restart=on-failure
RestartSec=3
TimeoutStopSec=30
LimitNOFILE=65536
NoNewPrivileges=true

[Install]
WantedBy=default.target
"""
_LAUNCHD = """\
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key><string>{label}</string>
  <key>ProgramArguments</key>
  <array>{arguments}</array>
  <key>EnvironmentVariables</key>
  <dict>{environment}</dict>
  <key>RunAtLoad</key><true/>
  <key>KeepAlive</key><dict><key>SuccessfulExit</key><false/></dict>
  <key>StandardOutPath</key><string>{log}</string>
  <key>StandardErrorPath</key><string>{log}</string>
</dict>
</plist>
"""

app = typer.Typer(
    cls=Group,
    help="Start the server with your session (systemd; launchd untried).",
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=False,
)


@app.command(cls=Command)
def install(
    show: Annotated[bool, typer.Option("--show", help="only print what would be written")] = False,
) -> None:
    """Write the service, with the settings that are in the environment now, and start it."""
    path, text = _file(), _text()
    if show:
        typer.echo(text, nl=False)
        return
    settings = Settings.from_env()
    if not (settings.address.is_loopback or settings.basic_auth or settings.allow_open or has_keys(settings.home)):
        raise CommandError(
            "OLLAMA_HOST can be reached by others: make a key (puna key create), or set OLLAMA_BASIC_AUTH or "
            "PUNA_ALLOW_OPEN first"
        )
    if not _is_mac():
        _reach_systemd()
    copy = Copies(settings.home / "service").write(path, text)
    path.chmod(0o600)  # a password may be in it
    typer.echo(f"wrote {path}" + (f"; what it was is in {copy}" if copy else ""))
    if _is_mac():
        _call(["launchctl", "bootout", _domain()], may_fail=True)
        _call(["launchctl", "bootstrap", f"gui/{os.getuid()}", str(path)])
        typer.echo(f"it runs at each login; its log is {_log()}")
        return
    _call(["systemctl", "--user", "daemon-reload"])
    _call(["systemctl", "--user", "enable", _UNIT])
    _call(["systemctl", "--user", "restart", _UNIT])
    typer.echo("it runs while you are logged in, and from the start of the machine on with: loginctl enable-linger")
    typer.echo(f"its log: journalctl --user -u {_UNIT}")


@app.command(cls=Command)
def uninstall() -> None:
    """Stop the service and remove it."""
    path = _file()
    if not path.exists():
        raise CommandError(f"there is no service to remove ({path})")
    if _is_mac():
        _call(["launchctl", "bootout", _domain()], may_fail=True)
    else:
        _call(["systemctl", "--user", "disable", "--now", _UNIT], may_fail=True)
    typer.echo(Copies(Settings.from_env().home / "service").restore(force=True))
    if not _is_mac():
        _call(["systemctl", "--user", "daemon-reload"], may_fail=True)


@app.command(cls=Command)
def status(as_json: AsJson = False) -> None:
    """Say whether the service is installed and runs; status 3 if it does not run, as systemctl has it."""
    path = _file()
    command = ["launchctl", "print", _domain()] if _is_mac() else ["systemctl", "--user", "is-active", _UNIT]
    done = _run(command) if path.exists() else None
    runs = done is not None and done.returncode == 0
    if as_json:
        print_json({"installed": path.exists(), "running": runs, "file": str(path)})
    elif not path.exists():
        typer.echo("not installed (puna service install)")
    else:
        state = "runs" if runs else f"does not run: {_words(done) if done else ''}".rstrip(": ")
        typer.echo(f"installed in {path}, {state}")
        if not runs and not _is_mac():
            typer.echo(f"its log: journalctl --user -u {_UNIT}")
    raise typer.Exit(0 if runs else 3)


def _reach_systemd() -> None:
    done = _run(["systemctl", "--user", "show-environment"])
    if done.returncode:
        raise CommandError(
            f"systemd has no session of this user to start it in ({_words(done)}); log in as that user, not with su "
            "or sudo, or have something else start: puna serve"
        )


def _is_mac() -> bool:
    if sys.platform == "win32":
        raise CommandError("there is no service for Windows; the task scheduler can start: puna serve")
    return platform.system() == "Darwin"


def _file() -> Path:
    if _is_mac():
        return Path.home() / "Library" / "LaunchAgents" / f"{_LABEL}.plist"
    config = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(config) / "systemd" / "user" / _UNIT


def _domain() -> str:
    return f"gui/{os.getuid()}/{_LABEL}"


def _log() -> Path:
    return Path.home() / "Library" / "Logs" / "puna.log"


def _environment() -> dict[str, str]:
    """Return the settings that are set here, for a service has none of the shell's variables."""
    known = [entry.variable for entry in SETTINGS] + sorted(filter(_READ_BESIDE.fullmatch, os.environ))
    return {name: os.environ[name] for name in known if os.environ.get(name)}


def _text() -> str:
    command = [sys.executable, "-m", "puna", "serve"]
    environment = _environment()
    if any(not value.isprintable() for value in environment.values()):
        raise CommandError("a setting in the environment has characters that no service file can hold")
    if _is_mac():
        return _LAUNCHD.format(
            label=_LABEL,
            arguments="".join(f"<string>{escape(word)}</string>" for word in command),
            environment="".join(
                f"<key>{name}</key><string>{escape(value)}</string>" for name, value in environment.items()
            ),
            log=escape(str(_log())),
        )
    return _SYSTEMD.format(
        command=" ".join(_quoted(word.replace("$", "$$")) for word in command),
        environment="".join(f"Environment={_quoted(f'{name}={value}')}\n" for name, value in environment.items()),
    )


def _quoted(text: str) -> str:
    """Return text as systemd reads it back (systemd.syntax, with specifiers doubled)."""
    return json.dumps(text.replace("%", "%%"), ensure_ascii=False)


def _call(command: list[str], *, may_fail: bool = False) -> None:
    done = _run(command)
    if done.returncode and not may_fail:
        raise CommandError(f"{' '.join(command)} failed: {_words(done) or done.returncode}")


def _run(command: list[str]) -> "subprocess.CompletedProcess[str]":
    if not shutil.which(command[0]):
        raise CommandError(f"there is no {command[0]} here; whatever starts programs can start: puna serve")
    return subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)


def _words(done: "subprocess.CompletedProcess[str]") -> str:
    return " ".join((done.stderr or done.stdout).split())
