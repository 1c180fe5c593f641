"""JSON Schemas for structured output: checked before the engine sees them.

The engine constrains an answer with llguidance. Given a schema that this cannot enforce, the engine would answer
without any constraint and without an error, so the same library looks at the schema first.
"""

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson

from puna.errors import BadRequestError

_BOUNDED_SPACE = {"whitespace_pattern": "[ \\n\\t]{0,20}"}
"""Between two tokens of JSON any amount of space is valid, and a small model may write nothing else."""
_UNSUPPORTED = re.compile(r"Unimplemented keys: \[(.*)\]")


class UnsupportedSchemaError(BadRequestError):
    """A schema that the engine cannot turn into a grammar."""


def engine_schema(asked: str | Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema to send for ``format``: "json" means any object.

    Raises ``UnsupportedSchemaError``, which says which keyword or what is wrong.
    """
    schema: Mapping[str, Any] = {"type": "object"} if asked == "json" or isinstance(asked, str) else asked
    ours = {**schema, "x-guidance": _BOUNDED_SPACE}
    problem = _problem(orjson.dumps(ours).decode())
    if problem:
        raise UnsupportedSchemaError(problem)
    return ours


@lru_cache(maxsize=256)
def _problem(schema: str) -> str:
    """Return what is wrong with the schema, or ""."""
    from llguidance import LLMatcher  # loaded for those who ask for a format only

    wrong, messages = LLMatcher.validate_grammar_with_warnings(LLMatcher.grammar_from_json_schema(schema))
    if not wrong:
        return ""
    message = messages[0] if messages else "it cannot be compiled"
    if message.startswith("oneOf "):
        return "format: unsupported JSON Schema keyword: oneOf with alternatives that overlap (use anyOf)"
    if message.startswith("regex "):
        message = f"pattern: {message}"
    if match := _UNSUPPORTED.search(message):
        keywords = json.loads(f"[{match[1]}]")
        return f"format: unsupported JSON Schema keyword: {', '.join(keywords)}"
    return f"format: invalid or unsupported JSON Schema: {' '.join(message.split())}"
