"""Calls as they were chosen, of a real model in every family's words: forced, forbidden, named, one at most."""

from typing import Any

import jsonschema
import pytest
from tests.e2e.prompting import ADD, BOOK, GO_TEMPLATE, WEATHER, chat, chat_stream, make, refusal, rendered, user
from tests.server import Server

from puna.inference.families.parsers import PARSERS
from puna.inference.families.renderers import RENDERERS

TOOLS = [WEATHER, ADD, BOOK]
SCHEMAS = {tool["function"]["name"]: tool["function"]["parameters"] for tool in TOOLS}
QUESTION = user("What is the weather in Paris?")
OF_PARSER = {"deepseek3": "deepseek3.1", "gemma4-no-thinking": "gemma4", "nemotron-3-nano": "nemotron-3-nano"}
LLAMA = """{{- range .Messages }}{{ .Role }}: {{ .Content }}{{ if .ToolCalls }}{{ range .ToolCalls }}
{"name": "{{ .Function.Name }}", "parameters": {{ .Function.Arguments }}}{{ end }}{{ end }}
{{ end }}{{ .Tools }}assistant: """
LISTED = """{{- range .Messages }}{{ .Role }}: {{ .Content }}{{ if .ToolCalls }}[TOOL_CALLS] [
{{- range .ToolCalls }}{"name": "{{ .Function.Name }}", "arguments": {{ .Function.Arguments }}}{{ end }}]{{ end }}
{{ end }}{{ .Tools }}assistant: """


def family(server: Server, parser: str) -> str:
    """Return a model that speaks as a family does, with the built-in one's weights."""
    renderer = OF_PARSER.get(parser, parser)
    parts = {"renderer": renderer} if renderer in RENDERERS else {"template": GO_TEMPLATE}
    return make(server, f"speaks-{parser}", parser=parser, **parts)


def functions(answer: dict[str, Any]) -> list[str]:
    """Return the names of the functions that an answer calls; their arguments must be valid."""
    called = [call["function"] for call in answer["message"].get("tool_calls", [])]
    for call in called:
        jsonschema.validate(call["arguments"], SCHEMAS[call["name"]])
    return [call["name"] for call in called]


FAMILIES = sorted(name for name, parsing in PARSERS.items() if parsing.calls)


@pytest.mark.parametrize("parser", FAMILIES)
def test_a_forced_call_of_any_family_is_valid(server: Server, parser: str) -> None:
    model = family(server, parser)
    body = {"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "add"}}, "think": False}
    if not PARSERS[parser].thinking:
        body["think"] = None
    options = {"temperature": 0, "num_predict": 150}
    answer = chat(server, QUESTION, model, parallel_tool_calls=False, options=options, **body)
    assert functions(answer) == ["add"], answer
    assert answer["message"]["content"] == ""
    assert answer["done_reason"] == "stop"
