"""The command line in scripts: words, statuses, JSON, completion, and never an escape code."""

import json
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import make_parrot
from tests.server import Server, World
from tests.system import require
from typer.main import get_command

import puna
from puna.cli import commands
from puna.cli.completion import candidates, split_line


def test_nothing_but_text_off_a_terminal(server: Server, beside: World) -> None:
    make_parrot(server, "script-text", "**Text**\n")
    beside.environment |= {"FORCE_COLOR": "1", "GITHUB_ACTIONS": "true", "TERM": "xterm-256color"}
    for arguments in (["--help"], ["list"], ["run", "script-text", "x"], ["nonsense"], ["verify"]):  # fmt: skip
        done = beside.run(*arguments)
        assert "\x1b" not in done.stdout + done.stderr, arguments
        assert "╭" not in done.stdout + done.stderr, arguments


class _Proxy(BaseHTTPRequestHandler):
    """Has the routes of a server behind a path, as a proxy may."""

    server_behind: Server

    def do_GET(self) -> None:
        inside = self.path.removeprefix("/behind/it")
        answer = self.server_behind.get(inside) if inside != self.path else None
        self.send_response(404 if answer is None else answer.status_code)
        self.end_headers()
        self.wfile.write(b"" if answer is None else answer.content)

    def log_message(self, *_: object) -> None:
        pass


def test_a_server_behind_a_path_of_a_proxy_is_found(server: Server, beside: World) -> None:
    proxy = ThreadingHTTPServer(("127.0.0.1", 0), type("Proxy", (_Proxy,), {"server_behind": server}))
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    try:
        beside.environment["OLLAMA_HOST"] = f"http://127.0.0.1:{proxy.server_port}/behind/it/"
        done = beside.run("list")
        assert done.returncode == 0, done.stderr
        assert "cria" in done.stdout
    finally:
        proxy.shutdown()
        proxy.server_close()
    done = beside.run("run", "cria", "Hi")
    assert f"no server answers at http://127.0.0.1:{proxy.server_port}/behind/it" in done.stderr


def test_run_takes_a_file(server: Server, beside: World) -> None:
    weights = next(path for path in Path(puna.__file__).parent.rglob("blobs/*") if path.stat().st_size > 5 << 20)
    file = beside.home / "My Model (1).gguf"
    shutil.copy(weights, file)
    # Whatever is sampled: a file says nothing of its temperature, and answers free of a form may go on and on.
    ask = ("hi", "--think=false", "--format", '{"enum": ["yes"]}')
    done = beside.run("run", "./My Model (1).gguf", *ask)
    assert (done.returncode, done.stdout.strip()) == (0, '"yes"')
    name = next(name for name in beside.run("list").stdout.split() if name.startswith("my-model-1:"))
    assert f"is in the store now as {name}" in done.stderr
    again = beside.run("run", file.name, *ask)
    assert (again.returncode, again.stderr) == (0, "")
    file.unlink()
    gone = beside.run("run", "./My Model (1).gguf", "hi")
    assert (gone.returncode, gone.stderr) == (1, f"Error: there is no {file}\n")


def test_a_model_that_is_not_here_is_told_before_a_registry_is_asked(beside: World) -> None:
    beside.environment["PUNA_ALLOWED_REGISTRIES"] = "nowhere.invalid"
    done = beside.run("run", "crai", "hi")
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == "crai is not here (did you mean cria?); asking its registry"
    stopped = beside.run("stop", "crai")
    assert stopped.stderr == 'Error: couldn\'t find model "crai" to stop; did you mean cria?\n'


def test_a_home_that_is_not_there_is_a_path_that_leads_nowhere(beside: World) -> None:
    (beside.home / "Modelfile").write_text("FROM ~nobody-here/x.gguf\n")
    for arguments in (["create", "x"], ["create", "x", "-f", "~nobody-here/M"], ["run", "~nobody-here/x.gguf", "hi"]):
        done = beside.run(*arguments)
        assert done.returncode == 1
        assert "~nobody-here/" in done.stderr, arguments
        assert "should not happen" not in done.stderr, arguments


@pytest.mark.skipif(sys.platform != "linux", reason="a file that cannot be read though it can be opened")
def test_a_file_that_breaks_off_is_named(beside: World) -> None:
    (beside.home / "Modelfile").write_text("FROM /proc/self/mem\n")
    assert "Error: cannot read /proc/self/mem: " in beside.run("create", "x").stderr


