"""Requests of Anthropic's dialect that can be tried as they stand."""

from collections.abc import Mapping
from typing import Any

_MESSAGES = [{"role": "user", "content": "Why is the sky blue?"}]
BODIES: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("post", "/v1/messages"): {"model": "cria", "max_tokens": 200, "messages": _MESSAGES},
    ("post", "/v1/messages/batches"): {
        "requests": [{"custom_id": "a", "params": {"model": "cria", "max_tokens": 9, "messages": _MESSAGES}}],
    },
    ("post", "/v1/messages/count_tokens"): {"model": "cria", "messages": _MESSAGES},
}
"""Bodies by method and path."""
