"""From a request to the engine's call: the path that it takes, its tokens, what is counted."""

import logging
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from tests.inference.format.walk import accepts
from tests.inference.world import BOS, JINJA, ScriptedEngine, gguf_file, model_of, request_of, said

from puna.engine.errors import ContextExceededError
from puna.inference.capabilities import UnsupportedError
from puna.inference.events import Text, Thought
from puna.inference.families.voice import Voice
from puna.inference.format.constraint import Constraint
from puna.inference.generate import check
from puna.inference.prepare import prepare
from puna.inference.prepare.chat import _may_exceed
from puna.inference.prepare.parsed import think_of
from puna.inference.requests import Completion, Conversation, Infill, Message, Think, ToolCall, ToolChoice

CHAT = {"tokenizer.chat_template": JINJA}
BEGINS = {"tokenizer.ggml.bos_token_id": BOS}
FIM = {"tokenizer.ggml.fim_pre_token_id": 2, "tokenizer.ggml.fim_suf_token_id": 3, "tokenizer.ggml.fim_mid_token_id": 4}


def letters(tokens: list[int]) -> str:
    return "".join("^" if token == BOS else chr(token) for token in tokens)


async def test_model_s_own_template_goes_to_the_chat_route(tmp_path: Path) -> None:
    prepared = await prepare(request_of(model_of(tmp_path, CHAT), "hi"), ScriptedEngine(), 5000)
    assert prepared.route == "/v1/chat/completions"
    assert prepared.body["messages"] == [{"role": "user", "content": "hi"}]
    assert await prepared.rendered(ScriptedEngine()) == "[user:hi]"


async def test_go_template_goes_to_the_text_route(tmp_path: Path) -> None:
    model = model_of(tmp_path, {}, template="<{{ .Prompt }}>")
    prepared = await prepare(request_of(model, "hi"), ScriptedEngine(), 5000)
    assert (prepared.route, prepared.prompt) == ("/completion", "<hi>")
    assert letters(prepared.body["prompt"]) == "^<hi>"


@pytest.mark.parametrize(
    ("template", "metadata", "expected"),
    [
        ("{{ .Prompt }}", BEGINS, "^hi"),
        ("^{{ .Prompt }}", BEGINS, "^hi"),
        ("^^{{ .Prompt }}", BEGINS, "^^hi"),
        ("^{{ .Prompt }}", {}, "^^hi"),
    ],
)
async def test_beginning_of_text_is_not_doubled(
    tmp_path: Path, template: str, metadata: dict[str, Any], expected: str
) -> None:
    model = model_of(tmp_path, metadata, template=template)
    prepared = await prepare(request_of(model, "hi"), ScriptedEngine(), 5000)
    assert letters(prepared.body["prompt"]) == expected


async def test_tokens_of_an_earlier_answer_come_first(tmp_path: Path) -> None:
    model = model_of(tmp_path, BEGINS, template="<{{ .Prompt }}>")
    prepared = await prepare(request_of(model, "hi", context=(BOS, 97, 98)), ScriptedEngine(), 5000)
    assert letters(prepared.body["prompt"]) == "^ab<hi>"


async def test_text_as_it_is(tmp_path: Path) -> None:
    asked = request_of(model_of(tmp_path, CHAT), Completion(prompt="{{ .Prompt }}"))
    prepared = await prepare(asked, ScriptedEngine(), 5000)
    assert letters(prepared.body["prompt"]) == "^{{ .Prompt }}"


@pytest.mark.parametrize(("room", "kept"), [(30, "^\2abc\3de\4"), (7, "^\2bc\3d\4")])
async def test_gap_between_the_model_s_marks(tmp_path: Path, room: int, kept: str) -> None:
    model = model_of(tmp_path, FIM)
    prepared = await prepare(request_of(model, Infill(prefix="abc", suffix="de")), ScriptedEngine(), room + 1)
    assert (prepared.route, prepared.prompt) == ("/completion", kept)
    assert bool(prepared.truncation) == (room < 9)


async def test_gap_needs_a_model_for_it(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match='"tiny:latest" does not support insert'):
        check(request_of(model_of(tmp_path), Infill(prefix="a", suffix="b")))


@pytest.mark.parametrize("template", ["", "{{ range .Messages }}[{{ .Role }}:{{ .Content }}]{{ end }}"])
async def test_long_conversation_is_cut_by_either_path(tmp_path: Path, template: str) -> None:
    model = model_of(tmp_path, CHAT, **{"template": template} if template else {})
    turns = [Message(role=role, content="x" * 30) for _ in range(5) for role in ("user", "assistant")]
    messages = (Message(role="system", content="rules"), *turns, Message(role="user", content="last"))
    asked = Conversation(messages=messages)
    prepared = await prepare(request_of(model, asked), ScriptedEngine(), 200)
    assert prepared.truncation is not None
    prompt = await prepared.rendered(ScriptedEngine())
    assert prompt.startswith("[system:rules][user:x")
    assert prompt.endswith("[user:last]")
    assert len(prompt) + 1 < 200
    with pytest.raises(ContextExceededError, match="exceeds the context length of 200 tokens"):
        await prepare(request_of(model, asked, truncate=False), ScriptedEngine(), 200)


