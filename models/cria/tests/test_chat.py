"""The chat format: what is rendered and what is learned."""

from cria.chat import chat_prompt, spans
from cria.examples import Example, Fim, Text

TOOL = {
    "type": "function",
    "function": {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {}}},
}


def learned(item: Example | Text | Fim) -> str:
    return "|".join(span.text for span in spans(item) if span.learned)


def test_every_answer_of_a_conversation_is_learned() -> None:
    example = Example(
        (
            {"role": "user", "content": "1"},
            {"role": "assistant", "content": "one"},
            {"role": "user", "content": "2"},
            {"role": "assistant", "content": "two"},
        )
    )
    assert learned(example) == "one<|im_end|>|two<|im_end|>"


def test_with_thinking_only_answers_after_the_last_question_are_learned() -> None:
    example = Example(
        (
            {"role": "user", "content": "1"},
            {"role": "assistant", "content": "one", "reasoning": "gone"},
            {"role": "user", "content": "2"},
            {"role": "assistant", "content": "two", "reasoning": "hm"},
        ),
        thinking=True,
    )
    assert learned(example) == "hm\n</think>\n\ntwo<|im_end|>"
    assert "gone" not in "".join(span.text for span in spans(example))


def test_functions_make_a_system_turn_of_their_own_and_every_question_is_followed_by_what_they_do() -> None:
    prompt = chat_prompt(Example(({"role": "user", "content": "hi"},), tools=(TOOL, TOOL)))
    assert prompt.startswith('<|im_start|>system\nTools:\n{"name":"f","description":"d","parameters":')
    assert prompt.endswith("<|im_start|>user\nhi\nTools: d: f; d: f;<|im_end|>\n<|im_start|>assistant\n")


def test_calls_are_compact_json_between_their_marks() -> None:
    call = {"name": "f", "arguments": {"a": "北京", "b": [1, 2.5]}}
    example = Example(
        ({"role": "user", "content": "hi"}, {"role": "assistant", "content": "", "tool_calls": [call, call]})
    )
    one = '<tool_call>\n{"name":"f","arguments":{"a":"北京","b":[1,2.5]}}\n</tool_call>'
    assert learned(example) == f"{one}\n{one}<|im_end|>"


def test_only_the_middle_of_a_hole_is_learned() -> None:
    assert learned(Fim("a", "c", "b")) == "b<|endoftext|>"
    assert learned(Text("abc")) == "abc<|endoftext|>"
