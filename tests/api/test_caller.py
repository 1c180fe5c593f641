"""Whose turn a request takes in the queue, and with what weight."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest
from starlette.requests import Request

from puna.accounts.grant import Grant
from puna.accounts.keys import Key
from puna.api.access.identity import IDENTITY, Identity
from puna.api.http.request_id import REQUEST_ID
from puna.api.services import caller_of, conversation_of, keep_alive_seconds
from puna.errors import BadRequestError


def request(grant: Grant | None = None, headers: Mapping[str, str] = MappingProxyType({})) -> Request:
    key = Key(name="ada", id="1", hash=b"", grant=grant, created=0.0) if grant else None
    scope: dict[str, Any] = {
        "type": "http",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        IDENTITY: Identity("203.0.113.7", remote=True, key=key),
        REQUEST_ID: "the-id",
    }
    return Request(scope)


def test_without_a_key_the_address_asks() -> None:
    caller = caller_of(request())
    assert (caller.client, caller.id, caller.key, caller.batch, caller.weight) == (
        "203.0.113.7",
        "the-id",
        "",
        False,
        1,
    )


def test_with_a_key_its_name_asks_with_what_it_has() -> None:
    caller = caller_of(request(Grant(weight=2.5)))
    assert (caller.client, caller.id, caller.key, caller.batch, caller.weight) == ("ada", "the-id", "ada", False, 2.5)


@pytest.mark.parametrize(
    ("grant", "body", "header", "batch"),
    [
        (None, "", "", False),
        (None, "", "batch", True),
        (None, "batch", "", True),
        (None, "interactive", "batch", False),
        (None, "batch", "interactive", True),
        (Grant(), "batch", "", True),
        (Grant(), "", "", False),
        (Grant(batch=True), "", "", True),
        (Grant(batch=True), "interactive", "interactive", True),
    ],
)
def test_the_body_wins_over_the_header_and_the_key_over_both(
    grant: Grant | None, body: str, header: str, batch: bool
) -> None:
    headers = {"x-priority": header} if header else {}
    assert caller_of(request(grant, headers), body).batch is batch


@pytest.mark.parametrize("header", ["urgent", "Batch"])
def test_a_priority_that_there_is_not_is_refused(header: str) -> None:
    with pytest.raises(BadRequestError, match=f'invalid priority: "{header}"'):
        caller_of(request(headers={"x-priority": header}))


@pytest.mark.parametrize("header", ["session-id", "x-claude-code-session-id", "x-session-affinity", "x-session-id"])
def test_a_conversation_has_turns_of_its_own_where_nobody_has_a_key(header: str) -> None:
    one, other = (request(headers={header: name}) for name in ("one", "other"))
    clients = {caller_of(each).client for each in (one, one, other, request())}
    assert len(clients) == 3
    assert all(client.startswith("203.0.113.7") for client in clients)
    assert "one" not in conversation_of(one, ""), "what clients call it is nobody's business"
    assert caller_of(one).conversation == conversation_of(one) == conversation_of(request(), "one")
    assert conversation_of(one, "other") == conversation_of(other)
    assert caller_of(request(Grant(), {header: "one"})).client == "ada"
    assert conversation_of(request()) == ""


@pytest.mark.parametrize(("value", "seconds"), [(None, None), (0, 0), (2.5, 2.5), ("1m", 60)])
def test_how_long_a_model_stays_is_in_seconds(value: float | str | None, seconds: float | None) -> None:
    assert keep_alive_seconds(value) == seconds
