"""What a script makes the model say."""

from collections.abc import Sequence
from typing import Any

import ollama
import pytest

from puna.testing import Call, ScriptError, Server, answer, call, own

USER = [{"role": "user", "content": "How is the weather in Paris?"}]
CITY = {"type": "object", "properties": {"city": {"type": "string"}}}
WEATHER = {"type": "function", "function": {"name": "weather", "description": "Tell it.", "parameters": CITY}}
TRICKY = [
    "Paris.",
    "",
    " blank, then a line\n\n",
    'quotes " \\ and \ttabs \x01',
    "世界 é 😀 end",
    '<|im_end|> <tool_call>{"name": 1}</tool_call> </think> <think>',
    "def f(x):\n    return [x]\n" * 20,
]


def calls_of(message: Any) -> list[tuple[str, Any]]:
    return [(made.function.name, made.function.arguments) for made in message.tool_calls or ()]


@pytest.mark.parametrize("text", TRICKY)
@pytest.mark.parametrize("tools", [[], [WEATHER]])
def test_model_says_the_text(directed: Server, client: ollama.Client, text: str, tools: Any) -> None:
    with directed.script([text]):
        reply = client.chat("cria", USER, tools=tools)
    assert reply.message.content == text
    assert not reply.message.tool_calls
    assert reply.done_reason == "stop"
    assert reply.eval_count is not None
    assert bool(text) == (reply.eval_count > 1), "the model generates it"


def test_text_is_streamed_in_the_pieces_of_the_model(directed: Server, client: ollama.Client) -> None:
    with directed.script(["The capital of France is Paris."]):
        pieces = [part.message.content for part in client.chat("cria", USER, stream=True)]
    assert "".join(piece or "" for piece in pieces) == "The capital of France is Paris."
    assert 4 < len(pieces) < 20, "by tokens, not by letters"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "calls",
    [
        [call("weather", {"city": 'a "b" \n é 😀 </tool_call>', "n": [1, None, 2.5, True, {}]})],
        [call("weather", {"city": "<|im_end|> <tool_call>"})],
        [call("weather", {"city": "Paris"}), call("weather", {"city": "Lima"}), call("weather")],
    ],
)
def test_model_makes_the_calls(directed: Server, client: ollama.Client, calls: Sequence[Call], stream: bool) -> None:
    with directed.script([calls]):
        replies = client.chat("cria", USER, tools=[WEATHER], stream=True) if stream else None
        made = [found for part in replies for found in calls_of(part.message)] if replies else None
        if made is None:
            made = calls_of(client.chat("cria", USER, tools=[WEATHER]).message)
    assert made == [(wanted.name, wanted.arguments) for wanted in calls]


@pytest.mark.parametrize("think", [None, True])
def test_thoughts_text_and_calls_are_told_apart(directed: Server, client: ollama.Client, think: bool | None) -> None:
    said = answer("Let me look.", thinking="Where is\nParis?", calls=call("weather", {"city": "Paris"}))
    with directed.script([said]):
        message = client.chat("cria", USER, tools=[WEATHER], think=think).message
    assert (message.thinking, message.content) == ("Where is\nParis?", "Let me look.")
    assert calls_of(message) == [("weather", {"city": "Paris"})]


def made_of(reply: Any) -> Sequence[Any]:
    return reply.choices[0].message.tool_calls or ()


@pytest.mark.parametrize("thinking", ["", "Where is\nParis?"])
def test_the_next_turn_reads_nothing_of_an_answer_again(directed: Server, thinking: str) -> None:
    pytest.importorskip("openai")
    asked: dict[str, Any] = {"model": "cria", "tools": [WEATHER], "reasoning_effort": "high" if thinking else "none"}
    messages: list[Any] = [*USER]
    said = answer("Let me look.", thinking=thinking, calls=call("weather", {"city": "Paris"}))
    usages: list[Any] = []
    with directed.openai() as client, directed.script([said, "Sunny."]):
        for _ in range(2):
            reply = client.chat.completions.create(messages=messages, **asked)
            usages.append(reply.usage)
            messages += [reply.choices[0].message]
            messages += [{"role": "tool", "tool_call_id": made.id, "content": "sunny"} for made in made_of(reply)]
    first, second = usages
    assert second.prompt_tokens_details.cached_tokens >= first.prompt_tokens + first.completion_tokens - 1


def test_text_without_thoughts_where_the_request_wants_some(directed: Server, client: ollama.Client) -> None:
    with directed.script(["Paris."]):
        message = client.chat("cria", USER, think=True).message
    assert (message.thinking or "", message.content) == ("", "Paris.")


