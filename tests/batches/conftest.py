"""The official client of the server that tests share."""

from collections.abc import Iterator

import pytest
from tests.batches.batching import client_of
from tests.server import Server

from openai import OpenAI


@pytest.fixture(scope="session")
def client(shared_server: Server) -> Iterator[OpenAI]:
    """The official client of a server with default settings."""
    with client_of(shared_server) as made:
        yield made
