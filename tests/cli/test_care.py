"""``puna doctor``, ``launch`` and ``service``: what they say, what they write, and that they take it back."""

import contextlib
import json
import os
import plistlib
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests
from tests.cli.terminal import Terminal
from tests.conftest import Serve
from tests.keys.conftest import key_of
from tests.server import Server, World, free_port, wait_for
from tests.session import Session
from tests.system import require

from puna import __version__
from puna.cli import service
from puna.cli.copies import Copies
from puna.cli.errors import CommandError
from puna.engine.gain import gain
from puna.engine.info import EngineInfoProcess

ROOT = Path(__file__).parents[2]


def findings(world: World, *arguments: str) -> dict[str, list[dict[str, Any]]]:
    """Return what the doctor finds, by area."""
    found: dict[str, list[dict[str, Any]]] = {}
    for finding in json.loads(world.run("doctor", "--json", *arguments).stdout)["findings"]:
        found.setdefault(finding["area"], []).append(finding)
    return found


def test_doctor_finds_nothing_wrong_beside_a_server(server: Server, beside: World) -> None:
    beside.environment |= {"PUNA_MIRRORS": f"registry.ollama.ai={server.url}"}
    done = beside.run("doctor")
    assert done.returncode == 0, done.stdout
    assert re.search(rf"^server +ok +Puna answers at {server.url}; \d+ requests run", done.stdout, re.MULTILINE)
    assert re.search(rf"^registry +ok +{server.url} answers$", done.stdout, re.MULTILINE)
    assert "Nothing is broken" in done.stdout


def test_doctor_names_what_is_wrong_and_what_mends_it(world: World) -> None:
    broken = world.models / "manifests" / "registry.ollama.ai" / "library" / "bad"
    broken.mkdir(parents=True)
    (broken / "latest").write_text("{")
    with socket.socket() as other:  # it takes connections and never answers
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        world.environment |= {
            "OLLAMA_HOST": f"127.0.0.1:{port}",
            "OLLAMA_KEEPALIVE": "1h",
            "PUNA_ENGINE": "nosuch",
            "PUNA_MIRRORS": "registry.ollama.ai=http://127.0.0.1:9",
        }
        done = world.run("doctor")
        found = findings(world)
    assert done.returncode == 1
    assert done.stderr == "Error: 3 things to mend, see above\n"
    assert found["settings"][0]["text"].endswith("Puna has no such setting; did you mean OLLAMA_KEEP_ALIVE?")
    assert [entry["remedy"] for entry in found["store"] if entry["state"] == "bad"] == [
        "puna rm bad:latest, or puna pull bad:latest"
    ]
    assert f"port {port} is in use by " in found["server"][0]["text"]
    assert f"(process {os.getpid()})" in found["server"][0]["text"]
    assert found["engine"][0]["remedy"] == "unset PUNA_ENGINE"
    assert (found["registry"][0]["state"], found["registry"][0]["text"][:21]) == ("note", "http://127.0.0.1:9 do")


def test_doctor_reads_no_setting_that_is_wrong(world: World) -> None:
    world.environment["OLLAMA_HOST"] = "::::"
    done = world.run("doctor", "--offline")
    assert done.returncode == 1
    assert done.stdout.startswith("settings  bad   OLLAMA_HOST: '::::' is not an IPv6 address\n")


def agent(world: World, name: str, script: str) -> None:
    """Put a program of the name of an agent where it is looked for."""
    directory = world.root / "bin"
    directory.mkdir(exist_ok=True)
    (directory / name).write_text(f"#!/bin/sh\n{script}\n")
    (directory / name).chmod(0o755)
    world.environment["PATH"] = f"{directory}:{world.environment['PATH']}"


