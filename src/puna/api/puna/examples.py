"""A request for each of Puna's own routes that can be tried as it stands."""

from collections.abc import Mapping
from typing import Any

_DOCUMENTS = ["The sky scatters blue light.", "Grass is green."]

BODIES: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("post", "/v1/systemone"): {
        "model": "cria",
        "state": "I want my money back!",
        "questions": {"angry": {"type": "noul", "instructions": "Is the customer angry?"}},
    },
    ("post", "/v1/rerank"): {"model": "cria", "query": "Why is the sky blue?", "documents": _DOCUMENTS},
    ("post", "/api/rerank"): {"model": "cria", "query": "Why is the sky blue?", "documents": _DOCUMENTS},
    ("post", "/api/tokenize"): {"model": "cria", "text": "Why is the sky blue?"},
    ("post", "/api/detokenize"): {"model": "cria", "tokens": [100, 200]},
    ("post", "/api/apply_template"): {
        "model": "cria",
        "messages": [{"role": "user", "content": "Why is the sky blue?"}],
    },
    ("patch", "/api/puna/models/{model}/settings"): {"keep_alive": "5m"},
    ("post", "/api/puna/recordings/{recording_id}/replay"): {"options": {"temperature": 0}},
    ("post", "/api/puna/cluster/drain"): {"node": "127.0.0.1", "drain": False},
}
"""Bodies by method and path."""
