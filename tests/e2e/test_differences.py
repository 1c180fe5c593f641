"""What clients send that is not quite what the documentation says, taken as Ollama takes it."""

import base64
import threading
import time
from typing import Any

import pytest
from tests.server import Server

from puna.api.ollama.translate import decode_media

HELLO = [{"role": "user", "content": "Hello"}]
SHORT = {"num_predict": 2, "temperature": 0}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
SLOW = "{{ range .Messages }}{{ range $.Messages }}{{ range $.Messages }}{{ $x := .Role }}{{ end }}{{ end }}{{ end }}"


def chat(server: Server, **body: Any) -> dict[str, Any]:
    return server.ask("/api/chat", {"model": "cria", "stream": False, "messages": HELLO, "options": SHORT} | body)


def refusal(server: Server, path: str, **body: Any) -> str:
    response = server.post(path, {"model": "cria", "stream": False} | body)
    assert response.status_code == 400, response.text
    text: str = response.json()["error"]
    return text


@pytest.mark.parametrize("arguments", [{"arguments": None}, {"arguments": {}}, {}])
def test_call_without_arguments(server: Server, arguments: dict[str, Any]) -> None:
    call = {"function": {"name": "f"} | arguments}
    messages = [*HELLO, {"role": "assistant", "tool_calls": [call]}, {"role": "tool", "content": "1"}]
    assert chat(server, messages=messages, tools=[TOOL])["done"] is True


@pytest.mark.parametrize("kind", ["web_search", "custom"])
def test_tool_of_another_type_is_refused(server: Server, kind: str) -> None:
    error = refusal(server, "/api/chat", messages=HELLO, tools=[TOOL | {"type": kind}])
    assert error == f'tools of type "{kind}" are not supported (must be "function")'


@pytest.mark.parametrize("kind", [{}, {"type": ""}, {"type": None}])
def test_tool_without_a_type_is_a_function(server: Server, kind: dict[str, Any]) -> None:
    assert chat(server, tools=[{"function": TOOL["function"]} | kind])["done"] is True


@pytest.mark.parametrize(("role", "same"), [("developer", "system"), ("function", "tool"), ("Developer", "system")])
def test_other_names_of_roles(server: Server, role: str, same: str) -> None:
    def prompt(name: str) -> str:
        messages = [{"role": name, "content": "Be kind."}, *HELLO]
        text: str = chat(server, messages=messages, _debug_render_only=True)["_debug_info"]["rendered_template"]
        return text

    assert prompt(role) == prompt(same)


def test_control_reaches_templates_that_know_it(server: Server) -> None:
    template = (
        '{{ range .Messages }}{{ if eq .Role "control" }}<{{ .Content }}>{{ else }}{{ .Content }}{{ end }}{{ end }}'
    )
    body = {"model": "switched", "from": "cria", "template": template, "parser": "passthrough", "stream": False}
    server.ask("/api/create", body)
    messages = [{"role": "control", "content": "thinking"}, *HELLO]
    assert chat(server, messages=messages)["done"] is True
    debug = chat(server, model="switched", messages=messages, _debug_render_only=True)["_debug_info"]
    assert debug["rendered_template"] == "<thinking>Hello"


def test_roles_that_chats_refuse_are_not_stored(server: Server) -> None:
    error = refusal(server, "/api/create", model="odd", **{"from": "cria"}, messages=[{"role": "elf", "content": "x"}])
    assert 'invalid role: "elf"' in error


def test_limit_of_nothing_is_none(server: Server) -> None:
    assert chat(server, options={"num_predict": 0, "temperature": 0})["done_reason"] == "stop"


def test_name_of_the_limit_that_others_use(server: Server) -> None:
    assert chat(server, options={"ignore_eos": True}, max_output_tokens=3)["eval_count"] == 3
    assert chat(server, options={"ignore_eos": True}, max_output_tokens=3, max_tokens=4)["eval_count"] == 4


def test_names_in_any_case(server: Server) -> None:
    body = {
        "Model": "cria",
        "STREAM": False,
        "Messages": [{"Role": "user", "CONTENT": "Hello"}],
        "Options": {"Num_Predict": 2, "num_predict": 3, "IGNORE_EOS": True},
        "Tools": [{"Type": "function", "Function": {"Name": "f", "Description": "d"}}],
    }
    answer = server.ask("/api/chat", body)
    assert (answer["model"], answer["eval_count"]) == ("cria", 3)
    assert server.ask("/api/chat", body | {"stream": False, "model": "cria", "Model": "nope"})["model"] == "cria"


def test_dry_run_has_the_fields_of_an_answer(server: Server) -> None:
    answer = chat(server, _debug_render_only=True)
    assert (answer["done"], answer["message"]["content"]) == (False, "")
    body = {"model": "cria", "prompt": "x", "_debug_render_only": True}
    answer = server.ask("/api/generate", body)
    assert (answer["done"], answer["response"]) == (False, "")


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("/api/chat", {"messages": HELLO, "think": 5}, "think must be a boolean or a string"),
        ("/api/chat", {"messages": HELLO, "keep_alive": []}, "keep_alive must be a number or a string"),
        ("/api/chat", {"messages": HELLO, "format": 5}, "format must be a string or an object"),
        ("/api/embed", {"input": 5}, "input must be a string or an array of strings"),
        ("/api/embed", {"input": ["a", 1]}, "input must be a string or an array of strings"),
    ],
)
def test_all_types_of_a_field_are_named(server: Server, path: str, body: dict[str, Any], message: str) -> None:
    assert refusal(server, path, **body) == message


@pytest.mark.parametrize("data", [bytes(range(256)), b"a", b"ab", b"abc", b"\xfb\xff\xfe"])
def test_base64_in_all_its_forms(data: bytes) -> None:
    plain, other = base64.b64encode(data).decode(), base64.urlsafe_b64encode(data).decode()
    lines = base64.encodebytes(data).decode()
    forms = [plain, other, lines, plain.rstrip("="), lines.replace("\n", "\r\n"), f"data:image/png;base64,{plain}"]
    assert [decode_media(form, "x") for form in forms] == [data] * len(forms)


def test_template_that_takes_long_holds_nobody_else_up(server: Server) -> None:
    messages = [{"role": role, "content": "x"} for _ in range(60) for role in ("user", "assistant")]
    server.ask("/api/create", {"model": "slow-template", "from": "cria", "template": SLOW, "stream": False})
    chat(server)
    asked = threading.Thread(target=lambda: server.post("/api/chat", {"model": "slow-template", "messages": messages}))
    asked.start()
    began, slowest, rounds = time.perf_counter(), 0.0, 0
    while asked.is_alive():
        begun = time.perf_counter()
        assert server.get("/api/version").status_code == 200
        slowest, rounds = max(slowest, time.perf_counter() - begun), rounds + 1
    whole = time.perf_counter() - began
    assert slowest < whole / 2, f"/api/version took {slowest:.2f} s of {whole:.2f} s in one of {rounds} rounds"
