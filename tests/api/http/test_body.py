"""Bodies with very many values, of which many are wrong."""

import gc
from typing import Any

import orjson
import pytest

from puna.api.http import body
from puna.api.ollama.schemas import ChatBody
from puna.errors import BadRequestError

MANY = 200_000
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


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"tools": [""]}, "tools.0 must be an object"),
        ({"tools": [""] * MANY}, "tools.0 must be an object"),
        ({"messages": [{"role": "user", "content": 1}] * (MANY // 2)}, "messages.0.content must be a string"),
        ({"tools": [{}] * 10 + [""] * MANY}, f"the request body has {MANY} values of a wrong type"),
    ],
    ids=["one", "many", "deep", "behind good ones"],
)
def test_of_many_faults_few_are_looked_at(monkeypatch: pytest.MonkeyPatch, more: dict[str, Any], words: str) -> None:
    said, looked_at = refused(monkeypatch, more)
    assert said == words
    assert looked_at <= 1000


def test_garbage_is_looked_for_again_after_a_body_was_read() -> None:
    with pytest.raises(BadRequestError):
        body.validated(ChatBody, b"{", "/api/chat")
    assert gc.isenabled()
