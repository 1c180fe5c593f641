"""``/v1/messages/batches``: the batches of ``/v1/batches`` in Anthropic's form, with their requests in one body."""

import asyncio
import io
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from puna.accounts.grant import ANY, INFER
from puna.api.access.identity import owner_of
from puna.api.access.scopes import needs
from puna.api.batching import MESSAGES, journal_of
from puna.api.http.body import Body, json_body, request_body
from puna.api.http.responses import Streamed, json_response
from puna.api.services import ServicesDep
from puna.errors import BadRequestError, NotFoundError
from puna.jobs.batches_files import Upload
from puna.jobs.batches_items import NewBatch
from puna.jobs.batches_journal import Journal
from puna.jobs.batches_lines import MOST_LINES, read_lines
from puna.outside import on_one_line

_PREFIX = "msgbatch"
_WINDOW, _WINDOW_TEXT = 86400.0, "24h"
_MOST = 1000
_LONGEST_ID = 64
_ENDED = {"completed": "succeeded", "failed": "errored", "cancelled": "canceled", "expired": "expired"}
_STOPPED = {"batch_cancelled": "canceled", "batch_expired": "expired"}
router = APIRouter(tags=["batches"])


class MessageRequest(Body):
    """One message to be made: ``params`` is the body of ``/v1/messages``."""

    custom_id: str
    params: dict[str, Any]


class MessageBatchBody(Body):
    """The body of ``/v1/messages/batches``."""

    requests: list[MessageRequest]


@router.post("/v1/messages/batches", openapi_extra=request_body(MessageBatchBody))
@needs(INFER)
async def create_message_batch_route(
    request: Request, body: Annotated[MessageBatchBody, Depends(json_body(MessageBatchBody))], services: ServicesDep
) -> Response:
    """Begin to make many messages."""
    journal, owner = journal_of(services), owner_of(request)
    lines = await body.in_turns(lambda: _lines(body.requests))
    given = (await journal.files.add(owner, Upload("requests.jsonl", io.BytesIO(lines))))["id"]
    new = NewBatch(given, MESSAGES, _WINDOW, _WINDOW_TEXT, None, prefix=_PREFIX)
    name = (await journal.add(owner, new))["id"]
    await journal.begin(name, await asyncio.to_thread(read_lines, journal.files.path(given)))
    services.batches.wake()
    return json_response(await _told(journal, await journal.get(owner, name)))


def _lines(requests: Sequence[MessageRequest]) -> bytes:
    if not 0 < len(requests) <= MOST_LINES:
        raise BadRequestError(f"requests: there must be 1 to {MOST_LINES}")
    named: set[str] = set()
    for number, one in enumerate(requests):
        if not 0 < len(one.custom_id) <= _LONGEST_ID or one.custom_id in named:
            words = f"must have 1 to {_LONGEST_ID} characters, and be that of no other request"
            raise BadRequestError(f"requests.{number}.custom_id: it {words}")
        named.add(one.custom_id)
    return b"".join(
        orjson.dumps(
            {"custom_id": one.custom_id, "url": MESSAGES, "body": one.params}, option=orjson.OPT_APPEND_NEWLINE
        )
        for one in requests
    )


@router.get("/v1/messages/batches")
@needs(ANY)
async def list_message_batches_route(
    request: Request, services: ServicesDep, after_id: str = "", before_id: str = "", limit: int = 20
) -> Response:
    """List the batches of messages, the newest first."""
    if not 1 <= limit <= _MOST:
        raise BadRequestError(f"limit: it must be 1 to {_MOST}")
    journal = journal_of(services)
    batches = (await journal.every(owner_of(request), _PREFIX))[::-1]
    names = [batch["id"] for batch in batches]
    for given in filter(None, (after_id, before_id)):
        if given not in names:
            raise BadRequestError(f"there is no batch {given[:100]!r} in the list")
    begin = names.index(after_id) + 1 if after_id else 0
    end = names.index(before_id) if before_id else len(names)
    begin = max(begin, end - limit) if before_id else begin
    shown = [await _told(journal, batch) for batch in batches[begin : min(end, begin + limit)]]
    more = begin > 0 if before_id else begin + limit < end
    first, last = (shown[0]["id"], shown[-1]["id"]) if shown else (None, None)
    return json_response({"data": shown, "has_more": more, "first_id": first, "last_id": last})


