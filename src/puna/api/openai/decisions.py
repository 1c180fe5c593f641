"""``/v1/decisions``: typed questions about an input, answered with probabilities and without a word of text.

The shapes are those of the official package's ``decisions`` (openai 3.57).
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from puna.accounts.grant import INFER
from puna.api.access.scopes import needs
from puna.api.decisions import (
    MOST_ANSWERS,
    YES_NO,
    DecideBody,
    asked_text,
    check_count,
    confidence,
    expected,
    likeliest,
)
from puna.api.extras import ignored_headers
from puna.api.http.body import json_body, request_body
from puna.api.http.responses import json_response, until_gone
from puna.api.messages import written_call
from puna.api.parts import MediaReader
from puna.api.services import ServicesDep, caller_of, keep_alive_seconds
from puna.errors import BadRequestError
from puna.inference.decide import Decided, DecideRequest, Question
from puna.inference.media.placing import joined
from puna.inference.requests import Message

router = APIRouter()
_MOST_LEVELS = 10
_ROLES = {"user": "user", "assistant": "assistant", "system": "system", "developer": "system"}
_CALLS = {"function_call": "arguments", "custom_tool_call": "input"}
_OUTPUTS = ("function_call_output", "custom_tool_call_output")


class DecisionsBody(DecideBody):
    """The body of ``/v1/decisions``."""

    input: str | list[dict[str, Any]] = ""
    questions: list[dict[str, Any]] = Field(default_factory=list)
    prompt_cache_key: str = ""
    prompt_cache_options: dict[str, Any] = Field(default_factory=dict)
    safety_identifier: str = ""


@router.post("/decisions", tags=["openai"], openapi_extra=request_body(DecisionsBody))
@needs(INFER)
async def decisions_route(
    request: Request, body: Annotated[DecisionsBody, Depends(json_body(DecisionsBody))], services: ServicesDep
) -> Response:
    """Answer questions about an input."""
    model = services.model(body.model)
    media = MediaReader(services.settings)
    check_count(body.questions)
    asked = DecideRequest(
        model=model,
        name=body.model,
        messages=await _messages(body.input, media),
        questions=tuple([await _question(one, f"questions.{at}", media) for at, one in enumerate(body.questions)]),
        options=body.merged(model),
        calibrate=body.calibrate,
    )
    caller = caller_of(request, body.priority, body.prompt_cache_key)
    ignored = [name for name in ("prompt_cache_options", "safety_identifier") if getattr(body, name)]
    headers = ignored_headers(request.url.path, body, asked.options, ignored)
    decided = await until_gone(
        request, services.service.decide(asked, caller, keep_alive_seconds(body.keep_alive), "openai")
    )
    answers = [_answer(*pair) for pair in zip(body.questions, decided.probabilities, strict=True)]
    return json_response({"model": body.model, "answers": answers, "usage": _usage(decided)}, headers=headers)


async def _messages(given: str | Sequence[Mapping[str, Any]], media: MediaReader) -> tuple[Message, ...]:
    if isinstance(given, str):
        if not given:
            raise BadRequestError("input is required", param="input")
        return (Message(role="user", content=given),)
    called: dict[str, str] = {}
    return tuple([await _item(item, f"input.{at}", called, media) for at, item in enumerate(given)])


async def _item(item: Mapping[str, Any], field: str, called: dict[str, str], media: MediaReader) -> Message:
    kind = item.get("type", "message")
    if kind == "message":
        role = _ROLES.get(str(item.get("role")))
        if role is None:
            raise BadRequestError(f"{field}.role must be one of {', '.join(_ROLES)}", param=f"{field}.role")
        content, images, places = joined(await parts_of(item.get("content"), f"{field}.content", media))
        return Message(role=role, content=content, images=images, places=places)
    call_id = str(item.get("call_id") or "")
    if kind in _CALLS:
        name, said = str(item.get("name") or ""), item.get(_CALLS[kind])
        if not name or not isinstance(said, str):
            raise BadRequestError(f"{field} needs a name and {_CALLS[kind]}", param=field)
        called[call_id] = name
        arguments = said if kind == "function_call" else orjson.dumps({"input": said}).decode()
        return Message(role="assistant", tool_calls=(written_call(name, arguments, call_id, f"{field}.arguments"),))
    if kind in _OUTPUTS:
        if call_id not in called:
            raise BadRequestError(f"{field}.call_id belongs to no call before it", param=f"{field}.call_id")
        content, images, places = joined(await parts_of(item.get("output"), f"{field}.output", media))
        return Message(
            role="tool", content=content, images=images, places=places, tool_name=called[call_id], tool_call_id=call_id
        )
    raise BadRequestError(f"{field}.type is not known: {str(kind)[:40]!r}", param=f"{field}.type")


async def parts_of(given: Any, field: str, media: MediaReader) -> list[str | bytes]:
    """Return text, or texts, pictures and JSON values in their order."""
    if isinstance(given, str):
        return [given]
    if not isinstance(given, list) or not all(isinstance(part, Mapping) for part in given):
        raise BadRequestError(f"{field} must be a string or an array of parts", param=field)
    return [await _part(part, f"{field}.{at}", media) for at, part in enumerate(given)]


async def _part(part: Mapping[str, Any], field: str, media: MediaReader) -> str | bytes:
    match part:
        case {"type": "input_text" | "output_text", "text": str(text)} | {"type": "refusal", "refusal": str(text)}:
            return text
        case {"type": "input_image", "image_url": str(url)}:
            return await media.at(url, f"{field}.image_url")
        case {"type": "input_json", "data": list() | dict() as data}:
            return asked_text(data)
    raise BadRequestError(f"{field} must be an input_text, input_image or input_json", param=field)


async def _question(given: Mapping[str, Any], field: str, media: MediaReader) -> Question:
    parts = tuple(await parts_of(given.get("instructions"), f"{field}.instructions", media))
    if given.get("name") is not None and not isinstance(given["name"], str):
        raise BadRequestError(f"{field}.name must be a string", param=f"{field}.name")
    kind = given.get("type")
    if kind == "predicate":
        return Question(("Is this statement true of the input above?", *parts), YES_NO)
    if kind == "choice":
        options = _options(given.get("choices"), f"{field}.choices", "value", MOST_ANSWERS, str | bool)
        return Question(parts, tuple(_shown(option["value"]) for option in options), _meanings(options))
    if kind == "score":
        levels = _options(given.get("levels"), f"{field}.levels", "label", _MOST_LEVELS, str)
        return Question(parts, tuple(level["label"] for level in levels), _meanings(levels))
    raise BadRequestError(f"{field}.type must be predicate, choice or score", param=f"{field}.type")


def _options(given: Any, field: str, key: str, most: int, kind: Any) -> list[dict[str, Any]]:
    if not isinstance(given, list) or not 2 <= len(given) <= most:
        raise BadRequestError(f"{field} must be an array of 2 to {most}", param=field)
    for at, option in enumerate(given):
        if not isinstance(option, dict) or not isinstance(option.get(key), kind) or option[key] == "":
            raise BadRequestError(f"{field}.{at} needs a {key}", param=f"{field}.{at}.{key}")
        if not isinstance(option.get("description"), str | None):
            raise BadRequestError(f"{field}.{at}.description must be a string", param=f"{field}.{at}.description")
    if len({(type(option[key]), option[key]) for option in given}) < len(given):
        raise BadRequestError(f"{field} must differ from each other", param=field)
    return given


def _shown(value: str | bool) -> str:
    return value if isinstance(value, str) else str(value).lower()


def _meanings(options: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(option.get("description") or "" for option in options)


def _answer(question: Mapping[str, Any], shares: Sequence[float]) -> dict[str, Any]:
    head = {"type": question["type"], "name": question.get("name")}
    if question["type"] == "predicate":
        return head | {"probability": shares[0]}
    if question["type"] == "choice":
        values = [option["value"] for option in question["choices"]]
        best = likeliest(shares)
        listed = [{"value": value, "probability": share} for value, share in zip(values, shares, strict=True)]
        return head | {"choice": values[best], "confidence": confidence(shares), "probabilities": listed}
    levels = [
        {"label": level["label"], "value": at, "probability": shares[at]} for at, level in enumerate(question["levels"])
    ]
    return head | {"score": expected(shares), "confidence": confidence(shares), "probabilities": levels}


def _usage(decided: Decided) -> dict[str, Any]:
    return {
        "input_tokens": decided.prompt_tokens,
        "input_tokens_details": {"cached_tokens": decided.cached_tokens, "cache_write_tokens": 0},
        "output_tokens": 0,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": decided.prompt_tokens,
    }
