"""How a response begins: what was said before is found, what is named by URL fetched, and all of it made a request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson
from starlette.requests import HTTPConnection

from puna.api.access.identity import owner_of
from puna.api.extras import ignored_headers
from puna.api.openai.responses.encoder import DIALECT
from puna.api.openai.responses.items import THOUGHTS
from puna.api.openai.responses.making import Made
from puna.api.openai.responses.media import fetched
from puna.api.openai.responses.objects import QUEUED, RUNNING, new_response, with_ids
from puna.api.openai.responses.reply import Reply
from puna.api.openai.responses.schemas import PromptBody, ResponsesBody
from puna.api.openai.responses.translate import SEALED, Asked, asked_of, check, is_summarized
from puna.api.parts import MediaReader
from puna.api.services import Services, caller_of, keep_alive_seconds, warn_of_unknown
from puna.errors import BadRequestError
from puna.inference.format.constraint import Constraint, bind
from puna.inference.format.errors import FormatError
from puna.scheduler.lease import Caller

Items = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a body asks, with the items that it ``given`` itself, and those ``earlier`` that it goes on from."""

    asked: Asked
    earlier: Items
    given: Items
    headers: dict[str, str]
    """The headers that say what has no effect."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A response that can be made."""

    made: Made
    prompt: Prompt


def conversation_id(body: PromptBody) -> str:
    """Return the conversation that a body belongs to, "" for none."""
    if isinstance(body.conversation, str):
        return body.conversation
    found = body.conversation.get("id", "")
    if not isinstance(found, str):
        raise BadRequestError("conversation.id must be a string", param="conversation.id")
    return found


def caller(connection: HTTPConnection, body: PromptBody) -> Caller:
    """Return who asks; what names its conversation has turns and a slot of its own."""
    priority = body.priority or ("batch" if getattr(body, "service_tier", "") == "flex" else "")
    return caller_of(connection, priority, body.prompt_cache_key or conversation_id(body))


async def prompt_of(
    connection: HTTPConnection, services: Services, body: PromptBody, local: Mapping[str, Items] | None = None
) -> Prompt:
    """Return what a body asks; raise ``PunaError``. ``local`` is what was said up to responses that are not stored."""
    model = services.model(body.model)
    owner = owner_of(connection)
    given = await resolved(services, owner, with_ids(body.input))
    earlier = await _earlier(services, owner, body, local or {})
    if not (given or earlier or body.instructions):
        raise BadRequestError("input is required", param="input")
    items = [*earlier, *given]
    web = await fetched(items, MediaReader(services.settings))
    asked = await body.in_turns(lambda: asked_of(body, model, items, len(earlier), services.cipher, web))
    asked.request = replace(asked.request, format=await _bound(asked.request.format))
    options, path = asked.request.options, connection.url.path
    warn_of_unknown(options, path)
    return Prompt(asked, earlier, given, ignored_headers(path, body, options, asked.ignored))


async def begin(
    connection: HTTPConnection, services: Services, body: ResponsesBody, local: Mapping[str, Items] | None = None
) -> Begun:
    """Return the response that a body asks for, ready to be made; raise ``PunaError``. For ``local`` see ``prompt_of``.

    It is kept at its end if the body says so, unless it runs in the background: then its run sees to that.
    """
    check(body)
    archive, owner, summary = services.archive, owner_of(connection), is_summarized(body)
    if body.background and not archive.is_on:
        raise BadRequestError("background: responses are not stored here (PUNA_RESPONSES)", param="background")
    keeps = body.store and archive.is_on
    prompt = await prompt_of(connection, services, body, local)
    asked = prompt.asked
    if keeps:
        archive.check_size(await body.in_turns(lambda: len(orjson.dumps(prompt.given))))
    status = QUEUED if body.background else RUNNING
    response = new_response(body, asked.request.options, conversation_id(body), status)
    response["store"] = keeps
    reply = Reply(
        response,
        asked.tools,
        summary=summary,
        seal=(lambda text: services.cipher.close(text, THOUGHTS)) if SEALED in body.include else None,
        top_logprobs=body.top_logprobs,
    )
    who, keep_alive = caller(connection, body), keep_alive_seconds(body.keep_alive)
    is_streamed = body.stream or body.background or connection.scope["type"] == "websocket"
    request = replace(asked.request, whole=not is_streamed)

    async def save(response: Mapping[str, Any]) -> None:
        await archive.save(owner, response, prompt.given)

    made = Made(
        reply,
        lambda: services.service.generate(request, who, keep_alive, DIALECT),
        save if keeps and not body.background else None,
    )
    return Begun(made, prompt)


async def _bound(form: str | Mapping[str, Any] | Constraint) -> str | Constraint:
    """Return what binds an answer to a format; what cannot be enforced of a schema is an error that names the field."""
    try:
        return await bind(form)
    except FormatError as error:
        reason = str(error).removeprefix("format: ")
        raise BadRequestError(f"text.format.schema: {reason}", param="text.format.schema") from None


async def resolved(services: Services, owner: str, items: Items) -> Items:
    """Return items with those that refer to others replaced by these."""
    names = [str(item["id"]) for item in items if item["type"] == "item_reference"]
    if not names:
        return items
    found = await services.archive.referenced(owner, names)
    return [found[item["id"]] if item["type"] == "item_reference" else item for item in items]


async def _earlier(services: Services, owner: str, body: PromptBody, local: Mapping[str, Items]) -> Items:
    if body.previous_response_id and body.conversation:
        raise BadRequestError("previous_response_id and conversation cannot be used together")
    if name := body.previous_response_id:
        return local[name] if name in local else await services.archive.history(owner, name)
    if name := conversation_id(body):
        return await services.archive.said(owner, name)
    return []


def spoken(given: Sequence[dict[str, Any]], response: Mapping[str, Any]) -> Items:
    """Return what a response adds to what was said: its input and its output."""
    return [*given, *response["output"]]
