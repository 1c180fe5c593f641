"""Prompts of real model families, and Ollama's rules for messages, tools and thinking."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from puna.gotemplate import TemplateExecutionError, TemplateSyntaxError
from puna.inference.prompt.ollama_template import (
    OllamaTemplate,
    TemplateMessage,
    TemplateToolCall,
    TemplateValues,
    opens_thinking,
    thinking_tags,
    tool_call_prefix,
)

TEMPLATES = {path.stem: path.read_text() for path in (Path(__file__).parent / "templates").iterdir()}
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather of a <city>",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"description": "Where", "type": "string"},
                "days": {"type": ["integer", "null"], "enum": [1, 2]},
            },
            "required": ["city"],
        },
    },
}
WEATHER_FUNCTION = (
    '{"name":"get_weather","description":"Weather of a \\u003ccity\\u003e","parameters":{"type":"object",'
    '"required":["city"],"properties":{"city":{"type":"string","description":"Where"},'
    '"days":{"type":["integer","null"],"enum":[1,2]}}}}'
)
WEATHER_JSON = f'{{"type":"function","function":{WEATHER_FUNCTION}}}'
CALL = TemplateToolCall("get_weather", {"city": "Oslo", "days": 2, "at": {"z": 1, "a": [1.5, None]}})
CALL_JSON = '{"city":"Oslo","days":2,"at":{"z":1,"a":[1.5,null]}}'

HELLO = (TemplateMessage("system", "Be brief."), TemplateMessage("user", "Hi"))
TURNS = (*HELLO, TemplateMessage("assistant", "Hello!"), TemplateMessage("user", "Bye"))
TOOL_TURNS = (
    TemplateMessage("user", "Weather?"),
    TemplateMessage("assistant", tool_calls=(CALL,)),
    TemplateMessage("tool", "21 degrees", tool_name="get_weather"),
)


def render(template: str, *messages: TemplateMessage, **values: Any) -> str:
    return OllamaTemplate.parse(template).render(TemplateValues(messages=messages, **values))


FAMILIES = {
    "chatml": (
        TEMPLATES["chatml"],
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
        "<|im_start|>assistant\nHello!<|im_end|>\n<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n",
    ),
    "llama2": (
        TEMPLATES["llama2"],
        "[INST] <<SYS>>Be brief.<</SYS>>\n\nHi [/INST] Hello!</s><s>[INST] Bye [/INST] ",
    ),
    "alpaca": (
        TEMPLATES["alpaca"],
        "Be brief.\n\n### Instruction:\nHi\n\n### Response:\nHello!\n\n### Instruction:\nBye\n\n### Response:\n",
    ),
    "vicuna": (TEMPLATES["vicuna"], "Be brief. USER: Hi ASSISTANT: Hello!</s>USER: Bye ASSISTANT: "),
    "phi3": (
        TEMPLATES["phi3"],
        "<|system|>\nBe brief.<|end|>\n<|user|>\nHi<|end|>\n<|assistant|>\nHello!<|end|>\n"
        "<|user|>\nBye<|end|>\n<|assistant|>\n",
    ),
    "gemma": (
        TEMPLATES["gemma"],
        "<start_of_turn>user\nBe brief.<end_of_turn>\n<start_of_turn>user\nHi<end_of_turn>\n"
        "<start_of_turn>model\nHello!<end_of_turn>\n<start_of_turn>user\nBye<end_of_turn>\n"
        "<start_of_turn>model\n",
    ),
    "llama3": (
        TEMPLATES["llama3"],
        "<|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\nHello!<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nBye<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n",
    ),
    "llama3.1": (
        TEMPLATES["llama31"],
        "<|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\nHello!<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nBye<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n",
    ),
    "mistral": (TEMPLATES["mistral"], "[INST] Hi[/INST] Hello!</s>[INST] Be brief.\n\nBye[/INST]"),
    "qwen2.5": (
        TEMPLATES["qwen25"],
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
        "<|im_start|>assistant\nHello!<|im_end|>\n<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n",
    ),
    "command-r": (
        TEMPLATES["command_r"],
        "<|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|>Be brief.<|END_OF_TURN_TOKEN|>"
        "<|START_OF_TURN_TOKEN|><|USER_TOKEN|>Hi<|END_OF_TURN_TOKEN|>"
        "<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>Hello!<|END_OF_TURN_TOKEN|>"
        "<|START_OF_TURN_TOKEN|><|USER_TOKEN|>Bye<|END_OF_TURN_TOKEN|><|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>",
    ),
    "deepseek": (
        TEMPLATES["deepseek"],
        "Be brief.<|User|>Hi<|Assistant|>Hello!<|end_of_sentence|><|User|>Bye<|Assistant|><think>\n",
    ),
}


@pytest.mark.parametrize(("template", "expected"), FAMILIES.values(), ids=FAMILIES)
def test_a_conversation(template: str, expected: str) -> None:
    assert render(template, *TURNS) == expected


TOOLS = {
    "llama3.1": (
        TEMPLATES["llama31"],
        "<|start_header_id|>system<|end_header_id|>\n\nUse the output of tools to answer.<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nWeather?<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
        f'{{"name": "get_weather", "parameters": {CALL_JSON}}}<|eot_id|>'
        "<|start_header_id|>ipython<|end_header_id|>\n\n21 degrees<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n",
    ),
    "mistral": (
        TEMPLATES["mistral"],
        f'[INST] Weather?[/INST][TOOL_CALLS] [{{"name": "get_weather", "arguments": {CALL_JSON}}}]</s>'
        '[TOOL_RESULTS] {"content": "21 degrees"} [/TOOL_RESULTS]',
    ),
    "qwen2.5": (
        TEMPLATES["qwen25"],
        "<|im_start|>system\n\n# Tools\n\n<tools>\n"
        f'{{"type": "function", "function": {WEATHER_FUNCTION}}}\n</tools><|im_end|>\n'
        "<|im_start|>user\nWeather?<|im_end|>\n<|im_start|>assistant\n<tool_call>\n"
        f'{{"name": "get_weather", "arguments": {CALL_JSON}}}\n</tool_call><|im_end|>\n'
        "<|im_start|>user\n<tool_response>\n21 degrees\n</tool_response><|im_end|>\n<|im_start|>assistant\n",
    ),
    "qwen3": (
        TEMPLATES["qwen3"],
        "<|im_start|>user\nWeather?<|im_end|>\n<|im_start|>assistant\n\n<tool_call>\n"
        f'{{"name": "get_weather", "arguments": {CALL_JSON}}}\n</tool_call><|im_end|>\n'
        "<|im_start|>user\n<tool_response>\n21 degrees\n</tool_response><|im_end|>\n<|im_start|>assistant\n",
    ),
    "command-r": (
        TEMPLATES["command_r"],
        "<|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|># Tools\n"
        "def get_weather(city: string, days: number | null, )<|END_OF_TURN_TOKEN|>"
        "<|START_OF_TURN_TOKEN|><|USER_TOKEN|>Weather?<|END_OF_TURN_TOKEN|>"
        "<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>Action: ```json\n[\n    {\n"
        f'        "tool_name": "get_weather",\n        "parameters": {CALL_JSON}\n    }}\n]```'
        "<|END_OF_TURN_TOKEN|><|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|><results>\n21 degrees</results>"
        "<|END_OF_TURN_TOKEN|><|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>",
    ),
}


@pytest.mark.parametrize(("template", "expected"), TOOLS.values(), ids=TOOLS)
def test_a_conversation_with_tools(template: str, expected: str) -> None:
    assert render(template, *TOOL_TURNS, tools=[WEATHER]) == expected


def test_tools_print_as_json_in_struct_order() -> None:
    user = TemplateMessage("user", "Hi")
    assert render("{{ .Tools }}{{ .Messages | len }}", user, tools=[WEATHER]) == f"[{WEATHER_JSON}]1"
    assert render("{{ json .Tools }}{{ .Messages | len }}", user, tools=[WEATHER]) == f"[{WEATHER_JSON}]1"
    assert render("{{ range .Tools }}{{ . }}{{ end }}{{ .Messages | len }}", user, tools=[WEATHER]) == (
        WEATHER_JSON + "1"
    )
    assert render("{{ .Tools }}{{ .Messages | len }}", user) == "null1"


def test_nothing_of_a_tool_is_dropped() -> None:
    tool = {
        "type": "function",
        "function": {
            "name": "f",
            "parameters": {
                "additionalProperties": False,
                "type": "object",
                "$defs": {"z": {"type": "string"}, "a": {}},
                "properties": {
                    "q": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": 3},
                    "o": {"type": "object", "properties": {"n": {"$ref": "#/$defs/z"}}, "required": ["n"]},
                    "l": {"type": "array", "items": {"type": "integer"}},
                },
            },
        },
    }
    template = "{{ range .Tools }}{{ . }} {{ range $n, $p := .Function.Parameters.Properties }}{{ $n }}="
    template += "{{ $p.Type }}:{{ toTypeScriptType $p }};{{ end }}{{ end }}{{ len .Messages }}"
    assert render(template, TemplateMessage("user", "Hi"), tools=[tool]) == (
        '{"type":"function","function":{"name":"f","description":"","parameters":{"type":"object",'
        '"$defs":{"z":{"type":"string"},"a":{}},"properties":{'
        '"q":{"anyOf":[{"type":"string"},{"type":"null"}],"default":3},'
        '"o":{"type":"object","properties":{"n":{"$ref":"#/$defs/z"}},"required":["n"]},'
        '"l":{"type":"array","items":{"type":"integer"}}},"additionalProperties":false}}} '
        "l=array:any[];o=object:Record<string, any>;q=:string | null;1"
    )


def test_neighbours_of_one_role_are_joined() -> None:
    messages = (
        TemplateMessage("system", "A"),
        TemplateMessage("user", "one"),
        TemplateMessage("user", "two"),
        TemplateMessage("system", "B"),
        TemplateMessage("tool", "x", tool_name="t"),
        TemplateMessage("tool", "y", tool_name="u"),
    )
    template = "{{ .System }}|{{ range .Messages }}{{ .Role }}={{ .Content }}({{ .ToolName }});{{ end }}"
    assert render(template, *messages) == "A\n\nB|system=A();user=one\n\ntwo();system=B();tool=x(t);tool=y(u);"


def test_the_older_form_renders_a_turn_for_each_answer() -> None:
    template = "<{{ .System }}|{{ .Prompt }}|{{ .Response }}>"
    user, assistant = TemplateMessage("user", "U"), TemplateMessage("assistant", "A")
    system = TemplateMessage("system", "S")
    assert render(template, system, user, assistant, user) == "<S|U|A><|U|"
    assert render(template, user, assistant, system, user) == "<|U|A><S|U|"
    assert render(template, user, assistant) == "<|U|A"
    assert render(template, system) == "<S||"


def test_the_cut_drops_everything_after_the_answer() -> None:
    user = TemplateMessage("user", "U")
    template = "{{ .Prompt }} A: {{ if .Response }}{{ .Response }}</s>{{ end }}!{{ range .Nothing }}{{ end }}"
    assert render(template, user) == "U A: "
    assert render("{{ .Prompt }}", user) == "U"
    assert render("{{ .Prompt }}", user, TemplateMessage("assistant", "A")) == "UA"


def test_a_message_prints_as_a_struct() -> None:
    template = '{{ range .Messages }}{{ . }} {{ printf "%v" . }}{{ end }}'
    assert render(template, TemplateMessage("user", "Hi")) == "{user Hi  [] []  } &{user Hi  [] []  }"


def test_nesting_is_no_fault_of_the_server() -> None:
    def deep(frames: int) -> str:
        if frames:
            return deep(frames - 1)
        return render("{{ if .Prompt }}" * 59 + "{{ .Response }}" + "{{ end }}" * 59, *HELLO)

    assert deep(250) == ""


def test_fill_in_the_middle() -> None:
    template = OllamaTemplate.parse(TEMPLATES["codellama"])
    assert template.render(TemplateValues(prompt="def f(", suffix="return x")) == "<PRE> def f( <SUF>return x <MID>"
    assert template.render(TemplateValues(prompt="Hi")) == "[INST] Hi [/INST]"
    assert "suffix" in template.variables


@pytest.mark.parametrize(
    ("think", "tail"),
    [
        (None, "Hi<|im_end|>\n<|im_start|>assistant\n"),
        (True, "Hi /think<|im_end|>\n<|im_start|>assistant\n"),
        ("high", "Hi /think<|im_end|>\n<|im_start|>assistant\n"),
        (False, "Hi /no_think<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"),
    ],
)
def test_thinking_is_asked_for(think: bool | str | None, tail: str) -> None:
    assert render(TEMPLATES["qwen3"], *HELLO, think=think) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n" + tail
    )


@pytest.mark.parametrize(
    ("think", "shown"),
    [(None, "false  false"), (False, "false  true"), (True, "true medium true"), ("low", "true low true")],
)
def test_thinking_variables(think: bool | str | None, shown: str) -> None:
    template = "{{ .Think }} {{ .ThinkLevel }} {{ .IsThinkSet }}{{ if .Messages }}{{ end }}"
    assert render(template, *HELLO, think=think) == shown


def test_the_last_thinking_is_shown_again() -> None:
    messages = (
        TemplateMessage("user", "Q"),
        TemplateMessage("assistant", thinking="Hm.", tool_calls=(CALL,)),
        TemplateMessage("tool", "x"),
    )
    assert "<|im_start|>assistant\n<think>Hm.</think>\n\n<tool_call>" in render(
        TEMPLATES["qwen3"], *messages, think=True
    )


@pytest.mark.parametrize(
    ("template", "variables"),
    [
        (TEMPLATES["chatml"], {"system", "prompt", "response"}),
        (TEMPLATES["llama3"], {"messages", "role", "content"}),
        ('{{ define "x" }}{{ .Suffix }}{{ end }}{{ template "x" $.Tools }}', {"suffix", "tools"}),
        ("{{ (index .Messages 0).Thinking }}", {"messages", "thinking"}),
        ("plain", set()),
    ],
)
def test_variables(template: str, variables: set[str]) -> None:
    assert OllamaTemplate.parse(template).variables == variables


@pytest.mark.parametrize(
    ("template", "prefix"),
    [
        (TEMPLATES["qwen25"], "<tool_call>"),
        (TEMPLATES["qwen3"], "<tool_call>"),
        (TEMPLATES["mistral"], "[TOOL_CALLS]"),
        (TEMPLATES["llama31"], "{"),
        (TEMPLATES["command_r"], "Action: ```json"),
        (TEMPLATES["chatml"], "{"),
        ("{{ range .Messages }}{{ if .ToolCalls }}[{{ range .ToolCalls }}x{{ end }}{{ end }}{{ end }}", "["),
        (
            "{{ if .ToolCalls }}\n{{ range .ToolCalls }}<call>{{ end }}{{ end }}",
            "<call>",
        ),
    ],
)
def test_tool_call_prefix(template: str, prefix: str) -> None:
    assert tool_call_prefix(OllamaTemplate.parse(template)) == prefix


@pytest.mark.parametrize(
    ("template", "tags"),
    [
        (TEMPLATES["qwen3"], ("<think>", "</think>")),
        (TEMPLATES["deepseek"], ("<think>", "</think>")),
        (
            "{{ range $m := .Messages }}{{ if $m.Thinking }}<a>{{ $m.Thinking }}</a>{{ end }}{{ end }}",
            ("<a>", "</a>"),
        ),
        ("{{ range .Tools }}{{ if .Thinking }}<a>{{ .Thinking }}</a>{{ end }}{{ end }}", None),
        (TEMPLATES["llama3"], None),
    ],
)
def test_thinking_tags(template: str, tags: tuple[str, str] | None) -> None:
    assert thinking_tags(OllamaTemplate.parse(template)) == tags


def test_a_prompt_that_opens_the_thinking() -> None:
    tags = ("<think>", "</think>")
    assert opens_thinking(render(TEMPLATES["deepseek"], *HELLO, think=True), tags)
    assert not opens_thinking(render(TEMPLATES["deepseek"], *HELLO, think=False), tags)
    assert not opens_thinking(render(TEMPLATES["qwen3"], *HELLO, think=True), tags)


def test_dates() -> None:
    today = f"{datetime.now().astimezone():%Y-%m-%d}"
    template = '{{ currentDate }} {{ currentDate "2006" }} {{ lt yesterdayDate currentDate }}{{ len .Messages }}'
    assert render(template, *HELLO) == f"{today} {today} true2"
    with pytest.raises(TemplateExecutionError, match="expected string; found 1"):
        render("{{ currentDate 1 }}{{ len .Messages }}", *HELLO)


def test_faults_carry_the_line() -> None:
    with pytest.raises(TemplateSyntaxError, match="template: :2: unclosed action"):
        OllamaTemplate.parse("{{ .System }}\n{{ .Prompt")
    with pytest.raises(TemplateExecutionError, match=r"can't evaluate field Nope in type \*template"):
        render("{{ range .Messages }}{{ .Nope }}{{ end }}", *HELLO)
