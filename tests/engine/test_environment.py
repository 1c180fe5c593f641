"""What a runner inherits: nothing that is none of its business."""

import os

import pytest
from tests.conftest import Serve
from tests.server import Server

from puna.engine.environment import environment

SECRETS = {
    "OLLAMA_BASIC_AUTH": "ann:pass",
    "PUNA_REGISTRY_AUTH": "registry.example=bob:word",
    "HF_TOKEN": "hf_x",
    "AWS_SECRET_ACCESS_KEY": "aws",
    "SSH_AUTH_SOCK": "/s",
}


def test_environment_has_the_key_and_nobody_elses_options(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LLAMA_ARG_CTX_SIZE", "7")
    monkeypatch.setenv("LLAMA_API_KEY", "theirs")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    given = environment("ours")
    assert given["LLAMA_API_KEY"] == "ours"
    assert given["PATH"] == os.environ["PATH"]
    assert given["CUDA_VISIBLE_DEVICES"] == "1"
    assert not SECRETS.keys() & given.keys()
    assert "LLAMA_ARG_CTX_SIZE" not in given
    assert "LLAMA_API_KEY" not in environment()


@pytest.mark.parametrize("name", ["GOMP_SPINCOUNT", "OMP_WAIT_POLICY"])
def test_how_threads_wait_is_the_users_to_say(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for other in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(other, raising=False)
    assert "GOMP_SPINCOUNT" in environment()
    monkeypatch.setenv(name, "active")
    given = environment()
    assert {word: given[word] for word in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY") if word in given} == {name: "active"}


def test_secrets_do_not_reach_a_runner(serve: Serve) -> None:
    secrets = {name: value for name, value in SECRETS.items() if name != "OLLAMA_BASIC_AUTH"}
    server: Server = serve(secrets)
    assert server.post("/api/generate", {"model": "cria"}).status_code == 200
    for runner in server.runners():
        found = runner.environ()
        assert not SECRETS.keys() & found.keys()
        assert not [name for name in found if name.startswith(("OLLAMA_", "PUNA_"))]
        assert found["GGML_NO_BACKTRACE"] == "1"
        assert found["GOMP_SPINCOUNT"]
