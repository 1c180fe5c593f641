"""The objects of the Responses API that an answer is put into, as ``openai.types.responses`` has them."""

import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from puna.api.errors import Fault
from puna.api.openai.responses.schemas import ResponsesBody
from puna.errors import BadRequestError
from puna.inference.events import Finished, Logprob, TokenLogprob
from puna.inference.options import Options

QUEUED, RUNNING, DONE, INCOMPLETE, FAILED, CANCELLED = (
    "queued",
    "in_progress",
    "completed",
    "incomplete",
    "failed",
    "cancelled",
)
_ID_BYTES = 24
_RATE_LIMITED, _SERVER = 429, 500
_PREFIXES = {
    "message": "msg",
    "reasoning": "rs",
    "function_call": "fc",
    "function_call_output": "fco",
    "custom_tool_call": "ctc",
    "custom_tool_call_output": "ctco",
    "compaction": "cmp",
}


def new_id(prefix: str) -> str:
    """Return an id that nobody can guess."""
    return f"{prefix}_{secrets.token_hex(_ID_BYTES)}"


def item_id(kind: str) -> str:
    """Return an id for an item of a kind."""
    return new_id(_PREFIXES.get(kind, "item"))


def with_ids(items: str | Iterable[Mapping[str, Any]], field: str = "input") -> list[dict[str, Any]]:
    """Return the items of an input as they are kept: text is a message, each has a type and an id.

    Errors call the items ``field``.
    """
    if isinstance(items, str):
        items = [{"role": "user", "content": [{"type": "input_text", "text": items}]}] if items else []
    kept = []
    for index, item in enumerate(items):
        kind = str(item.get("type") or ("message" if "role" in item else "item_reference"))
        if not isinstance(item.get("id"), str | None) or (kind == "item_reference" and not item.get("id")):
            raise BadRequestError(f"{field}[{index}].id must be a string", param=f"{field}[{index}].id")
        kept.append({**item, "type": kind, "id": item.get("id") or item_id(kind)})
    return kept


def shown_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return an item of an input as it is told: with a status, and the text of a message as a list of parts."""
    if item.get("type") != "message":
        return {"status": DONE, **item}
    content = item.get("content")
    if isinstance(content, str):
        kind = {"type": "output_text", "annotations": []} if item.get("role") == "assistant" else {"type": "input_text"}
        content = [{**kind, "text": content}]
    return {"status": DONE, **item, "content": content}


def new_response(body: ResponsesBody, options: Options, conversation: str, status: str) -> dict[str, Any]:
    """Return the object of a response that has said nothing yet; it says back what was asked."""
    form = _shown_format(body.text.get("format") or {"type": "text"})
    effort, summary = body.reasoning.get("effort"), body.reasoning.get("summary")
    return {
        "id": new_id("resp"),
        "object": "response",
        "created_at": int(time.time()),
        "completed_at": None,
        "status": status,
        "background": body.background,
        "error": None,
        "incomplete_details": None,
        "instructions": body.instructions or None,
        "max_output_tokens": body.max_output_tokens,
        "max_tool_calls": body.max_tool_calls,
        "model": body.model,
        "output": [],
        "parallel_tool_calls": body.parallel_tool_calls,
        "previous_response_id": body.previous_response_id or None,
        "conversation": {"id": conversation} if conversation else None,
        "prompt_cache_key": body.prompt_cache_key or None,
        "reasoning": {"effort": effort, "summary": summary},
        "safety_identifier": body.safety_identifier or None,
        "service_tier": "flex" if body.service_tier == "flex" else "default",
        "store": body.store,
        "temperature": options.sampling["temperature"],
        "text": {
            "format": form,
            **({"verbosity": body.text["verbosity"]} if body.text.get("verbosity") else {}),
        },
        "tool_choice": _shown_choice(body.tool_choice),
        "tools": [_shown_tool(tool) for tool in body.tools],
        "top_logprobs": body.top_logprobs,
        "top_p": options.sampling["top_p"],
        "presence_penalty": options.sampling["presence_penalty"],
        "frequency_penalty": options.sampling["frequency_penalty"],
        "truncation": body.truncation,
        "usage": None,
        "user": body.user or None,
        "metadata": body.metadata,
    }


def _shown_tool(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    if (tool.get("type") or "function") != "function":
        return tool
    return {"type": "function", "parameters": None, "strict": None, **_unwrapped(tool)}


def _shown_choice(choice: str | Mapping[str, Any]) -> str | Mapping[str, Any]:
    if isinstance(choice, str):
        return choice
    if choice.get("type") == "allowed_tools":
        return {"mode": "auto", **choice, "tools": [_unwrapped(tool) for tool in choice["tools"]]}
    return _unwrapped(choice)


def _shown_format(form: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"name": "response", **form} if form.get("type") == "json_schema" else form


def _unwrapped(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a function as it is written here, where a client has written it as in chat completions."""
    inner = tool.get("function")
    return {"type": "function", **inner} if isinstance(inner, dict) else tool


def usage_of(end: Finished) -> dict[str, Any]:
    """Return the counts of an answer, in tokens; what was not cached is afterwards."""
    return {
        "input_tokens": end.prompt_tokens,
        "input_tokens_details": {
            "cached_tokens": end.cached_tokens,
            "cache_write_tokens": end.prompt_tokens - end.cached_tokens,
        },
        "output_tokens": end.generated_tokens,
        "output_tokens_details": {"reasoning_tokens": end.thinking_tokens},
        "total_tokens": end.prompt_tokens + end.generated_tokens,
    }


def error_of(fault: Fault) -> dict[str, Any]:
    """Return the error of a response that failed, with the word for it that clients know, if it has one."""
    code = fault.code
    if code is None:
        code = "rate_limit_exceeded" if fault.status == _RATE_LIMITED else "server_error"
        code = code if fault.status >= _SERVER or fault.status == _RATE_LIMITED else "invalid_prompt"
    return {"code": code, "message": fault.known_as or fault.message}


def logprobs_of(logprobs: Sequence[Logprob], top: int) -> list[dict[str, Any]]:
    """Return log probabilities, with ``top`` alternatives for each token."""
    return [{**_token(one.chosen), "top_logprobs": [_token(other) for other in one.top[:top]]} for one in logprobs]


def _token(token: TokenLogprob) -> dict[str, Any]:
    return {"token": token.token, "bytes": list(token.bytes), "logprob": token.logprob}
