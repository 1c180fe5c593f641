"""From blocks to messages, where no model is needed to see it."""

import base64
from pathlib import Path
from typing import Any

import pytest

from puna.api.anthropic.blocks import Turns, system_text, urls_of
from puna.api.anthropic.schemas import MessageBody
from puna.api.seal import Seal
from puna.errors import BadRequestError
from puna.inference.requests import Message, ToolCall

PICTURE = b"\x89PNG picture"
BASE64 = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": ""}}
BASE64["source"]["data"] = base64.b64encode(PICTURE).decode()  # type: ignore[index]
BY_URL = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
USE = {"type": "tool_use", "id": "t1", "name": "look", "input": {"a": 1}}


@pytest.fixture
def seal(tmp_path: Path) -> Seal:
    return Seal(tmp_path)


def text(said: str) -> dict[str, Any]:
    return {"type": "text", "text": said}


def turned(seal: Seal, *messages: tuple[str, Any], **more: Any) -> tuple[list[str], tuple[Message, ...]]:
    turns = Turns(seal, {"https://example.com/a.png": b"fetched"})
    last_user = max((index for index, one in enumerate(messages) if one[0] == "user"), default=-1)
    for index, (role, content) in enumerate(messages):
        body = MessageBody.model_validate({"role": role, "content": content} | (more if role == "system" else {}))
        turns.add(body, f"messages.{index}", last=index > last_user)
    return turns.head, turns.done()


def test_pictures_stay_where_they_are(seal: Seal) -> None:
    _, (message,) = turned(seal, ("user", [text("before"), BASE64, text("after"), BY_URL]))
    assert message == Message(role="user", content="beforeafter", images=(PICTURE, b"fetched"), places=(6, 11))


def test_urls_are_found_wherever_they_are() -> None:
    result = {
        "type": "tool_result",
        "tool_use_id": "t",
        "content": [BY_URL | {"source": {"type": "url", "url": "http://b"}}],
    }
    document = {"type": "document", "source": {"type": "content", "content": [BASE64, BY_URL]}}
    data = {"type": "image", "source": {"type": "url", "url": "data:image/png;base64,AA"}}
    message = MessageBody(role="user", content=[text("x"), result, document, data])
    assert list(urls_of([message, MessageBody(role="user", content="http://c")])) == [
        "http://b",
        "https://example.com/a.png",
    ]


def test_results_of_tools(seal: Seal) -> None:
    result = {"type": "tool_result", "tool_use_id": "t1", "content": [text("seen"), BASE64], "is_error": True}
    empty = {"type": "tool_result", "tool_use_id": "t2"}
    _, found = turned(
        seal, ("user", "look"), ("assistant", [text("I look"), USE]), ("user", [result, empty, text("so?")])
    )
    assert found == (
        Message(role="user", content="look"),
        Message(role="assistant", content="I look", tool_calls=(ToolCall(name="look", arguments={"a": 1}, id="t1"),)),
        Message(
            role="tool", content="Error: seen", images=(PICTURE,), places=(11,), tool_call_id="t1", tool_name="look"
        ),
        Message(role="tool", tool_call_id="t2"),
        Message(role="user", content="so?"),
    )


def test_turns_of_one_role_are_one(seal: Seal) -> None:
    _, found = turned(seal, ("user", "a"), ("user", [text("b")]), ("assistant", "c"), ("assistant", [text("d"), USE]))
    assert [message.content for message in found] == ["a\nb", "c\nd"]
    assert len(found[1].tool_calls) == 1


def test_system_in_the_middle_stays_where_it_was_said(seal: Seal) -> None:
    reminder = "<system-reminder>\nnew\n</system-reminder>"
    assert turned(seal, ("system", "early"), ("user", "a")) == (["early"], (Message(role="user", content="a"),))
    _, first = turned(seal, ("user", "a"), ("system", "new"))
    assert first == (Message(role="user", content=f"a\n{reminder}"),)
    _, later = turned(seal, ("user", "a"), ("system", "new"), ("assistant", "b"), ("user", "c"))
    assert later[:1] == first
    _, after = turned(seal, ("user", "a"), ("assistant", "b"), ("system", [text("new")]), ("user", "c"))
    assert after[2] == Message(role="user", content=f"{reminder}\nc")
    _, own = turned(seal, ("user", "a"), ("system", "<system-reminder>x</system-reminder>"))
    assert own[0].content == "a\n<system-reminder>x</system-reminder>"


