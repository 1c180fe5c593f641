"""Embeddings: of texts and tokens, in both formats."""

import base64
from typing import Any

import numpy as np
import pytest
from tests.openai.asking import refused
from tests.server import Server

from openai import OpenAI

TEXTS = ["Why is the sky blue?", "Why is the grass green?"]


def vectors(client: OpenAI, given: Any, **fields: Any) -> list[list[float]]:
    answer = client.embeddings.create(**{"model": "cria", "input": given, "encoding_format": "float"} | fields)
    assert [item.index for item in answer.data] == list(range(len(answer.data)))
    return [item.embedding for item in answer.data]


def test_vectors_are_those_of_the_other_dialect(client: OpenAI, server: Server) -> None:
    theirs = server.ask("/api/embed", {"model": "cria", "input": TEXTS})
    assert np.allclose(vectors(client, TEXTS), theirs["embeddings"], atol=1e-6)
    answer = client.embeddings.create(model="cria", input=TEXTS, encoding_format="float")
    assert answer.usage.prompt_tokens == answer.usage.total_tokens == theirs["prompt_eval_count"]
    assert np.allclose(vectors(client, TEXTS[0]), vectors(client, TEXTS)[:1], atol=1e-6)


def test_base64_is_what_the_official_client_asks_for(client: OpenAI, server: Server) -> None:
    with OpenAI(base_url=client.base_url, api_key="x") as usual:  # the strict one checks before it decodes
        answer = usual.embeddings.create(model="cria", input=TEXTS)
    assert np.allclose([item.embedding for item in answer.data], vectors(client, TEXTS), atol=1e-6)
    raw = server.ask("/v1/embeddings", {"model": "cria", "input": TEXTS[0], "encoding_format": "base64"})
    sent = np.frombuffer(base64.b64decode(raw["data"][0]["embedding"]), "<f4")
    assert np.allclose(sent, vectors(client, TEXTS[0])[0], atol=1e-6)


def test_tokens(client: OpenAI, server: Server) -> None:
    body = {"model": "cria", "prompt": TEXTS[0], "raw": False, "stream": False, "options": {"num_predict": 1}}
    tokens = server.ask("/api/generate", body)["context"][:7]
    text = server.ask("/v1/completions", {"model": "cria", "prompt": tokens, "echo": True, "max_tokens": 1})
    assert text["choices"][0]["text"]
    one = vectors(client, tokens)
    assert len(one) == 1
    assert np.allclose(vectors(client, [tokens, tokens[:3]])[0], one[0], atol=1e-5)
    assert not np.allclose(vectors(client, tokens[:3]), one, atol=1e-2)


def test_dimensions(client: OpenAI) -> None:
    (short,) = vectors(client, TEXTS[0], dimensions=8)
    assert len(short) == 8
    assert np.isclose(np.linalg.norm(short), 1)
    whole = vectors(client, TEXTS[0])[0]
    assert np.allclose(short, np.array(whole[:8]) / np.linalg.norm(whole[:8]), atol=1e-6)


def test_too_long_is_an_error_unless_it_may_be_cut(client: OpenAI) -> None:
    long = "sea " * 3000
    with refused(None, "prompt is too long"):
        vectors(client, long)
    assert len(vectors(client, long, extra_body={"truncate": True})) == 1


def test_types_are_told_in_plain_words(client: OpenAI) -> None:
    with refused("input", "or an array of integers or an array of arrays of integers"):
        vectors(client, ["a", [1]])


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"given": []}, "input"),
        ({"given": ""}, "input"),
        ({"given": ["a", ""]}, "input"),
        ({"given": [[]]}, "input"),
        ({"given": [1.5]}, "input"),
        ({"given": "a", "encoding_format": "int8"}, "encoding_format"),
        ({"given": "a", "dimensions": 0}, "dimensions"),
        ({"given": "a", "dimensions": 100_000}, "dimensions"),
    ],
)
def test_what_cannot_be_is_refused_by_name(client: OpenAI, fields: dict[str, Any], param: str) -> None:
    with refused(param):
        vectors(client, fields.pop("given"), **fields)


def test_what_has_no_effect_is_named(server: Server) -> None:
    body = {"model": "cria", "input": "x", "user": "u", "no_such_field": 1, "encoding_format": "float"}
    assert server.post("/v1/embeddings", body).headers["puna-ignored"] == "user, no_such_field"
    assert server.post("/v1/embeddings", {"model": "cria"}).json()["error"]["param"] == "input"
