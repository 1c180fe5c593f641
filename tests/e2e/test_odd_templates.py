"""Templates inside a GGUF that want things of their own: a form of the answer that a model breaks, ids, words."""

from typing import Any

import pytest
from tests.e2e.prompting import WEATHER, chat, chat_stream, rendered, user
from tests.e2e.test_hostile_templates import make
from tests.server import Server

CHANNELS = (
    "{% for m in messages %}<|start|>{{ m.role }}<|message|>{{ m.content }}<|end|>{% endfor %}"
    "{% if tools %}{{ tools | tojson }}{% endif %}{% if false %}<|channel|>{% endif %}<|start|>assistant"
)
"""By its marks the engine reads every answer as gpt-oss writes them, which the built-in model has never learnt."""
NINE = (
    "{% for m in messages %}{% for call in m.tool_calls or [] %}"
    "{% if call.id | length != 9 %}{{ raise_exception('an id has nine letters') }}{% endif %}[{{ call.id }}]"
    "{% endfor %}{% if m.role == 'tool' %}({{ m.tool_call_id }}){% endif %}{{ m.content }}{% endfor %}"
    "{% if tools %}{{ tools | tojson }}{% endif %}"
)
FEW = {"num_predict": 24, "temperature": 0}


@pytest.mark.parametrize("ask", [chat, chat_stream])
@pytest.mark.parametrize("asked", [{}, {"think": True}, {"tools": [WEATHER]}], ids=["plain", "thinking", "tools"])
def test_an_answer_that_breaks_its_form_is_text(server: Server, ask: Any, asked: dict[str, Any]) -> None:
    make(server, "channels", CHANNELS)
    answer = ask(server, user("What is the weather in Paris?"), "channels", options=FEW, **asked)
    message = answer["message"]
    assert message["content"] or message.get("thinking") or message.get("tool_calls")
    assert answer["eval_count"] > 0
    assert "breaks the form of its template; it is read as text" in server.log()


def test_whole_or_in_a_stream_it_is_the_same(server: Server) -> None:
    make(server, "channels", CHANNELS)
    whole, streamed = (
        ask(server, user("Tell a story."), "channels", options=FEW)["message"] for ask in (chat, chat_stream)
    )
    assert whole == streamed


@pytest.mark.parametrize("given", ["", "call_0123456789ab", "abcdefghi"])
def test_calls_have_ids_of_the_length_that_a_template_wants(server: Server, given: str) -> None:
    make(server, "nine", NINE)
    call: dict[str, Any] = {"function": {"name": "get_weather", "arguments": {"city": "Paris"}}}
    result: dict[str, Any] = {"role": "tool", "content": "rain", "tool_name": "get_weather"}
    if given:
        call, result = call | {"id": given}, result | {"tool_call_id": given}
    turns = [*user("Weather?"), {"role": "assistant", "content": "", "tool_calls": [call]}, result]
    said = rendered(server, turns, "nine", tools=[WEATHER])
    called, answered = said[said.index("[") + 1 : said.index("]")], said[said.index("(") + 1 : said.index(")")]
    assert called == answered
    assert len(called) == 9
    assert given in ("", called) or len(given) != 9


def test_what_a_template_cannot_say_is_the_callers_error(server: Server) -> None:
    make(server, "picky", "{% if messages | length > 1 %}{{ raise_exception('one at a time') }}{% endif %}hi")
    for turns in ([*user("a"), {"role": "assistant", "content": "b"}, *user("c")],):
        response = server.post("/api/chat", {"model": "picky", "messages": turns})
        assert response.status_code == 400, response.text
        assert "the chat template inside the model cannot be used: " in response.json()["error"]
        assert "one at a time" in response.json()["error"]
