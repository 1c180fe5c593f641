"""The official client, and its own types for everything that comes back."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from openai import OpenAI
from tests.e2e.prompting import GO_TEMPLATE, make
from tests.openai_responses.shapes import Streamed, streamed
from tests.server import Server


@pytest.fixture
def client(server: Server) -> Iterator[OpenAI]:
    """The official client of a server with default settings."""
    with OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as made:
        yield made


@pytest.fixture(scope="session")
def go_model(shared_server: Server) -> str:
    """The built-in model with its format as a Go TEMPLATE, whose answers are parsed here."""
    return make(shared_server, "cria-responses", template=GO_TEMPLATE)


@pytest.fixture
def writing(server: Server, go_model: str) -> Callable[..., Streamed]:
    """A function that makes the model write a text, whatever it has learnt, and returns the events of the answer."""

    def write(text: str, tokens: int = 400, **body: Any) -> Streamed:
        letters = " ".join(f"[\\U{ord(letter):08X}]" for letter in text)
        options = {"grammar": f"root ::= {letters}", "num_predict": tokens}
        return streamed(server, {"model": go_model, "input": "Go on.", "options": options, **body})

    return write