def test_progress_is_there_as_json(beside: World) -> None:
    (beside.home / "Modelfile").write_text("FROM cria\nSYSTEM Be kind.\n")
    done = beside.run("create", "script-json", "--json")
    assert done.returncode == 0, done.stderr
    assert [json.loads(line) for line in done.stdout.splitlines()][-1] == {"status": "success"}


@pytest.fixture(scope="module")
def group() -> Any:
    """Every command, as the program has them for a line that begins with none."""
    commands._add_commands([])
    return get_command(commands.app)


def test_completion_knows_commands_options_values_and_models(
    server: Server, group: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def completed(line: str) -> list[str]:
        return [value for value, _ in candidates(group, line)]

    make_parrot(server, "scripted:two", "x")
    monkeypatch.setenv("OLLAMA_HOST", f"127.0.0.1:{server.port}")
    assert completed("puna sh") == ["show"]
    assert "complete-line" not in completed("puna ")
    assert completed("puna engine re") == ["remove"]
    assert completed("puna show cria --sys") == ["--system"]
    assert completed("puna run --think=m") == ["--think=medium", "--think=max"]
    assert completed("puna run scripte") == ["scripted:two"]
    assert completed("puna cp scripted:two sc") == []
    assert completed("puna stop scripte") == []  # it is not in memory
    assert completed("puna 'run") == []
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:9")
    monkeypatch.setenv("OLLAMA_MODELS", str(server.world.models))
    assert completed("puna show scripte") == ["scripted:two"]


def test_a_line_is_split_where_a_shell_does() -> None:
    assert split_line('puna run "a b" c') == (["puna", "run", "a b"], "c")
    assert split_line("puna run ") == (["puna", "run"], "")
    assert split_line("puna run 'a") == (["puna", "run"], "'a")
    assert split_line("") == ([], "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_a_shell_is_one(beside: World, shell: str) -> None:
    script = beside.run("completion", shell).stdout
    program = require(shell, shell)
    done = subprocess.run([program, "-n"], input=script, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_bash_completes_a_name_with_a_colon(server: Server, beside: World) -> None:
    make_parrot(server, "script-colon:tag", "x")
    script = f"""
puna() {{ {sys.executable} -m puna "$@"; }}
eval "$(puna completion bash)"
COMP_LINE="puna run script-colon:t"; COMP_POINT=${{#COMP_LINE}}
COMP_WORDS=(puna run script-colon : t); COMP_CWORD=4
_puna
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(
        [require("bash"), "--norc", "-c", script],
        env=beside.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "tag\n"


TABLES = ("list", "ps", "show cria", "sessions", "engine", "verify", "tune --show", "launch", "config")


@pytest.mark.parametrize("arguments", [words.split() for words in TABLES])
def test_every_table_is_there_as_json(beside: World, arguments: list[str]) -> None:
    done = beside.run(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    assert isinstance(json.loads(done.stdout), dict)


def test_a_script_for_ollama_goes_on_working(server: Server, beside: World) -> None:
    make_parrot(server, "script-ollama", "A short answer.")
    program = beside.root / "ollama"
    program.write_text(f"#!{sys.executable}\nfrom puna.cli.main import main\nmain()\n")
    program.chmod(0o755)
    script = """
set -eu
ollama -v
ollama list script-oll | awk 'NR > 1 { print $1 }'
ollama show script-ollama -v | grep -c 'output_norm.weight'
echo "some text" | ollama run script-ollama --nowordwrap --keepalive 1m --format= "summarise"
ollama run script-ollama --verbose "hello there" 2>&1 >/dev/null | grep -o '^eval rate:  *[0-9.]* tokens/s' > rate
grep -c . rate
ollama ps | grep -o '^script-ollama:latest'
ollama stop script-ollama
ollama run cria --think "What is 2+2?" | grep -e '^Thinking...$' -e '^...done thinking.$'
ollama cp script-ollama script-copy
ollama rm script-copy
ollama help list | grep -o -e --json
if ollama show nosuch 2>&1; then exit 9; fi
"""
    done = subprocess.run(
        ["sh", "-c", script],
        cwd=beside.root,
        env=beside.environment | {"PATH": f"{beside.root}:{beside.environment['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines() == [
        f"ollama version is {puna.OLLAMA_VERSION}",
        "script-ollama:latest",
        "1",
        "A short answer.",
        "1",
        "script-ollama:latest",
        "Thinking...",
        "...done thinking.",
        "copied 'script-ollama' to 'script-copy'",
        "deleted 'script-copy'",
        "--json",
        "Error: model 'nosuch' not found",
    ]
