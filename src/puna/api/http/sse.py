"""Server-sent events: what carries one, a comment that breaks a silence, and the headers of such a stream.

By the WHATWG's HTML standard, section 9.2; readers pass over lines that begin with a colon.
"""

from typing import Any

from puna.api.http.responses import json_bytes
from puna.outside import on_one_line

MEDIA_TYPE = "text/event-stream"
COMMENT = b": still working\n\n"
HEADERS = {"Cache-Control": "no-cache"}


def data(body: Any) -> bytes:
    """Return an event without a name."""
    return b"data: " + on_one_line(json_bytes(body)) + b"\n\n"


def named(name: str, body: Any) -> bytes:
    """Return an event with a name."""
    return b"event: " + name.encode() + b"\ndata: " + on_one_line(json_bytes(body)) + b"\n\n"
