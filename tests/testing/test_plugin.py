"""The plugin, in runs of pytest of its own."""

import re

import pytest
from tests.testing.conftest import Run


def outcome(output: str) -> dict[str, int]:
    last = output.strip().splitlines()[-1]
    return {word.rstrip("s"): int(count) for count, word in re.findall(r"(\d+) (passed|failed|errors?|skipped)", last)}


def test_script_that_was_not_used_up_fails_the_test(run: Run) -> None:
    done = run(
        """
def test_left(puna_server):
    puna_server.script(["never"])

def test_next(puna_server, puna_ollama):
    assert puna_ollama.generate("cria", "Hello").response
    assert puna_server.requests[0].path == "/api/generate"

def test_wrong(puna_server, puna_ollama):
    puna_ollama.generate("cria", "a question that is asked")
    assert False

def test_swallowed(puna_server, puna_ollama):
    puna_server.script([])
    try:
        puna_ollama.generate("cria", "Hello")
    except Exception:
        pass
"""
    )
    assert outcome(done.stdout) == {"failed": 3, "passed": 1}, done.stdout
    assert "1 of 1 answers of the script were not asked for" in done.stdout
    assert re.search("asked of the server:\n.*/api/generate -> 200 user: 'a question that is asked'", done.stdout)
    assert "POST /api/generate asked for a generation when the script was at its end" in done.stdout


def test_workers_share_one_server_and_no_script(run: Run) -> None:
    done = run(
        """
import os, threading, pytest

@pytest.mark.parametrize("number", range(6))
def test_apart(puna_server, puna_ollama, number):
    name = f"{os.environ['PYTEST_XDIST_WORKER']} {number}"
    puna_server.script([name, name + "!"])
    for end in ("", "!"):
        assert puna_ollama.generate("cria", name).response == name + end
    assert [request.messages[-1]["content"] for request in puna_server.requests] == [name, name]
    print("SERVER", puna_server._running.port, "LANE", puna_server.url)
""",
        "-n2",
        "-rP",
    )
    assert outcome(done.stdout) == {"passed": 6}, done.stdout + done.stderr
    assert len(set(re.findall(r"SERVER (\d+)", done.stdout))) == 1
    assert len(set(re.findall(r"LANE (\S+)", done.stdout))) == 2


def test_each_test_begins_anew_with_its_model(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path_factory.mktemp("store")))
    done = run(
        """
import pytest

@pytest.mark.puna(model="nobody")
def test_missing(puna_server): ...

@pytest.mark.parametrize("number", range(3))
def test_anew(puna_server, puna_ollama, number):
    puna_server.script([f"I am {number}."])
    assert puna_ollama.generate(puna_server.model, "Who?").response == f"I am {number}."
    assert len(puna_server.requests) == 1

@pytest.mark.puna("cria:latest")
def test_named(puna_server):
    assert puna_server.model == "cria:latest"

def test_usual(puna_server):
    assert puna_server.model == "cria"
""",
        "--strict-markers",
    )
    assert outcome(done.stdout) == {"passed": 5, "error": 1}, done.stdout
    assert "the model 'nobody', which the tests ask for, is neither built in nor in" in done.stdout


def test_tests_that_ask_for_it_in_their_course_are_like_others(run: Run) -> None:
    done = run(
        """
import pytest

def test_first(puna_server, puna_ollama):
    puna_server.script(["Yes."])
    assert puna_ollama.generate("cria", "Is it?").response == "Yes."

@pytest.mark.parametrize("name", ["puna_ollama", "puna_ollama"])
def test_without_a_script(name, request):
    request.getfixturevalue(name).generate("cria", "Hello", options={"num_predict": 2})
    assert len(request.getfixturevalue("puna_server").requests) == 1

@pytest.mark.puna("cria:latest")
def test_left(request):
    server = request.getfixturevalue("puna_server")
    assert server.model == "cria:latest"
    server.script(["never"])

def test_usual(request):
    server = request.getfixturevalue("puna_server")
    assert (server.model, list(server.requests)) == ("cria", [])

def test_wrong(request):
    request.getfixturevalue("puna_ollama").generate("cria", "a question that is asked")
    pytest.fail("no")
"""
    )
    assert outcome(done.stdout) == {"failed": 2, "passed": 4}, done.stdout
    assert "1 of 1 answers of the script were not asked for" in done.stdout
    assert re.search("asked of the server:\n.*/api/generate -> 200 user: 'a question that is asked'", done.stdout)


def test_client_whose_package_is_missing_skips(run: Run) -> None:
    done = run(
        """
import sys
import pytest

@pytest.fixture(autouse=True, scope="session")
def without():
    sys.modules["openai"] = sys.modules["anthropic"] = sys.modules["ollama"] = None

def test_openai(puna_openai): ...
def test_anthropic(puna_anthropic): ...
def test_ollama(puna_ollama): ...
""",
        "-rs",
    )
    assert outcome(done.stdout) == {"skipped": 3}, done.stdout
    for package in ("openai", "anthropic", "ollama"):
        assert f"the package {package} is not installed" in done.stdout


def test_run_that_does_not_use_it_pays_nothing(run: Run) -> None:
    test = """
import sys

def test_nothing():
    mine = {name for name in sys.modules if name.partition(".")[0] == "puna"}
    assert mine <= {"puna", "puna.testing", "puna.testing.answers", "puna.testing.plugin"}
"""
    done = run(test)
    assert outcome(done.stdout) == {"passed": 1}, done.stdout


def test_it_can_be_left_out(run: Run) -> None:
    done = run("def test_nothing(puna_server): ...", "-p", "no:puna", loaded=False)
    assert "fixture 'puna_server' not found" in done.stdout
