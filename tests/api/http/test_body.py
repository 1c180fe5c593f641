"""Bodies with very many values, of which many are wrong."""

import gc
import importlib
import pkgutil
import threading
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from pydantic import ValidationError
from starlette.requests import Request

import puna.api
from puna.api.http import body
from puna.api.ollama.schemas import ChatBody, CreateBody
from puna.errors import BadRequestError, PayloadTooLargeError
from puna.settings import Settings

MANY = 200_000
MOST = body._MOST_PLACES
HI = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def refused(monkeypatch: pytest.MonkeyPatch, more: dict[str, Any]) -> tuple[str, int]:
    """What the body is refused with, and how many faults were looked at one by one."""
    explained, looked_at = body._explain, [0]

    def explain(error: Any) -> str:
        looked_at.append(error.error_count())
        return explained(error)

    monkeypatch.setattr(body, "_explain", explain)
    with pytest.raises(BadRequestError) as caught:
        body.validated(ChatBody, orjson.dumps(HI | more), "/api/chat")
    return str(caught.value), max(looked_at)


def _all_bodies() -> list[type[body.Body]]:
    """Every kind of body that a route takes."""
    for module in pkgutil.walk_packages(puna.api.__path__, "puna.api."):
        if module.name.endswith((".schemas", ".tokens", ".keys", ".rerank", ".decisions")):
            importlib.import_module(module.name)
    found, waiting = [], [body.Body]
    while waiting:
        waiting += (more := waiting.pop().__subclasses__())
        found += more
    return sorted(set(found), key=lambda model: f"{model.__module__}{model.__name__}")


def _faults(model: type[body.Body], field: str) -> int:
    """How many faults are told of an array of many wrong entries."""
    most = 0
    for entry in (0, "", {}, []):
        try:
            model.model_validate({field: [entry] * 1000})
        except ValidationError as error:
            most = max(most, error.error_count())
    return most


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"tools": [""]}, "tools.0 must be an object"),
        ({"tools": [""] * MANY}, "tools.0 must be an object"),
        ({"messages": [{"role": "user", "content": 1}] * (MANY // 10)}, "messages.0.content must be a string"),
        ({"tools": [{}] * 10 + [""] * MANY}, "tools.10 must be an object"),
    ],
    ids=["one", "many", "deep", "behind good ones"],
)
def test_of_many_faults_few_are_looked_at(monkeypatch: pytest.MonkeyPatch, more: dict[str, Any], words: str) -> None:
    said, looked_at = refused(monkeypatch, more)
    assert said == words
    assert looked_at <= 1000


def test_of_an_object_with_very_many_faults_their_number_is_told() -> None:
    files = {f"{at}.gguf": 1 for at in range(2000)}
    with pytest.raises(BadRequestError, match="the request body has 2000 values of a wrong type"):
        body.validated(CreateBody, orjson.dumps({"model": "m", "files": files}), "/api/create")


@pytest.mark.parametrize("model", _all_bodies(), ids=lambda model: model.__name__)
def test_of_an_array_the_first_fault_is_told(model: type[body.Body]) -> None:
    """Pydantic would make an error for each of its entries, in up to half a second in which nothing else happens."""
    for field in model.model_fields:
        assert _faults(model, field) < 100, field


def test_garbage_is_looked_for_again_after_a_body_was_read() -> None:
    with pytest.raises(BadRequestError):
        body.validated(ChatBody, b"{", "/api/chat")
    assert gc.isenabled()


@pytest.mark.parametrize(
    ("odd", "word"),
    [
        (b"[" + b",".join([b"[]"] * (MOST + 1)) + b"]", "arrays and objects"),
        (b"[" + b",".join([b"[[[[[[[[{}]]]]]]]]"] * (MOST // 9 + 1)) + b"]", "arrays and objects"),
        (b"{" + b",".join(b'"%d":0' % at for at in range(MOST + 1)) + b"}", "names"),
        (rb'["\\\"", "a\\",' + b",".join([b"{}"] * (MOST + 1)) + b"]", "arrays and objects"),
    ],
    ids=["side by side", "nested", "names", "behind escapes"],
)
def test_json_of_very_many_parts_is_refused_before_it_is_read(
    monkeypatch: pytest.MonkeyPatch, odd: bytes, word: str
) -> None:
    monkeypatch.setattr(body.orjson, "loads", lambda _: pytest.fail("it is read"))
    with pytest.raises(PayloadTooLargeError, match=f"more than {MOST} {word}"):
        body.validated(ChatBody, b'{"model": "m", "odd": ' + odd + b"}", "/api/chat")


@pytest.mark.parametrize("text", ["[{:" * MOST, '\\"{' * MOST, "\\" * MOST + "[" * MOST * 2])
def test_signs_of_json_inside_a_text_are_none(text: str) -> None:
    given = HI | {"messages": [{"role": "user", "content": text}]}
    assert body.validated(ChatBody, orjson.dumps(given), "/api/chat").messages[0].content == text


@pytest.mark.parametrize("broken", [b'{"a": "' + b"[" * (2 * MOST), b'{"a": "\\"' + b"[" * (2 * MOST)])
def test_a_text_that_does_not_end_is_malformed(broken: bytes) -> None:
    with pytest.raises(BadRequestError, match="invalid JSON"):
        body.validated(ChatBody, broken, "/api/chat")


async def test_a_large_body_is_put_together_beside_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    data, threads = orjson.dumps(HI | {"odd": "a" * 200_000}), []

    def joined(parts: list[bytes]) -> bytes:
        threads.append(threading.current_thread())
        return b"".join(parts)

    monkeypatch.setattr(body, "_joined", joined)
    sent = [data[:100_000], data[100_000:]]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": sent.pop(0), "more_body": bool(sent)}

    app = SimpleNamespace(state=SimpleNamespace(settings=Settings.from_env({})))
    scope = {"type": "http", "app": app, "headers": [], "path": "/api/chat", "method": "POST", "query_string": b""}
    read = await body.json_body(ChatBody)(Request(scope, receive))
    assert read.model == "m"
    assert threads and threads[0] is not threading.main_thread()


@pytest.mark.parametrize(("size", "looks"), [(10, True), (2_000_000, False)])
async def test_what_is_made_of_a_large_body_is_not_looked_through_meanwhile(size: int, looks: bool) -> None:
    read = await body.validated_in_turns(ChatBody, [orjson.dumps(HI | {"odd": "x" * size})], "/")
    assert await read.in_turns(gc.isenabled) is looks
    assert gc.isenabled()
