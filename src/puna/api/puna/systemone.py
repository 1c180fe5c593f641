"""``/v1/systemone``: named questions about a state, in the shape that TypeSafe's System One has.

A question is a ``noul`` (yes or no), a ``choice`` among ``criteria`` (options with what each means) or a ``score`` on
``criteria`` (levels, the lowest first).
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

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
from puna.api.services import ServicesDep, caller_of, keep_alive_seconds
from puna.errors import BadRequestError
from puna.inference.decide import DecideRequest, Question
from puna.inference.requests import Message

router = APIRouter()


class SystemOneBody(DecideBody):
    """The body of ``/v1/systemone``."""

    state: Any = None
    questions: dict[str, dict[str, Any]] = Field(default_factory=dict)


@router.post("/v1/systemone", tags=["puna"], openapi_extra=request_body(SystemOneBody))
@needs(INFER)
async def systemone_route(
    request: Request, body: Annotated[SystemOneBody, Depends(json_body(SystemOneBody))], services: ServicesDep
) -> Response:
    """Answer questions about a state."""
    model = services.model(body.model)
    if body.state in (None, ""):
        raise BadRequestError("state is required", param="state")
    check_count(body.questions)
    asked = DecideRequest(
        model=model,
        name=body.model,
        messages=(Message(role="user", content=asked_text(body.state)),),
        questions=tuple(_question(question, f"questions.{name}") for name, question in body.questions.items()),
        options=body.merged(model),
        calibrate=body.calibrate,
    )
    headers = ignored_headers(request.url.path, body, asked.options, ())
    caller = caller_of(request, body.priority)
    decided = await until_gone(request, services.service.decide(asked, caller, keep_alive_seconds(body.keep_alive)))
    answers = {
        name: _answer(question, asked_for.answers, shares)
        for (name, question), asked_for, shares in zip(
            body.questions.items(), asked.questions, decided.probabilities, strict=True
        )
    }
    usage = {"input_tokens": decided.prompt_tokens, "output_tokens": 0}
    return json_response({"model": body.model, "answers": answers, "usage": usage}, headers=headers)


def _question(given: Mapping[str, Any], field: str) -> Question:
    instructions, criteria, kind = given.get("instructions"), given.get("criteria"), given.get("type")
    if instructions in (None, ""):
        raise BadRequestError(f"{field}.instructions is required", param=f"{field}.instructions")
    parts = (asked_text(instructions),)
    if kind == "noul":
        return Question((*parts, asked_text(criteria)) if criteria else parts, YES_NO)
    if kind == "choice":
        names, meanings = _choices(criteria, field)
    elif kind == "score":
        names, meanings = _levels(criteria, field)
    else:
        raise BadRequestError(f"{field}.type must be noul, choice or score", param=f"{field}.type")
    if not 2 <= len(names) <= MOST_ANSWERS or len(set(names)) < len(names):
        raise BadRequestError(f"{field}.criteria must be 2 to {MOST_ANSWERS} that differ", param=f"{field}.criteria")
    return Question(parts, tuple(names), tuple(meanings))


def _choices(criteria: Any, field: str) -> tuple[list[str], list[str]]:
    if isinstance(criteria, Mapping) and all(criteria):
        return list(criteria), ["" if meaning is None else asked_text(meaning) for meaning in criteria.values()]
    return _levels(criteria, field)


def _levels(criteria: Any, field: str) -> tuple[list[str], list[str]]:
    if not isinstance(criteria, list) or not all(isinstance(level, str) and level for level in criteria):
        raise BadRequestError(f"{field}.criteria must be an array of strings", param=f"{field}.criteria")
    return criteria, [""] * len(criteria)


def _answer(question: Mapping[str, Any], names: Sequence[str], shares: Sequence[float]) -> dict[str, Any]:
    if question["type"] == "noul":
        return {"type": "noul", "noul": shares[0]}
    if question["type"] == "choice":
        best = likeliest(shares)
        likely = dict(zip(names, shares, strict=True))
        return {"type": "choice", "choice": names[best], "confidence": confidence(shares), "probabilities": likely}
    return {
        "type": "score",
        "score": expected(shares),
        "confidence": confidence(shares),
        "legend": {str(level): name for level, name in enumerate(names)},
        "probabilities": {str(level): share for level, share in enumerate(shares)},
    }
