"""The guide: its two languages agree, its site is made without a warning, and its examples run as they stand there."""

import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest
from tests.cli.terminal import Terminal
from tests.keys.conftest import key_of
from tests.keys.test_tls import write_certificate
from tests.models.registry.servers import docker_registry
from tests.server import Server, World, free_port, wait_for
from tests.session import Session
from tests.session import can_be as can_be_session
from tests.system import require, require_module, require_package

from puna.builtin import CRIA, STORE
from puna.models.library import Library

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs/guide"
PAGES = sorted(path.stem for path in (GUIDE / "en").glob("*.md"))
_BLOCK = re.compile(r"(?:^<!-- ([^\n]*) -->\n)?^```(\w*)\n(.*?)^```$", re.M | re.S)
NEEDS = {"api": ("openai", "anthropic", "ollama"), "quickstart": ("ollama",)}
"""Packages of which a page has an example."""
CLUSTER = "cluster"
Done = subprocess.CompletedProcess[str]
CONTEXT = b"llama.context_length"


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code; ``mark`` says how it is run."""

    mark: str
    language: str
    code: str


def blocks(page: str, language: str = "en") -> list[Block]:
    return [Block(*found) for found in _BLOCK.findall((GUIDE / language / f"{page}.md").read_text(encoding="utf-8"))]


def runnable(page: str) -> list[Block]:
    """Return what is run of a page, in its order; those of a cluster ``tests/cluster`` runs."""
    return [block for block in blocks(page) if block.language in ("sh", "python") and block.mark != CLUSTER]


def test_both_languages_have_the_same_pages() -> None:
    assert sorted(path.stem for path in (GUIDE / "zh").glob("*.md")) == PAGES


@pytest.mark.parametrize("page", PAGES)
def test_both_languages_have_the_same_code(page: str) -> None:
    english, chinese = ([b for b in blocks(page, language) if b.language] for language in ("en", "zh"))
    assert english == chinese


@pytest.mark.parametrize("page", PAGES)
def test_both_languages_have_the_same_sections(page: str) -> None:
    english, chinese = (
        re.findall(r"^(#+) ", (GUIDE / language / f"{page}.md").read_text("utf-8"), re.M) for language in ("en", "zh")
    )
    assert english == chinese


def test_site_is_made(tmp_path: Path) -> None:
    for package in ("sphinx", "furo", "myst_parser", "jieba"):
        require_package(package, "docs")
    command = [sys.executable, "scripts/docs_site.py", str(tmp_path)]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert made.returncode == 0, made.stderr[-2000:]
    assert (tmp_path / "en/quickstart.html").is_file()
    for page in tmp_path.rglob("*.html"):
        brought = re.findall(r'<(?:script|link|img)[^>]* (?:src|href)="(https?:[^"]*)"', page.read_text("utf-8"))
        assert brought == [], f"{page.name} takes something from another host"
    assert "Glossary" in found(tmp_path / "en/search.html", "quantization")
    assert "名词表" in found(tmp_path / "zh/search.html", "缓存")


def found(search: Path, words: str) -> str:
    """Return the titles that the search finds, in a browser without a network."""
    sync_api = require_module("playwright.sync_api", extra="test")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=require("chromium", "chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(f"{search.as_uri()}?q={words}")
        results = page.locator("#search-results li")
        results.first.wait_for()
        titles: str = "\n".join(results.all_inner_texts())
        browser.close()
        return titles


def roomy(model: bytes) -> bytes:
    """Return a model's file with a context in which an agent has room."""
    at = model.index(CONTEXT) + len(CONTEXT) + 4  # the number comes after its type
    return model[:at] + (40960).to_bytes(4, "little") + model[at + 4 :]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry that has the built-in model under names of the guide; it stands for that of the names without one."""
    with docker_registry(tmp_path_factory.mktemp("registry")) as address:
        world = World()
        server = Server(world)
        world.environment["OLLAMA_HOST"] = server.url
        (world.home / "roomy.gguf").write_bytes(roomy(Library(STORE).get(CRIA).path.read_bytes()))
        (world.home / "Modelfile").write_text("FROM ./roomy.gguf\nPARAMETER think false\n")
        llama, coder = (f"{address}/library/{name}" for name in ("llama3.2", "qwen3-coder"))
        for command in (
            ["cp", "cria", llama],
            ["create", coder, "-f", "Modelfile"],
            *(["push", "--insecure", name] for name in (llama, coder)),
        ):
            done = world.run(*command)
            assert done.returncode == 0, done.stderr
        server.stop()
        world.close()
        yield address


class Reader:
    """Somebody who does what a page says, one block after the other, on a machine of their own, and on another one."""

    def __init__(self, registry: str) -> None:
        self.world = World({"OLLAMA_CONTEXT_LENGTH": "0"})
        self.address = f"127.0.0.1:{free_port()}"
        self.registry = registry
        self.server: Server | None = None
        self.inside = ExitStack()
        certificate, key = write_certificate(self.world.root, "guide")
        self.stands_for = {
            "localhost:11434": self.address,
            "0.0.0.0": self.address,
            "/etc/ssl/puna.pem": str(certificate),
            "/etc/ssl/puna.key": str(key),
            "/usr/share/ollama/.ollama/models": str(self.world.root / "ollama"),
        }
        for name in ("puna", "ollama"):
            self.program(name, f'exec {shlex.quote(sys.executable)} -m puna "$@"')
        self.program("python", f'exec {shlex.quote(sys.executable)} "$@"')
        # What is installed here goes beside what runs the tests, where its dependencies are.
        beside = shlex.join(["--no-deps", "--target", str(self.world.root / "site")])
        self.program("pip", f'exec {shlex.quote(sys.executable)} -m pip "$@" {beside}')
        self.program("claude", 'echo "$ANTHROPIC_BASE_URL $@"')  # an agent that says how it was started
        self.world.environment |= {
            "PATH": f"{self.world.root}/bin:{self.world.environment['PATH']}",
            "OLLAMA_HOST": self.address,
            "PUNA_MIRRORS": f"registry.ollama.ai=http://{registry}",
        }

    def program(self, name: str, script: str) -> None:
        path = self.world.root / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    @cached_property
    def there(self) -> "Reader":
        """Another machine that serves a model to whoever has a key."""
        other = Reader(self.registry)
        self.inside.callback(other.leave)
        other.do(Block("server", "sh", "puna serve"))
        other.do(Block("", "sh", "puna cp cria llama3.2"))
        self.world.environment["KEY"] = key_of(other.world, "guest", scopes=["infer"])
        return other

    def do(self, block: Block) -> None:
        """Carry out a block in the way that its mark says."""
        code = block.code
        if "gpu-box" in code or "10.0.0.2" in code or block.mark.startswith("there"):
            code = code.replace("gpu-box:11434", self.there.address).replace("10.0.0.2:11434", self.there.address)
        for name, stand_in in self.stands_for.items():
            code = code.replace(name, stand_in)
        match block.mark:
            case "there" | "there: server":
                self.there.do(Block(block.mark.removeprefix("there").removeprefix(": "), block.language, block.code))
                self.world.environment["KEY"] = self.there.world.environment["KEY"]
            case "server":
                self.serve(code)
            case "terminal":
                self.talk(code)
            case "session" if not can_be_session():
                pass
            case "session":
                self.end_server()
                session = self.inside.enter_context(Session(self.world))
                self.run(["bash", "-euc", code], within=session.run)
                wait_for(lambda: "listens on" in session.journal())
            case _:
                self.run(["bash", "-euc", code] if block.language == "sh" else [sys.executable, "-c", code])

    def serve(self, code: str) -> None:
        self.end_server()
        *settings, puna, serve = shlex.split(code.replace("$KEY", self.world.environment.get("KEY", "")))
        assert (puna, serve) == ("puna", "serve")
        self.world.environment |= {key: value for key, _, value in (word.partition("=") for word in settings)}
        self.server = Server(self.world)

    def talk(self, code: str) -> None:
        puna, *arguments = shlex.split(code)
        assert puna == "puna"
        with Terminal(self.world, *arguments) as terminal:
            terminal.expect(">>> ")
            terminal.type("/?")
            terminal.expect("Available Commands:")
            terminal.expect(">>> ")
            terminal.press("\x04")
            assert terminal.status() == 0

    def run(
        self, command: Sequence[str], within: Callable[..., "subprocess.CompletedProcess[str]"] | None = None
    ) -> None:
        """Run a program and see that it does what it should; a key that it tells is kept for what follows."""
        if within:
            done = within(*command)
        else:
            place = ROOT if "pip install" in command[-1] else self.world.home
            done = subprocess.run(
                command,
                env=self.world.environment,
                cwd=place,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                timeout=1800,
            )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        assert "error" not in done.stdout[:20], f"{command}\n{done.stdout}"
        if key := re.search(r"^puna_\S+", done.stdout, re.M):
            self.world.environment["KEY"] = key[0]

    def end_server(self) -> None:
        if self.server:
            self.server.stop()
        self.server = None

    def leave(self) -> None:
        self.inside.close()
        self.end_server()
        assert self.world.close() == []


def follow(page: str, registry: str, *, slow: bool = False) -> None:
    """Do what a page says; what takes minutes only if ``slow``."""
    for package in NEEDS.get(page, ()):
        require_module(package, extra="test")
    reader = Reader(registry)
    try:
        for block in runnable(page):
            if slow or block.mark != "slow":
                reader.do(block)
    finally:
        reader.leave()


@pytest.mark.parametrize("page", [page for page in PAGES if runnable(page)])
def test_examples_run(page: str, registry: str) -> None:
    follow(page, registry)


@pytest.mark.day
@pytest.mark.parametrize("page", [page for page in PAGES if any(block.mark == "slow" for block in blocks(page))])
def test_examples_that_take_long_run(page: str, registry: str) -> None:
    follow(page, registry, slow=True)


def test_marks_are_known() -> None:
    marks = {block.mark for page in PAGES for block in blocks(page)}
    assert marks <= {"", "server", "terminal", "session", "slow", "there", "there: server", CLUSTER}
