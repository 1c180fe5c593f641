"""What comes back from each route of the dialect, for the API's description."""

from puna.api.shapes import (
    EVENTS,
    FLAG,
    JSON,
    OBJECT,
    TEXT,
    Answers,
    counts,
    just,
    many,
    or_null,
    texts,
    thing,
)

_USAGE = thing(
    counts("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens"),
    output_tokens_details=thing(counts("thinking_tokens")),
    cache_miss=thing(texts("type")),
)
_MESSAGE = thing(
    {
        **texts("id", "model"),
        "type": just("message"),
        "role": just("assistant"),
        "content": many(thing(texts("type"))),
        "stop_reason": or_null(just("end_turn", "max_tokens", "stop_sequence", "tool_use")),
        "stop_sequence": or_null(TEXT),
        "usage": _USAGE,
    }
)
_BATCH = thing(
    {
        "id": TEXT,
        "type": just("message_batch"),
        "processing_status": just("in_progress", "canceling", "ended"),
        "request_counts": thing(counts("processing", "succeeded", "errored", "canceled", "expired")),
        "created_at": TEXT,
        "expires_at": TEXT,
        **dict.fromkeys(("ended_at", "cancel_initiated_at", "archived_at", "results_url"), or_null(TEXT)),
    }
)
_PAGE = {"has_more": FLAG, "first_id": or_null(TEXT), "last_id": or_null(TEXT)}
_MODEL = thing({**texts("id", "display_name", "created_at"), "type": just("model")}, capabilities=OBJECT)
_RESULT = thing({"custom_id": TEXT, "result": thing({"type": just("succeeded", "errored", "canceled", "expired")})})

ANSWERS: Answers = {
    ("get", "/v1/models"): {JSON: thing({"data": many(_MODEL), **_PAGE})},
    ("get", "/v1/models/{model}"): {JSON: _MODEL},
    ("post", "/v1/messages"): {EVENTS: thing(texts("type")), JSON: _MESSAGE},
    ("post", "/v1/messages/count_tokens"): {JSON: thing(counts("input_tokens"))},
    ("post", "/v1/messages/batches"): {JSON: _BATCH},
    ("get", "/v1/messages/batches"): {JSON: thing({"data": many(_BATCH), **_PAGE})},
    ("get", "/v1/messages/batches/{batch_id}"): {JSON: _BATCH},
    ("post", "/v1/messages/batches/{batch_id}/cancel"): {JSON: _BATCH},
    ("delete", "/v1/messages/batches/{batch_id}"): {JSON: thing({"id": TEXT, "type": just("message_batch_deleted")})},
    ("get", "/v1/messages/batches/{batch_id}/results"): {"application/x-jsonl": _RESULT},
}
"""By method and path."""