@pytest.mark.parametrize("template", ["", "{{ range .Messages }}[{{ .Role }}:{{ .Content }}]{{ end }}"])
async def test_answer_that_must_not_shift_ends_with_the_context(tmp_path: Path, template: str) -> None:
    model = model_of(tmp_path, CHAT, **{"template": template} if template else {})
    for options, limit in (({}, 5000 - 10), ({"num_predict": 7}, 7)):
        prepared = await prepare(request_of(model, "hi", shift=False, options=options), ScriptedEngine(), 5000)
        assert prepared.body["n_predict"] == limit
    assert (await prepare(request_of(model, "hi"), ScriptedEngine(), 5000)).body["n_predict"] == 50_000


async def test_format_takes_the_text_route(tmp_path: Path) -> None:
    model = model_of(tmp_path, CHAT)
    prepared = await prepare(request_of(model, "hi", format=Constraint("root ::= x")), ScriptedEngine(), 5000)
    assert prepared.route == "/completion"
    assert letters(prepared.body["prompt"]) == "^[user:hi]"
    assert prepared.body["grammar"] == "root ::= x"


class _Thinking(ScriptedEngine):
    """An engine whose template writes calls as Kimi K3's does, and ends a prompt inside thoughts."""

    async def apply_template(self, body: Mapping[str, Any]) -> str:
        calls = any("tool_calls" in message for message in body["messages"])
        call = '<|open|>call tool="puna_probe" index="1"<|sep|>' if calls else ""
        return f"{await super().apply_template(body)}{call}<|open|>think<|sep|>"


_THOUGHT = "Hm.<|close|>think<|sep|><|open|>response<|sep|>"


async def test_a_format_binds_behind_thoughts_between_marks_of_a_template_s_own(tmp_path: Path) -> None:
    request = request_of(model_of(tmp_path, CHAT), "hi", think=True, format=Constraint("root ::= x"))
    prepared = await prepare(replace(request, can_think=True), _Thinking(), 5000)
    assert prepared.closing == "<|close|>think<|sep|>"
    assert f"Hm.{prepared.resume}" == _THOUGHT
    assert "<|sep|>" in prepared.body["preserved_tokens"]
    [thought] = [piece for event in said("Hm.") for piece in prepared.decode(event) if isinstance(piece, Thought)]
    assert thought.text == "Hm."


async def test_a_forced_call_stands_in_the_section_that_follows_thoughts(tmp_path: Path) -> None:
    function = {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}}
    asked = Conversation(
        messages=(Message(role="user", content="hi"),), tools=(function,), tool_choice=ToolChoice("required")
    )
    model = model_of(tmp_path, {"tokenizer.chat_template": f"{JINJA}{{# sections #}}"})
    prepared = await prepare(replace(request_of(model, asked, think=True), can_think=True), _Thinking(), 5000)
    call = '<|close|>response<|sep|><|open|>tools<|sep|><|open|>call tool="now" index="1"<|sep|><|close|>call<|sep|>'
    end = "<|close|>tools<|sep|><|close|>message<|sep|>"
    assert accepts(prepared.body["grammar"], _THOUGHT + call + end)
    assert not accepts(prepared.body["grammar"], f"Hm.<|close|>think<|sep|>{call}{end}")


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("<|im_start|>", "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"),
        (
            "<|start_header_id|>",
            "<|start_header_id|>user<|end_header_id|>\n\nhi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
        ),
        ("<start_of_turn>", "<start_of_turn>user\nhi<end_of_turn>\n<start_of_turn>model\n"),
        ("other", "hi"),
    ],
)
async def test_model_without_a_template_gets_its_family_s(
    tmp_path: Path, token: str, expected: str, caplog: pytest.LogCaptureFixture
) -> None:
    model = model_of(tmp_path, tokens=["a", token])
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            prepared = await prepare(request_of(model, "hi"), ScriptedEngine(), 5000)
    assert prepared.prompt == expected
    assert caplog.text.count("model tiny:latest has no template of its own") <= 1


def test_files_are_what_they_are_thought_to_be(tmp_path: Path) -> None:
    assert gguf_file(tmp_path / "x.gguf", FIM).read_bytes()[:4] == b"GGUF"


@pytest.mark.parametrize(
    ("can_think", "asked", "parameters", "thinks"),
    [
        (True, None, {}, True),
        (True, None, {"think": False}, False),
        (True, True, {"think": False}, True),
        (True, False, {}, False),
        (True, "low", {}, "low"),
        (False, None, {}, None),
    ],
)
def test_model_that_can_think_does_unless_told_otherwise(
    tmp_path: Path, can_think: bool, asked: Think, parameters: dict[str, Any], thinks: Think
) -> None:
    request = request_of(model_of(tmp_path), "x", think=asked, options=parameters, can_think=can_think)
    assert request.thinks == thinks


