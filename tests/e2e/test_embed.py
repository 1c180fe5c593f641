"""``/api/embed`` and ``/api/embeddings``, on the chat model."""

import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from tests.conftest import Serve
from tests.server import Server
from tests.system import require_native


def embed(server: Server, **body: Any) -> dict[str, Any]:
    return server.ask("/api/embed", {"model": "cria"} | body)


def length(vector: list[float]) -> float:
    return math.sqrt(math.fsum(value * value for value in vector))


def test_one_text(server: Server) -> None:
    answer = embed(server, input="为什么天空是蓝色的?")
    (vector,) = answer["embeddings"]
    assert length(vector) == pytest.approx(1, abs=1e-5)
    assert len(vector) == server.ask("/api/show", {"model": "cria"})["model_info"]["llama.embedding_length"]
    assert answer["model"] == "cria"
    assert answer["prompt_eval_count"] > 0
    assert answer["total_duration"] >= answer["load_duration"] > 0


def test_many_texts_in_their_order(server: Server) -> None:
    texts = [f"text number {index}" + " more" * (index % 7) for index in range(40)]
    together = embed(server, input=texts)["embeddings"]
    assert len(together) == 40
    assert all(length(vector) == pytest.approx(1, abs=1e-5) for vector in together)
    for index in (0, 13, 39):
        (alone,) = embed(server, input=texts[index])["embeddings"]
        assert together[index] == pytest.approx(alone, abs=5e-3)  # rounding differs with the batch's size


@pytest.mark.parametrize("batch", [501, 250])
def test_a_batch_need_not_be_so_many_tokens_for_each_slot(serve: Serve, batch: int) -> None:
    server = serve({"OLLAMA_NUM_PARALLEL": "4"})
    texts = ["one", "one and two"]
    assert len(embed(server, input=texts, options={"num_batch": batch})["embeddings"]) == 2


def test_requests_at_the_same_time_do_not_mix(server: Server) -> None:
    texts = ["one", "one and two", "one and two and three and four and five", "one, " * 30]
    alone = [embed(server, input=text)["embeddings"][0] for text in texts]
    with ThreadPoolExecutor(4) as pool:
        beside = list(
            pool.map(
                lambda text: requests.post(f"{server.url}/api/embed", json=text, timeout=60).json(),
                [{"model": "cria", "input": text} for text in texts * 3],
            )
        )
    for index, answer in enumerate(beside):
        assert answer["embeddings"][0] == pytest.approx(alone[index % 4], abs=5e-3)


@pytest.mark.parametrize("engine", ["portable", "native"])
def test_any_number_of_slots_and_any_batch_will_do(serve: Serve, engine: str) -> None:
    settings = {"OLLAMA_NUM_PARALLEL": "3"}
    server = serve(settings if engine == "portable" else settings | {"PUNA_ENGINE": require_native()})
    (vector,) = embed(server, input="a llama")["embeddings"]
    for size in (1, 2, 64, 683):
        (other,) = embed(server, input="a llama", options={"num_batch": size})["embeddings"]
        assert other == pytest.approx(vector, abs=5e-3)
        asked = {"model": "cria", "prompt": "hi", "stream": False, "options": {"num_batch": size, "num_predict": 2}}
        assert server.ask("/api/generate", asked)["eval_count"] == 2


def test_a_small_batch_cuts_no_text(server: Server) -> None:
    text = "the high plain, where it is cold " * 60
    (whole,) = (whole_answer := embed(server, input=text))["embeddings"]
    (same,) = (answer := embed(server, input=text, options={"num_batch": 64}))["embeddings"]
    assert answer["prompt_eval_count"] == whole_answer["prompt_eval_count"] > 300
    assert same == pytest.approx(whole, abs=5e-3)


def test_nothing_to_embed(server: Server) -> None:
    assert embed(server, input=[])["embeddings"] == []
    assert embed(server, input="")["embeddings"] == []


