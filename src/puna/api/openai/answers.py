"""What comes back from each route of the dialect, for the API's description."""

from puna.api.shapes import (
    EVENTS,
    FLAG,
    JSON,
    NUMBER,
    OBJECT,
    TEXT,
    WHOLE,
    Answers,
    Schema,
    counts,
    either,
    just,
    many,
    or_null,
    texts,
    thing,
)

_USAGE = thing(
    counts("prompt_tokens", "completion_tokens", "total_tokens"),
    prompt_tokens_details=thing(counts("cached_tokens")),
    completion_tokens_details=thing(counts("reasoning_tokens", "accepted_prediction_tokens")),
    cache_miss=thing({"type": TEXT, "tokens": WHOLE}),
)
_COUNTED = thing(
    {
        **counts("input_tokens", "output_tokens", "total_tokens"),
        "input_tokens_details": thing(counts("cached_tokens")),
        "output_tokens_details": thing(counts("reasoning_tokens")),
    }
)
_HEAD = {**texts("id", "model", "system_fingerprint"), "created": WHOLE}
_REASON = just("stop", "length", "tool_calls", "function_call")
_FUNCTION = thing(texts("name", "arguments"))
_CALL = thing(
    {"id": TEXT, "type": just("function", "custom")}, function=_FUNCTION, custom=thing(texts("name", "input"))
)
_SAID = {**texts("reasoning", "reasoning_content"), "refusal": or_null(TEXT), "function_call": OBJECT}
_MESSAGE = thing({"role": just("assistant"), "content": or_null(TEXT)}, tool_calls=many(_CALL), **_SAID)
_DELTA = thing(role=just("assistant"), content=or_null(TEXT), tool_calls=many(thing({"index": WHOLE})), **_SAID)
_LOGPROBS = or_null(thing({"content": or_null(many(OBJECT))}))


def _choices(**fields: Schema) -> Schema:
    return many(thing({"index": WHOLE, **fields}))


_CHAT = thing(
    {
        **_HEAD,
        "object": just("chat.completion"),
        "choices": _choices(message=_MESSAGE, finish_reason=_REASON, logprobs=_LOGPROBS),
        "usage": _USAGE,
    }
)
_CHUNK = thing(
    {
        **_HEAD,
        "object": just("chat.completion.chunk"),
        "choices": _choices(delta=_DELTA, finish_reason=or_null(_REASON), logprobs=_LOGPROBS),
    },
    usage=or_null(_USAGE),
)
_TOKENS = or_null(
    thing(
        {
            "tokens": many(TEXT),
            "token_logprobs": many(or_null(NUMBER)),
            "top_logprobs": or_null(many(or_null(OBJECT))),
            "text_offset": many(WHOLE),
        }
    )
)
_TEXT_HEAD = {**_HEAD, "object": just("text_completion")}
_TEXTS = _choices(text=TEXT, finish_reason=_REASON, logprobs=_TOKENS)
_TEXT_PIECES = _choices(text=TEXT, finish_reason=or_null(_REASON), logprobs=_TOKENS)
_FAILED = thing({"error": thing(texts("message", "type"), param=or_null(TEXT), code=or_null(TEXT))})
_MODEL = thing(
    {"id": TEXT, "object": just("model"), "created": WHOLE, "owned_by": TEXT},
    capabilities=many(TEXT),
    **counts("context_length", "embedding_length"),
)
_ITEM = thing({"type": TEXT, "id": TEXT})
_RESPONSE = thing(
    {
        **texts("id", "model"),
        "object": just("response"),
        "created_at": WHOLE,
        "status": just("completed", "failed", "in_progress", "cancelled", "queued", "incomplete"),
        "output": many(_ITEM),
        "error": or_null(thing(texts("code", "message"))),
        "incomplete_details": or_null(thing({"reason": TEXT})),
        "usage": or_null(_COUNTED),
        "tools": many(OBJECT),
        "metadata": OBJECT,
    }
)
_EVENT = thing({"type": TEXT}, sequence_number=WHOLE)
_ENDS = {"first_id": or_null(TEXT), "last_id": or_null(TEXT), "has_more": FLAG}
_CONVERSATION = thing({"id": TEXT, "object": just("conversation"), "created_at": WHOLE, "metadata": OBJECT})
_FILE = thing(
    {
        **texts("id", "filename", "purpose", "status"),
        "object": just("file"),
        "bytes": WHOLE,
        "created_at": WHOLE,
        "expires_at": or_null(WHOLE),
    }
)
_BATCH = thing(
    {
        **texts("id", "status", "input_file_id", "endpoint", "completion_window"),
        "object": just("batch"),
        "created_at": WHOLE,
        "expires_at": WHOLE,
        "output_file_id": or_null(TEXT),
        "error_file_id": or_null(TEXT),
        "request_counts": thing(counts("total", "completed", "failed")),
    },
    usage=_COUNTED,
)
_EMBEDDING = thing({"object": just("embedding"), "index": WHOLE, "embedding": either(many(NUMBER), TEXT)})
_DECISION = thing({"type": just("predicate", "choice", "score"), "name": or_null(TEXT)}, probability=NUMBER)