@pytest.mark.parametrize(("parser", "think"), [("harmony", "high"), ("qwen3", "max"), ("", "max")])
def test_a_family_that_has_no_word_for_the_most_thinks_hard(tmp_path: Path, parser: str, think: Think) -> None:
    asked = replace(request_of(model_of(tmp_path), "hi", think="max"), can_think=True)
    assert think_of(asked, Voice(parser=parser)) == think


@pytest.mark.parametrize(
    ("family", "last", "said_next"),
    [
        ("harmony", Message(role="assistant", content="It is"), Text(" blue")),
        ("gemma4", Message(role="tool", content="17 degrees", tool_name="f"), Thought(" blue")),
        ("gemma4", Message(role="user", content="And now?"), Text(" blue")),
    ],
)
async def test_an_answer_is_read_from_where_the_conversation_leaves_it(
    tmp_path: Path, family: str, last: Message, said_next: Text | Thought
) -> None:
    model = model_of(tmp_path, renderer=family, parser=family)
    asked = Conversation(messages=(Message(role="user", content="hi"), last))
    request = replace(request_of(model, asked, think=True), can_think=True)
    prepared = await prepare(request, ScriptedEngine(), 5000)
    pieces = [piece for event in said(" blue") for piece in prepared.decode(event)]
    assert (type(pieces[0]), pieces[0]) == (type(said_next), said_next)  # as tuples they are alike


def called_before(*more: Message) -> Conversation:
    function = {"name": "f", "parameters": {"type": "object", "properties": {}}}
    tools = ({"type": "function", "function": function},)
    return Conversation(messages=(Message(role="user", content="Hi."), *more), tools=tools)


ANSWER = Message(role="assistant", content="Well")
THOUGHT = Message(role="assistant", content="", thinking="Hm.")
RESULTS = (Message(role="assistant", content="", tool_calls=(ToolCall(name="f", arguments={}),)), Message(role="tool"))
INSIDE, BEHIND = (Thought, Text), (Text, Text)


@pytest.mark.parametrize(
    ("renderer", "parser", "asked", "kinds"),
    [
        ("cogito", "cogito", called_before(), INSIDE),
        ("cogito", "cogito", called_before(ANSWER), INSIDE),
        ("nemotron-3-nano", "nemotron-3-nano", called_before(ANSWER), INSIDE),
        ("nemotron-3-nano", "nemotron-3-nano", called_before(Message(role="user", content="/no_think")), BEHIND),
        ("olmo3-think", "olmo3-think", Conversation(messages=(Message(role="user", content="Hi."), ANSWER)), INSIDE),
        ("deepseek3.1", "deepseek3", called_before(*RESULTS), BEHIND),
        ("qwen3.5", "qwen3.5", called_before(THOUGHT), BEHIND),
        ("qwen3.5", "qwen3.5", called_before(*RESULTS), INSIDE),
        ("cohere", "cohere", called_before(THOUGHT), BEHIND),
    ],
)
async def test_the_end_of_a_prompt_says_whether_the_answer_begins_inside_thoughts(
    tmp_path: Path, renderer: str, parser: str, asked: Conversation, kinds: tuple[type, type]
) -> None:
    model = model_of(tmp_path, renderer=renderer, parser=parser)
    prepared = await prepare(replace(request_of(model, asked, think=True), can_think=True), ScriptedEngine(), 50_000)
    first = list(prepared.decode({"content": "a"}))
    second = [event for event in prepared.decode({"content": "</think>b"}) if getattr(event, "text", "")]
    assert (type(first[0]), type(second[-1])) == kinds


def test_no_more_of_a_conversation_is_looked_at_than_shows_that_it_may_be_too_long(tmp_path: Path) -> None:
    class Counted(tuple[Message, ...]):
        seen = 0

        def __iter__(self) -> Iterator[Message]:
            for message in super().__iter__():
                self.seen += 1
                yield message

    messages = Counted([Message(role="user", content="a")] * 10_000)
    request = request_of(model_of(tmp_path, CHAT), "hi")
    assert _may_exceed(request, Conversation(messages=messages), 2048)
    assert messages.seen <= 8
    few = Conversation(messages=(Message(role="user", content="a"),))
    assert not _may_exceed(request, few, 2048)
    assert _may_exceed(request, replace(few, tools=({"a": "b" * 600},)), 2048)
    assert _may_exceed(request, Conversation(messages=(Message(role="user", content="", images=(b"x",)),)), 1 << 20)


@pytest.mark.parametrize("voice", [{"template": "{{ .Messages }}"}, {"renderer": "qwen3-vl-instruct"}])
async def test_messages_are_made_ready_beside_the_event_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, voice: dict[str, str]
) -> None:
    threads = []
    rendered = import_module("puna.inference.prepare.rendered")

    def noting(name: str) -> None:
        made = getattr(rendered, name)

        def make(message: Message, marker: str) -> Any:
            threads.append(threading.current_thread())
            return made(message, marker)

        monkeypatch.setattr(rendered, name, make)

    noting("_turn")
    noting("_template_message")
    await prepare(request_of(model_of(tmp_path, {}, **voice), "hi"), ScriptedEngine(), 5000)
    assert threads
    assert threading.main_thread() not in threads
