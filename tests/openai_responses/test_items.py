"""The items of an input: what becomes of each kind."""

import base64
import io
import json
from typing import Any

import pytest
from PIL import Image
from tests.openai_responses.shapes import WEATHER, refusal, streamed, text_of, whole
from tests.server import Server

from puna.api.openai.responses.items import SUMMARY_HEAD, Reader
from puna.cipher import Cipher
from puna.errors import BadRequestError
from puna.inference.requests import Message


@pytest.fixture
def seal(tmp_path: Any) -> Cipher:
    return Cipher(tmp_path / "home" / "cipher.key")


def messages(seal: Cipher, *items: dict[str, Any]) -> list[Message]:
    reader = Reader(seal, {})
    reader.read(items)
    return reader.messages()


def picture() -> tuple[bytes, str]:
    file = io.BytesIO()
    Image.new("RGB", (4, 4), "red").save(file, "PNG")
    return file.getvalue(), "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def test_what_an_assistant_did_in_one_turn_is_one_message(seal: Cipher) -> None:
    found = messages(
        seal,
        {"role": "user", "content": "a"},
        {"type": "reasoning", "id": "rs", "summary": [], "content": [{"type": "reasoning_text", "text": "t"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "b"}]},
        {"type": "function_call", "call_id": "1", "name": "f", "namespace": "n", "arguments": '{"x": 1}'},
        {"type": "custom_tool_call", "call_id": "2", "name": "g", "input": "z"},
        {"type": "function_call_output", "call_id": "1", "output": "one"},
        {"type": "custom_tool_call_output", "call_id": "2", "output": [{"type": "input_text", "text": "two"}]},
        {"type": "message", "role": "assistant", "content": "c"},
    )
    assert [message.role for message in found] == ["user", "assistant", "tool", "tool", "assistant"]
    said = found[1]
    assert (said.thinking, said.content) == ("t", "b")
    assert [(call.name, call.id, call.arguments) for call in said.tool_calls] == [
        ("n__f", "1", {"x": 1}),
        ("g", "2", {"input": "z"}),
    ]
    assert said.tool_calls[0].raw == '{"x": 1}'
    assert [(one.content, one.tool_name, one.tool_call_id) for one in found[2:4]] == [
        ("one", "n__f", "1"),
        ("two", "g", "2"),
    ]


def test_pictures_and_files_keep_their_places(seal: Cipher) -> None:
    data, url = picture()
    text = base64.b64encode(b"inside").decode()
    parts = [
        {"type": "input_text", "text": "before"},
        {"type": "input_image", "image_url": url, "detail": "auto"},
        {"type": "input_file", "filename": "a.txt", "file_data": f"data:text/plain;base64,{text}"},
    ]
    (said,) = messages(seal, {"role": "user", "content": parts})
    assert (said.images, said.places) == ((data,), (len("before"),))
    assert said.content == "beforea.txt:\ninside"
    call = {"type": "function_call", "call_id": "1", "name": "view", "arguments": "{}"}
    _, seen = messages(seal, call, {"type": "function_call_output", "call_id": "1", "output": parts[1:2]})
    assert (seen.role, seen.images) == ("tool", (data,))


def test_calls_of_other_tools_are_told_as_calls(seal: Cipher) -> None:
    found = messages(
        seal,
        {
            "type": "local_shell_call",
            "id": "a",
            "call_id": "1",
            "status": "completed",
            "action": {"type": "exec", "command": ["ls"], "env": {}},
        },
        {"type": "local_shell_call_output", "id": "1", "output": "file"},
        {"type": "mcp_call", "id": "m", "name": "look", "server_label": "s", "arguments": "{}", "output": "seen"},
    )
    assert [message.role for message in found] == ["assistant", "tool", "assistant", "tool"]
    assert found[0].tool_calls[0].name == "local_shell"
    assert found[0].tool_calls[0].arguments == {"command": ["ls"], "env": {}}
    assert (found[1].content, found[3].content) == ("file", "seen")