def _listed(schema: Schema) -> Schema:
    return thing({"object": just("list"), "data": many(schema), **_ENDS})


def _gone(kind: str) -> Schema:
    return thing({"id": TEXT, "object": just(kind), "deleted": FLAG})


ANSWERS: Answers = {
    ("post", "/v1/chat/completions"): {EVENTS: either(_CHUNK, _FAILED), JSON: _CHAT},
    ("post", "/v1/completions"): {
        EVENTS: either(thing({**_TEXT_HEAD, "choices": _TEXT_PIECES}, usage=or_null(_USAGE)), _FAILED),
        JSON: thing({**_TEXT_HEAD, "choices": _TEXTS, "usage": _USAGE}),
    },
    ("post", "/v1/embeddings"): {
        JSON: thing(
            {
                "object": just("list"),
                "model": TEXT,
                "data": many(_EMBEDDING),
                "usage": thing(counts("prompt_tokens", "total_tokens")),
            }
        )
    },
    ("get", "/v1/models"): {
        JSON: thing({"object": just("list"), "data": many(_MODEL)}, models=many(thing(texts("slug"))))
    },
    ("get", "/v1/models/{model}"): {JSON: _MODEL},
    ("post", "/v1/audio/transcriptions"): {
        JSON: thing({"text": TEXT}, usage=OBJECT, logprobs=many(OBJECT)),
        EVENTS: thing({"type": TEXT}),
        "text/plain": None,
    },
    ("post", "/v1/decisions"): {JSON: thing({"model": TEXT, "answers": many(_DECISION), "usage": _COUNTED})},
    ("post", "/v1/responses"): {EVENTS: _EVENT, JSON: _RESPONSE},
    ("get", "/v1/responses/{response_id}"): {EVENTS: _EVENT, JSON: _RESPONSE},
    ("delete", "/v1/responses/{response_id}"): {JSON: _gone("response")},
    ("post", "/v1/responses/{response_id}/cancel"): {JSON: _RESPONSE},
    ("get", "/v1/responses/{response_id}/input_items"): {JSON: _listed(_ITEM)},
    ("post", "/v1/responses/input_tokens"): {
        JSON: thing({"object": just("response.input_tokens"), "input_tokens": WHOLE})
    },
    ("post", "/v1/responses/compact"): {
        JSON: thing(
            {
                "id": TEXT,
                "object": just("response.compaction"),
                "created_at": WHOLE,
                "output": many(_ITEM),
                "usage": _COUNTED,
            }
        )
    },
    ("post", "/v1/conversations"): {JSON: _CONVERSATION},
    ("get", "/v1/conversations/{conversation_id}"): {JSON: _CONVERSATION},
    ("post", "/v1/conversations/{conversation_id}"): {JSON: _CONVERSATION},
    ("delete", "/v1/conversations/{conversation_id}"): {JSON: _gone("conversation.deleted")},
    ("get", "/v1/conversations/{conversation_id}/items"): {JSON: _listed(_ITEM)},
    ("post", "/v1/conversations/{conversation_id}/items"): {JSON: _listed(_ITEM)},
    ("get", "/v1/conversations/{conversation_id}/items/{item_id}"): {JSON: _ITEM},
    ("delete", "/v1/conversations/{conversation_id}/items/{item_id}"): {JSON: _CONVERSATION},
    ("post", "/v1/files"): {JSON: _FILE},
    ("get", "/v1/files"): {JSON: _listed(_FILE)},
    ("get", "/v1/files/{file_id}"): {JSON: _FILE},
    ("delete", "/v1/files/{file_id}"): {JSON: _gone("file")},
    ("get", "/v1/files/{file_id}/content"): {"application/jsonl": None},
    ("post", "/v1/batches"): {JSON: _BATCH},
    ("get", "/v1/batches"): {JSON: _listed(_BATCH)},
    ("get", "/v1/batches/{batch_id}"): {JSON: _BATCH},
    ("post", "/v1/batches/{batch_id}/cancel"): {JSON: _BATCH},
}
"""By method and path."""
NEVER = {("post", "/v1/moderations")}
"""What is refused whatever is asked."""
