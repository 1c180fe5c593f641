"""vLLM as an engine: what it is asked and told, and a checkpoint that it really runs, where it is installed."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.engine.checkpoint import CONTEXT, write_checkpoint
from tests.server import Server, World

from puna.engine.vllm import bodies
from puna.engine.vllm.bodies import LackingError
from puna.engine.vllm.events import Answer
from puna.models.checkpoint import header_of
from puna.models.library import Library
from puna.models.manifests import BadManifestError
from puna.models.store import digest_bytes

OPTIONS = {"num_predict": 8, "temperature": 0, "seed": 1, "ignore_eos": True}
MESSAGES = [{"role": "user", "content": "Hi"}]
PROGRAM = os.environ.get("PUNA_TEST_VLLM", "")


def create(server: Server, modelfile: Path) -> None:
    """Make the model ``kept`` of a Modelfile by the command line."""
    subprocess.run(
        [sys.executable, "-m", "puna", "create", "kept", "--keep", "-f", str(modelfile)],
        env={**server.world.environment, "OLLAMA_HOST": server.url},
        check=True,
        capture_output=True,
        timeout=120,
    )


def asked(**fields: Any) -> dict[str, Any]:
    return bodies.completion({"prompt": [1, 2], "n_predict": 5, "stream": True, **fields}, 100)


def test_options_that_both_have_are_told_in_its_words() -> None:
    body = asked(temperature=0.5, top_k=0, top_p=0.9, min_p=0.1, seed=7, repeat_penalty=1.1, ignore_eos=True)
    assert (
        body
        | {
            "temperature": 0.5,
            "top_k": -1,
            "top_p": 0.9,
            "min_p": 0.1,
            "seed": 7,
            "repetition_penalty": 1.1,
            "ignore_eos": True,
            "max_tokens": 5,
            "prompt": [1, 2],
        }
        == body
    )
    assert asked(seed=-1)["seed"] is None
    assert asked(n_predict=1000)["max_tokens"] == 98  # what the context leaves
    assert asked(n_probs=3)["logprobs"] == 3
    assert asked(grammar='root ::= "a"')["structured_outputs"] == {"grammar": 'root ::= "a"'}
    escaped = asked(grammar=r'root ::= "\x22a\\x41" [\uE000-\U0010FFFF]')["structured_outputs"]["grammar"]
    assert escaped == 'root ::= "\\u0022a\\\\x41" [\\uE000-' + chr(0x10FFFF) + "]"
    assert asked(logit_bias=[[5, -1.0], [6, False]])["logit_bias"] == {"5": -1.0, "6": -100.0}


@pytest.mark.parametrize(
    "option",
    [
        *({"mirostat": 1}, {"typical_p": 0.5}, {"dry_multiplier": 0.8}, {"xtc_probability": 0.1}, {"lora": [1]}),
        *({"samplers": ["top_k"]}, {"samplers": []}),
    ],
)
def test_what_it_lacks_is_named(option: dict[str, Any]) -> None:
    with pytest.raises(LackingError, match=next(iter(option))):
        asked(**option)


def test_without_other_samplers_they_are_left_out() -> None:
    sampling = {"top_k": 40, "top_p": 0.9, "min_p": 0.1, "repeat_penalty": 1.1, "presence_penalty": 1.0}
    assert asked(temperature=0.0, samplers=["temperature"], **sampling) == asked(temperature=0.0)


def test_it_weighs_no_answers() -> None:
    with pytest.raises(LackingError, match="decisions"):
        asked(n_probs=2, post_sampling_probs=True)
    assert asked(n_probs=2, post_sampling_probs=False)["logprobs"] == 2


def test_what_it_lacks_and_nobody_uses_is_no_fault() -> None:
    assert "mirostat" not in asked(mirostat=0, typical_p=1.0, mirostat_tau=5.0, dry_multiplier=0.0, cache_prompt=True)


def test_its_stream_is_told_as_llama_servers() -> None:
    answer, best = Answer(), {"Hi": -0.5, "Ho": -1.0}
    (first,) = answer.read(
        {
            "choices": [
                {
                    "text": "Hi",
                    "finish_reason": None,
                    "logprobs": {
                        "tokens": ["Hi"],
                        "token_logprobs": [-0.5],
                        "top_logprobs": [best],
                    },
                }
            ]
        }
    )
    assert (first["content"], first["stop"]) == ("Hi", False)
    assert first["completion_probabilities"][0]["top_logprobs"][1] == {"token": "Ho", "logprob": -1.0}
    assert answer.read({"choices": [{"text": "", "finish_reason": "length"}]}) == []
    usage = {"prompt_tokens": 10, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 6}}
    (end,) = answer.read({"choices": [], "usage": usage})
    assert (end["stop"], end["stop_type"]) == (True, "limit")
    assert {name: end["timings"][name] for name in ("cache_n", "prompt_n", "predicted_n")} == {
        "cache_n": 6,
        "prompt_n": 4,
        "predicted_n": 4,
    }


def test_a_checkpoint_says_what_a_gguf_header_would(tmp_path: Path) -> None:
    header = header_of(write_checkpoint(tmp_path))
    assert (header.architecture, header.context_length, header.file_type) == ("llama", CONTEXT, "BF16")
    assert (header.vocabulary_size, header.block_count) == (136, 2)
    assert "<|im_start|>" in (header.chat_template or "")
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(BadManifestError, match=r"config\.json is not JSON"):
        header_of(tmp_path)


def test_a_checkpoint_is_kept_as_it_is(server: Server, tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "kept")
    modelfile = tmp_path / "Modelfile"
    modelfile.write_text("FROM ./kept\nSYSTEM Be brief.\n")
    create(server, modelfile)
    shown = server.ask("/api/show", {"model": "kept"})
    assert (shown["details"]["format"], shown["details"]["family"]) == ("safetensors", "llama")
    assert {"completion", "tools", "thinking"} <= set(shown["capabilities"])
    model = Library(server.world.models).get("kept")
    for name in ("model.safetensors", "config.json", "tokenizer.json"):
        assert (model.path / name).read_bytes() == (tmp_path / "kept" / name).read_bytes()
    refused = server.post("/api/create", {"model": "worse", "from": "kept", "quantize": "q4_0"})
    assert (refused.status_code, "kept as it is" in refused.text) == (400, True)
    server.request("DELETE", "/api/delete", {"model": "kept"})


def test_without_vllm_a_checkpoint_says_what_is_missing(server: Server, tmp_path: Path) -> None:
    files = {}
    for path in write_checkpoint(tmp_path).iterdir():
        data = path.read_bytes()
        files[path.name] = digest_bytes(data)
        server.post(f"/api/blobs/{files[path.name]}", data)
    server.ask("/api/create", {"model": "kept", "files": files, "keep": True, "stream": False})
    answer = server.post("/api/generate", {"model": "kept", "prompt": "x"})
    assert (answer.status_code, "pip install 'puna[vllm]'" in answer.text) == (404, True)
    server.request("DELETE", "/api/delete", {"model": "kept"})
    refused = server.post("/api/create", {"model": "no", "from": "cria", "keep": True})
    assert refused.status_code == 400


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a checkpoint that vLLM runs."""
    if not PROGRAM:
        pytest.skip("PUNA_TEST_VLLM does not name a vllm program")
    world = World(
        {
            "OLLAMA_LOAD_TIMEOUT": "20m",
            "PUNA_STALL_TIMEOUT": "-1",
            "OLLAMA_CONTEXT_LENGTH": "512",
            "OLLAMA_NUM_PARALLEL": "2",
        }
    )
    world.environment["PATH"] = f"{Path(PROGRAM).parent}:{world.environment['PATH']}"
    server = Server(world)
    server.patience = 1100
    checkpoint = write_checkpoint(tmp_path_factory.mktemp("checkpoint"))
    (checkpoint / "Modelfile").write_text("FROM .\n")
    create(server, checkpoint / "Modelfile")
    yield server
    server.stop()
    assert world.close() == []


