"""``/v1/conversations``: what was said, kept under a name, to which responses add what they are asked and answer."""

import time
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from puna.accounts.grant import INFER
from puna.api.access.identity import owner_of
from puna.api.access.scopes import needs
from puna.api.http.body import json_body, request_body
from puna.api.http.responses import json_response
from puna.api.openai.responses.begin import resolved
from puna.api.openai.responses.items import Reader
from puna.api.openai.responses.media import urls_of
from puna.api.openai.responses.objects import new_id, shown_item, with_ids
from puna.api.openai.responses.paging import page
from puna.api.openai.responses.schemas import ConversationBody, ConversationItemsBody
from puna.api.openai.responses.translate import check_metadata
from puna.api.services import Services, ServicesDep
from puna.errors import BadRequestError, NotFoundError

router = APIRouter()
_MOST_ITEMS = 20
"""How many items may come with one request, as with OpenAI."""


@router.post("/conversations", tags=["conversations"], openapi_extra=request_body(ConversationBody))
@needs(INFER)
async def create_route(
    request: Request, body: Annotated[ConversationBody, Depends(json_body(ConversationBody))], services: ServicesDep
) -> Response:
    """Begin a conversation."""
    _require_store(services)
    check_metadata(body.metadata)
    conversation = {
        "id": new_id("conv"),
        "object": "conversation",
        "created_at": int(time.time()),
        "metadata": body.metadata,
    }
    items = await _checked(request, services, body)
    await services.archive.begin_conversation(owner_of(request), conversation, items)
    return json_response(conversation)


@router.get("/conversations/{conversation_id}", tags=["conversations"])
@needs(INFER)
async def get_route(request: Request, conversation_id: str, services: ServicesDep) -> Response:
    """Return a conversation."""
    return json_response(await services.archive.conversation(owner_of(request), conversation_id))


@router.post("/conversations/{conversation_id}", tags=["conversations"], openapi_extra=request_body(ConversationBody))
@needs(INFER)
async def update_route(
    request: Request,
    conversation_id: str,
    body: Annotated[ConversationBody, Depends(json_body(ConversationBody))],
    services: ServicesDep,
) -> Response:
    """Give a conversation other metadata."""
    check_metadata(body.metadata)
    changed = await services.archive.change_conversation(owner_of(request), conversation_id, body.metadata)
    return json_response(changed)


@router.delete("/conversations/{conversation_id}", tags=["conversations"])
@needs(INFER)
async def delete_route(request: Request, conversation_id: str, services: ServicesDep) -> Response:
    """Forget a conversation and its items."""
    await services.archive.delete(owner_of(request), conversation_id, "conversation")
    return json_response({"id": conversation_id, "object": "conversation.deleted", "deleted": True})


@router.get("/conversations/{conversation_id}/items", tags=["conversations"])
@needs(INFER)
async def items_route(
    request: Request, conversation_id: str, services: ServicesDep, after: str = "", limit: int = 20, order: str = "desc"
) -> Response:
    """List the items of a conversation."""
    items = await services.archive.said(owner_of(request), conversation_id)
    return json_response(page(items, after, limit, order))


@router.post(
    "/conversations/{conversation_id}/items", tags=["conversations"], openapi_extra=request_body(ConversationItemsBody)
)
@needs(INFER)
async def add_items_route(
    request: Request,
    conversation_id: str,
    body: Annotated[ConversationItemsBody, Depends(json_body(ConversationItemsBody))],
    services: ServicesDep,
) -> Response:
    """Add items to a conversation."""
    items = await _checked(request, services, body)
    await services.archive.say(owner_of(request), conversation_id, items)
    return json_response(page(items, "", max(len(items), 1), "asc"))


@router.get("/conversations/{conversation_id}/items/{item_id}", tags=["conversations"])
@needs(INFER)
async def item_route(request: Request, conversation_id: str, item_id: str, services: ServicesDep) -> Response:
    """Return an item of a conversation."""
    items = await services.archive.said(owner_of(request), conversation_id)
    found = next((item for item in items if item["id"] == item_id), None)
    if found is None:
        raise NotFoundError(f"Item with id '{item_id[:100]}' not found.")
    return json_response(shown_item(found))


@router.delete("/conversations/{conversation_id}/items/{item_id}", tags=["conversations"])
@needs(INFER)
async def delete_item_route(request: Request, conversation_id: str, item_id: str, services: ServicesDep) -> Response:
    """Remove an item, and return the conversation."""
    owner = owner_of(request)
    await services.archive.unsay(owner, conversation_id, item_id)
    return json_response(await services.archive.conversation(owner, conversation_id))


async def _checked(
    request: Request, services: Services, body: ConversationBody | ConversationItemsBody
) -> list[dict[str, Any]]:
    """Return the items of a body as they are kept.

    What a response could not be asked with is refused here: nothing could be said in the conversation any more.
    """
    if len(body.items) > _MOST_ITEMS:
        raise BadRequestError(f"items: at most {_MOST_ITEMS} at a time", param="items")
    items = await resolved(services, owner_of(request), with_ids(body.items, "items"))
    reader = Reader(services.cipher, dict.fromkeys(urls_of(items), b""))
    await body.in_turns(lambda: reader.read(items, field="items"))
    return items


def _require_store(services: Services) -> None:
    if not services.archive.is_on:
        raise BadRequestError("conversations are not stored here (PUNA_RESPONSES)")
