"""What comes back from each route of the dialect, for the API's description."""

from puna.api.shapes import (
    FLAG,
    JSON,
    LINES,
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

_DETAILS = thing(
    {**texts("parent_model", "format", "family", "parameter_size", "quantization_level"), "families": many(TEXT)},
    **counts("context_length", "embedding_length"),
)
_TOKEN = {"token": TEXT, "logprob": NUMBER, "bytes": many(WHOLE)}
_CALL = thing({"function": thing({"name": TEXT, "arguments": OBJECT}, index=WHOLE)}, id=TEXT)
_MESSAGE = thing(texts("role", "content"), thinking=TEXT, tool_calls=many(_CALL))
_FINAL = {
    "done_reason": just("stop", "length", "load", "unload"),
    **counts("total_duration", "load_duration", "prompt_eval_count", "prompt_eval_duration", "eval_count"),
    **counts("eval_duration", "dropped_messages", "dropped_tokens", "context_length"),
    "prompt_truncated": FLAG,
    "logprobs": many(thing(_TOKEN, top_logprobs=many(thing(_TOKEN)))),
    "_debug_info": thing({"rendered_template": TEXT}, image_count=WHOLE),
}
_FAILED = thing({"error": TEXT})
_ALWAYS = {"model": TEXT, "created_at": TEXT, "done": FLAG}
_GENERATED = thing({**_ALWAYS, "response": TEXT}, thinking=TEXT, context=many(WHOLE), **_FINAL)
_SAID = thing({**_ALWAYS, "message": _MESSAGE}, **_FINAL)
_NAMED = texts("name", "model", "digest")
_STEP = thing({"status": TEXT}, digest=TEXT, **counts("total", "completed"))
_FOUND = {"ok": FLAG, **counts("checked", "size"), **dict.fromkeys(("findings", "broken", "warnings"), many(OBJECT))}
_CHECKED = thing({"status": TEXT}, report=thing({**_FOUND, "broken": many(TEXT), "warnings": many(TEXT)}))
_EMBEDDED = thing(
    {"model": TEXT, "embeddings": many(many(NUMBER))}, **counts("total_duration", "load_duration", "prompt_eval_count")
)


def _either_way(schema: Schema) -> dict[str, Schema]:
    """Return what comes back as a stream of objects, or as the last one alone; an error may end the stream."""
    return {LINES: either(schema, _FAILED), JSON: schema}


_LISTED = {**_NAMED, "modified_at": TEXT, "size": WHOLE, "details": _DETAILS}
_LOADED = {**_NAMED, "details": _DETAILS, "expires_at": TEXT, **counts("size", "size_vram")}

ANSWERS: Answers = {
    ("post", "/api/generate"): _either_way(_GENERATED),
    ("post", "/api/chat"): _either_way(_SAID),
    ("post", "/api/embed"): {JSON: _EMBEDDED},
    ("post", "/api/embeddings"): {JSON: thing({"embedding": many(NUMBER)})},
    ("get", "/api/tags"): {JSON: thing({"models": many(thing(_LISTED, capabilities=many(TEXT), warning=TEXT))})},
    ("get", "/api/ps"): {JSON: thing({"models": many(thing(_LOADED, context_length=WHOLE))})},
    ("post", "/api/show"): {
        JSON: thing(
            {
                **texts("modelfile", "template", "modified_at"),
                "details": _DETAILS,
                "model_info": OBJECT,
                "capabilities": many(TEXT),
            },
            **texts("license", "parameters", "system", "renderer", "parser", "requires"),
            messages=many(OBJECT),
            tensors=or_null(many(thing({"name": TEXT, "type": TEXT, "shape": many(WHOLE)}))),
            projector_info=OBJECT,
        )
    },
    ("post", "/api/copy"): {},
    ("delete", "/api/delete"): {},
    ("head", "/api/blobs/{digest}"): {},
    ("post", "/api/blobs/{digest}"): {},
    ("post", "/api/create"): _either_way(_STEP),
    ("post", "/api/pull"): _either_way(_STEP),
    ("post", "/api/push"): _either_way(_STEP),
    ("post", "/api/puna/verify"): _either_way(_CHECKED),
    ("post", "/api/puna/repair"): _either_way(_CHECKED),
    ("get", "/api/status"): {JSON: thing({"cloud": thing({"disabled": FLAG, "source": TEXT})})},
}
"""By method and path."""