def test_word_of_the_system_for_one_turn(seal: Seal) -> None:
    _, shown = turned(seal, ("user", "a"), ("system", "now"), clear_at="next_user_message")
    assert "now" in shown[0].content
    _, gone = turned(seal, ("user", "a"), ("system", "now"), ("user", "b"), clear_at="next_user_message")
    assert gone == (Message(role="user", content="a\nb"),)


def test_line_that_bills_is_left_out() -> None:
    bill = "x-anthropic-billing-header: cc_version=2; cch=00a1f;"
    assert system_text([text(bill), text("Be brief."), text("Be kind.")]) == "Be brief.\nBe kind."
    assert system_text(f"{bill}\nBe brief.") == "Be brief."
    assert system_text(bill) == ""


def test_documents_are_put_in_line(seal: Seal) -> None:
    plain = {"type": "text", "media_type": "text/plain", "data": "All of it."}
    document = {"type": "document", "source": plain, "title": "Report", "context": "of May"}
    inner = {"type": "document", "source": {"type": "content", "content": [text("one"), BASE64]}}
    search = {"type": "search_result", "source": "https://x", "title": "X", "content": [text("found")]}
    _, (message,) = turned(seal, ("user", [document, inner, search]))
    assert message.content == (
        "<document>\nReport\nof May\nAll of it.\n</document>\n<document>\none</document>\n"
        "<search_result>\nhttps://x\nX\nfound\n</search_result>"
    )
    assert message.images == (PICTURE,)


@pytest.mark.parametrize(
    ("role", "block", "reason"),
    [
        (
            "user",
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf"}},
            "application/pdf",
        ),
        ("user", {"type": "document", "source": {"type": "url", "url": "https://x/a.pdf"}}, 'type "url"'),
        ("user", {"type": "document", "source": {"type": "file", "file_id": "f"}}, 'type "file"'),
        ("user", {"type": "image", "source": {"type": "file", "file_id": "f"}}, 'type "file"'),
        ("user", {"type": "image", "source": {"type": "base64", "data": "%"}}, "source.data is not valid base64"),
        ("user", {"type": "container_upload", "file_id": "f"}, 'blocks of type "container_upload"'),
        ("assistant", {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}, '"server_tool_use"'),
        ("assistant", {"type": "web_search_tool_result", "content": []}, '"web_search_tool_result"'),
        ("assistant", USE | {"input": "a"}, "messages.0.content.0.input must be an object"),
        ("user", {"type": "tool_result", "content": "x"}, "tool_use_id must be a string"),
        ("user", {"type": "tool_result", "tool_use_id": "t", "content": 7}, "content must be a string or an array"),
        ("user", {"text": "no type"}, "messages.0.content.0.type must be a string"),
        ("system", {"type": "tool_removal", "tool": {}}, '"tool_removal"'),
    ],
)
def test_what_would_be_lost_is_refused(seal: Seal, role: str, block: Any, reason: str) -> None:
    with pytest.raises(BadRequestError, match=r"^messages\.0") as refused:
        turned(seal, (role, [block]))
    assert reason in str(refused.value)


def test_what_servers_say_to_themselves_is_passed_over(seal: Seal) -> None:
    kept = [text("a"), {"type": "fallback", "to": {}}, {"type": "compaction", "content": None}]
    assert turned(seal, ("assistant", kept))[1] == (Message(role="assistant", content="a"),)
    summary = [{"type": "compaction", "content": "so far"}, text("a")]
    assert turned(seal, ("assistant", summary))[1] == (Message(role="assistant", content="so far\na"),)
