"""Who renders a model's conversations and who parses its answers, by Ollama's rules."""

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.inference.world import ScriptedEngine, calls_of, model_of, request_of, said, text_of, thinking_of

from puna.inference.families.renderers import RENDERERS
from puna.inference.families.voice import Voice, unheeded, voice_of
from puna.inference.format.constraint import Constraint
from puna.inference.generate import check
from puna.inference.media.placing import placed_messages
from puna.inference.prepare import prepare
from puna.inference.requests import Conversation, Message
from puna.inference.think_then_format import think_then_format
from puna.models.create.recipe import Recipe

TOOL = {
    "type": "function",
    "function": {"name": "get_time", "parameters": {"properties": {"city": {"type": "string"}}}},
}
FULL_GO = (
    '{{ .Tools }}{{ range .Messages }}{{ if eq .Role "tool" }}r{{ end }}{{ range .ToolCalls }}c{{ end }}'
    "{{ .Content }}{{ end }}"
)
TOOLS_GO = "{{ .Tools }}{{ range .Messages }}{{ .Content }}{{ end }}"
PLAIN_GO = "{{ range .Messages }}{{ .Content }}{{ end }}"
FULL_JINJA = (
    "{{ tools }}{% for m in messages %}{{ m.tool_calls }}{% if message.role == 'tool' %}{% endif %}{% endfor %}"
)
TOOLS_JINJA = "{{ tools }}{{ messages }}"
PLAIN_JINJA = "{{ messages }}"
THINKS_JINJA = "{{ tools }}<think></think>{{ messages }}"
HARMONY_GO = "{{ range .Messages }}<|start|>{{ .Role }}<|message|>{{ .Content }}<|end|>{{ end }}<|start|>assistant"


@pytest.mark.parametrize(
    ("go", "jinja", "setting", "engine_renders"),
    [
        (PLAIN_GO, "", None, False),
        ("", PLAIN_JINJA, None, True),
        (PLAIN_GO, PLAIN_JINJA, None, False),
        (PLAIN_GO, TOOLS_JINJA, None, True),
        (TOOLS_GO, TOOLS_JINJA, None, False),
        (TOOLS_GO, FULL_JINJA, None, True),
        (FULL_GO, FULL_JINJA, None, False),
        (FULL_GO, THINKS_JINJA, None, False),
        (TOOLS_GO, THINKS_JINJA, None, True),
        ("{{ .Prompt }}", PLAIN_JINJA, None, True),
        ("{{- .Prompt -}}\n", PLAIN_JINJA, True, True),
        (PLAIN_GO, TOOLS_JINJA, True, False),
        (FULL_GO, PLAIN_JINJA, False, True),
        (FULL_GO, "", False, False),
    ],
)
def test_the_better_template_renders(
    tmp_path: Path, go: str, jinja: str, setting: bool | None, engine_renders: bool
) -> None:
    metadata = {"tokenizer.chat_template": jinja} if jinja else {}
    model = replace(model_of(tmp_path, metadata, **{"template": go} if go else {}), go_template=setting)
    assert (voice_of(model).template == "") == engine_renders
    assert voice_of(model, "{{ .Prompt }}!").template == "{{ .Prompt }}!"


@pytest.mark.parametrize(
    ("arch", "recipe", "voice"),
    [
        ("llama", {"renderer": "qwen3.5", "parser": "qwen3.5"}, Voice("qwen3.5", "qwen3.5")),
        ("llama", {"renderer": "gemma4"}, Voice("gemma4-small")),
        ("llama", {"parser": "qwen3", "template": PLAIN_GO}, Voice(parser="qwen3", template=PLAIN_GO)),
        ("gptoss", {"template": HARMONY_GO}, Voice(parser="harmony", template=HARMONY_GO)),
        ("gptoss", {"template": PLAIN_GO}, Voice(template=PLAIN_GO)),
        ("llama", {"template": HARMONY_GO}, Voice(template=HARMONY_GO)),
    ],
)
def test_the_manifest_names_who_speaks(tmp_path: Path, arch: str, recipe: dict[str, Any], voice: Voice) -> None:
    assert voice_of(model_of(tmp_path, arch=arch, **recipe)) == voice


@pytest.mark.parametrize(
    ("name", "size", "renderer"),
    [
        ("gemma4:e4b", "31B", "gemma4-small"),
        ("gemma4:31b", "", "gemma4-large"),
        ("mine", "26.5B", "gemma4-large"),
        ("mine", "11.9B", "gemma4-small"),
        ("mine", "900M", "gemma4-small"),
    ],
)
def test_gemma_4_has_a_renderer_for_either_size(tmp_path: Path, name: str, size: str, renderer: str) -> None:
    model = model_of(tmp_path, renderer="gemma4")
    short, _, tag = name.partition(":")
    named = replace(model, name=replace(model.name, model=short, tag=tag or "latest"))
    vars(named)["config"] = replace(model.config, parameter_size=size)
    assert voice_of(named).renderer == renderer


def test_unknown_names_are_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = model_of(tmp_path, {"tokenizer.chat_template": PLAIN_JINJA}, renderer="martian", parser="martian")
    with caplog.at_level(logging.WARNING):
        assert voice_of(model) == voice_of(model) == Voice()
    assert caplog.text.count("no renderer is called 'martian'") == 1


