"""Whatever is typed, piped or set: a command ends with a word and a status, never with a traceback."""

import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.server import of_serve
from tests.server import Server, World, free_port

# Carries out many command lines, each in a fork of a process that has everything loaded.
_RUN_ALL = """
import json, os, sys
import httpcore, rich.markdown, typer.rich_utils
from pydantic import BaseModel
from typer.main import get_command
from puna.cli import commands
from puna.cli import main as cli
commands._add_commands([])
group = get_command(commands.app)

def described(command):
    return [{"opts": p.opts + p.secondary_opts, "flag": bool(getattr(p, "is_flag", False)), "kind": p.param_type_name}
            for p in command.params]

def walk(path, command):
    yield path, described(command)
    for name, inner in (getattr(command, "commands", None) or {}).items():
        yield from walk([*path, name], inner)

if sys.argv[1] == "describe":
    json.dump(list(walk([], group)), sys.stdout)
    sys.exit()
cases = json.load(sys.stdin)
for number, case in enumerate(cases):
    if not os.fork():
        out = os.open(f"{sys.argv[2]}/{number}", os.O_CREAT | os.O_WRONLY, 0o600)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(out, 2)
        sys.argv = ["puna", *(os.fsdecode(bytes(word)) for word in case)]
        try:
            cli.main()
        except SystemExit as end:
            sys.stdout.flush()
            os._exit(end.code)
        os._exit(99)
    print(os.waitstatus_to_exitcode(os.wait()[1]), flush=True)
"""
_ODD = [b"", b"cria", b"nosuch", b"caf\xe9", b"\xff\xfe", "骆驼".encode(), b"a/b/c/d/e", b"../x", b"-1", b"0", b"1e999",
        b"{", b'{"type":"boolean"}', b"true", b"high", b"x" * 5000, b"\x1b[31m", b"a\nb", b"%s%n", b"/dev/null", b"/",
        b"=", b"9" * 4400, b"[" * 3000]  # fmt: skip
_NOT_FUZZED = (
    *(["serve"], ["start"], ["tune"], ["engine", "build"], ["doctor"], ["cluster", "start"], ["cluster", "join"]),
    *(["service", "install"], ["service", "uninstall"], ["service", "status"]),
)
"""They run for long, or would, or ask the system; ``test_wrong_environments`` has them all the same."""


@pytest.fixture
def beside(server: Server, world: World) -> World:
    world.environment["OLLAMA_HOST"] = f"127.0.0.1:{server.port}"
    return world


def commands(world: World) -> list[tuple[list[str], list[dict[str, Any]]]]:
    done = subprocess.run(
        [sys.executable, "-c", _RUN_ALL, "describe"], env=world.environment, capture_output=True, check=True
    )
    found: list[tuple[list[str], list[dict[str, Any]]]] = json.loads(done.stdout)
    return found


def command_lines(world: World, chance: random.Random) -> Iterator[list[bytes]]:
    """Yield command lines with every flag of every command, and odd values."""
    for path, params in commands(world):
        if path in _NOT_FUZZED:
            continue
        words = [word.encode() for word in path]
        yield [*words, b"--nonsense"]
        for count in range(4):
            yield words + [chance.choice(_ODD) for _ in range(count)]
        for param in params:
            for option in [entry for entry in param["opts"] if entry.startswith("-") and entry != "--quantize"]:
                name = option.encode()
                yield [*words, b"cria", b"hi", name]
                odd, other = chance.sample(_ODD, 2)
                yield [*words, b"nosuch", b"hi", name + b"=" + odd if option.startswith("--") else name + odd]
                yield [*words, name, other, *([] if param["flag"] else [chance.choice(_ODD)])]


def test_odd_arguments_end_with_a_word(beside: World, tmp_path: Path) -> None:
    # nothing is fetched from anywhere
    beside.environment |= {"PUNA_ALLOWED_REGISTRIES": "nowhere.invalid", "COLUMNS": "200"}
    lines = list(command_lines(beside, random.Random(3)))
    assert len(lines) > 300
    done = subprocess.run(
        [sys.executable, "-c", _RUN_ALL, "run", str(tmp_path)],
        env=beside.environment,
        cwd=beside.home,
        input=json.dumps([[list(word) for word in line] for line in lines]).encode(),
        capture_output=True,
        timeout=570,
        check=True,
    )
    wrong = []
    for number, (line, status) in enumerate(zip(lines, done.stdout.split(), strict=True)):
        output = (tmp_path / str(number)).read_text(errors="replace")
        if (
            status not in (b"0", b"1", b"2")
            or "Traceback" in output
            or "should not happen" in output
            or (status == b"1" and "Error: " not in output)
        ):
            wrong.append((line, status, output[-300:]))
    assert wrong == []


@pytest.mark.parametrize("command", ["list", "run", "serve", "tune", "engine", "create", "sessions", "verify"])
@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OLLAMA_HOST", "banana:port"),
        ("OLLAMA_HOST", "::::"),
        ("OLLAMA_HOST", "http://user:hunter2@host"),
        ("PUNA_MIRRORS", "a=http://user:hunter2@host"),
        ("OLLAMA_KEEP_ALIVE", "caf\udce9"),
        ("OLLAMA_MODELS", "/nowhere/at/all"),
    ],
)
def test_wrong_environments(world: World, command: str, variable: str, value: str) -> None:
    world.environment |= {"OLLAMA_HOST": f"127.0.0.1:{free_port()}", variable: value}
    arguments = {"run": ["cria", "hi"], "tune": ["cria"], "create": ["x"]}.get(command, [])
    if (command, variable) in {("engine", "OLLAMA_MODELS"), ("list", "OLLAMA_MODELS"), ("sessions", "OLLAMA_MODELS")}:
        pytest.skip("it does not look there")
    (world.home / "Modelfile").write_text("FROM cria\n")
    done = world.run(command, *arguments)
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: {variable}"), done.stderr
    assert done.stderr.count("\n") == 1
    assert "hunter2" not in done.stderr + done.stdout