def test_thoughts_that_the_request_forbids_are_refused(directed: Server, client: ollama.Client) -> None:
    directed.script([answer("Yes.", thinking="Hm.")])
    with pytest.raises(ollama.ResponseError, match="the script has thoughts, but the request wants none"):
        client.chat("cria", USER, think=False)


def test_completions_and_gaps_follow_it_too(directed: Server, client: ollama.Client) -> None:
    with directed.script(["in a template", "as it is", "a gap"]):
        assert client.generate("cria", "Hello").response == "in a template"
        assert client.generate("cria", "Hello", raw=True).response == "as it is"
        assert client.generate("cria", "def f(", suffix=")").response == "a gap"


def test_script_takes_the_place_of_a_format(directed: Server, client: ollama.Client) -> None:
    with directed.script(['{"city":"Paris"}']):
        assert client.chat("cria", USER, format=CITY, think=True).message.content == '{"city":"Paris"}'


def test_limits_and_stop_strings_are_the_request_s(directed: Server, client: ollama.Client) -> None:
    with directed.script(["one two three", "one two three", call("weather")]):
        assert client.chat("cria", USER, options={"stop": ["three"]}).message.content == "one two "
        cut = client.chat("cria", USER, options={"num_predict": 2})
        half = client.chat("cria", USER, tools=[WEATHER], options={"num_predict": 4})
    assert (cut.done_reason, cut.eval_count) == ("length", 2)
    assert "one two three".startswith(cut.message.content or "?")
    assert (half.done_reason, half.message.tool_calls) == ("length", None)
    assert (half.message.content or "").startswith("<tool_call>"), "nothing is lost"


def test_model_s_own_answer_between(directed: Server, client: ollama.Client) -> None:
    free = client.chat("cria", USER).message.content
    with directed.script(["first", own(), "last"]):
        assert [client.chat("cria", USER).message.content for _ in range(3)] == ["first", free, "last"]
    assert client.chat("cria", USER).message.content == free, "and after the script"


def test_answers_are_the_same_each_time(directed: Server, client: ollama.Client) -> None:
    def said(**options: Any) -> str | None:
        return client.generate(
            "cria", "Tell me a story about a llama.", options={"num_predict": 20, **options}
        ).response

    wild = {"temperature": 2, "top_p": 1, "top_k": 0}
    assert said() == said() == said(temperature=0)
    assert said(**wild) == said(**wild) == said(**wild, seed=0)
    assert len({said(**wild, seed=seed) for seed in range(5)}) > 1, "unless the request says otherwise"


def test_script_that_is_at_its_end_is_told(directed: Server, client: ollama.Client) -> None:
    directed.script(["only one"])
    client.chat("cria", USER)
    with pytest.raises(ollama.ResponseError, match="no answer left: all 1 were given") as told:
        client.chat("cria", USER)
    assert told.value.status_code == 400
    with pytest.raises(ScriptError, match=r"(?s)POST /api/chat asked for .* at its end.*asked so far:.*Paris"):
        directed.check()


def test_answers_that_are_left_over_are_told(directed: Server, client: ollama.Client) -> None:
    with pytest.raises(ScriptError, match=r"2 of 3 answers of the script were not asked for.*'second'"):  # noqa: SIM117
        with directed.script(["first", "second", "third"]):
            client.chat("cria", USER)
    directed.check()  # it is taken away all the same
    directed.script(["one"])
    with pytest.raises(ScriptError, match="1 of 1"):
        directed.script(["another"])


def test_function_that_is_not_offered_is_refused(directed: Server, client: ollama.Client) -> None:
    directed.script([call("rain")])
    with pytest.raises(ollama.ResponseError, match=r"calls 'rain', .* \(it offers: weather\)"):
        client.chat("cria", USER, tools=[WEATHER])
    with pytest.raises(ScriptError, match="'rain'"):
        directed.check()
    directed.reset()
    with directed.script([call("rain", offered=False)]):
        assert calls_of(client.chat("cria", USER).message) == [("rain", {})]
    directed.script([call("rain")])
    with pytest.raises(ollama.ResponseError, match="is no conversation"):
        client.generate("cria", "Hello", raw=True)


@pytest.mark.parametrize("wrong", [7, [], ["a text among calls"], None])
def test_entry_that_is_none(directed: Server, wrong: Any) -> None:
    with pytest.raises(TypeError, match="an entry of a script is"):
        directed.script([wrong])


def test_text_that_no_grammar_can_hold(directed: Server) -> None:
    with pytest.raises(ValueError, match="NUL"):
        directed.script(["a\0b"])
