"""What a batch is asked with, its requests, and the lines of its files, in OpenAI's form."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from puna.outside import on_one_line


@dataclass(frozen=True, slots=True)
class NewBatch:
    """What a caller asks for: ``window`` and ``output_age`` (of the files that it makes) are in seconds."""

    given: str
    endpoint: str
    window: float
    window_text: str
    metadata: Mapping[str, str] | None
    output_age: float | None = None
    prefix: str = "batch"
    """What its id begins with."""


@dataclass(frozen=True, slots=True)
class BatchItem:
    """A request of a batch that waits for its answer, and where it lies in the file ``given``."""

    batch: str
    owner: str
    endpoint: str
    given: str
    number: int
    custom_id: str
    start: int
    length: int

    @property
    def key(self) -> tuple[str, int]:
        """Return what tells it from all others."""
        return self.batch, self.number


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens that an answer took."""

    prompt: int = 0
    cached: int = 0
    answer: int = 0
    thought: int = 0


def answer_line(custom_id: str, status: int, request_id: str, body: bytes) -> bytes:
    """Return the line of a request that was answered, with whatever status; ``body`` is JSON."""
    head = {"id": _line_id(), "custom_id": custom_id}
    response = {"status_code": status, "request_id": request_id, "body": orjson.Fragment(body)}
    line = {**head, "response": response, "error": None}
    return on_one_line(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))


def error_line(custom_id: str, code: str, message: str) -> bytes:
    """Return the line of a request that was not asked."""
    error = {"code": code, "message": message}
    line = {"id": _line_id(), "custom_id": custom_id, "response": None, "error": error}
    return on_one_line(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))


def _line_id() -> str:
    return f"batch_req_{secrets.token_hex(12)}"
