"""Why a prompt was read again."""

from types import SimpleNamespace
from typing import Any

import pytest

from puna.api import prefixes as module
from puna.api.prefixes import Fingerprint, Prefixes, Reread
from puna.inference.requests import Conversation, Message, ToolCall

MODEL: Any = SimpleNamespace(digest="m")
SYSTEM = Message(role="system", content="Be brief.")
ASKED = Message(role="user", content="a")
THOUGHT = Message(role="assistant", content="b", thinking="hm")
AGAIN = Message(role="user", content="c")


def of(*messages: Message, tools: tuple[dict[str, Any], ...] = ({"x": 1},), model: Any = MODEL) -> Fingerprint:
    return Fingerprint.of(model, Conversation(messages=messages, tools=tools))


@pytest.mark.parametrize(
    ("later", "reason"),
    [
        (of(SYSTEM, ASKED, THOUGHT), ""),
        (of(SYSTEM, ASKED, THOUGHT, AGAIN), ""),
        (of(ASKED, THOUGHT, AGAIN), "system_changed"),
        (of(Message(role="system", content="Be long."), ASKED, THOUGHT), "system_changed"),
        (of(SYSTEM, ASKED, THOUGHT, tools=()), "tools_changed"),
        (of(SYSTEM, ASKED), "messages_changed"),
        (of(SYSTEM, AGAIN, THOUGHT), "messages_changed"),
        (of(SYSTEM, Message(role="user", content="a", images=(b"x",)), THOUGHT), "messages_changed"),
        (of(SYSTEM, ASKED, Message(role="assistant", content="b")), "thinking_dropped"),
        (of(SYSTEM, ASKED, Message(role="assistant", content="b", thinking="ho")), "messages_changed"),
        (of(SYSTEM, ASKED, THOUGHT, model=SimpleNamespace(digest="n")), "model_changed"),
    ],
)
def test_reasons(later: Fingerprint, reason: str) -> None:
    assert of(SYSTEM, ASKED, THOUGHT).change(later) == reason


def test_calls_count() -> None:
    def called(**arguments: Any) -> Message:
        return Message(role="assistant", tool_calls=(ToolCall(name="f", arguments=arguments),))

    assert of(called(a=1)).change(of(called(a=2))) == "messages_changed"
    assert not of(called(a=1)).change(of(called(a=1)))


def read(
    prefixes: Prefixes, answer: str, prompt: Fingerprint, tokens: int, cached: int, key: str = "c"
) -> Reread | None:
    return prefixes.compare(key, prompt).begin(answer, tokens, cached)


def test_tokens_read_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    prefixes = Prefixes()
    assert read(prefixes, "msg_1", of(SYSTEM, ASKED), 100, 0) is None
    assert read(prefixes, "msg_2", of(SYSTEM, ASKED, AGAIN), 150, 40) is None, "nobody changed anything"
    assert not caplog.messages
    assert read(prefixes, "msg_3", of(ASKED, AGAIN), 150, 40) == Reread("system_changed", 110)
    assert caplog.messages == ["110 tokens of a conversation are read again: system_changed (msg_3)"]
    assert read(prefixes, "msg_4", of(SYSTEM, AGAIN), 80, 40) == Reread("system_changed", 40)
    assert read(prefixes, "msg_5", of(SYSTEM), 150, 150) is None
    assert read(prefixes, "msg_6", of(ASKED), 150, 0, key="other") is None
    named = prefixes.compare("", of(AGAIN), "msg_1")
    assert named.begin("msg_7", 150, 40) == Reread("system_changed", 60)
    assert prefixes.compare("c", of(ASKED), "msg_none").earlier is None


def test_template_that_forgets_thoughts() -> None:
    prefixes = Prefixes()
    read(prefixes, "msg_1", of(ASKED, THOUGHT, ASKED), 100, 0)
    later = of(ASKED, THOUGHT, ASKED, THOUGHT, AGAIN)
    assert read(prefixes, "msg_2", later, 150, 40) == Reread("thinking_dropped", 60)
    prefixes = Prefixes()
    read(prefixes, "msg_1", of(ASKED, THOUGHT, ASKED), 100, 0)
    assert read(prefixes, "msg_2", later, 150, 90) is None, "an answer's announcement is no part of its past"


def test_question_in_between_is_no_change() -> None:
    prefixes = Prefixes()
    read(prefixes, "msg_1", of(SYSTEM, ASKED), 100, 0)
    read(prefixes, "msg_2", of(Message(role="user", content="A title?")), 20, 20)
    assert read(prefixes, "msg_3", of(SYSTEM, ASKED, THOUGHT), 150, 0) is None


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_PROMPTS", 8)
    prefixes = Prefixes()
    for number in range(40):
        read(prefixes, f"msg_{number}", of(Message(role="user", content=str(number))), 1, 0, key=str(number))
    assert prefixes.compare("", of(), "msg_39").earlier
    assert not prefixes.compare("", of(), "msg_0").earlier
    assert not prefixes.compare("0", of()).earlier
    monkeypatch.setattr(module, "_MOST_BYTES", 3000)
    read(prefixes, "msg_z", of(ASKED), 1, 0, key="z")
    assert not prefixes.compare("", of(), "msg_35").earlier
    assert prefixes.compare("z", of()).earlier
