"""What the tests of batches share: files of requests, batches of them, and what became of each."""

import json
from collections.abc import Iterable
from typing import Any

from openai.types import Batch
from tests.server import Server, wait_for

from openai import OpenAI

CHAT = "/v1/chat/completions"
OVER = ("completed", "failed", "expired", "cancelled")
LONG = {"max_tokens": 1500, "truncation": "auto", "ignore_eos": True}


def client_of(server: Server) -> OpenAI:
    """The official client, which accepts nothing that its types do not describe."""
    return OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0, _strict_response_validation=True)


def chat(name: str, text: str = "Hello", tokens: int = 3, **body: Any) -> dict[str, Any]:
    """A line of a file of chats."""
    asked = {"model": "cria", "messages": [{"role": "user", "content": text}], "max_tokens": tokens, "temperature": 0}
    return {"custom_id": name, "method": "POST", "url": CHAT, "body": asked | body}


def upload(client: OpenAI, lines: Iterable[dict[str, Any] | str]) -> str:
    """Upload a file and return its id."""
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    return client.files.create(file=("requests.jsonl", text.encode()), purpose="batch").id


def begin(client: OpenAI, lines: Iterable[dict[str, Any] | str], endpoint: Any = CHAT, **fields: Any) -> Batch:
    """Begin a batch."""
    asked = {"completion_window": "24h", **fields}
    return client.batches.create(input_file_id=upload(client, lines), endpoint=endpoint, **asked)


def finished(client: OpenAI, name: str, seconds: float = 60) -> Batch:
    """Return a batch when it is over."""

    def look() -> Batch | None:
        batch = client.batches.retrieve(name)
        return batch if batch.status in OVER else None

    found = wait_for(look, seconds, "the batch to end")
    assert found is not None
    return found


def lines_of(client: OpenAI, file: str | None) -> list[dict[str, Any]]:
    """Return the lines of a file, none where there is no file."""
    return [json.loads(line) for line in client.files.content(file).text.splitlines()] if file else []


def names(lines: Iterable[dict[str, Any]]) -> list[str]:
    """Return the names of lines."""
    return [line["custom_id"] for line in lines]
