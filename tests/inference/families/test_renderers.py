"""Each family's prompts, word for word. ``prompts.jsonl`` has conversations, and what each renderer makes of them."""

import datetime
import json
from pathlib import Path
from typing import Any

import pytest

from puna.inference.families.dialogue import CannotRenderError, Dialogue, Turn
from puna.inference.families.renderers import LEADING_BOS, RENDERERS
from puna.inference.prompt.ollama_values import TemplateToolCall

GIVEN, *CASES = [json.loads(line) for line in Path(__file__).with_name("prompts.jsonl").read_text().splitlines()]


def turn(message: dict[str, Any]) -> Turn:
    calls = [call["function"] for call in message.get("tool_calls", ())]
    ids = [call.get("id", "") for call in message.get("tool_calls", ())]
    return Turn(
        role=message["role"],
        content=message.get("content", ""),
        thinking=message.get("thinking", ""),
        calls=tuple(
            TemplateToolCall(call["name"], call.get("arguments") or {}, call_id)
            for call, call_id in zip(calls, ids, strict=True)
        ),
        tool_name=message.get("tool_name", ""),
        tool_call_id=message.get("tool_call_id", ""),
        images=message.get("images", 0),
    )


def dialogue(name: str) -> Dialogue:
    conversation = GIVEN["conversations"][name]
    return Dialogue(
        turns=[turn(message) for message in conversation["messages"]],
        tools=GIVEN["tools"][conversation["tools"]],
        think=conversation["think"],
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['renderer']}-{case['id']}")
def test_prompt(case: dict[str, Any]) -> None:
    render = RENDERERS[case["renderer"]]
    if case["prompt"] is None:
        with pytest.raises(CannotRenderError):
            render(dialogue(case["id"]))
        return
    today = datetime.datetime.now(tz=None).date().isoformat()
    assert render(dialogue(case["id"])) == case["prompt"].replace("{today}", today)


@pytest.mark.parametrize("name", RENDERERS)
def test_prompt_begins_as_the_tokenizer_would(name: str) -> None:
    bos = LEADING_BOS.get(name, "")
    prompt = RENDERERS[name](Dialogue(turns=[Turn(role="user", content="Hello.")]))
    assert bos == "" or prompt.startswith(bos) or name == "cohere"  # whose tokenizer adds it


def test_arguments_keep_their_order_and_whole_numbers_their_form() -> None:
    call = TemplateToolCall("f", {"b": {"z": 1, "a": 2}, "a": 1_000_000})
    said = RENDERERS["qwen3-coder"](Dialogue(turns=[Turn(role="assistant", calls=(call,)), Turn(role="user")]))
    assert '<parameter=b>\n{"z":1,"a":2}\n' in said
    assert "<parameter=a>\n1000000\n" in said


def test_a_text_says_where_its_pictures_go() -> None:
    said = RENDERERS["qwen3.5"](Dialogue(turns=[Turn(role="user", content="Is [img] like [img]?", images=3)]))
    assert "[img-2] Is [img-0] like [img-1]?" in said


@pytest.mark.parametrize("name", RENDERERS)
def test_no_system_message_is_left_out(name: str) -> None:
    turns = [Turn(role="system", content="Be brief."), Turn(role="user", content="Hello.")]
    turns += [Turn(role="assistant", content="Hi."), Turn(role="system", content="Now in verse."), Turn(role="user")]
    said = RENDERERS[name](Dialogue(turns=turns))
    assert said.count("Be brief.") == said.count("Now in verse.") == 1
