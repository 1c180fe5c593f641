"""Pull, push, verify and repair through a real server: its API, the official client, and the command line."""

import contextlib
import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import ollama
import pytest
from tests.models.registry.servers import docker_registry


@dataclass(frozen=True)
class Puna:
    """A running server and the environment of commands that talk to it."""

    url: str
    models: Path
    env: dict[str, str]

    def run(self, *arguments: str, status: int = 0) -> str:
        """Run a command, and return what it writes to standard output."""
        done = subprocess.run(
            [sys.executable, "-m", "puna", *arguments],
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == status, done.stderr
        return done.stdout

    def post(self, path: str, body: dict, **headers: str) -> tuple[int, list[dict]]:
        """Return the status and the lines that a request is answered with."""
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return response.status, [json.loads(line) for line in response]
        except urllib.error.HTTPError as error:
            with error:
                return error.code, [json.loads(error.read())]


@contextlib.contextmanager
def serve(directory: Path, **settings: str) -> Iterator[Puna]:
    """Run a server with its models and its home in ``directory``."""
    env = {**os.environ, "HOME": str(directory), "OLLAMA_MODELS": str(directory / "models"), **settings}
    env |= {"OLLAMA_HOST": "127.0.0.1:0", "PYTHONPATH": os.pathsep.join(["src", *sys.path]), "COLUMNS": "200"}
    server = subprocess.Popen(
        [sys.executable, "-m", "puna", "serve"], env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert server.stdout
        match = re.search(r"http://\S+?(?=,?\s)", server.stdout.readline())
        assert match
        yield Puna(match[0], directory / "models", env | {"OLLAMA_HOST": match[0]})
    finally:
        server.terminate()
        server.wait(15)
        if server.stdout:
            server.stdout.close()


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with docker_registry(tmp_path_factory.mktemp("registry")) as address:
        yield address


@pytest.fixture(scope="module")
def puna(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Puna]:
    with serve(tmp_path_factory.mktemp("puna")) as server:
        yield server


@pytest.fixture(scope="module")
def model(puna: Puna, registry: str) -> str:
    """Return the name of a model that is in the registry and here."""
    name = f"{registry}/e2e/cria:x"
    puna.run("cp", "cria", name)
    puna.run("push", "--insecure", name)
    return name


def blob(puna: Puna) -> Path:
    return max((puna.models / "blobs").glob("sha256-*"), key=lambda path: path.stat().st_size)


def damage(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(1000)
        file.write(b"damage")


def test_pull_streams_ollamas_lines(puna, model) -> None:
    puna.run("rm", model)
    status, lines = puna.post("/api/pull", {"model": model, "insecure": True})
    statuses = list(dict.fromkeys(line["status"] for line in lines))
    assert status == 200
    assert statuses[0] == "pulling manifest"
    assert statuses[-3:] == ["verifying sha256 digest", "writing manifest", "success"]
    assert all(
        set(line) >= {"digest", "total"} for line in lines if re.fullmatch("pulling [0-9a-f]{12}", line["status"])
    )


def test_pull_in_one_piece(puna, model) -> None:
    assert puna.post("/api/pull", {"name": model, "insecure": True, "stream": False}) == (200, [{"status": "success"}])


def test_the_official_client(puna, model) -> None:
    with ollama.Client(puna.url) as client:
        assert client.pull(model, insecure=True).status == "success"
        assert [line.status for line in client.push(model, insecure=True, stream=True)][-1] == "success"
        with pytest.raises(ollama.ResponseError, match="file does not exist") as caught:
            client.pull(model.replace("cria", "nothing"), insecure=True)
    assert caught.value.status_code == 404


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ({}, 400, "model is required"),
        ({"model": "a/b/c/d/e"}, 400, "invalid model name"),
        ({"model": "http://127.0.0.1:1/a/b"}, 400, "insecure protocol http"),
        ({"model": "x", "all": True, "dry_run": True}, 400, "without a model"),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_bad_requests(body, status, text, stream, puna) -> None:
    answered, (line,) = puna.post("/api/pull", {**body, "stream": stream})
    assert answered == status
    assert text in line["error"]


def test_error_after_the_beginning_is_the_last_line(puna, model) -> None:
    status, lines = puna.post("/api/pull", {"model": model.replace("cria", "nothing"), "insecure": True})
    assert status == 200
    assert lines == [{"status": "pulling manifest"}, {"error": "pull model manifest: file does not exist"}]


def test_pulls_that_a_proxy_passes_on_stay_out_of_private_networks(puna, model) -> None:
    body = {"model": model, "insecure": True, "stream": False}
    for header in ("X-Forwarded-For", "Forwarded", "X-Real-IP"):
        status, (line,) = puna.post("/api/pull", body, **{header: "127.0.0.1"})
        assert status == 400
        assert "private network" in line["error"]
    assert puna.post("/api/pull", body)[0] == 200


def test_whatever_reaches_registries_stays_out_of_private_networks_for_a_proxy(puna, model, registry) -> None:
    damage(blob(puna))
    usual = {"model": model, "insecure": True, "stream": False}
    for path, body in (
        ("/api/puna/repair", usual),
        ("/api/pull", usual | {"dry_run": True}),
        ("/api/pull", usual | {"model": "", "all": True, "dry_run": True}),
        ("/api/push", usual),
        ("/api/create", {"model": "made", "from": f"{registry}/e2e/nothing", "stream": False}),
    ):
        assert "private network" in str(puna.post(path, body, **{"X-Forwarded-For": "127.0.0.1"})), path
        assert "private network" not in str(puna.post(path, body)), path


def test_push_of_what_is_not_here(puna, registry) -> None:
    status, (line,) = puna.post("/api/push", {"model": f"{registry}/e2e/none", "insecure": True, "stream": False})
    assert status == 404
    assert "not found" in line["error"]


def test_commands(puna, model) -> None:
    puna.run("rm", model)
    assert "new, " in puna.run("pull", "--dry-run", "--insecure", model)
    puna.run("pull", "--insecure", model)
    assert puna.run("pull", "--all", "--insecure") == f"{model}: up to date\n"
    assert "4 files checked" in puna.run("verify")
    damage(blob(puna))
    assert "damaged" in puna.run("verify", status=1)
    assert "repaired" in puna.run("repair", "--insecure", model)
    assert "damaged" not in puna.run("verify", model)
    puna.run("pull", status=1)


def test_run_fetches_a_model_that_is_missing(puna, model) -> None:
    puna.run("rm", model)
    puna.run("run", "--insecure", model, status=1)  # there is no prompt, but the model is here now
    assert model in puna.run("list")


def test_verify_and_repair_routes(puna, model) -> None:
    damage(blob(puna))
    status, lines = puna.post("/api/puna/verify", {})
    assert status == 200
    assert lines[0]["status"].startswith("verifying ")
    assert not lines[-1]["report"]["ok"]
    status, (line,) = puna.post("/api/puna/repair", {"insecure": True, "stream": False})
    assert (status, line["status"], line["report"]["ok"]) == (200, "success", True)
    assert puna.post("/api/puna/verify", {"model": "nothing", "stream": False})[0] == 404


def test_only_allowed_registries(tmp_path, model) -> None:
    with serve(tmp_path, PUNA_ALLOWED_REGISTRIES="registry.ollama.ai") as limited:
        status, (line,) = limited.post("/api/pull", {"model": model, "insecure": True})
    assert status == 400
    assert "PUNA_ALLOWED_REGISTRIES" in line["error"]
