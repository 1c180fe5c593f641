"""The official client, and a model with room for long prompts."""

import hashlib
from collections.abc import Iterator

import anthropic
import pytest
from tests.longer import long_weights
from tests.server import Server


@pytest.fixture
def client(server: Server) -> Iterator[anthropic.Anthropic]:
    """The official client, which does not try again."""
    with anthropic.Anthropic(base_url=server.url, api_key="unused", max_retries=0) as made:
        yield made


@pytest.fixture(scope="session")
def long_model(shared_server: Server) -> str:
    """The built-in model with a longer context, in which it makes no sense of what it reads."""
    data = long_weights()
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert shared_server.post(f"/api/blobs/{digest}", data).status_code == 201
    made = {"model": "cria-long", "files": {"long.gguf": digest}, "parameters": {"num_ctx": 6144}, "stream": False}
    assert shared_server.ask("/api/create", made) == {"status": "success"}
    return "cria-long"
