"""The official Python client, synchronous and asynchronous, streaming and not."""

import hashlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import ollama
import pytest
from tests.server import Server

from puna import builtin
from puna.models.library import Library

OPTIONS = {"num_predict": 6, "seed": 1}
HELLO = [{"role": "user", "content": "Hello"}]


@pytest.fixture
def client(server: Server) -> Iterator[ollama.Client]:
    with ollama.Client(server.url) as made:
        yield made


@pytest.fixture
async def async_client(server: Server) -> AsyncIterator[ollama.AsyncClient]:
    async with ollama.AsyncClient(server.url) as made:
        yield made


def built_in_gguf() -> Path:
    return Library(builtin.STORE).get("cria").path


def test_generate(client: ollama.Client) -> None:
    whole = client.generate("cria", "Hello", options=OPTIONS)
    assert whole.response
    assert whole.done
    assert whole.context
    parts = list(client.generate("cria", "Hello", options=OPTIONS, stream=True))
    assert "".join(part.response for part in parts) == whole.response
    assert parts[-1].eval_count == whole.eval_count


def test_chat(client: ollama.Client) -> None:
    whole = client.chat("cria", HELLO, options=OPTIONS)
    parts = list(client.chat("cria", HELLO, options=OPTIONS, stream=True))
    assert "".join(part.message.content or "" for part in parts) == whole.message.content


def test_embed(client: ollama.Client) -> None:
    assert len(client.embed("cria", "Hello").embeddings) == 1
    assert len(client.embed("cria", ["Hello", "World"]).embeddings) == 2
    assert client.embeddings("cria", "Hello").embedding


def test_lists(client: ollama.Client) -> None:
    client.generate("cria")
    assert "cria:latest" in [model.model for model in client.list().models]
    assert "cria:latest" in [model.model for model in client.ps().models]
    shown = client.show("cria")
    assert "completion" in (shown.capabilities or [])
    assert shown.details is not None
    assert shown.details.family == "llama"


def test_create_copy_delete(client: ollama.Client) -> None:
    assert client.create("made-by-client", from_="cria", system="Be brief.").status == "success"
    statuses = [part.status for part in client.create("made-by-client", from_="cria", system="Be kind.", stream=True)]
    assert statuses[-1] == "success"
    assert "SYSTEM Be kind." in (client.show("made-by-client").modelfile or "")
    assert client.copy("made-by-client", "copied-by-client").status == "success"
    for name in ("made-by-client", "copied-by-client"):
        assert client.delete(name).status == "success"
        with pytest.raises(ollama.ResponseError, match=f"model '{name}' not found"):
            client.show(name)


def test_create_from_a_file(client: ollama.Client) -> None:
    path = built_in_gguf()
    digest = client.create_blob(path)
    assert digest == f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    assert client.create("from-file", files={"cria.gguf": digest}).status == "success"
    assert client.generate("from-file", "Hello", options=OPTIONS, think=False).response
    client.delete("from-file")


def test_missing_model(client: ollama.Client) -> None:
    with pytest.raises(ollama.ResponseError, match="model 'missing' not found") as caught:
        client.generate("missing", "x")
    assert caught.value.status_code == 404


async def test_asynchronous_generate(async_client: ollama.AsyncClient) -> None:
    whole = await async_client.generate("cria", "Hello", options=OPTIONS)
    parts = [part async for part in await async_client.generate("cria", "Hello", options=OPTIONS, stream=True)]
    assert "".join(part.response for part in parts) == whole.response


async def test_asynchronous_chat(async_client: ollama.AsyncClient) -> None:
    whole = await async_client.chat("cria", HELLO, options=OPTIONS)
    parts: list[Any] = [part async for part in await async_client.chat("cria", HELLO, options=OPTIONS, stream=True)]
    assert "".join(part.message.content or "" for part in parts) == whole.message.content


async def test_asynchronous_models(async_client: ollama.AsyncClient) -> None:
    assert len((await async_client.embed("cria", ["a", "b", "c"])).embeddings) == 3
    assert (await async_client.embeddings("cria", "a")).embedding
    assert (await async_client.create("made-async", from_="cria")).status == "success"
    await async_client.copy("made-async", "copied-async")
    assert {"made-async:latest", "copied-async:latest"} <= {model.model for model in (await async_client.list()).models}
    assert (await async_client.show("made-async")).capabilities
    assert (await async_client.ps()).models is not None
    for name in ("made-async", "copied-async"):
        await async_client.delete(name)