async def test_a_renderer_writes_what_a_parser_reads(tmp_path: Path) -> None:
    model = model_of(tmp_path, renderer="qwen3.5", parser="qwen3.5")
    messages = (Message(role="system", content="Be brief."), Message(role="user", content="The time?"))
    request = check(request_of(model, Conversation(messages=messages, tools=(TOOL,))))
    engine = ScriptedEngine(
        said("I ask", ".</thi", "nk>\n\n<tool_call><function=get_time><parameter=city>\nOslo\n", "</parameter>")
        + said("</function></tool_call>")
    )
    prepared = await prepare(request, engine, 50_000)
    assert "<|im_start|>system\n" in (prepared.prompt or "")
    assert "Be brief." in (prepared.prompt or "")
    assert {"<think>", "</think>", "<tool_call>"} <= set(prepared.body["preserved_tokens"])
    pieces = [
        item
        for event in said("I ask", ".</thi", "nk>\n\n<tool_call><function=get_time><parameter=city>\nOslo\n</para")[:-1]
        + said("meter></function></tool_call>")
        for item in prepared.decode(event)
    ]
    assert thinking_of(pieces) == "I ask."
    assert [(call.name, call.arguments) for call in calls_of(pieces)] == [("get_time", {"city": "Oslo"})]


@pytest.mark.parametrize(
    ("recipe", "thoughts", "before_answer"),
    [
        ({"renderer": "qwen3.5", "parser": "qwen3.5"}, "Hm.</think>", "Hm.</think>\n\n"),
        ({"renderer": "cohere", "parser": "cohere"}, "Hm.<|END_THINKING|>", "Hm.<|END_THINKING|><|START_TEXT|>"),
        ({"renderer": "gemma4", "parser": "gemma4"}, "<|channel>thought\nHm.<channel|>", "Hm.<channel|>"),
        (
            {"template": HARMONY_GO, "parser": "harmony"},
            "<|channel|>analysis<|message|>Hm.<|end|>",
            "Hm.<|end|><|start|>assistant<|channel|>final<|message|>",
        ),
    ],
)
async def test_a_format_binds_after_the_thoughts_of_each_family(
    tmp_path: Path, recipe: dict[str, str], thoughts: str, before_answer: str
) -> None:
    request = check(request_of(model_of(tmp_path, **recipe), "hi", format=Constraint("root ::= x")))
    engine = ScriptedEngine(said(*thoughts), said("{}"))
    prepared = await prepare(request, engine, 50_000)
    pieces = [event async for batch in think_then_format(engine, prepared) for event in batch]
    assert (thinking_of(pieces), text_of(pieces)) == ("Hm.", "{}")
    first, second = (body for _, body in engine.asked)
    assert "grammar" not in first
    assert second["grammar"] == "root ::= x"
    assert (await engine.detokenize(second["prompt"])).endswith(before_answer)


async def test_a_format_without_thoughts_begins_where_the_family_s_answers_do(tmp_path: Path) -> None:
    model = model_of(tmp_path, renderer="cohere", parser="cohere")
    request = check(request_of(model, "hi", format=Constraint("root ::= x"), think=False))
    prepared = await prepare(request, ScriptedEngine(), 50_000)
    assert (prepared.prompt or "").endswith("<|START_TEXT|>")
    assert prepared.closing == ""


@pytest.mark.parametrize("name", RENDERERS)
async def test_every_family_has_a_place_for_pictures(tmp_path: Path, name: str) -> None:
    class Seeing(ScriptedEngine):
        async def media_marker(self) -> str:
            return "<#>"

        async def count_tokens(self, body: Any) -> int:
            return 1 + 10 * json.dumps(body).count("image_url")

    message = Message(role="user", content="What [img] is it?", images=(b"1", b"2"))
    text = Message(role="user", content="What [img-0] is text?")
    asked = Conversation(messages=placed_messages([text, message]))
    prepared = await prepare(request_of(model_of(tmp_path, renderer=name), asked), Seeing(), 50_000)
    prompt = prepared.prompt or ""
    assert prompt.count("<#>") == 2
    assert "What <#> is it?" in prompt
    assert "What [img-0] is text?" in prompt
    assert len(prepared.body["prompt"]["multimodal_data"]) == 2


@pytest.mark.parametrize(
    ("jinja", "recipe", "told"),
    [
        ("", {"template": PLAIN_GO}, []),
        (PLAIN_JINJA, {"template": FULL_GO, "parser": "qwen3"}, []),
        (FULL_JINJA, {"system": "Be brief."}, []),
        (FULL_JINJA, {"template": PLAIN_GO}, ["the template in the GGUF file can do more and is used"]),
        ("", {"renderer": "qwen3.5", "template": FULL_GO}, ["conversations are rendered by qwen3.5, not by the temp"]),
        (
            "",
            {"renderer": "qwen3.55", "parser": "qwen-3-coder"},
            [
                "no renderer is called 'qwen3.55' here; did you mean qwen3.5?",
                "no parser is called 'qwen-3-coder' here;",
            ],
        ),
    ],
)
def test_what_of_a_recipe_has_no_effect_is_told(
    tmp_path: Path, jinja: str, recipe: dict[str, Any], told: list[str]
) -> None:
    model = model_of(tmp_path, {"tokenizer.chat_template": jinja} if jinja else {}, **recipe)
    remarks = list(unheeded(model, Recipe(base=model.name, **recipe)))
    assert [remark.startswith(begin) for remark, begin in zip(remarks, told, strict=True)] == [True] * len(told)
