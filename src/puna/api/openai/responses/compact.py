"""``/v1/responses/compact``: a conversation that becomes too long goes on from a summary of it."""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from starlette.requests import HTTPConnection

from puna.api.extras import whole_number
from puna.api.openai.responses.begin import caller, prompt_of
from puna.api.openai.responses.encoder import DIALECT
from puna.api.openai.responses.items import SUMMARY
from puna.api.openai.responses.objects import item_id, new_id, shown_item, usage_of
from puna.api.openai.responses.schemas import CompactBody
from puna.api.services import Services, keep_alive_seconds
from puna.engine.errors import EngineError
from puna.inference.answer import whole
from puna.inference.requests import Conversation, GenerationRequest, Message, ToolChoice

_ASK = (
    "Write a summary of this conversation for somebody who will go on with it and sees nothing else of it. Name what "
    "was asked for, what was decided and why, what was done and with what result (files, commands, errors), and what "
    "is still to do. Leave out nothing that is needed to go on, and do not go on yourself."
)
_TOKENS = 2048
"""How long a summary may become, unless the body says otherwise."""


async def compact(
    connection: HTTPConnection, services: Services, body: CompactBody
) -> tuple[dict[str, Any], Mapping[str, str]]:
    """Return the object of a conversation made short, and its headers; raise ``PunaError``.

    What users have said stays as it is; the rest is a summary that the model makes, sealed. What does not fit the
    context is left out of what is summarized, the oldest first: a conversation is compacted because it is too long.
    """
    whole_number(body.max_output_tokens, "max_output_tokens", 1)
    prompt = await prompt_of(connection, services, body)
    request = _asking(prompt.asked.request)
    events = services.service.generate(request, caller(connection, body), keep_alive_seconds(body.keep_alive), DIALECT)
    answer = (await whole(events))[0]
    if not answer.text.strip():
        raise EngineError("the model wrote no summary")
    kept = [
        shown_item(item)
        for item in (*prompt.earlier, *prompt.given)
        if item["type"] == "message" and item.get("role") == "user"
    ]
    sealed = services.cipher.close(answer.text.strip(), SUMMARY)
    summary = {"id": item_id("compaction"), "type": "compaction", "encrypted_content": sealed}
    return {
        "id": new_id("resp"),
        "object": "response.compaction",
        "created_at": int(time.time()),
        "output": [*kept, summary],
        "usage": usage_of(answer.end),
    }, prompt.headers


def _asking(request: GenerationRequest) -> GenerationRequest:
    """Return the request for a summary of the conversation that ``request`` asks to go on with."""
    asked = request.input
    if not isinstance(asked, Conversation):
        raise TypeError("only conversations are compacted")
    options = request.options
    limit = options.num_predict if options.num_predict > 0 else _TOKENS
    return replace(
        request,
        input=replace(
            asked, messages=(*asked.messages, Message(role="user", content=_ASK)), tool_choice=ToolChoice("none")
        ),
        options=replace(options, num_predict=limit),
        format="",
        whole=True,
        think=False if request.think is None else request.think,
        truncate=True,
        shift=True,
    )
