"""``/api/puna/recordings``: requests that were recorded, to look at, to ask again, and to remove."""

import math
import secrets
import time
from collections.abc import Mapping
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from puna.accounts.grant import ADMIN
from puna.api.access.identity import IDENTITY
from puna.api.access.scopes import needs
from puna.api.http.body import Body, json_body, request_body
from puna.api.http.responses import json_response, until_gone
from puna.api.inside import Inside, inner_scope
from puna.api.services import Services, ServicesDep
from puna.api.watching.taking import Taking, words_of
from puna.api.watching.watchers import watch
from puna.durations import parse_duration
from puna.engine.engines import Engines
from puna.errors import BadRequestError
from puna.jobs.recordings import Recording
from puna.outside import read_json

router = APIRouter()
_PATH = "/api/puna/recordings"
_MOST = 1000
_STATEFUL = ("store", "background")
"""Fields of a response that would let a replay change what is stored."""


class ReplayBody(Body):
    """What is to be otherwise: "" and {} leave it as it was."""

    model: str = ""
    engine: str = ""
    options: dict[str, Any] = Field(default_factory=dict)


@router.get(_PATH, tags=["recordings"])
@needs(ADMIN)
async def recordings_route(services: ServicesDep, within: str = "", limit: int = 100) -> Response:
    """List what was recorded, the newest first, without a word of what was said.

    ``within`` bounds how long ago, as ``1h``; at most ``limit`` are listed.
    """
    if not 1 <= limit <= _MOST:
        raise BadRequestError(f"limit must be between 1 and {_MOST}", param="limit")
    seconds = parse_duration(within) if within else math.inf
    first = time.time() - seconds if 0 <= seconds < math.inf else 0.0
    heads = await services.recordings.heads(first, limit)
    return json_response({"recording": services.settings.record, "recordings": heads})


@router.get(_PATH + "/{recording_id}", tags=["recordings"])
@needs(ADMIN)
async def recording_route(recording_id: str, services: ServicesDep) -> Response:
    """Return a recording: what was asked, in its own words, and the answer."""
    recording = await services.recordings.get(recording_id)
    return json_response({**_entry(recording), "body": _readable(recording.asked), "sent": recording.said["sent"]})


@router.post(_PATH + "/{recording_id}/replay", tags=["recordings"], openapi_extra=request_body(ReplayBody))
@needs(ADMIN)
async def replay_route(
    request: Request,
    recording_id: str,
    body: Annotated[ReplayBody, Depends(json_body(ReplayBody))],
    services: ServicesDep,
) -> Response:
    """Ask what was recorded once more, in its own dialect, and return both answers with their times.

    The seed is that of the recording unless ``options`` has another. The replay is recorded too where recording is on.
    """
    recording = await services.recordings.get(recording_id)
    if body.engine:
        Engines(services.settings.home).resolve(body.engine)
    replayed = await until_gone(request, _replayed(request, services, recording, body))
    return json_response({"recorded": _entry(recording), "replayed": _entry(replayed)})


@router.delete(_PATH + "/{recording_id}", tags=["recordings"])
@needs(ADMIN)
async def remove_recording_route(recording_id: str, services: ServicesDep) -> Response:
    """Remove a recording; ``all`` removes every one, also those whose key is gone."""
    if recording_id == "all":
        return json_response({"removed": await services.recordings.remove()})
    found = await services.recordings.get(recording_id)
    return json_response({"removed": await services.recordings.remove(found.head["id"])})


async def _replayed(request: Request, services: Services, recording: Recording, body: ReplayBody) -> Recording:
    head, request_id = recording.head, secrets.token_hex(8)
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in head["headers"].items()]
    scope = inner_scope(head["path"], request_id, method=head["method"], query=head["query"], headers=headers)
    scope[IDENTITY] = request.scope[IDENTITY]
    taking = Taking.of(scope, engine=body.engine, replay_of=head["id"])
    taking.hear(_changed(recording, body))
    watch(scope, taking)
    inside: Inside = request.app.state.inside
    reply = await inside(scope, bytes(taking.body))
    taking.status = reply.status
    taking.send(reply.body)
    replayed = taking.recording()
    if services.settings.record:
        services.recordings.keep(replayed)
    return replayed


def _changed(recording: Recording, asked: ReplayBody) -> bytes:
    """Return the body to ask with; raise ``BadRequestError`` where it was not kept, or is none that can be changed."""
    if not recording.head["body_kept"]:
        raise BadRequestError("the body of this request was too large to be kept, so that it cannot be asked again")
    body = _readable(recording.asked)
    if not isinstance(body, dict):
        if asked.model or asked.options:
            raise BadRequestError("the body of this request is a form, of which model and options cannot be changed")
        return recording.asked
    seed = recording.head.get("options", {}).get("seed")
    given = body.get("options") if isinstance(body.get("options"), dict) else {}
    options = {**(given or {}), **({} if seed is None else {"seed": seed}), **asked.options}
    changed = {**body, "options": options}
    if asked.model:
        changed = {name: value for name, value in changed.items() if name.lower() not in ("model", "name")}
        changed["model"] = asked.model
    if recording.head["path"].endswith("/responses"):
        changed |= dict.fromkeys(_STATEFUL, False)
    return orjson.dumps(changed)


def _readable(body: bytes) -> Any:
    """Return a body as JSON; as text where it is none."""
    try:
        return read_json(body)
    except orjson.JSONDecodeError:
        return body.decode("utf-8", "replace")


def _entry(recording: Recording) -> Mapping[str, Any]:
    return {**recording.head, "answer": words_of(recording.said)}