def test_dimensions_keep_the_first_and_unit_length(server: Server) -> None:
    (whole,) = embed(server, input="x")["embeddings"]
    (part,) = embed(server, input="x", dimensions=16)["embeddings"]
    norm = length(whole[:16])
    assert part == pytest.approx([value / norm for value in whole[:16]], abs=1e-5)
    assert len(embed(server, input="x", dimensions=100_000)["embeddings"][0]) == len(whole)


def test_long_text_is_cut(server: Server) -> None:
    options = {"num_ctx": 256}
    (vector,) = embed(server, input="word " * 1000, options=options)["embeddings"]
    assert length(vector) == pytest.approx(1, abs=1e-5)


def test_long_text_is_refused_when_asked_so(server: Server) -> None:
    body = {"model": "cria", "input": ["short", "word " * 3000], "truncate": False}
    response = server.post("/api/embed", body)
    assert response.status_code == 400
    assert "exceeds the context length" in response.json()["error"]


def test_older_form(server: Server) -> None:
    answer = server.ask("/api/embeddings", {"model": "cria", "prompt": "x"})
    assert set(answer) == {"embedding"}
    norm = length(answer["embedding"])
    (unit,) = embed(server, input="x")["embeddings"]
    assert unit == pytest.approx([value / norm for value in answer["embedding"]], abs=1e-3)
    assert server.ask("/api/embeddings", {"model": "cria"}) == {"embedding": []}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"input": 5}, "input must be"),
        ({"input": [1]}, "input must be"),
        ({"input": {"text": "x"}}, "input must be"),
        ({"input": "x", "dimensions": -1}, "dimensions must not be negative"),
        ({"input": "x", "dimensions": "many"}, "dimensions must be an integer"),
        ({"input": "x", "truncate": "no"}, "truncate must be a boolean"),
    ],
)
def test_what_is_wrong_is_named(server: Server, body: dict[str, Any], message: str) -> None:
    response = server.post("/api/embed", {"model": "cria"} | body)
    assert response.status_code == 400
    assert message in response.json()["error"]


def test_embedding_and_answering_do_not_load_each_other_anew(server: Server) -> None:
    server.ask("/api/generate", {"model": "cria", "keep_alive": 0})
    body = {"model": "cria", "prompt": "x", "stream": False, "options": {"num_predict": 2}}
    embed(server, input="x")
    assert server.ask("/api/generate", body)["eval_count"] >= 1
    before = {runner.pid for runner in server.runners()}
    embed(server, input="x")
    server.ask("/api/generate", body)
    assert {runner.pid for runner in server.runners()} == before


def test_each_text_has_its_vector_an_empty_one_too(server: Server) -> None:
    empty, a = embed(server, input=["", "a"])["embeddings"]
    assert length(empty) == pytest.approx(1, abs=1e-5)
    assert a == pytest.approx(embed(server, input="a")["embeddings"][0], abs=5e-3)


def test_text_is_cut_to_the_context_never_to_the_batch(server: Server) -> None:
    text = "word " * 700 + "end"
    whole = embed(server, input=text)
    assert whole["prompt_eval_count"] > 700
    assert "prompt_truncated" not in whole
    batched = embed(server, input=text, options={"num_batch": 64})
    assert batched["prompt_eval_count"] == whole["prompt_eval_count"]
    assert batched["embeddings"][0] == pytest.approx(whole["embeddings"][0], abs=5e-3)


def test_what_was_cut_is_said(server: Server) -> None:
    answer = embed(server, input="word " * 1000, options={"num_ctx": 256})
    assert (answer["prompt_truncated"], answer["context_length"], answer["prompt_eval_count"]) == (True, 256, 256)
    assert answer["dropped_tokens"] > 700


def test_nothing_to_embed_loads_nothing(server: Server) -> None:
    server.ask("/api/create", {"model": "embeds-nothing", "from": "cria", "stream": False})
    for body in ({}, {"input": []}, {"input": ""}):
        answer = server.ask("/api/embed", {"model": "embeds-nothing"} | body)
        assert answer == {"model": "embeds-nothing", "embeddings": []}
    assert server.ask("/api/embed", {"model": "cria", "keep_alive": 0})["embeddings"] == []
    assert "cria:latest" not in server.loaded()
