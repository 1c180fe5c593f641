"""The official client, and a model with room for long prompts."""

import hashlib
import struct
from collections.abc import Iterator

import anthropic
import pytest
from tests.server import Server

from puna import builtin
from puna.models.library import Library


@pytest.fixture
def client(server: Server) -> Iterator[anthropic.Anthropic]:
    """The official client, which does not try again."""
    with anthropic.Anthropic(base_url=server.url, api_key="unused", max_retries=0) as made:
        yield made


@pytest.fixture(scope="session")
def long_model(shared_server: Server) -> str:
    """The built-in model with a longer context, in which it makes no sense of what it reads."""
    data = Library(builtin.STORE).get(builtin.CRIA).path.read_bytes()
    key = b"llama.context_length" + struct.pack("<I", 4)
    at = data.index(key) + len(key)
    data = data[:at] + struct.pack("<I", 1 << 16) + data[at + 4 :]
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert shared_server.post(f"/api/blobs/{digest}", data).status_code == 201
    made = {"model": "cria-long", "files": {"long.gguf": digest}, "parameters": {"num_ctx": 6144}, "stream": False}
    assert shared_server.ask("/api/create", made) == {"status": "success"}
    return "cria-long"
