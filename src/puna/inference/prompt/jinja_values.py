"""What the templates inside GGUF files want that no dialect says: their own words for thinking, and ids of calls."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from puna.inference.requests import Think

_NINE = re.compile(r"length\s*!=\s*9\b")
"""Mistral's templates take no id of another length."""
_ID_LENGTH = 9


def thinking_values(template: str, think: Think) -> dict[str, Any]:
    """Return the values by which a template learns whether, and how hard, to think; none where that is left to it.

    Most read ``enable_thinking`` and ``reasoning_effort``; the others each have a word of their own.
    """
    if think is None:
        return {}
    thinks = think is not False
    values: dict[str, Any] = {"enable_thinking": thinks, "thinking": thinks}
    if isinstance(think, str):
        values["reasoning_effort"] = think
    if "'no_think'" in template:  # Hy3, which raises for what is none of its levels
        values["reasoning_effort"] = ("low" if think == "low" else "high") if thinks else "no_think"
    if "thinking_effort" in template and isinstance(think, str):  # Kimi K3
        values["thinking_effort"] = "high" if think == "medium" and "'medium'" not in template else think
    if 'thinking_mode == "disabled"' in template:  # MiniMax M3
        values["thinking_mode"] = "enabled" if thinks else "disabled"
    if "thinking_budget == 0" in template and not thinks:  # Seed-OSS
        values["thinking_budget"] = 0
    if "reasoning is not undefined" in template or "reasoning is not defined" in template:  # Cohere, GigaChat 3.5
        values["reasoning"] = thinks
    return values


def with_ids(messages: Sequence[Mapping[str, Any]], template: str) -> list[dict[str, Any]]:
    """Return messages whose calls and results all have an id, which many clients leave out and some templates ask for.

    A result without one belongs to the first call of its function, or any, that has no result yet.
    """
    exact = bool(_NINE.search(template))
    waiting: list[tuple[str, str]] = []
    number = 0
    made = []
    for given in messages:
        message = dict(given)
        if calls := message.get("tool_calls"):
            named = []
            for call in calls:
                number += 1
                call_id = _fit(call.get("id") or f"{number:0{_ID_LENGTH}}", exact=exact)
                waiting.append((call_id, call["function"]["name"]))
                named.append({**call, "id": call_id})
            message["tool_calls"] = named
        elif message.get("role") == "tool":
            if own := message.get("tool_call_id"):
                message["tool_call_id"] = _fit(own, exact=exact)
            elif answered := _answered(waiting, message.get("name")):
                message["tool_call_id"] = answered
            waiting = [entry for entry in waiting if entry[0] != message.get("tool_call_id")]
        made.append(message)
    return made


def _fit(call_id: str, *, exact: bool) -> str:
    if not exact or (len(call_id) == _ID_LENGTH and call_id.isalnum()):
        return call_id
    return hashlib.sha256(call_id.encode()).hexdigest()[:_ID_LENGTH]


def _answered(waiting: Iterable[tuple[str, str]], name: str | None) -> str:
    entries = list(waiting)
    return next((call_id for call_id, called in entries if called == name), entries[0][0] if entries else "")
