"""The guide: its two languages agree, its site is made without a warning, and its examples run as they stand there."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.models.registry.servers import docker_registry
from tests.server import Server, World, free_port
from tests.system import require, require_module, require_package

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs/guide"
PAGES = sorted(path.stem for path in (GUIDE / "en").glob("*.md"))
_BLOCK = re.compile(r"(?:^<!-- ([^\n]*) -->\n)?^```(\w*)\n(.*?)^```$", re.M | re.S)
NEEDS = {"api": ("openai", "anthropic", "ollama"), "quickstart": ("ollama",)}
"""Packages of which a page has an example."""


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code; ``mark`` says how it is run."""

    mark: str
    language: str
    code: str


def blocks(page: str, language: str = "en") -> list[Block]:
    return [Block(*found) for found in _BLOCK.findall((GUIDE / language / f"{page}.md").read_text(encoding="utf-8"))]


def runnable(page: str) -> list[Block]:
    """Return what is run of a page, in its order."""
    return [
        block for block in blocks(page) if block.language in ("sh", "python") and not block.mark.startswith("not run: ")
    ]


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


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry that has the built-in model under a name of the guide; it stands for that of the names without one."""
    with docker_registry(tmp_path_factory.mktemp("registry")) as address:
        world = World()
        server = Server(world)
        name = f"{address}/library/llama3.2"
        for command in (["cp", "cria", name], ["push", "--insecure", name]):
            done = subprocess.run(
                [sys.executable, "-m", "puna", *command],
                env=world.environment | {"OLLAMA_HOST": server.url},
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, done.stderr
        server.stop()
        world.close()
        yield address


class Reader:
    """Somebody who does what a page says, one block after the other."""

    def __init__(self, registry: str) -> None:
        self.world = World()
        self.address = f"127.0.0.1:{free_port()}"
        self.server: Server | None = None
        programs = self.world.root / "bin"
        programs.mkdir()
        for name, command in (("puna", "-m puna"), ("ollama", "-m puna"), ("python", "")):
            program = programs / name
            program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {command} "$@"\n')
            program.chmod(0o755)
        self.world.environment |= {
            "PATH": f"{programs}:{self.world.environment['PATH']}",
            "OLLAMA_HOST": self.address,
            "PUNA_MIRRORS": f"registry.ollama.ai=http://{registry}",
        }

    def do(self, block: Block) -> str:
        """Carry out a block and return what it writes."""
        code = block.code.replace("localhost:11434", self.address).replace("0.0.0.0", self.address)
        if block.mark == "server":
            settings = {key: value for key, _, value in (word.partition("=") for word in shlex.split(code)[:-2])}
            assert code.split()[-2:] == ["puna", "serve"]
            self.world.environment |= settings
            self.server = Server(self.world)
            return ""
        command = ["bash", "-euc", code] if block.language == "sh" else [sys.executable, "-c", code]
        done = subprocess.run(
            command,
            env=self.world.environment,
            cwd=self.world.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=120,
        )
        assert done.returncode == 0, f"{block.code}\n{done.stdout}\n{done.stderr}"
        assert "error" not in done.stdout[:20], f"{block.code}\n{done.stdout}"
        if key := re.search(r"^puna_\S+", done.stdout, re.M):
            self.world.environment["KEY"] = key[0]
        return done.stdout

    def leave(self) -> list[str]:
        if self.server:
            self.server.stop()
        return self.world.close()


@pytest.mark.parametrize("page", [page for page in PAGES if runnable(page)])
def test_examples_run(page: str, registry: str) -> None:
    for package in NEEDS.get(page, ()):
        require_module(package, extra="test")
    reader = Reader(registry)
    try:
        for block in runnable(page):
            reader.do(block)
    finally:
        left = reader.leave()
    assert left == []


def test_what_is_not_run_says_why() -> None:
    marks = {block.mark for page in PAGES for block in blocks(page) if block.mark}
    assert all(mark == "server" or re.match(r"not run: .{10}", mark) for mark in marks)
