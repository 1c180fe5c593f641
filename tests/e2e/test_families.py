"""Models whose manifest names a renderer and a parser, as those of Ollama's registry do since 2025."""

from typing import Any

import pytest
from tests.e2e.prompting import WEATHER, chat, refusal, user
from tests.server import Server

TURNS = [{"role": "system", "content": "Be brief."}, *user("Hi"), {"role": "assistant", "content": "Hello."}]


def made(server: Server, name: str, **parts: Any) -> str:
    """Return a model of the built-in one's weights, which thinks by default as other models do."""
    server.ask("/api/create", {"model": name, "from": "cria", "parameters": {"think": True}, "stream": False, **parts})
    return name


def prompt(server: Server, model: str, **more: Any) -> str:
    body = {"model": model, "stream": False, "_debug_render_only": True, **more}
    text: str = server.ask("/api/chat", body)["_debug_info"]["rendered_template"]
    return text


def test_nothing_of_a_conversation_is_lost(server: Server) -> None:
    model = made(server, "renders-qwen", renderer="qwen3.5", parser="qwen3.5")
    said = prompt(server, model, messages=[*TURNS, *user("Why?")], tools=[WEATHER])
    assert said.startswith("<|im_start|>system\n")
    for part in ("Be brief.", "get_weather", "<|im_start|>assistant\nHello.<|im_end|>", "<|im_start|>user\nWhy?"):
        assert part in said
    assert said.endswith("<|im_start|>assistant\n<think>\n"), "it thinks unless told otherwise"
    assert prompt(server, model, messages=user("Why?"), think=False).endswith("<think>\n\n</think>\n\n")


@pytest.mark.parametrize(
    ("renderer", "parser", "capabilities"),
    [
        ("qwen3.5", "qwen3.5", ["tools", "insert", "thinking"]),
        ("qwen3-coder", "qwen3-coder", ["tools", "insert"]),
        ("olmo3-think", "olmo3-think", ["insert", "thinking"]),
        ("", "passthrough", ["insert"]),
    ],
)
def test_a_model_can_do_what_its_parser_can(
    server: Server, renderer: str, parser: str, capabilities: list[str]
) -> None:
    template = {} if renderer else {"template": "{{ range .Messages }}{{ .Content }}{{ end }}"}
    model = made(server, "speaks-" + parser, renderer=renderer, parser=parser, **template)
    shown = server.ask("/api/show", {"model": model})
    assert shown["capabilities"] == ["completion", *capabilities]
    assert (shown.get("renderer", ""), shown["parser"]) == (renderer, parser)
    if "tools" not in capabilities:
        assert "does not support tools" in refusal(server, "/api/chat", model=model, messages=TURNS, tools=[WEATHER])


def test_answers_of_a_family_come_to_one_end(server: Server) -> None:
    model = made(server, "answers-qwen", renderer="qwen3-vl-instruct", parser="qwen3-vl-instruct")
    options = {"temperature": 0, "num_predict": 30}
    answer = chat(server, user("Hello!"), model, options=options)
    assert answer["message"]["content"]
    assert answer["done_reason"] in ("stop", "length")
    bound = chat(server, user("Hello!"), model, options=options | {"num_predict": 200}, format={"type": "boolean"})
    assert bound["message"]["content"].strip() in ("true", "false")


def test_the_prompt_alone_hides_no_better_template(server: Server) -> None:
    model = made(server, "bare", template="{{ .Prompt }}")
    assert prompt(server, model, messages=TURNS) == prompt(server, "cria", messages=TURNS)
    assert (
        server.ask("/api/show", {"model": model})["capabilities"]
        == (server.ask("/api/show", {"model": "cria"})["capabilities"])
    )