def test_sealed_thoughts_and_summaries_are_read_again(seal: Cipher, tmp_path: Any) -> None:
    sealed = seal.close("secret", "reasoning")
    item = {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": sealed}
    assert messages(seal, item)[0].thinking == "secret"
    again = Cipher(tmp_path / "home" / "cipher.key")
    assert messages(again, item)[0].thinking == "secret"
    assert (tmp_path / "home" / "cipher.key").stat().st_mode & 0o777 == 0o600
    foreign = Cipher(tmp_path / "other.key")
    assert messages(foreign, item) == []
    told = item | {"summary": [{"type": "summary_text", "text": "short"}]}
    assert messages(foreign, told)[0].thinking == "short"
    compaction = {"type": "compaction", "encrypted_content": seal.close("so far", "compaction")}
    assert messages(seal, compaction)[0].content == SUMMARY_HEAD + "so far"
    with pytest.raises(BadRequestError, match="was not made by this server"):
        messages(foreign, compaction)
    with pytest.raises(BadRequestError, match="was not made by this server"):
        messages(seal, {"type": "compaction", "encrypted_content": sealed})


@pytest.mark.parametrize("text", ["", "x", "Zm9v", "é", "AAAA" * 20])
def test_what_is_no_seal_is_passed_over(seal: Cipher, text: str) -> None:
    assert seal.open(text, "reasoning") is None


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ({"type": "nonsense", "content": "x"}, 'input[0]: unknown input item type: "nonsense"'),
        ({"role": "x", "content": "a"}, 'invalid role: "x"'),
        ({"type": "compaction_trigger"}, "conversations are compacted at /v1/responses/compact"),
        ({"role": "user", "content": 5}, "input[0].content must be a string or an array"),
        ({"role": "user", "content": [{"type": "x"}]}, 'input[0].content[0]: unknown content type: "x"'),
        ({"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}, "no files are kept here"),
        ({"role": "user", "content": [{"type": "input_image", "image_url": "?"}]}, "is not valid base64"),
        ({"role": "user", "content": [{"type": "input_file", "file_data": "JVBERi0="}]}, "files of this kind"),
        ({"type": "function_call", "call_id": "1", "arguments": "{}"}, "input[0].name must be a string"),
        ({"type": "custom_tool_call", "name": "f", "call_id": "1"}, "input[0].input must be a string"),
    ],
)
def test_what_is_wrong_is_named(server: Server, item: dict[str, Any], words: str) -> None:
    error = refusal(server, input=[item])
    assert words in error["message"]
    assert str(error["param"]).startswith("input")


ODD: list[Any] = [None, 5, "x", [], [5], ["x"], [[]], {}, {"type": {}}, [{"type": {}}], [{"a": "b"}], {"type": "x"}]
KINDS = [
    {"role": "user", "content": 0},
    {"type": 0},
    {"type": "message", "role": 0, "content": "x"},
    {"type": "function_call", "name": "f", "call_id": "1", "arguments": 0},
    {"type": "function_call_output", "call_id": "1", "output": 0},
    {"type": "function_call_output", "call_id": 0, "output": "x"},
    {"type": "reasoning", "content": 0, "summary": []},
    {"type": "reasoning", "encrypted_content": 0, "summary": []},
    {"type": "local_shell_call", "action": 0, "call_id": "1"},
    {"type": "file_search_call", "queries": 0, "results": 0},
    {"type": "additional_tools", "tools": 0},
    {"type": "item_reference", "id": 0},
    {"role": "user", "content": "x", "id": 0},
    {"role": "user", "content": [{"type": "input_image", "image_url": 0}]},
    {"role": "user", "content": [{"type": "input_file", "file_url": 0, "filename": 0}]},
    {"role": "user", "content": [{"type": "input_audio", "input_audio": 0}]},
]


def filled(value: Any, odd: Any) -> Any:
    if isinstance(value, dict):
        return {name: filled(item, odd) for name, item in value.items()}
    if isinstance(value, list):
        return [filled(item, odd) for item in value]
    return odd if value == 0 else value


@pytest.mark.parametrize("kind", KINDS, ids=json.dumps)
def test_no_item_is_a_fault_of_the_server(server: Server, kind: dict[str, Any]) -> None:
    for odd in ODD:
        body = {"model": "cria", "input": [{"role": "user", "content": "a"}, filled(kind, odd)]}
        response = server.post("/v1/responses/input_tokens", body)
        assert response.status_code in (200, 400, 404), (odd, response.text)


@pytest.mark.parametrize("name", ["tools", "tool_choice", "text", "reasoning", "conversation", "include", "metadata"])
def test_no_field_is_a_fault_of_the_server(server: Server, name: str) -> None:
    for odd in [*ODD, [{"type": "namespace", "name": "n", "tools": [5]}], {"format": 5}, {"effort": 5, "summary": []}]:
        body = {"model": "cria", "input": "a", "max_output_tokens": 1, "store": False, name: odd}
        response = server.post("/v1/responses", body)
        assert response.status_code in (200, 400, 404), (odd, response.text)


def test_what_says_nothing_is_passed_over(server: Server) -> None:
    items = [{"type": "ghost_snapshot"}, {"type": "web_search_call", "id": "w"}, {"type": "nonsense", "id": "n"}]
    response = server.post(
        "/v1/responses",
        {"model": "cria", "input": [*items, {"role": "user", "content": "Hi"}], "max_output_tokens": 1},
    )
    assert response.status_code == 200
    assert response.headers["Puna-Ignored"] == "input.ghost_snapshot, input.web_search_call, input.nonsense"


def test_tools_may_come_as_items(server: Server) -> None:
    added = {"type": "additional_tools", "role": "developer", "tools": [WEATHER]}
    question = {"role": "user", "content": "What is the weather in Paris?"}
    (item,) = whole(server, input=[added, question])["output"]
    assert json.loads(item["arguments"]) == {"city": "Paris"}


def test_an_item_may_change_the_format(server: Server) -> None:
    update = {"type": "configuration_update", "text": {"format": {"type": "json_object"}}}
    response = whole(server, input=[update, {"role": "user", "content": "Anna is 30."}], max_output_tokens=200)
    assert isinstance(json.loads(text_of(response)), dict)


@pytest.mark.parametrize("summary", [None, "auto"])
def test_thoughts_are_items_of_their_own(server: Server, go_model: str, summary: str | None) -> None:
    reasoning = {"effort": "high"} | ({"summary": summary} if summary else {})
    body = {
        "model": go_model,
        "input": "What is 2+2?",
        "reasoning": reasoning,
        "include": ["reasoning.encrypted_content"],
        "max_output_tokens": 100,
    }
    found = streamed(server, body)
    thoughts, said = found.response["output"]
    assert (thoughts["type"], said["type"]) == ("reasoning", "message")
    kind = "reasoning_summary_text" if summary else "reasoning_text"
    told = thoughts["summary"] if summary else thoughts["content"]
    assert found.deltas(kind) == told[0]["text"] != ""
    details = found.response["usage"]["output_tokens_details"]
    assert 0 < details["reasoning_tokens"] < found.response["usage"]["output_tokens"]
    sealed = {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": thoughts["encrypted_content"]}
    follow = {"role": "user", "content": "Sure?"}
    counts = [
        server.ask("/v1/responses/input_tokens", {"model": go_model, "input": ["x", *items, said, follow][1:]})
        for items in ([thoughts], [sealed])
    ]
    assert counts[0] == counts[1]
