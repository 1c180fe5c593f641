"""A request for each route of the dialect that can be tried as it stands."""

from collections.abc import Mapping
from typing import Any

BODIES: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("post", "/v1/chat/completions"): {
        "model": "cria",
        "messages": [{"role": "user", "content": "Why is the sky blue?"}],
    },
    ("post", "/v1/completions"): {"model": "cria", "prompt": "The sky is", "max_tokens": 16},
    ("post", "/v1/embeddings"): {"model": "cria", "input": ["Why is the sky blue?", "Why is the grass green?"]},
    ("post", "/v1/responses"): {"model": "cria", "input": "Why is the sky blue?", "store": False},
    ("post", "/v1/responses/input_tokens"): {"model": "cria", "input": "Why is the sky blue?"},
    ("post", "/v1/responses/compact"): {"model": "cria", "input": "Why is the sky blue?"},
    ("post", "/v1/conversations"): {"metadata": {"topic": "sky"}},
    ("post", "/v1/conversations/{conversation_id}"): {"metadata": {"topic": "grass"}},
    ("post", "/v1/conversations/{conversation_id}/items"): {
        "items": [{"role": "user", "content": "Why is the sky blue?"}],
    },
    ("post", "/v1/decisions"): {
        "model": "cria",
        "input": "I want my money back!",
        "questions": [{"type": "predicate", "instructions": "The customer is angry."}],
    },
}
"""Bodies by method and path."""

PARAMETERS: Mapping[str, Any] = {
    "model": "cria",
    "response_id": "resp_0",
    "conversation_id": "conv_0",
    "item_id": "msg_0",
    "stream": False,
    "starting_after": -1,
    "after": "",
    "limit": 20,
    "order": "desc",
}
"""What stands for a part of a path, or of a query, by its name."""
