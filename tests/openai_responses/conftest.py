"""The official client, and its own types for everything that comes back."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.prompting import GO_TEMPLATE, make
from tests.openai_responses.shapes import Streamed, streamed
from tests.server import Server

import puna.builtin
from openai import OpenAI

STORE = Path(puna.builtin.__file__).parent / "models"


@pytest.fixture
def client(server: Server) -> Iterator[OpenAI]:
    """The official client of a server with default settings."""
    strict = {"api_key": "none", "max_retries": 0, "_strict_response_validation": True}
    with OpenAI(base_url=f"{server.url}/v1", **strict) as made:
        yield made


@pytest.fixture(scope="session")
def go_model(shared_server: Server) -> str:
    """The built-in model with its format as a Go TEMPLATE, whose answers are parsed here."""
    return make(shared_server, "cria-responses", template=GO_TEMPLATE)


@pytest.fixture(scope="session")
def roomy(shared_server: Server) -> str:
    """The built-in model with a context that holds the prompt of an agent, for which it was not made."""
    (data,) = [path.read_bytes() for path in (STORE / "blobs").iterdir() if path.stat().st_size > 1 << 20]
    place = data.index(b".context_length") + len(b".context_length") + 4
    data = data[:place] + (1 << 15).to_bytes(4, "little") + data[place + 4 :]
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    shared_server.post(f"/api/blobs/{digest}", data)
    made = {"model": "cria-roomy", "files": {"cria.gguf": digest}, "template": GO_TEMPLATE, "stream": False}
    shared_server.ask("/api/create", made)
    return "cria-roomy"


@pytest.fixture
def writing(server: Server, go_model: str) -> Callable[..., Streamed]:
    """A function that makes the model write a text, whatever it has learnt, and returns the events of the answer."""

    def write(text: str, tokens: int = 400, **body: Any) -> Streamed:
        letters = " ".join(f"[\\U{ord(letter):08X}]" for letter in text)
        options = {"grammar": f"root ::= {letters}", "num_predict": tokens}
        return streamed(server, {"model": go_model, "input": "Go on.", "options": options, **body})

    return write
