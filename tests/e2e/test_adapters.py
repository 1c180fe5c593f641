"""Adapters chosen by a request: as strong as it says, and others' requests as before."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.test_create_files import upload
from tests.models.create.tiny import write_gguf, write_lora
from tests.server import Server


@pytest.fixture(scope="module")
def tiny(shared_server: Server, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Return a model, and the same with an adapter."""
    place = Path(tmp_path_factory.mktemp("adapters"))
    files = upload(shared_server, *write_gguf(place / "tiny.gguf"))
    write_lora(place / "lora.gguf")
    adapters = upload(shared_server, place / "lora.gguf")
    shared_server.ask("/api/create", {"model": "plain", "files": files, "stream": False})
    shared_server.ask("/api/create", {"model": "adapted", "files": files, "adapters": adapters, "stream": False})
    return "plain", "adapted"


def logprobs(server: Server, model: str, **options: Any) -> list[float]:
    body = {"model": model, "prompt": "ab", "raw": True, "stream": False, "logprobs": True, "top_logprobs": 1}
    options = {"temperature": 0, "num_predict": 3} | options
    return [entry["logprob"] for entry in server.ask("/api/generate", body | {"options": options})["logprobs"]]


def test_a_request_says_how_strong_an_adapter_is(server: Server, tiny: tuple[str, str]) -> None:
    plain, adapted = tiny
    without, full = logprobs(server, plain), logprobs(server, adapted)
    assert without != pytest.approx(full, abs=1e-4)
    with ThreadPoolExecutor(4) as pool:
        off, on, unsaid, half = pool.map(
            lambda more: logprobs(server, adapted, **more),
            [{"lora": []}, {"lora": [{"id": 0, "scale": 1}]}, {}, {"lora": {"0": 0.5}}],
        )
    assert off == pytest.approx(without, abs=1e-3)
    assert on == pytest.approx(full, abs=1e-3)
    assert unsaid == pytest.approx(full, abs=1e-3)
    assert half not in (pytest.approx(without, abs=1e-4), pytest.approx(full, abs=1e-4))


@pytest.mark.parametrize("lora", [[{"id": 1}], [{"id": -1}], [{"scale": 1}], "x", [{"id": 0, "scale": "a"}], [[0, 1]]])
def test_what_is_wrong_is_said(server: Server, tiny: tuple[str, str], lora: Any) -> None:
    response = server.post("/api/generate", {"model": tiny[1], "prompt": "a", "options": {"lora": lora}})
    assert response.status_code == 400
    assert 'option "lora"' in response.json()["error"]


def test_a_name_says_which_adapter(server: Server, tiny: tuple[str, str], tmp_path: Path) -> None:
    plain, adapted = tiny
    write_lora(tmp_path / "soft.gguf", scale=0.5)
    write_lora(tmp_path / "Very loud!.gguf")
    adapters = upload(server, tmp_path / "soft.gguf", tmp_path / "Very loud!.gguf")
    server.ask("/api/create", {"model": "both", "from": plain, "adapters": adapters, "stream": False})
    loud, soft, together = (logprobs(server, name) for name in ("both:Very-loud", "both:soft", "both"))
    assert loud == pytest.approx(logprobs(server, adapted), abs=1e-3)
    assert soft not in (pytest.approx(loud, abs=1e-4), pytest.approx(together, abs=1e-4))
    assert [name for name in server.loaded() if name.startswith("both")] == ["both:latest"]  # one runner for all
    listed = {model["id"] for model in server.get("/v1/models").json()["data"]}
    assert {"both:latest", "both:soft", "both:Very-loud", "adapted:lora"} <= listed
    chat = {"model": "both:soft", "prompt": "ab", "max_tokens": 1}
    assert server.ask("/v1/completions", chat)["model"] == "both:soft"
    assert server.post("/v1/completions", chat | {"model": "both:other"}).status_code == 404
    assert server.post("/api/show", {"model": "plain:soft"}).status_code == 404
