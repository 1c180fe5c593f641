"""Imports run one way: cli → cluster → api → tuning → inference → scheduler → engine, on models and settings."""

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import puna

PACKAGE = Path(puna.__file__).parent
LAYERS = ("cli", "cluster", "api", "service", "tuning", "inference", "scheduler", "engine")
"""From the top to the bottom; none may import one above it."""
FOUNDATION = (
    *("accounts", "models", "net", "gotemplate", "telemetry", "jobs"),
    *("cipher", "secret_file", "settings", "config", "names", "errors", "durations", "process", "core_files"),
)
"""What every layer may use, and what uses none of them."""


def modules() -> dict[str, Path]:
    """Return the file of every module of the package."""
    names = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return names


MODULES = modules()


def walk(node: ast.AST) -> Iterator[ast.AST]:
    """Yield everything below a node that runs, which imports for the type checker alone do not."""
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)):
            yield child
            yield from walk(child)


def imported(path: Path) -> Iterator[str]:
    """Yield the modules of the package that a file imports anywhere, functions included."""
    for node in walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: imports are absolute"
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                if name in MODULES or node.module in MODULES:
                    yield name if name in MODULES else node.module


GRAPH = {name: sorted(set(imported(path)) - {name}) for name, path in MODULES.items()}


def part(module: str) -> str:
    """Return the part of the package that a module belongs to."""
    return module.split(".")[1] if "." in module else ""


def test_package_is_seen() -> None:
    assert len(MODULES) > 60
    assert "puna.engine.runner" in GRAPH["puna.scheduler.loader"]


def test_there_is_no_cycle() -> None:
    assert len(list(TopologicalSorter(GRAPH).static_order())) >= len(GRAPH)  # raises CycleError with the cycle


@pytest.mark.parametrize("layer", LAYERS)
def test_layer_imports_nothing_above_it(layer: str) -> None:
    above = LAYERS[: LAYERS.index(layer)]
    wrong = [
        (name, other)
        for name, others in GRAPH.items()
        if part(name) == layer
        for other in others
        if part(other) in above
    ]
    assert wrong == []


@pytest.mark.parametrize("foundation", FOUNDATION)
def test_foundation_imports_no_layer(foundation: str) -> None:
    wrong = [
        (name, other)
        for name, others in GRAPH.items()
        if part(name) == foundation
        for other in others
        if part(other) in LAYERS
    ]
    assert wrong == []


def test_the_guard_of_addresses_stands_alone() -> None:
    used = {other for name, others in GRAPH.items() if part(name) == "net" for other in others if part(other) != "net"}
    assert used <= {"puna", "puna.errors", "puna.settings"}


def test_ray_is_imported_by_the_cluster_alone() -> None:
    users = {name for name, path in MODULES.items() if re.search(r"^\s*(import|from) ray\b", path.read_text(), re.M)}
    assert {part(name) for name in users} <= {"cluster"}
    others = {name for name in GRAPH if part(name) not in ("cluster", "cli")}
    assert [(name, used) for name in others for used in GRAPH[name] if part(used) == "cluster"] == []


def test_dialects_do_not_import_each_other() -> None:
    dialects = {"ollama", "openai", "anthropic"}

    def dialect(module: str) -> str:
        parts = module.split(".")
        return parts[2] if len(parts) > 2 and parts[1] == "api" and parts[2] in dialects else ""

    wrong = [
        (name, other)
        for name, others in GRAPH.items()
        for other in others
        if dialect(name) and dialect(other) and dialect(name) != dialect(other)
    ]
    assert wrong == []