def test_proxies_and_keys_that_the_client_library_would_read_do_no_harm(beside: World) -> None:
    beside.environment |= {
        "HTTP_PROXY": "::::", "ALL_PROXY": "nonsense://x", "SSL_CERT_FILE": "/nowhere", "OLLAMA_API_KEY": "é"
    }  # fmt: skip
    done = beside.run("list")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "given", "message"),
    [
        (["run", "cria"], b"caf\xe9?", "standard input is not UTF-8 (byte 3)"),
        (["run", "cria", "caf\udce9"], b"", "this is not UTF-8"),
        (["show", "caf\udce9"], b"", "this is not UTF-8"),
        (["run", "cria", "--format", "yaml", "hi"], b"", "a format is json or a JSON schema"),
        (["run", "cria", "--format", "[1]", "hi"], b"", "a format is json or a JSON schema"),
        (["run", "cria", "--think", "--think=much", "hi"], b"", "must be one of true, false"),
        (["create", "x", "-f", "-"], b"FROM cria\nSYSTEM caf\xe9\n", "UTF-8"),
    ],
)
def test_what_is_no_text_or_no_format_is_told(beside: World, arguments: list[str], given: bytes, message: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "puna", *arguments],
        env=beside.environment,
        cwd=beside.home,
        input=given,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    errors = done.stderr.decode()
    assert errors.startswith("Error: ")
    assert message in errors
    assert errors.count("\n") == 1


@pytest.mark.parametrize("command", ["run cria", "create x -f -"])
def test_a_pipe_without_end_is_left(beside: World, command: str) -> None:
    beside.environment["PUNA_MAX_BODY"] = "1K"
    done = subprocess.run(
        f"yes | {sys.executable} -m puna {command}",
        shell=True,
        env=beside.environment,
        cwd=beside.home,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "Error: standard input has more than 1024 bytes (PUNA_MAX_BODY)\n" in done.stderr


def test_what_is_refused_leaves_no_line_in_the_output(beside: World) -> None:
    done = beside.run("run", "cria", "--keepalive", "soon", "Hello")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)


def test_a_schema_is_a_format(beside: World) -> None:
    done = beside.run("run", "cria", "--format", '{"type": "boolean"}', "Is it raining?")
    assert done.returncode == 0
    assert json.loads(done.stdout) in (True, False)


@pytest.mark.parametrize(
    "arguments", [["list"], ["show", "cria"], ["run", "cria", "hi"], ["--help"], ["tune", "--show"]]
)
def test_a_full_disk_behind_the_output_is_one_line(beside: World, arguments: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "puna", *arguments],
            env=beside.environment,
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == "Error: the output cannot be written: No space left on device\n"


def test_a_reader_that_has_gone_hears_nothing(beside: World) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "puna", "show", "cria", "--license"],
        env=beside.environment,
        stdin=subprocess.DEVNULL,
        stdout=writing,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


def test_closed_streams_are_no_trouble(beside: World) -> None:
    done = subprocess.run(
        ["sh", "-c", 'exec "$0" "$@" <&- >&- 2>&-', sys.executable, "-m", "puna", "run", "cria", "hi"],
        env=beside.environment,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0


def test_a_store_that_was_not_there_is_told(world: World) -> None:
    world.environment["OLLAMA_HOST"] = f"127.0.0.1:{free_port()}"
    done = world.run("run", "cria", "hi")
    assert done.returncode == 0
    assert done.stderr.startswith(f"{world.models} was not there and has been made; it holds no models yet")
    again = world.run("run", "cria", "hi")
    assert "was not there" not in again.stderr


@of_serve
def test_a_port_in_use_names_the_program(beside: World, server: Server) -> None:
    done = beside.run("serve")
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: port {server.port} is in use by ")
    assert f"(process {server.process.pid})" in done.stderr


def test_debugging_that_is_off_is_off(world: World) -> None:
    world.environment |= {"OLLAMA_HOST": f"127.0.0.1:{free_port()}", "OLLAMA_DEBUG": "false"}
    assert "INFO" not in world.run("run", "cria", "hi").stderr
    world.environment["OLLAMA_DEBUG"] = "true"
    assert "INFO" in world.run("run", "cria", "hi").stderr


class _Older(BaseHTTPRequestHandler):
    """A server of another make at Ollama's port, as Ollama was: no list is null, and unknown routes are plain text."""

    def do_GET(self) -> None:
        answers = {
            "/api/version": b'{"version": "0.1.20"}',
            "/api/tags": b'{"models": null}',
            "/api/ps": b'{"error": "Unexpected endpoint"}',  # LM Studio's words for it
        }
        body = answers.get(self.path, b"404 page not found")
        self.send_response(200 if self.path in answers else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def test_another_server_at_the_port_is_told_from_puna(world: World) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Older) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        url = f"127.0.0.1:{other.server_address[1]}"
        world.environment["OLLAMA_HOST"] = url
        listed, loaded, sessions = (world.run(command) for command in ("list", "ps", "sessions"))
        other.shutdown()
    assert (listed.returncode, listed.stdout.split()) == (0, ["NAME", "ID", "SIZE", "MODIFIED"])
    assert (loaded.returncode, loaded.stderr) == (1, "Error: Unexpected endpoint\n")
    assert sessions.stderr == (
        f"Error: what answers at http://{url} knows no /api/puna/sessions; is it Puna? (puna doctor)\n"
    )
