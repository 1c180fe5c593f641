"""Limits are kept, told in the standard's fields, and refused in the dialect's shape; books agree to the last token."""

import csv
import io
import json
import re
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from tests.conftest import Serve
from tests.keys.conftest import MakeKey, bearer, key_of
from tests.server import Server, World, wait_for

from puna.accounts.errors import LimitError
from puna.accounts.grant import granted
from puna.accounts.limits import Meter

ASKED: dict[str, Any] = {
    "model": "cria",
    "stream": False,
    "messages": [{"role": "user", "content": "hi"}],
    "max_tokens": 2,
}
LONG = {"model": "cria", "prompt": "x", "options": {"num_predict": 20000, "ignore_eos": True}}


def usage(server: Server, headers: Any, **asked: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = server.get("/api/puna/usage", headers=headers, params=asked).json()["usage"]
    return rows


def test_requests_in_a_time(guarded: Server, make_key: MakeKey) -> None:
    headers = bearer(make_key(rate="3/h"))
    answers = [guarded.post("/api/chat", ASKED, headers=headers) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert [re.findall(r'"requests";r=(\d)', answer.headers["ratelimit"]) for answer in answers[:4]] == [
        *(["2"], ["1"], ["0"], ["0"])
    ]
    assert answers[0].headers["ratelimit-policy"] == '"requests";q=3;w=3600'
    last = answers[-1]
    wait = int(last.headers["retry-after"])
    assert 3590 < wait <= 3600
    assert last.headers["ratelimit"] == f'"requests";r=0;t={wait}'
    assert last.json() == {"error": f"this key has used up its requests (3/h); try again in {wait} seconds"}
    assert guarded.get("/api/tags", headers=headers).status_code == 200, "what only tells is free"
    assert usage(guarded, headers)[0]["refusals"] == 2


def test_looking_is_free(guarded: Server, make_key: MakeKey) -> None:
    headers = bearer(make_key(rate="1/h", tokens="1/day"))
    assert guarded.post("/api/chat", ASKED, headers=headers).status_code == 200
    for path in ("/api/puna/requests", "/api/puna/machine", "/api/puna/engine", "/api/queue", "/api/ps"):
        told = guarded.get(path, headers=headers)
        assert (told.status_code, "ratelimit" in told.headers) == (200, False), "the page looks every two seconds"
    assert guarded.get("/v1/responses/resp_none", headers=headers).status_code == 404
    assert [row["refusals"] for row in usage(guarded, headers)] == [0]


def test_what_is_read_of_the_registry_counts(serve: Serve) -> None:
    world = World({"PUNA_SHARE": "*"})
    headers = bearer(key_of(world, "office", rate="1/h", scopes=["registry"]))
    server = serve(world=world)
    assert [server.get("/v2/", headers=headers).status_code for _ in range(2)] == [200, 429]


def test_refusal_in_the_shape_of_each_dialect(guarded: Server, make_key: MakeKey) -> None:
    headers = bearer(make_key(rate="1/h", scopes=["infer", "pull", "registry"]))
    assert guarded.post("/api/chat", ASKED, headers=headers).status_code == 200
    kinds = {
        **dict.fromkeys(("/api/chat", "/api/generate", "/api/embed", "/api/pull", "/api/rerank"), "ollama"),
        **dict.fromkeys(("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses"), "openai"),
        **dict.fromkeys(("/v1/decisions", "/v1/rerank", "/v1/files", "/v1/batches"), "openai"),
        **dict.fromkeys(("/v1/messages", "/v1/messages/count_tokens", "/v1/messages/batches"), "anthropic"),
    }
    for path, kind in kinds.items():
        refused = guarded.post(path, ASKED, headers=headers)
        assert refused.status_code == 429, (path, refused.text)
        assert 3500 < int(refused.headers["retry-after"]) <= 3600
        assert refused.headers["ratelimit-policy"] == '"requests";q=1;w=3600'
        assert refused.headers["ratelimit"] == f'"requests";r=0;t={refused.headers["retry-after"]}'
        error = refused.json()
        if kind == "ollama":
            assert set(error) == {"error"} and "used up its requests" in error["error"], path
        elif kind == "openai":
            assert set(error["error"]) == {"message", "type", "param", "code"}, path
            assert error["error"]["type"] == "rate_limit_error", path
        else:
            assert (error["type"], error["error"]["type"]) == ("error", "rate_limit_error"), path


def test_tokens_in_a_time(guarded: Server, make_key: MakeKey) -> None:
    headers = bearer(make_key(tokens="25/day"))
    spent, answers = 0, []
    while len(answers) < 10 and spent < 25:
        answer = guarded.post("/api/chat", ASKED, headers=headers)
        assert answer.status_code == 200, answer.text
        spent += answer.json()["prompt_eval_count"] + answer.json()["eval_count"]
        answers.append(answer)
    refused = guarded.post("/api/chat", ASKED, headers=headers)
    assert refused.status_code == 429
    assert "used up its tokens (25/d)" in refused.json()["error"]
    assert refused.headers["ratelimit-policy"] == '"tokens";q=25;w=86400;qu="tokens"'
    (row,) = [row for row in usage(guarded, headers) if row["model"]]
    assert row["prompt_tokens"] + row["generated_tokens"] == spent
    assert row["requests"] == len(answers)


def test_requests_at_a_time(guarded: Server, make_key: MakeKey) -> None:
    headers = bearer(make_key(concurrent=2))

    def stream() -> requests.Response:
        return requests.post(f"{guarded.url}/api/generate", json=LONG, headers=headers, stream=True, timeout=60)

    with stream() as one:
        with stream() as two:
            assert (one.status_code, two.status_code) == (200, 200)
            refused = guarded.post("/api/chat", ASKED, headers=headers)
            assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
            assert refused.json() == {"error": "this key may have 2 requests at a time"}
            assert refused.headers["ratelimit"] == '"concurrent";r=0'
        wait_for(lambda: guarded.post("/api/chat", ASKED, headers=headers).status_code == 200, 10, "a place")
    wait_for(lambda: len(guarded.get("/api/queue", headers=headers).json()["requests"]) == 0, 10, "the end")


def test_place_is_given_back_however_a_request_ends(guarded: Server, make_key: MakeKey) -> None:
    headers = bearer(make_key(concurrent=1))
    for body in (b"", b"{", b'{"model":"absent"}', b'{"model":"cria","messages":5}'):
        assert guarded.request("POST", "/api/chat", body, headers=headers).status_code in (400, 404)
    assert guarded.post("/api/chat", ASKED, headers=headers).status_code == 200


def test_tokens_of_an_answer_that_was_left_count(guarded: Server, make_key: MakeKey) -> None:
    headers = bearer(make_key(tokens="30/day"))
    with requests.post(f"{guarded.url}/api/generate", json=LONG, headers=headers, stream=True, timeout=60) as answer:
        lines = answer.iter_lines()
        for _ in range(40):
            next(lines)
    wait_for(lambda: guarded.post("/api/chat", ASKED, headers=headers).status_code == 429, 10, "the limit")
    (row,) = [row for row in usage(guarded, headers) if row["model"]]
    assert row["generated_tokens"] >= 30
    assert row["requests"] >= 1


@pytest.mark.parametrize("choices", [1, 2])
def test_prompt_of_an_answer_that_was_left_counts(guarded: Server, make_key: MakeKey, choices: int) -> None:
    """Also where the engine alone counts it: who left each answer at its first word had all prompts for nothing."""
    headers = bearer(make_key(f"left{choices}", tokens="1M/h"))
    body = {**ASKED, "messages": [{"role": "user", "content": "many words " * 200}], "n": choices}
    whole = guarded.post("/v1/chat/completions", body, headers=headers).json()["usage"]["prompt_tokens"]
    body |= {"max_tokens": 20_000, "ignore_eos": True, "stream": True}
    with requests.post(
        f"{guarded.url}/v1/chat/completions", json=body, headers=headers, stream=True, timeout=60
    ) as answer:
        lines = answer.iter_lines()
        for _ in range(8):
            next(lines)
    assert whole > 200
    (used,) = wait_for(lambda: [row for row in usage(guarded, headers) if row["requests"] == 2], 20, "both requests")
    assert used["prompt_tokens"] == 2 * whole


def test_key_of_the_batch_class_is_of_it_whatever_it_says(guarded: Server, make_key: MakeKey) -> None:
    text = make_key(priority="batch")
    headers = {**bearer(text), "X-Priority": "interactive"}
    with requests.post(f"{guarded.url}/api/generate", json=LONG, headers=headers, stream=True, timeout=60) as answer:
        assert answer.status_code == 200
        (entry,) = guarded.get("/api/queue", headers=bearer(text)).json()["requests"]
        assert entry["priority"] == "batch"
        assert entry["client"].endswith("key")


def test_meter_counts_no_refused_request() -> None:
    grant, meter = granted({"rate": "2/h", "concurrent": 1}), Meter()
    meter.begin(grant)
    for _ in range(5):
        with pytest.raises(LimitError, match="at a time"):
            meter.begin(grant)
    meter.end()
    meter.begin(grant)
    meter.end()
    with pytest.raises(LimitError, match="used up its requests"):
        meter.begin(grant)


def test_limits_outlive_the_server(serve: Serve) -> None:
    world = World()
    headers = bearer(key_of(world, "ada", rate="2/day"))
    first = serve(world=world)
    assert [first.post("/api/chat", ASKED, headers=headers).status_code for _ in range(3)] == [200, 200, 429]
    first.stop()
    assert serve(world=world).post("/api/chat", ASKED, headers=headers).status_code == 429


def test_books_agree_exactly(serve: Serve) -> None:
    world = World()
    names = [f"key{number}" for number in range(20)]
    keys = {name: key_of(world, name, rate=f"{5 + number}/day", concurrent=0) for number, name in enumerate(names)}
    root = key_of(world, "root", scopes=["admin"])
    server = serve(world=world)
    books: dict[str, Counter[str]] = {name: Counter() for name in names}

    def client(name: str) -> None:
        with requests.Session() as session:
            for number in range(12):
                streamed = number % 2 == 0
                answer = session.post(
                    f"{server.url}/api/chat", json={**ASKED, "stream": streamed}, headers=bearer(keys[name]), timeout=60
                )
                book = books[name]
                if answer.status_code == 429:
                    book["refusals"] += 1
                    continue
                assert answer.status_code == 200, answer.text
                last = json.loads(answer.text.strip().splitlines()[-1])
                book["requests"] += 1
                book["prompt_tokens"] += last["prompt_eval_count"]
                book["generated_tokens"] += last["eval_count"]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(client, names))
    shown = server.get("/api/puna/usage", headers=bearer(root)).json()["usage"]
    seen: dict[str, Counter[str]] = {name: Counter() for name in names}
    for row in shown:
        assert row["model"] in ("cria:latest", "")
        for field in ("requests", "prompt_tokens", "generated_tokens", "refusals"):
            seen[row["key"]][field] += row[field]
    assert {name: +book for name, book in seen.items()} == {name: +book for name, book in books.items()}
    assert sum(book["refusals"] for book in books.values()) == sum(max(12 - 5 - n, 0) for n in range(20))
    assert all(row["seconds"] > 0 for row in shown if row["requests"])
    server.stop()
    done = world.run("usage", "--json", "--by", "key")
    totals = {row["key"]: row for row in json.loads(done.stdout)["usage"]}
    for name, book in books.items():
        assert {field: totals[name][field] for field in book} == dict(book)


def test_usage_as_csv_and_of_days(guarded: Server, make_key: MakeKey) -> None:
    headers, other = bearer(make_key()), bearer(make_key("other"))
    root = bearer(make_key("root", scopes=["admin"]))
    for who in (headers, other):
        assert guarded.post("/api/embed", {"model": "cria", "input": "a text"}, headers=who).status_code == 200
    answer = guarded.get("/api/puna/usage?format=csv", headers=headers)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert (row["model"], row["requests"], int(row["prompt_tokens"]) > 0) == ("cria:latest", "1", True)
    assert row["day"] == time.strftime("%Y-%m-%d", time.gmtime())
    assert usage(guarded, headers, until="2001-01-01") == []
    assert usage(guarded, headers, since="2001-01-01") != []
    mine = row["key"]
    assert {entry["key"] for entry in usage(guarded, headers, key="root")} == {mine}, "its own alone"
    assert {entry["key"] for entry in usage(guarded, root, key=mine)} == {mine}
    assert {entry["key"] for entry in usage(guarded, root)} >= {mine, mine.replace(".key", ".other")}
    for asked in ("since=x", "until=2026-13-01", "format=xml"):
        assert guarded.get(f"/api/puna/usage?{asked}", headers=headers).status_code == 400


def test_nothing_is_kept_without_keys(serve: Serve) -> None:
    server = serve()
    assert server.post("/api/chat", ASKED).status_code == 200
    assert server.get("/api/puna/usage").json() == {"usage": []}
    assert not (server.world.home / ".puna" / "accounts.db").exists()
