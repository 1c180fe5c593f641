"""Calls as they were chosen, of a real model in every family's words: forced, forbidden, named, one at most."""

import hashlib
from typing import Any

import jsonschema
import pytest
from tests.conftest import Serve
from tests.e2e.jinja import with_jinja
from tests.e2e.prompting import ADD, BOOK, GO_TEMPLATE, WEATHER, chat, chat_stream, make, refusal, rendered, user
from tests.server import Server
from tests.system import require_native

from puna.inference.families.parsers import PARSERS
from puna.inference.families.renderers import RENDERERS

DICE: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "roll_dice",
        "description": "Roll dice",
        "parameters": {
            "type": "object",
            "properties": {
                "sides": {"type": "integer", "minimum": 2, "maximum": 99},
                "loud": {"type": "boolean"},
                "colour": {"type": ["string", "null"], "maxLength": 6},
                "names": {"type": "array", "items": {"enum": ["x", "<y>"]}, "maxItems": 2},
            },
            "required": ["sides", "loud", "colour", "names"],
        },
    },
}
TOOLS = [WEATHER, ADD, BOOK, DICE]
SCHEMAS = {tool["function"]["name"]: tool["function"]["parameters"] for tool in TOOLS}
QUESTION = user("What is the weather in Paris?")
OF_PARSER = {"deepseek3": "deepseek3.1", "gemma4-no-thinking": "gemma4"}
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


# One for each way of writing calls; of the others the grammars alone are tested (tests/inference/format).
FAMILIES = [
    "cohere",
    "gemma4",
    "glimmer",
    "glm-4.7",
    "harmony",
    "lfm2-thinking",
    "ministral",
    "olmo3",
    "qwen3-vl-thinking",
    "qwen3.5",
]
UNKNOWN = """{% for m in messages %}<|im_start|>{{ m.role }}
{{ m.content }}{% for c in m.tool_calls or [] %}<<call>>{{ c.function.name }} with {{ c.function.arguments | tojson -}}
<</call>>{% endfor %}<|im_end|>
{% endfor %}{% if tools %}{{ tools | tojson }}{% endif %}<|im_start|>assistant
"""


def forced(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name}}


@pytest.mark.parametrize("parser", FAMILIES)
def test_a_forced_call_of_any_family_is_valid(server: Server, parser: str) -> None:
    model = family(server, parser)
    always_thinks = parser == "qwen3-vl-thinking"
    options = {"temperature": 0, "num_predict": 400, "thinking_budget": 4}
    body = {"tools": TOOLS, "think": always_thinks if PARSERS[parser].thinking else None}
    answer = chat(
        server, QUESTION, model, tool_choice=forced("roll_dice"), parallel_tool_calls=False, options=options, **body
    )
    assert functions(answer) == ["roll_dice"], answer
    assert answer["message"]["content"] == ""
    assert answer["done_reason"] == "stop"
    assert bool(answer["message"].get("thinking")) == always_thinks


def written(name: str, mark: str, call: str, end: str = "") -> str:
    """Return a template with calls of its own; ``call`` is about ``c.name`` and ``c.arguments``."""
    calls = f"{{% for t in m.tool_calls %}}{{% set c = t.function %}}{call}{{% endfor %}}"
    return (
        f"{{# {name} #}}{{{{ tools | tojson if tools else '' }}}}{{% for m in messages %}}"
        "<|im_start|>{{ m.role }}\n"
        f"{{{{ m.content }}}}{{% if m.tool_calls %}}{mark}{calls}{end}{{% endif %}}<|im_end|>\n{{% endfor %}}"
        "<|im_start|>assistant\n"
    )