def test_launch_shows_what_it_starts_an_agent_with(server: Server, beside: World) -> None:
    agent(beside, "claude", 'echo "$ANTHROPIC_BASE_URL $ANTHROPIC_AUTH_TOKEN $ANTHROPIC_DEFAULT_OPUS_MODEL|$*"; exit 7')
    beside.environment["OLLAMA_API_KEY"] = "secret-key"
    done = beside.run("launch", "claude", "--model", "cria", "--yes", "--", "-p", "hi")
    assert done.returncode == 7
    assert done.stdout == f"{server.url} secret-key cria|--model cria -p hi\n"
    assert f"ANTHROPIC_BASE_URL={server.url}\n" in done.stderr
    # With one of them alone it does not compact in time (tests/agents).
    for name in ("CLAUDE_CODE_AUTO_COMPACT_WINDOW", "CLAUDE_CODE_MAX_CONTEXT_TOKENS"):
        assert f"{name}=2048\n" in done.stderr
    assert "secret-key" not in done.stderr
    assert list(beside.home.rglob("*.json")) == []


@pytest.mark.parametrize("name", ["codex", "opencode", "qwen"])
def test_launch_points_agents_at_the_server(server: Server, beside: World, name: str) -> None:
    agent(beside, name, 'env; echo "$@"')
    done = beside.run("launch", name, "--model", "cria", "-y")
    assert done.returncode == 0
    assert f"{server.url}/v1" in done.stdout


def test_launch_takes_a_model_that_can_drive_the_agent_alone(beside: World, serve: Serve) -> None:
    beside.environment["OLLAMA_HOST"] = f"127.0.0.1:{serve({}).port}"  # where there is no other model
    agent(beside, "claude", "exit 0")
    small = beside.run("launch", "claude", "--model", "cria")
    assert small.returncode == 1
    assert small.stderr.startswith("Error: cria has a context of 2,048 tokens; Claude Code needs 32,000")
    none = beside.run("launch", "claude")
    assert none.stderr.startswith("Error: no model here can drive Claude Code")
    assert beside.run("launch", "cluade").stderr.startswith("Error: unknown agent 'cluade'; did you mean claude?")
    assert "npm install -g @openai/codex" in beside.run("launch", "codex", "--model", "cria").stderr
    beside.environment["OLLAMA_BASIC_AUTH"] = "a:b"
    assert "OLLAMA_API_KEY holds a key" in beside.run("launch", "claude", "--model", "cria").stderr


def test_launch_keeps_a_copy_of_what_it_changes(beside: World) -> None:
    file = beside.home / ".claude" / "settings.json"
    file.parent.mkdir()
    own = '{"model": "opus", "env": {"A": "1"}}'
    file.write_text(own)
    refused = beside.run("launch", "claude", "--model", "cria", "--config")
    assert refused.returncode == 1  # neither a yes nor a context that suffices
    assert file.read_text() == own
    done = beside.run("launch", "claude", "--model", "cria", "--config", "--yes")
    assert done.returncode == 0, done.stderr
    assert '+    "ANTHROPIC_API_KEY": "",\n' in done.stdout
    written = json.loads(file.read_text())
    assert (written["model"], written["env"]["A"]) == ("cria", "1")
    assert beside.run("launch", "claude", "--model", "cria", "--config", "-y").stdout.endswith("says so already\n")
    assert beside.run("launch", "claude", "--restore").stdout == f"{file} is as it was before\n"
    assert file.read_text() == own
    assert beside.run("launch", "claude", "--restore").stderr == "Error: there is nothing to undo\n"
    file.write_text("// mine\n{}")
    assert "is not plain JSON" in beside.run("launch", "claude", "--model", "cria", "--config", "-y").stderr
    assert file.read_text() == "// mine\n{}"


def test_copies_lose_nothing_that_was_changed_meanwhile(tmp_path: Path) -> None:
    file, copies = tmp_path / "file", Copies(tmp_path / "copies")
    assert copies.write(file, "ours") is None
    file.write_text("theirs")
    with pytest.raises(CommandError, match="was changed since"):
        copies.restore(force=False)
    assert file.read_text() == "theirs"
    assert copies.restore(force=True).startswith(f"removed {file}; what it was now is in")
    assert not file.exists()
    assert (tmp_path / "file.changed").read_text() == "theirs"