@router.get("/v1/messages/batches/{batch_id}")
@needs(ANY)
async def message_batch_route(request: Request, batch_id: str, services: ServicesDep) -> Response:
    """Describe a batch of messages."""
    journal = journal_of(services)
    return json_response(await _told(journal, await journal.get(owner_of(request), _checked(batch_id))))


@router.post("/v1/messages/batches/{batch_id}/cancel")
@needs(ANY)
async def cancel_message_batch_route(request: Request, batch_id: str, services: ServicesDep) -> Response:
    """End a batch of messages; what has been made stays."""
    journal = journal_of(services)
    batch = await journal.cancel(owner_of(request), _checked(batch_id))
    services.batches.wake()
    return json_response(await _told(journal, batch))


@router.delete("/v1/messages/batches/{batch_id}")
@needs(ANY)
async def delete_message_batch_route(request: Request, batch_id: str, services: ServicesDep) -> Response:
    """Remove a batch of messages that has ended, and its messages."""
    await journal_of(services).delete(owner_of(request), _checked(batch_id))
    return json_response({"id": batch_id, "type": "message_batch_deleted"})


@router.get("/v1/messages/batches/{batch_id}/results")
@needs(ANY)
async def message_batch_results_route(request: Request, batch_id: str, services: ServicesDep) -> Response:
    """Return what became of each request, a line each; of a batch under way what there is."""
    journal, owner = journal_of(services), owner_of(request)
    batch = await journal.get(owner, _checked(batch_id))
    files = [batch[field] for field in ("output_file_id", "error_file_id") if batch[field]]
    return Streamed(_results(journal, owner, files), media_type="application/x-jsonl")


async def _results(journal: Journal, owner: str, files: Sequence[str]) -> AsyncIterator[bytes]:
    for file in files:
        async for part in await journal.files.content(owner, file):
            yield b"".join(_result(orjson.loads(line)) for line in part.splitlines())


def _result(line: Mapping[str, Any]) -> bytes:
    answer, error = line["response"], line["error"]
    if error and error["code"] in _STOPPED:
        result: dict[str, Any] = {"type": _STOPPED[error["code"]]}
    elif error:
        told = {"type": "error", "error": {"type": "api_error", "message": error["message"]}, "request_id": None}
        result = {"type": "errored", "error": told}
    elif answer["body"]["type"] == "error":
        result = {"type": "errored", "error": answer["body"]}
    else:
        result = {"type": "succeeded", "message": answer["body"]}
    whole = {"custom_id": line["custom_id"], "result": result}
    return on_one_line(orjson.dumps(whole, option=orjson.OPT_APPEND_NEWLINE))


def _checked(batch_id: str) -> str:
    if not batch_id.startswith(f"{_PREFIX}_"):
        raise NotFoundError(f"No batch found with id '{batch_id[:100]}'.")
    return batch_id


async def _told(journal: Journal, batch: Mapping[str, Any]) -> dict[str, Any]:
    """Return a batch as Anthropic describes it. As there, requests are tallied when all of them are over."""
    status, counts = batch["status"], batch["request_counts"]
    tally = dict.fromkeys(("processing", "succeeded", "errored", "canceled", "expired"), 0)
    ended = status in _ENDED
    if ended:
        stopped = await journal.stopped(batch["id"])
        tally |= {"succeeded": counts["completed"], "errored": counts["failed"] - stopped}
        tally[_ENDED[status]] += stopped
    else:
        tally["processing"] = counts["total"]
    return {
        "id": batch["id"],
        "type": "message_batch",
        "processing_status": "ended" if ended else "canceling" if status == "cancelling" else "in_progress",
        "request_counts": tally,
        "created_at": _time(batch["created_at"]),
        "expires_at": _time(batch["expires_at"]),
        "ended_at": _time(batch.get(f"{status}_at")) if ended else None,
        "cancel_initiated_at": _time(batch.get("cancelling_at")),
        "archived_at": None,
        "results_url": f"{MESSAGES}/batches/{batch['id']}/results" if ended else None,
    }


def _time(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
