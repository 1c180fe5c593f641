"""Reranking: by a model made for it, by a chat model, in the shapes that clients look for."""

import hashlib
from pathlib import Path

import pytest
from tests.conftest import Serve
from tests.e2e.reranker import write_reranker
from tests.server import Server

QUERY, DOCUMENTS = "a b c", ["x y z", "a b c", "q"]


@pytest.fixture(scope="module")
def reranker(shared_server: Server, tmp_path_factory: pytest.TempPathFactory) -> str:
    data = write_reranker(Path(tmp_path_factory.mktemp("rerank")) / "model.gguf").read_bytes()
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    shared_server.post(f"/api/blobs/{digest}", data)
    shared_server.ask("/api/create", {"model": "reranker", "files": {"model.gguf": digest}, "stream": False})
    return "reranker"


@pytest.mark.parametrize("path", ["/v1/rerank", "/rerank", "/api/rerank", "/v2/rerank"])
@pytest.mark.parametrize("chat", [True, False])
def test_the_best_come_first(server: Server, reranker: str, path: str, chat: bool) -> None:
    model = "cria" if chat else reranker
    body = {"model": model, "query": QUERY, "documents": DOCUMENTS, "top_n": 2, "return_documents": True}
    answer = server.ask(path, body)
    scores = [result["relevance_score"] for result in answer["results"]]
    assert len(scores) == 2
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert all(result["document"]["text"] == DOCUMENTS[result["index"]] for result in answer["results"])
    assert answer["usage"]["total_tokens"] > 0


def test_scores_do_not_depend_on_company(server: Server, reranker: str) -> None:
    together = server.ask("/v1/rerank", {"model": reranker, "query": QUERY, "documents": DOCUMENTS})["results"]
    for result in together:
        alone = server.ask("/v1/rerank", {"model": reranker, "query": QUERY, "documents": [DOCUMENTS[result["index"]]]})
        assert alone["results"][0]["relevance_score"] == pytest.approx(result["relevance_score"], abs=1e-3)


def test_texts_are_answered_as_text_embeddings_inference_does(server: Server, reranker: str) -> None:
    response = server.post("/rerank", {"model": reranker, "query": QUERY, "texts": DOCUMENTS, "return_text": True})
    results = response.json()
    assert sorted(result["index"] for result in results) == [0, 1, 2]
    assert all(result["text"] == DOCUMENTS[result["index"]] for result in results)


def test_without_a_name_the_only_reranker_is_meant(server: Server, reranker: str) -> None:
    body = {"query": QUERY, "texts": DOCUMENTS}
    assert server.ask("/rerank", body) == server.ask("/rerank", body | {"model": reranker})
    server.post("/api/copy", {"source": reranker, "destination": "other-reranker"})
    response = server.post("/rerank", body)
    server.request("DELETE", "/api/delete", {"model": "other-reranker"})
    assert response.status_code == 400
    assert "there are 2 here" in response.json()["error"]["message"]


def test_without_a_reranker_a_name_is_needed(serve: Serve) -> None:
    response = serve().post("/rerank", {"query": QUERY, "texts": DOCUMENTS})
    assert (response.status_code, response.json()["error"]["param"]) == (400, "model")
    assert "there is none here" in response.json()["error"]["message"]


@pytest.mark.parametrize("chat", [True, False])
def test_long_documents_are_cut_or_refused(server: Server, reranker: str, chat: bool) -> None:
    options = {"num_ctx": 256}
    body = {"model": "cria" if chat else reranker, "query": QUERY, "documents": ["a " * 500, "b"], "options": options}
    assert len(server.ask("/v1/rerank", body)["results"]) == 2
    assert server.post("/v1/rerank", body | {"query": "a " * 500}).status_code == 400
    response = server.post("/v1/rerank", body | {"truncate": False})
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "context_length_exceeded"


def test_a_reranker_says_what_it_is(server: Server, reranker: str) -> None:
    assert server.ask("/api/show", {"model": reranker})["capabilities"] == ["rerank"]
    response = server.post("/api/embed", {"model": reranker, "input": "a"})
    assert response.status_code == 400
    assert "does not support embedding" in response.json()["error"]


def test_nothing_to_rank(server: Server) -> None:
    assert server.post("/rerank", {"model": "cria", "query": "a", "texts": []}).json() == []
    assert server.ask("/v1/rerank", {"model": "cria", "query": "a", "documents": []})["results"] == []
    assert server.post("/v1/rerank", {"model": "cria", "documents": ["a"]}).status_code == 400
    assert server.post("/v1/rerank", {"model": "cria", "query": "a", "documents": [{"t": "a"}]}).status_code == 400