@pytest.mark.vllm
def test_it_generates_the_same_again(served: Server) -> None:
    asked = {"model": "kept", "prompt": "Hello", "stream": False, "options": OPTIONS}
    said = served.ask("/api/generate", asked)
    assert (said["eval_count"], said["done_reason"]) == (8, "length")
    assert served.ask("/api/generate", asked)["response"] == said["response"]


@pytest.mark.vllm
def test_a_chat_is_streamed_in_its_own_template(served: Server) -> None:
    streamed = served.stream("/api/chat", {"model": "kept", "messages": MESSAGES, "options": OPTIONS})
    assert streamed[-1]["done"]
    assert streamed[-1]["prompt_eval_count"] > 5
    assert streamed[-1]["eval_count"] == 8


@pytest.mark.vllm
def test_log_probabilities(served: Server) -> None:
    body = {"model": "kept", "messages": MESSAGES, "max_tokens": 4, "logprobs": True, "top_logprobs": 3}
    chosen = served.ask("/v1/chat/completions", body)
    tokens = chosen["choices"][0]["logprobs"]["content"]
    assert len(tokens) == chosen["usage"]["completion_tokens"]
    assert all(len(token["top_logprobs"]) >= 3 for token in tokens), tokens


@pytest.mark.vllm
def test_calls_that_must_be_made(served: Server) -> None:
    parameters = {"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"]}
    tool = {"type": "function", "function": {"name": "add", "description": "Add.", "parameters": parameters}}
    body = {"model": "kept", "messages": MESSAGES, "tools": [tool], "tool_choice": "required", "max_tokens": 200}
    (call,) = served.ask("/v1/chat/completions", body | {"parallel_tool_calls": False})["choices"][0]["message"][
        "tool_calls"
    ]
    assert call["function"]["name"] == "add"
    assert isinstance(json.loads(call["function"]["arguments"])["a"], bool)


@pytest.mark.vllm
def test_a_format_binds(served: Server) -> None:
    body = {"model": "kept", "messages": MESSAGES, "format": {"enum": ["yes", "no"]}, "stream": False}
    assert json.loads(served.ask("/api/chat", body)["message"]["content"]) in ("yes", "no")


@pytest.mark.vllm
def test_thoughts_are_told_apart(served: Server) -> None:
    body = {"model": "kept", "messages": MESSAGES, "think": True, "stream": False, "options": OPTIONS}
    assert served.ask("/api/chat", body)["message"]["thinking"]


@pytest.mark.vllm
def test_the_rest(served: Server) -> None:
    lacking = served.post("/api/generate", {"model": "kept", "prompt": "x", "options": {"mirostat": 2}})
    assert (lacking.status_code, "mirostat" in lacking.text) == (400, True)
    assert served.post("/api/embed", {"model": "kept", "input": "x"}).status_code == 400
    assert served.ask("/api/tokenize", {"model": "kept", "text": "Hi"})["tokens"]
    assert "kept:latest" in served.loaded()
    metrics = served.get("/metrics").text
    assert 'puna_generation_tokens_total{model="kept:latest"' in metrics or "kept" in metrics
