"""What can be said of a key: limits, patterns, scopes, and what cannot."""

from typing import Any

import pytest

from puna.accounts.grant import SCOPES, Grant, granted
from puna.accounts.quota import Quota, Window, parse_age, parse_quota
from puna.errors import BadRequestError
from puna.names import parse_name


@pytest.mark.parametrize(
    ("text", "count", "seconds", "shown"),
    [
        ("60/m", 60, 60, "60/m"),
        ("1M/day", 1_000_000, 86400, "1000000/d"),
        ("100 / 10s", 100, 10, "100/10s"),
        ("2k/hour", 2000, 3600, "2000/h"),
        ("5 per 2 minutes", 5, 120, "5/2m"),
        ("1/week", 1, 604800, "1/w"),
        ("1/60s", 1, 60, "1/m"),
    ],
)
def test_limit_in_words(text: str, count: int, seconds: int, shown: str) -> None:
    assert parse_quota(text) == Quota(count, seconds)
    assert str(Quota(count, seconds)) == shown
    assert parse_quota(shown) == Quota(count, seconds)


@pytest.mark.parametrize("text", ["60", "60/", "/m", "0/m", "-1/m", "1/0s", "1/fortnight", "1.5/m", "1/9999d", "x/m"])
def test_what_is_no_limit(text: str) -> None:
    with pytest.raises(BadRequestError, match="is not a limit"):
        parse_quota(text)


def test_age() -> None:
    assert [parse_age(text) for text in ("90d", "12h", "30M", "2w")] == [7776000, 43200, 1800, 1209600]
    for text in ("", "0d", "d", "3", "3 y", "-1d"):
        with pytest.raises(BadRequestError, match="is not a time"):
            parse_age(text)


def test_window_begins_with_its_first_use_and_never_lasts_longer() -> None:
    quota, window = Quota(2, 10), Window()
    window.turn(quota, 1000.0)
    window.used += 2
    window.turn(quota, 1009.9)
    assert (window.rest(quota), round(window.ends_in(1009.9), 1)) == (0, 0.1)
    window.turn(quota, 900.0)  # the clock was set back
    assert window.ends_in(900.0) == 10
    window.turn(quota, 910.0)
    assert window.rest(quota) == 2
    window.used = 5
    assert window.rest(quota) == 0
    window.turn(Quota(2, 20), 911.0)
    assert window.rest(quota) == 2, "another length is another window"


@pytest.mark.parametrize(
    ("patterns", "name", "seen"),
    [
        (["llama*"], "llama3.2", True),
        (["llama*"], "LLAMA3.2:1b", True),
        (["Llama*"], "llama3.2:1b", True),
        (["llama*"], "hf.co/me/llama", False),
        (["llama*"], "registry.ollama.ai/library/llama3.2", True),
        (["*llama*"], "hf.co/me/llama:q4", True),
        (["cria"], "cria", True),
        (["cria"], "cria:latest", True),
        (["cria"], "cria:other", False),
        (["cria:latest"], "cria", True),
        (["a", "b*"], "bx", True),
        (["a,b*"], "bx", True),
        (["a?"], "a", False),
        (["*"], "anything", True),
        ([], "anything", True),
    ],
)
def test_models_by_pattern(patterns: list[str], name: str, seen: bool) -> None:
    assert granted({"models": patterns}).sees(parse_name(name)) is seen


def test_routes_by_pattern() -> None:
    grant = granted({"routes": ["/v1/*", "/api/chat"]})
    assert grant.may_call("/v1/models")
    assert grant.may_call("/api/chat")
    for path in ("/api/chat/", "/api/generate", "/", "/v1", "//v1/models", "/V1/models"):
        assert not grant.may_call(path)


def test_scopes() -> None:
    assert [granted({"scopes": [scope]}).may("create") for scope in SCOPES] == [*(False, False, False, True, True)]
    assert granted({"scopes": ["create,infer"]}).scopes == ("infer", "create")
    assert granted({}).scopes == ("infer",)
    assert granted({"scopes": ["pull"]}).may("any")


def test_words_come_back_as_they_went() -> None:
    grant = Grant(
        scopes=("infer", "pull"),
        models=("llama*",),
        routes=("/v1/*",),
        rate=Quota(60, 60),
        tokens=Quota(10**6, 86400),
        concurrent=4,
        batch=True,
        weight=2.5,
    )
    assert granted(grant.to_words()) == grant
    assert granted(Grant().to_words()) == Grant()
    assert granted({"rate": "none", "tokens": "0", "models": ["*"], "routes": ["*"]}) == Grant()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"scopes": ["root"]}, "there is no scope 'root'"),
        ({"models": ["a b"]}, "no pattern"),
        ({"models": ["x" * 201]}, "at most 100 patterns"),
        ({"routes": ["/x"] + [f"/{n}" for n in range(100)]}, "at most 100 patterns"),
        ({"rate": "many"}, "is not a limit"),
        ({"priority": "urgent"}, "invalid priority"),
        ({"concurrent": -1}, "must not be negative"),
        ({"weight": float("nan")}, "weight must lie between"),
        ({"weight": 1e9}, "weight must lie between"),
        ({"weight": -1}, "weight must lie between"),
        ({"weight": 0}, "weight must lie between"),
        ({"scopes": ["admin"], "models": ["x"]}, "cannot be held"),
        ({"scopes": ["admin"], "routes": ["/x"]}, "cannot be held"),
    ],
)
def test_what_cannot_be_said(words: dict[str, Any], said: str) -> None:
    with pytest.raises(BadRequestError, match=said):
        granted(words)
