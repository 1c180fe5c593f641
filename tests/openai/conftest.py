"""Clients of the official package, which check what they are sent against its types."""

from collections.abc import Iterator

import pytest
from tests.e2e.prompting import GO_TEMPLATE, make
from tests.server import Server

from openai import OpenAI


@pytest.fixture(scope="session")
def client(shared_server: Server) -> Iterator[OpenAI]:
    """The official client, which accepts nothing that its types do not describe."""
    with OpenAI(
        base_url=f"{shared_server.url}/v1", api_key="unused", max_retries=0, _strict_response_validation=True
    ) as made:
        yield made


@pytest.fixture(scope="session")
def go_model(shared_server: Server) -> str:
    """The built-in model with its format as a Go TEMPLATE, which Puna renders and whose answers it parses."""
    return make(shared_server, "openai-go", template=GO_TEMPLATE)
