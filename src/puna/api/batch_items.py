"""Requests of batches, answered by the very routes that they name, without a connection."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson

from puna.accounts.accounts import Accounts
from puna.accounts.keys import Key
from puna.api.access.identity import IDENTITY, Identity
from puna.api.dialect import error_body
from puna.api.inside import Inside, inner_scope
from puna.errors import BadRequestError, PunaError
from puna.jobs.batches import Answered
from puna.jobs.batches_items import BatchItem, Usage
from puna.outside import read_json

_LATER = ("stream", "background")
"""What an answer that lies in a file cannot be."""


class ItemRoutes:
    """Answers items by the routes ``inside``, as requests of the batch class from whoever made the batch."""

    def __init__(self, inside: Inside, accounts: Accounts) -> None:
        self._inside = inside
        self._accounts = accounts

    async def __call__(self, item: BatchItem, line: bytes) -> Answered:
        """Return the answer to an item, errors included."""
        request_id = secrets.token_hex(8)
        scope = inner_scope(item.endpoint, request_id)
        try:
            body = _body(item, line)
            with self._let_in(item) as key:
                scope[IDENTITY] = Identity(item.batch, remote=True, key=key)
                status, answer = await self._inside(scope, body)
        except PunaError as error:
            status, answer = error.status, error_body(scope, error)
        return Answered(status, request_id, answer, _usage(answer))

    @contextmanager
    def _let_in(self, item: BatchItem) -> Iterator[Key | None]:
        """Give the key that a batch was made with, as it is now, and count a request of it; raise ``PunaError``."""
        if not item.owner:
            yield None
            return
        with self._accounts.admitted(item.owner, item.endpoint) as key:
            yield key


def _body(item: BatchItem, line: bytes) -> bytes:
    """Return the body of an item's request; raise ``BadRequestError`` for one that its batch does not take."""
    asked: dict[str, Any] = read_json(line)  # it was read so before the batch began
    if asked.get("method", "POST") != "POST":
        raise BadRequestError("method must be POST", param="method")
    if asked.get("url") != item.endpoint:
        raise BadRequestError(f"url must be {item.endpoint}, the endpoint of the batch", param="url")
    body = asked.get("body")
    if not isinstance(body, dict):
        raise BadRequestError("body must be an object", param="body")
    for name in _LATER:
        if body.get(name):
            raise BadRequestError(f"{name} has no place in a batch", param=name)
    try:
        return orjson.dumps(body | {"priority": "batch"})
    except orjson.JSONEncodeError:
        raise BadRequestError("the body is nested too deep", param="body") from None


def _usage(answer: bytes) -> Usage:
    """Return what an answer says that it took, in the words of whichever of these routes."""
    found = orjson.loads(answer).get("usage") or {}
    if "input_tokens" in found:
        given, said = found.get("input_tokens_details") or {}, found.get("output_tokens_details") or {}
        prompt, answered = found["input_tokens"], found["output_tokens"]
    else:
        given, said = found.get("prompt_tokens_details") or {}, found.get("completion_tokens_details") or {}
        prompt, answered = found.get("prompt_tokens", 0), found.get("completion_tokens", 0)
    return Usage(prompt, given.get("cached_tokens", 0), answered, said.get("reasoning_tokens", 0))