PAIRS = "{% for key, value in c.arguments.items() %}"
WRITTEN = {
    "[TOOL_CALLS]": written(
        "mistral-small", "", "[TOOL_CALLS]{{ c.name }}[CALL_ID]{{ t.id }}[ARGS]{{ c.arguments | tojson }}"
    ),
    "<|tool_calls_section_begin|>": written(
        "kimi-k2",
        "<|tool_calls_section_begin|>",
        "<|tool_call_begin|>functions.{{ c.name }}:0<|tool_call_argument_begin|>{{ c.arguments | tojson -}}"
        "<|tool_call_end|>",
        "<|tool_calls_section_end|>",
    ),
    "<｜DSML｜function_calls>": written(
        "deepseek-v3.2",
        "\n\n<｜DSML｜function_calls>\n",
        '<｜DSML｜invoke name="{{ c.name }}">\n'
        + PAIRS
        + '<｜DSML｜parameter name="{{ key }}" string="true">{{ value -}}'
        "</｜DSML｜parameter>\n{% endfor %}</｜DSML｜invoke>\n",
        "</｜DSML｜function_calls>",
    ),
    "<|close|>response<|sep|><|open|>tools<|sep|>": written(
        "kimi-k3",
        "<|close|>response<|sep|><|open|>tools<|sep|>",
        '<|open|>call tool="{{ c.name }}" index="{{ loop.index }}"<|sep|>'
        + PAIRS
        + '<|open|>argument key="{{ key }}" type="string"<|sep|>{{ value }}<|close|>argument<|sep|>{% endfor %}'
        "<|close|>call<|sep|>",
        "<|close|>tools<|sep|>",
    ),
    "]<]minimax[>[<tool_call>": written(
        "minimax-m3",
        "]<]minimax[>[<tool_call>\n",
        ']<]minimax[>[<invoke name="{{ c.name }}">'
        + PAIRS
        + "]<]minimax[>[<{{ key }}>{{ value }}]<]minimax[>[</{{ key }}>{% endfor %}]<]minimax[>[</invoke>\n",
        "]<]minimax[>[</tool_call>",
    ),
    "<seed:tool_call>": written(
        "seed-oss",
        "",
        "<seed:tool_call>\n<function={{ c.name }}>\n" + PAIRS + "<parameter={{ key }}>{{ value }}</parameter>\n"
        "{% endfor %}</function>\n</seed:tool_call>",
    ),
    '{"name": "roll_dice", "parameters":': written(
        "llama3", "", '{"name": "{{ c.name }}", "parameters": {{ c.arguments | tojson }}}'
    ),
}


def with_template(server: Server, name: str, template: str) -> str:
    """Make the built-in model with a template inside its file; return its name."""
    data = with_jinja(template)
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert server.post(f"/api/blobs/{digest}", data).status_code in (200, 201)
    server.ask("/api/create", {"model": name, "files": {"m.gguf": digest}, "stream": False})
    return name


@pytest.mark.parametrize("mark", WRITTEN)
def test_a_forced_call_is_in_the_words_of_the_template(server: Server, mark: str) -> None:
    model = with_template(server, "written", WRITTEN[mark])
    options = {"temperature": 0, "num_predict": 400}
    body = {"tools": TOOLS, "tool_choice": forced("roll_dice"), "parallel_tool_calls": False, "options": options}
    chat(server, QUESTION, model, **body)  # what follows is computed behind the same cache, to the last digit
    answer = chat(server, QUESTION, model, logprobs=True, **body)
    assert functions(answer) == ["roll_dice"]
    said = "".join(entry["token"] for entry in answer["logprobs"])
    assert said.lstrip().startswith(mark), said
    streamed = chat_stream(server, QUESTION, model, **body)
    [whole], [pieces] = (found["message"]["tool_calls"] for found in (answer, streamed))
    assert pieces["function"] == whole["function"]


@pytest.fixture(scope="module")
def unknown_model(shared_server: Server) -> str:
    """The built-in model with a template inside its file whose way of writing calls nobody knows."""
    return with_template(shared_server, "unknown-calls", UNKNOWN)


@pytest.fixture(params=["engine", "go", "bare", "listed", "unknown"])
def model(request: pytest.FixtureRequest, server: Server) -> str:
    """The built-in model on each path on which calls are found."""
    match request.param:
        case "engine":
            return "cria"
        case "go":
            return make(server, "chosen-go", template=GO_TEMPLATE)
        case "bare":
            return make(server, "chosen-bare", template=LLAMA)
        case "listed":
            return make(server, "chosen-listed", template=LISTED)
    name: str = request.getfixturevalue("unknown_model")
    return name


