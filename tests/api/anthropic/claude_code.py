"""A recorded request of Claude Code 2.1.197, whole, and in the same shape with less text."""

import json
from pathlib import Path
from typing import Any

_RECORDED = json.loads((Path(__file__).parent / "claude_code.json").read_text(encoding="utf-8"))
PATH: str = _RECORDED["path"]
HEADERS: dict[str, str] = {name: _RECORDED["headers"][name] for name in _RECORDED["headers"] if name != "Connection"}
_BILLING = "x-anthropic-billing-header: cc_version=2.1.197; cc_entrypoint=cli; cch="


def whole(model: str) -> dict[str, Any]:
    """Return the body as it was recorded, for a model."""
    return copy(_RECORDED["body"]) | {"model": model}


def shortened(model: str, call: int, length: int = 300) -> dict[str, Any]:
    """Return the body with all its parts but most tools, each of them short, and the line that bills ``call``.

    Only the reminder is of ``length``.
    """
    body = _cut(whole(model), 60)
    body["tools"] = [tool | {"description": tool["description"][:16]} for tool in body["tools"][5:9]]
    body["messages"][1]["content"] = whole(model)["messages"][1]["content"][:length]
    body["system"].insert(0, {"type": "text", "text": f"{_BILLING}{call:05x};"})
    return body | {"max_tokens": 24, "temperature": 0}


def reordered(value: Any) -> Any:
    """Return a value with the keys of all its objects the other way round."""
    if isinstance(value, dict):
        return {key: reordered(value[key]) for key in reversed(value)}
    return [reordered(item) for item in value] if isinstance(value, list) else value


def _cut(value: Any, length: int) -> Any:
    if isinstance(value, dict):
        return {key: _cut(item, length) for key, item in value.items()}
    if isinstance(value, list):
        return [_cut(item, length) for item in value]
    return value[:length] if isinstance(value, str) else value


def copy(value: Any) -> Any:
    return json.loads(json.dumps(value))
