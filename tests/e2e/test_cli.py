"""The command line, as a user types it."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, entry_points, version
from pathlib import Path

import pytest
from tests.server import Server, World, free_port

from puna import __version__
from puna.models.create.build import create
from puna.models.create.recipe import Recipe
from puna.models.library import Library
from puna.names import parse_name

ROOT = Path(__file__).parents[2]
WORDS = "a llama on the high plateau"


@pytest.fixture
def alone(world: World) -> World:
    """A world where no server runs, with a model ``parrot`` that always says the same."""
    world.environment["OLLAMA_HOST"] = f"127.0.0.1:{free_port()}"
    make_parrot(world.models)
    return world


@pytest.fixture
def beside(server: Server, world: World) -> World:
    """A world whose commands talk to the shared server, which has the model ``parrot`` too."""
    world.environment["OLLAMA_HOST"] = f"127.0.0.1:{server.port}"
    make_parrot(server.world.models)
    return world


def make_parrot(models: Path) -> None:
    parameters = {"grammar": f'root ::= "{WORDS}"', "num_predict": 64}
    recipe = Recipe(base=parse_name("cria"), system="Say it.", parameters=parameters)
    create(Library(models), parse_name("parrot"), recipe, lambda _: None, lambda: False)


def test_version(world: World) -> None:
    for flag in ("--version", "-v"):
        done = world.run(flag)
        assert (done.returncode, done.stdout) == (0, f"puna version {__version__}\n")


def test_help_names_every_command(world: World) -> None:
    done = world.run("--help")
    assert done.returncode == 0
    for command in ("serve", "run", "list", "show", "ps", "stop", "cp", "rm", "pull", "push"):
        assert re.search(rf"^\W*{command}\s", done.stdout, re.MULTILINE), command


def test_two_names_of_one_program() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {"puna": "puna.cli.main:main", "ollama": "puna.cli.main:main"}
    try:
        assert version("puna") == __version__
    except PackageNotFoundError:
        return  # run from the source tree
    assert {"puna", "ollama"} <= {
        script.name for script in entry_points(group="console_scripts", module="puna.cli.main")
    }


def test_run_starts_a_server_for_itself(alone: World) -> None:
    done = alone.run("run", "parrot", "为什么天空是蓝色的?")
    assert (done.returncode, done.stdout) == (0, f"{WORDS}\n"), done.stderr
    assert alone.processes() == []


def test_run_uses_the_server_that_answers(server: Server, beside: World) -> None:
    done = beside.run("run", "parrot", "hello")
    assert (done.returncode, done.stdout) == (0, f"{WORDS}\n")
    assert "parrot:latest" in server.loaded()
    assert re.search(r"parrot:latest .+ weights, up to \S+ \S+ contexts, \S+ \S+ in use", beside.run("ps").stdout)
    assert beside.run("stop", "parrot").returncode == 0
    assert "parrot:latest" not in server.loaded()


def test_run_reads_standard_input(beside: World) -> None:
    done = beside.run("run", "parrot", input="some text\n")
    assert (done.returncode, done.stdout) == (0, f"{WORDS}\n")
    both = beside.run("run", "parrot", "Summarise:", input="some text\n")
    assert both.stdout == f"{WORDS}\n"


def test_run_without_a_prompt(beside: World) -> None:
    done = beside.run("run", "parrot", input="")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("Error: there is no prompt")


def test_run_shows_timings(beside: World) -> None:
    done = beside.run("run", "parrot", "x", "--verbose", "--keepalive", "1m")
    assert done.returncode == 0
    assert "tokens/s" in done.stderr


def test_list_show_cp_rm(beside: World) -> None:
    assert beside.run("list").stdout.split("\n")[0].split() == ["NAME", "ID", "SIZE", "MODIFIED"]
    assert "cria:latest" in beside.run("ls").stdout
    assert beside.run("cp", "parrot", "parrot-two").stdout == "copied 'parrot' to 'parrot-two'\n"
    assert "parrot-two:latest" in beside.run("list").stdout
    shown = beside.run("show", "parrot-two").stdout
    assert "architecture" in shown
    assert "Say it." in shown
    assert beside.run("show", "parrot-two", "--system").stdout == "Say it.\n"
    assert beside.run("show", "parrot-two", "--modelfile").stdout.startswith("# Modelfile")
    assert "parrot-two:latest: it was made here\n" in beside.run("pull", "--all", "--dry-run").stdout
    assert beside.run("rm", "parrot-two").stdout == "deleted 'parrot-two'\n"
    assert "parrot-two" not in beside.run("list").stdout


@pytest.mark.parametrize("command", [["show", "missing"], ["rm", "missing"], ["cp", "missing", "x"]])
def test_missing_model_is_one_line(beside: World, command: list[str]) -> None:
    done = beside.run(*command)
    assert done.returncode == 1
    quote = '"' if command[0] == "cp" else "'"  # as Ollama's own answers have it
    assert done.stderr == f"Error: model {quote}missing{quote} not found\n"


def test_no_server_is_one_line(alone: World) -> None:
    done = alone.run("list")
    address = alone.environment["OLLAMA_HOST"]
    assert done.returncode == 1
    assert done.stderr == f"Error: no server answers at http://{address}; start one with: puna serve\n"


def test_run_starts_no_server_elsewhere(world: World) -> None:
    world.environment["OLLAMA_HOST"] = f"0.0.0.0:{free_port()}"
    done = world.run("run", "cria", "x")
    assert done.returncode == 1
    assert "no server answers" in done.stderr


def test_wrong_use_is_explained(world: World) -> None:
    for words, message in (
        (["lsit"], 'unknown command "lsit" for "puna"; did you mean list? (puna help)'),
        (["show"], "missing argument 'MODEL' (puna show -h)"),
        *(([group], f"missing command (puna {group} -h)") for group in ("batch", "cluster", "key", "service")),
        (["run", "--vebose", "cria"], "unknown flag: --vebose; did you mean --verbose? (puna run -h)"),
    ):
        done = world.run(*words)
        assert (done.returncode, done.stdout, done.stderr) == (1, "", f"Error: {message}\n")


def test_without_a_command_the_help_is_shown(world: World) -> None:
    done = world.run()
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: puna [OPTIONS] COMMAND")
    assert world.run("help", "run").stdout == world.run("run", "--help").stdout
