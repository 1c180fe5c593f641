"""What comes back from each of Puna's own routes, for the API's description."""

from puna.api.shapes import (
    ANY,
    FLAG,
    JSON,
    NUMBER,
    OBJECT,
    TEXT,
    WHOLE,
    Answers,
    by_name,
    counts,
    either,
    just,
    many,
    or_null,
    texts,
    thing,
)

_KEY = thing(
    {
        **texts("name", "id", "priority"),
        "state": just("active", "expired", "revoked"),
        **dict.fromkeys(("scopes", "models", "routes"), many(TEXT)),
        **dict.fromkeys(("rate", "tokens", "created_at", "expires_at", "revoked_at"), or_null(TEXT)),
        "concurrent": or_null(WHOLE),
        "weight": NUMBER,
    },
    key=TEXT,
)
_SECTION = thing({"model": TEXT, "options": OBJECT, "aliases": many(TEXT)})
_USED = thing(
    {
        **texts("day", "key", "model"),
        **counts("requests", "prompt_tokens", "cached_tokens", "generated_tokens", "refusals"),
        "seconds": NUMBER,
    }
)
_ASKED = thing(
    {
        **texts("id", "model", "dialect", "outcome", "error"),
        **counts("prompt", "cached", "cut", "generated", "ready", "first", "duration"),
    }
)
_WAITING = thing(
    {
        **texts("id", "model", "client"),
        "priority": just("batch", "interactive"),
        "state": TEXT,
        "seconds": NUMBER,
    },
    position=or_null(WHOLE),
    estimated_wait=or_null(NUMBER),
)
_RANKS = thing(
    {
        **texts("id", "object", "model"),
        "results": many(thing({"index": WHOLE, "relevance_score": NUMBER}, document=thing({"text": TEXT}))),
        "usage": thing(counts("prompt_tokens", "total_tokens")),
    }
)
_RANKED = {JSON: either(_RANKS, many(thing({"index": WHOLE, "score": NUMBER}, text=TEXT)))}
_TUNED = thing({**texts("model", "measured_at", "engine", "runs_with"), "speeds": by_name(NUMBER)})
_RECORDED = thing(
    {**texts("id", "method", "path", "dialect"), "headers": by_name(TEXT), "answer": TEXT, "status": WHOLE}
)
_NODE = thing(
    {
        **texts("node", "address", "version", "engine"),
        "state": just("ready", "draining", "another protocol"),
        "labels": many(TEXT),
        **counts("memory", "free", "sent"),
        "models": many(thing({"model": TEXT, **counts("slots", "size")})),
    }
)
NOT_READY = thing({"status": TEXT, "reason": TEXT})

ANSWERS: Answers = {
    ("get", "/"): {"text/plain": None, "text/html": None},
    ("get", "/api/version"): {JSON: thing(texts("version", "puna"))},
    ("get", "/api/queue"): {
        JSON: thing(
            {
                **counts("running", "waiting", "max_queue"),
                "requests": many(_WAITING),
                "loads": many(thing({"model": TEXT, "seconds": NUMBER})),
            }
        )
    },
    ("delete", "/api/queue/{request_id}"): {},
    ("get", "/api/puna/sessions"): {
        JSON: thing(
            {
                "limit": WHOLE,
                "sessions": many(thing({"model": TEXT, **counts("tokens", "size"), "used_at": TEXT})),
            }
        )
    },
    ("delete", "/api/puna/sessions"): {JSON: thing({"removed": WHOLE})},
    ("get", "/api/puna/keys"): {JSON: thing({"keys": many(_KEY)})},
    ("post", "/api/puna/keys"): {JSON: _KEY},
    ("patch", "/api/puna/keys/{name}"): {JSON: _KEY},
    ("delete", "/api/puna/keys/{name}"): {JSON: _KEY},
    ("post", "/api/puna/keys/{name}/rotate"): {JSON: _KEY},
    ("get", "/api/puna/usage"): {JSON: thing({"usage": many(_USED)}), "text/csv": None},
    ("get", "/api/puna/models/{model}/settings"): {JSON: _SECTION},
    ("patch", "/api/puna/models/{model}/settings"): {JSON: _SECTION},
    ("get", "/api/puna/cluster"): {JSON: thing({"version": TEXT, "nodes": many(_NODE)})},
    ("post", "/api/puna/cluster/drain"): {JSON: thing({"nodes": many(TEXT)})},
    ("get", "/metrics"): {"text/plain": None},
    ("post", "/v1/systemone"): {
        JSON: thing(
            {
                "model": TEXT,
                "answers": by_name(thing({"type": just("noul", "choice", "score")})),
                "usage": thing(counts("input_tokens", "output_tokens")),
            }
        )
    },
    ("post", "/api/rerank"): _RANKED,
    ("post", "/v1/rerank"): _RANKED,
    ("post", "/api/tokenize"): {JSON: thing({"model": TEXT, "tokens": many(WHOLE), "count": WHOLE})},
    ("post", "/api/detokenize"): {JSON: thing(texts("model", "text", "content"))},
    ("post", "/api/apply_template"): {JSON: thing(texts("model", "prompt"))},
    ("get", "/health"): {JSON: thing(texts("status"))},
    ("get", "/ready"): {JSON: thing(texts("status"))},
    ("get", "/api/puna/engine"): {
        JSON: thing(
            {
                **texts("engine", "version"),
                **dict.fromkeys(("instructions", "cards", "unused_instructions"), many(ANY)),
                "factor": NUMBER,
                "measured_with": TEXT,
                "builds": by_name(OBJECT),
                "models": by_name(TEXT),
                "tuned": many(_TUNED),
            }
        )
    },
    ("get", "/api/puna/recordings"): {JSON: thing({"recording": FLAG, "recordings": many(OBJECT)})},
    ("get", "/api/puna/recordings/{recording_id}"): {JSON: _RECORDED},
    ("post", "/api/puna/recordings/{recording_id}/replay"): {
        JSON: thing({"recorded": _RECORDED, "replayed": _RECORDED})
    },
    ("delete", "/api/puna/recordings/{recording_id}"): {JSON: thing({"removed": WHOLE})},
    ("get", "/api/puna/machine"): {
        JSON: thing(
            {
                "memory": thing(counts("total", "available")),
                "cards": many(thing({"name": TEXT, **counts("total", "free")})),
                "processors": WHOLE,
            }
        )
    },
    ("get", "/api/puna/requests"): {JSON: thing({"requests": many(_ASKED), "others": WHOLE})},
    ("post", "/api/puna/modelfile"): {
        JSON: thing(
            texts("from"),
            license=many(TEXT),
            parameters=by_name(ANY),
            messages=many(OBJECT),
            **texts("template", "system", "renderer", "parser", "requires"),
        )
    },
}
"""By method and path."""