def test_copies_go_back_to_what_was_before_the_first_write(tmp_path: Path) -> None:
    real, link, copies = tmp_path / "real", tmp_path / "link", Copies(tmp_path / "copies")
    real.write_text("first")
    real.chmod(0o640)
    link.symlink_to(real)
    for text in ("one", "two"):
        copies.write(link, text)
    assert (link.is_symlink(), real.read_text(), real.stat().st_mode & 0o777) == (True, "two", 0o640)
    copies.restore(force=False)
    assert real.read_text() == "first"


def test_service_writes_a_unit_that_systemd_reads(world: World, tmp_path: Path) -> None:
    analyze = require("systemd-analyze", "systemd")
    world.environment["OLLAMA_BASIC_AUTH"] = 'a:b%$"c d'
    unit = tmp_path / "puna.service"
    unit.write_text(world.run("service", "install", "--show").stdout)
    done = subprocess.run(
        [analyze, "--user", "verify", unit],
        env=os.environ | {"XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert 'Environment="OLLAMA_BASIC_AUTH=a:b%%$\\"c d"\n' in unit.read_text()


def test_service_has_what_else_a_server_reads(world: World) -> None:
    read = {
        "HTTPS_PROXY": "http://proxy:3128",
        "no_proxy": "localhost",
        "SSL_CERT_FILE": "/etc/own.pem",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318",
        "VLLM_LOGGING_LEVEL": "DEBUG",
        "CUDA_VISIBLE_DEVICES": "0",
    }
    world.environment |= {**read, "EDITOR": "vi"}
    unit = world.run("service", "install", "--show").stdout
    assert [name for name, value in read.items() if f'Environment="{name}={value}"\n' not in unit] == []
    assert 'Environment="PATH=' in unit
    assert "EDITOR" not in unit


def test_service_is_installed_told_and_removed(world: World) -> None:
    # No test has a session of systemd's: what it would be asked is written down instead.
    agent(world, "systemctl", f'echo "$@" >> {world.root}/asked; test "$2" != is-active')
    unit = world.home / ".config" / "systemd" / "user" / "puna.service"
    assert world.run("service", "status").stdout == "not installed (puna service install)\n"
    done = world.run("service", "install")
    assert done.returncode == 0, done.stderr
    assert unit.stat().st_mode & 0o777 == 0o600
    assert "journalctl --user -u puna.service" in done.stdout
    status = world.run("service", "status", "--json")
    assert (status.returncode, json.loads(status.stdout)) == (
        3, {"installed": True, "running": False, "file": str(unit)}
    )  # fmt: skip
    assert world.run("service", "uninstall").stdout == f"removed {unit}\n"
    asked = (world.root / "asked").read_text()
    for words in ("daemon-reload", "enable puna.service", "restart puna.service", "disable --now puna.service"):
        assert f"--user {words}\n" in asked
    world.environment |= {"OLLAMA_HOST": "0.0.0.0:1"}
    assert "or set OLLAMA_BASIC_AUTH" in world.run("service", "install").stderr
    key_of(world, "me")
    assert world.run("service", "install").returncode == 0
    assert "can be reached by others" not in str(findings(world, "--offline")["server"])


def test_service_runs_in_a_session_of_systemd(world: World) -> None:
    address = world.environment["OLLAMA_HOST"] = f"127.0.0.1:{free_port()}"

    def answers() -> bool:
        with contextlib.suppress(requests.ConnectionError):
            return requests.get(f"http://{address}/", timeout=10).ok
        return False

    with Session(world) as session:
        puna = [sys.executable, "-m", "puna"]
        done = session.run(*puna, "service", "install")
        assert done.returncode == 0, done.stderr
        wait_for(answers)
        assert f"Puna {__version__} listens on http://{address}" in session.journal()
        (process,) = [one for one in world.processes() if one.cmdline()[1:] == ["-m", "puna", "serve"]]
        process.kill()  # it comes again after three seconds
        wait_for(lambda: not process.is_running())
        wait_for(answers)
        status = session.run(*puna, "service", "status")
        assert (status.returncode, status.stdout.split(", ")[-1]) == (0, "runs\n")
        assert session.run(*puna, "service", "uninstall").returncode == 0
        assert not answers()
        assert session.run(*puna, "service", "status").returncode == 3


def test_service_of_a_mac_is_a_property_list(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It has been tried on no Mac; what is written is what launchd reads."""
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    monkeypatch.setenv("OLLAMA_BASIC_AUTH", 'a:<b>&"c')
    service.install(show=True)
    written = plistlib.loads(capsys.readouterr().out.encode())
    assert written["ProgramArguments"][1:] == ["-m", "puna", "serve"]
    assert written["EnvironmentVariables"]["OLLAMA_BASIC_AUTH"] == 'a:<b>&"c'
    assert (written["RunAtLoad"], written["KeepAlive"]) == (True, {"SuccessfulExit": False})
    assert written["StandardErrorPath"].endswith("Library/Logs/puna.log")


def test_the_container_is_healthy_when_its_server_answers(server: Server, beside: World) -> None:
    text = (ROOT / "Dockerfile").read_text()
    check = re.search(r'^HEALTHCHECK .*CMD \["puna", "(\w+)"\]$', text, re.MULTILINE)
    assert check
    assert f'test: ["CMD", "puna", "{check[1]}"]' in (ROOT / "compose.yaml").read_text()
    beside.environment["OLLAMA_HOST"] = f"0.0.0.0:{server.port}"
    assert beside.run(check[1]).returncode == 0
    beside.environment["OLLAMA_HOST"] = f"0.0.0.0:{free_port()}"
    assert beside.run(check[1]).returncode == 1


def test_the_container_is_described_as_its_programs_want_it() -> None:
    linted = subprocess.run([require("hadolint"), ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (linted.returncode, linted.stdout) == (0, "")
    command = [require("docker-compose", "docker-compose"), "-f", ROOT / "compose.yaml", "config", "--quiet"]
    composed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (composed.returncode, composed.stderr) == (0, "")


@pytest.mark.day
def test_what_goes_into_the_container_is_all_that_it_takes(tmp_path: Path, world: World) -> None:
    (copied,) = re.findall(r"^COPY (.* )\./\nCOPY src src$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    for name in copied.split():
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    install = [sys.executable, "-m", "pip", "install", "--no-deps", "--target", tmp_path / "made", "."]
    done = subprocess.run(install, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    world.environment |= {"PYTHONPATH": str(tmp_path / "made"), "OLLAMA_HOST": f"127.0.0.1:{free_port()}"}
    assert world.run("run", "cria", "Hello").returncode == 0


def test_what_waits_is_told_in_words() -> None:
    from puna.cli.waiting import describe

    own = {"id": "a", "model": "cria:latest", "state": "waiting", "position": 2, "estimated_wait": 12.3}
    queue: dict[str, Any] = {"requests": [own], "loads": []}
    assert describe(queue, "cria", "a") == "waiting behind 2 others, about 12 s more"
    own |= {"position": 0, "estimated_wait": None}
    assert describe(queue, "cria", "a") == "waiting for a turn"
    queue["loads"] = [{"model": "cria:latest", "seconds": 3}]
    assert describe(queue, "cria", "a") == "loading cria"
    own["state"], queue["loads"] = "running", []
    assert describe(queue, "cria", "a") == "reading the prompt"
    assert describe(queue, "cria", "b") == ""


def test_an_engine_that_would_be_faster_is_told_once_and_to_people_alone(
    server: Server, beside: World, serve: Serve
) -> None:
    told = "puna engine build: prompts read"
    factor = gain(EngineInfoProcess("portable", "").result().instructions)
    assert told not in beside.run("run", "cria", "x", "--keepalive", "1m").stderr
    with Terminal(beside, "run", "cria", "Say a word", columns=140) as terminal:
        assert (told in terminal.rest()) == bool(factor)
    with Terminal(beside, "run", "cria", "Say a word") as terminal:
        assert told not in terminal.rest()
    if factor and (output := serve().process.stdout):
        assert output.readline().startswith(told)