@pytest.mark.parametrize("ask", [chat, chat_stream])
def test_calls_are_as_chosen(server: Server, model: str, ask: Any) -> None:
    body = {"tools": TOOLS, "options": {"num_predict": 300}, "think": False, "parallel_tool_calls": False}
    answer = ask(server, user("Hello!"), model, tool_choice=forced("roll_dice"), **body)
    assert functions(answer) == ["roll_dice"], answer
    assert answer["message"]["content"] == ""
    some = [{"type": "function", "name": name} for name in ("roll_dice", "get_weather")]
    choice = {"type": "allowed_tools", "mode": "required", "tools": some}
    assert functions(ask(server, QUESTION, model, tool_choice=choice, **body))[0] in ("roll_dice", "get_weather")
    without = ask(server, QUESTION, model, tool_choice="none", **body | {"options": {"num_predict": 40}})
    assert "tool_calls" not in without["message"]
    if model in ("cria", "chosen-go"):
        assert "<tool_call>" not in without["message"]["content"]


def test_forbidden_calls_are_shown_to_the_model(server: Server) -> None:
    for model in ("cria", make(server, "chosen-go", template=GO_TEMPLATE)):
        said = rendered(server, QUESTION, model, tools=[WEATHER])
        assert "get_weather" in said
        for choice in ("none", "required", forced("get_weather")):
            assert rendered(server, QUESTION, model, tools=[WEATHER], tool_choice=choice) == said, "it stays cached"


@pytest.mark.parametrize("model", ["cria", "chosen-go"])
def test_thoughts_come_before_a_forced_call(server: Server, model: str) -> None:
    make(server, "chosen-go", template=GO_TEMPLATE)
    options = {"num_predict": 400, "thinking_budget": 60}
    body = {"tools": TOOLS, "think": True, "tool_choice": forced("roll_dice"), "options": options}
    message = chat(server, QUESTION, model, parallel_tool_calls=False, **body)
    assert message["message"]["thinking"]
    assert functions(message) == ["roll_dice"]


@pytest.mark.parametrize("engine", ["portable", "native"])
def test_a_call_after_thoughts_is_bound(serve: Serve, engine: str) -> None:
    server = serve({"PUNA_ENGINE": require_native()} if engine == "native" else {})
    city = {"type": "string", "enum": ["Oslo", "Quito"]}
    parameters = {"properties": {"city": city}, "required": ["city"]}
    tool = WEATHER | {"function": WEATHER["function"] | {"parameters": parameters}}
    model = make(server, "chosen-thinks", template=GO_TEMPLATE, parser="qwen3-thinking")
    for choice in ("auto", "required"):
        body = {"tools": [tool, ADD], "think": True, "tool_choice": choice, "options": {"num_predict": 300}}
        message = chat(server, QUESTION, model, parallel_tool_calls=False, **body)["message"]
        assert message["thinking"]
        [call] = message["tool_calls"]
        assert call["function"]["name"] != "get_weather" or call["function"]["arguments"]["city"] in city["enum"]
    body = {"tools": TOOLS, "tool_choice": forced("roll_dice"), "think": False, "options": {"num_predict": 300}}
    answer = chat(server, QUESTION, family(server, "gemma4"), parallel_tool_calls=False, **body)
    assert functions(answer) == ["roll_dice"]


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ("sometimes", "invalid tool_choice: 'sometimes'"),
        ({"type": "function"}, "invalid tool_choice"),
        ({"type": "function", "function": {"name": "fly"}}, 'tool_choice: there is no tool called "fly"'),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}, "invalid tool_choice"),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": ["f"]}}, "invalid tool_choice"),
    ],
)
def test_what_is_no_choice_is_refused(server: Server, choice: Any, message: str) -> None:
    assert message in refusal(server, "/api/chat", messages=QUESTION, tools=[WEATHER], tool_choice=choice)


def test_a_call_of_nothing_is_refused(server: Server) -> None:
    assert "no tools to call" in refusal(server, "/api/chat", messages=QUESTION, tool_choice="required")
    body = {"messages": QUESTION, "tools": [WEATHER], "tool_choice": "required", "options": {"grammar": 'root ::= "a"'}}
    assert "together with the option 'grammar'" in refusal(server, "/api/chat", **body)
