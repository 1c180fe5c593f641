"""The documents name everything that the program has, and the two READMEs agree."""

import re
import runpy
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from puna.api.app import create_app
from puna.cli import commands
from puna.cli import main as cli
from puna.inference.options import OPTION_NAMES
from puna.settings import SETTINGS, Settings

ROOT = Path(__file__).parents[1]
READMES = ("README.md", "README.zh-CN.md")
RULES = "Rules for these routes"
_OTHERS = (
    *("architecture", "benchmarks", "cluster", "cluster-planning", "keys", "page", "recorder", "testing", "traces"),
)
NO_APIS = tuple(f"docs/{name}.md" for name in _OTHERS)
DOCS = sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))
APIS = [name for name in DOCS if name not in NO_APIS]
"""What describes routes: a document a dialect."""
LINKED = (*READMES, *DOCS, "CHANGELOG.md", "THIRD_PARTY.md")


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def shown(name: str) -> str:
    """Return a document without its comments."""
    return re.sub(r"<!--.*?-->", "", read(name), flags=re.DOTALL)


def table_rows(text: str) -> Iterator[list[str]]:
    """Yield the cells of every table row."""
    for line in text.splitlines():
        if line.startswith("|"):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def code_blocks(text: str) -> list[str]:
    return re.findall(r"^```.*?^```$", text, re.MULTILINE | re.DOTALL)


def settings_of(readme: str) -> list[tuple[str, str]]:
    """Return variable and default of each row of the table of settings."""
    section = read(readme).partition("<!-- settings -->")[2].partition("<!-- /settings -->")[0]
    return [(row[0].strip("`"), row[1].strip("`")) for row in table_rows(section)][2:]


def api_sections() -> dict[str, str]:
    """Return the parts of the API's descriptions by heading; what is under deeper headings belongs to them."""
    sections: dict[str, str] = {}
    for name in APIS:
        parts = re.split(r"^## (.*)$", shown(name), flags=re.MULTILINE)
        for heading, text in zip(parts[1::2], parts[2::2], strict=True):
            sections[heading] = sections.get(heading, "") + text
    return sections


@pytest.fixture(scope="module")
def openapi() -> dict[str, Any]:
    description: dict[str, Any] = create_app(Settings.from_env({})).openapi()
    return description


@pytest.mark.parametrize("readme", READMES)
def test_settings_table_is_that_of_the_program(readme: str) -> None:
    assert settings_of(readme) == [(entry.variable, entry.default) for entry in SETTINGS]


@pytest.mark.parametrize("readme", READMES)
def test_settings_table_has_the_meanings_that_its_script_writes(readme: str) -> None:
    chinese = runpy.run_path(str(ROOT / "scripts" / "settings_tables.py"))["_CHINESE"]
    meanings = {entry.variable: entry.help for entry in SETTINGS} if readme == "README.md" else chinese
    rows = {row[0].strip("`"): row[2] for row in table_rows(read(readme)) if len(row) == 3}
    assert [rows[entry.variable] for entry in SETTINGS] == [meanings[entry.variable] for entry in SETTINGS]


def test_readmes_have_the_same_code() -> None:
    english, chinese = (code_blocks(read(readme)) for readme in READMES)
    assert english
    assert english == chinese


def test_readmes_open_with_the_two_commands() -> None:
    for readme in READMES:
        first, second = code_blocks(read(readme))[:2]
        assert first == '```sh\npip install . && puna run cria "为什么天空是蓝色的?"\n```'
        assert second == '```sh\npip install ".[test]" && python -m pytest\n```'


def test_every_route_is_described(openapi: dict[str, Any]) -> None:
    text = "".join(map(shown, APIS))
    own = {route.path for route in create_app(Settings.from_env({})).routes if hasattr(route, "path")}
    assert sorted(path for path in own | set(openapi["paths"]) if f"{path}`" not in text) == []


def test_every_field_of_a_request_is_described(openapi: dict[str, Any]) -> None:
    sections = api_sections()
    missing = []
    for path, operations in openapi["paths"].items():
        for operation in operations.values():
            text = "".join(body for heading, body in sections.items() if f"{path}`" in heading or heading == RULES)
            content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            fields = content.get("schema", {}).get("properties", {})
            missing += [f"{path}: {field}" for field in fields if f"`{field}`" not in text]
    assert missing == []


def test_every_option_is_described() -> None:
    table = api_sections()["`POST /api/generate`, `POST /api/chat`"].partition("### Options")[2]
    described = [name for row in table_rows(table) for name in re.findall(r"`(\w+)`", row[0])]
    assert tuple(described) == OPTION_NAMES


def test_every_command_is_described(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["puna", "--help"])
    with pytest.raises(SystemExit):
        cli.main()
    registered = [command for command in commands.app.registered_commands if not command.hidden]
    names = {command.name or getattr(command.callback, "__name__", "") for command in registered}
    assert {"serve", "run", "list"} <= names
    for readme in READMES:
        described = {row[0].split()[1].strip("`") for row in table_rows(shown(readme)) if row[0].startswith("`puna ")}
        assert names - described == set()


def test_architecture_names_every_package() -> None:
    packages = {path.parent.name for path in (ROOT / "src/puna").glob("*/__init__.py")}
    text = shown("docs/architecture.md")
    assert sorted(name for name in packages if f"`{name}/`" not in text) == []


def test_third_party_names_every_dependency() -> None:
    project = tomllib.loads(read("pyproject.toml"))["project"]
    names = [re.split(r"[^\w-]", entry)[0] for entry in project["dependencies"]]
    text = shown("THIRD_PARTY.md").lower()
    assert [name for name in names if f"[{name}]" not in text] == []


@pytest.mark.parametrize("name", LINKED)
def test_links_lead_somewhere(name: str) -> None:
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", read(name))
    assert [target for target in targets if not (ROOT / name).parent.joinpath(target).exists()] == []
