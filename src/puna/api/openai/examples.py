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
    ("post", "/v1/decisions"): {
        "model": "cria",
        "input": "I want my money back!",
        "questions": [{"type": "predicate", "instructions": "The customer is angry."}],
    },
}
"""Bodies by method and path."""

PARAMETERS: Mapping[str, str] = {"model": "cria"}
"""What stands for a part of a path, by its name."""
