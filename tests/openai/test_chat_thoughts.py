"""Thoughts in chats under ``/v1``: how they are asked for, bounded and told."""

from typing import Any

import pytest
from tests.openai.asking import chat, stream

from openai import OpenAI


def test_effort_and_its_thoughts(client: OpenAI) -> None:
    answer = chat(client, "What is 3 + 4?", reasoning_effort="high", max_tokens=200)
    message: Any = answer.choices[0].message
    assert message.reasoning == message.reasoning_content != ""
    assert message.content
    usage = answer.usage
    assert usage
    assert usage.completion_tokens_details
    assert 0 < (usage.completion_tokens_details.reasoning_tokens or 0) < usage.completion_tokens
    without: Any = chat(client, "What is 3 + 4?", reasoning_effort="none", max_tokens=200)
    assert not hasattr(without.choices[0].message, "reasoning")
    assert without.usage.completion_tokens_details.reasoning_tokens == 0


@pytest.mark.parametrize("effort", ["minimal", "low", "medium", "xhigh", "max", "ultra"])
def test_names_of_efforts(client: OpenAI, effort: str) -> None:
    message: Any = chat(client, reasoning_effort=effort).choices[0].message
    assert message.reasoning


def test_thoughts_in_a_stream(client: OpenAI) -> None:
    chunks: list[Any] = stream(client, "What is 3 + 4?", reasoning_effort="low", max_tokens=200)
    deltas = [chunk.choices[0].delta for chunk in chunks]
    thoughts = [delta.reasoning for delta in deltas if hasattr(delta, "reasoning")]
    assert "".join(thoughts)
    assert thoughts == [delta.reasoning_content for delta in deltas if hasattr(delta, "reasoning_content")]
    whole: Any = chat(client, "What is 3 + 4?", reasoning_effort="low", max_tokens=200).choices[0].message
    assert "".join(thoughts) == whole.reasoning
    assert "".join(delta.content or "" for delta in deltas) == whole.content


@pytest.mark.parametrize(
    "extra",
    [
        {"think": True},
        {"options": {"think": "high"}},
        {"chat_template_kwargs": {"enable_thinking": True}},
        {"reasoning": {"effort": "high"}},
    ],
)
def test_other_ways_to_ask_for_thoughts(client: OpenAI, extra: dict[str, Any]) -> None:
    message: Any = chat(client, extra_body=extra).choices[0].message
    assert message.reasoning


@pytest.mark.parametrize("name", ["thinking_budget", "reasoning_budget_tokens", "thinking_token_budget"])
def test_thoughts_have_a_budget(client: OpenAI, name: str) -> None:
    free: Any = chat(client, "What is 3 + 4?", reasoning_effort="high", max_tokens=200)
    answer: Any = chat(client, "What is 3 + 4?", reasoning_effort="high", max_tokens=200, extra_body={name: 2})
    assert len(answer.choices[0].message.reasoning) < len(free.choices[0].message.reasoning)
    assert answer.choices[0].message.content


def test_thoughts_have_logprobs_too(client: OpenAI) -> None:
    chunks = stream(client, "What is 3 + 4?", reasoning_effort="high", logprobs=True, max_tokens=60)
    known = [part.token for chunk in chunks if (told := chunk.choices[0].logprobs) for part in told.content or []]
    assert len(known) > 10
