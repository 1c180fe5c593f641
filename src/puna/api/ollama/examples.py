"""A request for each route that can be tried as it stands, in the order in which they build on each other."""

from collections.abc import Mapping
from typing import Any

DIGEST = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
"""That of the five bytes ``hello``."""

BODIES: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("post", "/api/generate"): {"model": "cria", "prompt": "Why is the sky blue?"},
    ("post", "/api/chat"): {"model": "cria", "messages": [{"role": "user", "content": "Why is the sky blue?"}]},
    ("post", "/api/embed"): {"model": "cria", "input": ["Why is the sky blue?", "Why is the grass green?"]},
    ("post", "/api/embeddings"): {"model": "cria", "prompt": "Why is the sky blue?"},
    ("post", "/api/show"): {"model": "cria"},
    ("post", "/api/create"): {"model": "my-model", "from": "cria", "system": "You are a llama."},
    ("post", "/api/copy"): {"source": "cria", "destination": "my-model"},
    ("delete", "/api/delete"): {"model": "my-model"},
    ("post", "/api/pull"): {"model": "smollm2:135m"},
    ("post", "/api/push"): {"model": "registry.example.com/me/my-model"},
    ("post", "/api/puna/verify"): {"prune": False},
    ("post", "/api/puna/repair"): {"stream": False},
    ("post", "/api/puna/keys"): {"name": "my-key", "scopes": ["infer"], "rate": "60/m", "expires": "90d"},
    ("patch", "/api/puna/keys/{name}"): {"tokens": "1M/day"},
    ("post", "/api/puna/modelfile"): {"modelfile": "FROM cria\nSYSTEM You are a llama."},
}
"""Bodies by method and path; pull and push need a registry."""

PARAMETERS: Mapping[str, str] = {
    "digest": DIGEST,
    "request_id": "my-request",
    "name": "my-key",
    "recording_id": "16d0e4d78abf",
    "within": "1h",
    "key": "my-key",
    "since": "2026-11-01",
    "until": "2026-11-30",
    "format": "csv",
}
"""What stands for a part of a path or of a query, by its name."""
