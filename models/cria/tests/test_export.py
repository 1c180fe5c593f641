"""The exported file as llama.cpp reads it; skipped where the training extra is not installed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("gguf")
pytest.importorskip("xllamacpp")

from cria import export, tokenizer
from cria.chat import chat_prompt
from cria.evaluate import engine_chat, post, serve
from cria.examples import Example, ToolCall
from cria.model import Cria, Shape
from cria.parity import greedy
from tokenizers import Tokenizer

Served = tuple[str, Cria, Tokenizer]
CALL: ToolCall = {"name": "f", "arguments": {"a": "北京", "b": [1, 2.5, True]}}
TOOL = {
    "type": "function",
    "function": {
        "name": "f",
        "description": "说明 <b> & 'x'",
        "parameters": {"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}},
    },
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    torch.manual_seed(0)
    cut = tokenizer.train(["the quick brown fox 北京"] * 20, size=400)
    model = Cria(Shape(cut.get_vocab_size(), width=64, layers=2, heads=2, hidden=96, context=512))
    for parameter in model.parameters():
        if parameter.ndim == 2:
            parameter.data.mul_(8)
    path = Path(tmp_path_factory.mktemp("model")) / "tiny.gguf"
    export.write(model, cut, path, "F16")
    url, server = serve(path, 512)
    yield url, model.half().float().eval(), cut
    del server


def test_llama_cpp_generates_what_pytorch_does(served: Served) -> None:
    url, model, cut = served
    tokens = cut.encode("the quick brown 北京 fox").ids
    body = {"prompt": tokens, "n_predict": 24, "temperature": 0, "return_tokens": True, "ignore_eos": True}
    assert post(f"{url}/completion", body)["tokens"][:24] == greedy(model, tokens, set())[:24]


@pytest.mark.parametrize("thinking", [False, True])
def test_the_template_renders_what_training_showed(served: Served, thinking: bool) -> None:
    example = Example(
        (
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "hi"},
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [CALL, CALL],
                "reasoning": "hm" if thinking else "",
            },
            {"role": "tool", "content": '{"c":1}', "name": "f"},
        ),
        tools=(TOOL, TOOL),
        thinking=thinking,
    )
    rendered = post(f"{served[0]}/apply-template", engine_chat(example))["prompt"]
    assert rendered == chat_prompt(example)
