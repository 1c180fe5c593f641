"""Ways of writing calls that templates inside GGUF files are recognised by: each is read, however it is cut."""

import itertools
import re
from dataclasses import dataclass
from typing import Any, cast

import pytest
from tests.inference.families.test_parsers import cut, found
from tests.inference.format.walk import Walk

from puna.engine.errors import TemplateError
from puna.engine.protocol import Engine
from puna.inference.families.formats import FORMATS
from puna.inference.families.parsing import Asked
from puna.inference.format.calls import Plan, calls_grammar
from puna.inference.prepare.recognised import recognised
from puna.inference.requests import GenerationRequest

NUMBERS = itertools.count()
TOOLS: dict[str, Any] = {
    "roll": {"properties": {"sides": {"type": "integer"}, "note": {"type": "string"}, "tags": {"type": "array"}}},
    "now": {},
}
ROLL, NOW = ("roll", {"sides": 6, "note": "a < b", "tags": ["x"]}), ("now", {})
ARGUMENTS = '{"sides": 6, "note": "a < b", "tags": ["x"]}'
OBJECTS = f'{{"name": "roll", "arguments": {ARGUMENTS}}}', '{"name": "now", "arguments": {}}'
BOTH = ", ".join(OBJECTS)
TEXTS = {
    "apertus": f'<|tools_prefix|>[{{"roll": {ARGUMENTS}}}, {{"now": {{}}}}]<|tools_suffix|>',
    "apriel": f"<tool_calls>[{BOTH}]</tool_calls>",
    "command-r": 'Action: ```json\n[\n    {"tool_name": "roll", "parameters": '
    + ARGUMENTS
    + '},\n {"tool_name": "now", "parameters": {}}\n]```',
    "firefunction": f" functools[{BOTH}]",
    "functionary": f"<function=roll>{ARGUMENTS}</function><function=now>{{}}</function>",
    "functionary-3.2": f"all\nLet me see.>>>roll\n{ARGUMENTS}>>>now\n{{}}",
    "granite": f"<|tool_call|>[{BOTH}]",
    "granite-20b": "<function_call> {}\n<function_call> {}".format(*OBJECTS),
    "intern": "<|action_start|><|plugin|>\n{}<|action_end|><|action_start|><|plugin|>\n{}<|action_end|>".format(
        *(text.replace("arguments", "parameters") for text in OBJECTS)
    ),
    "kimi-k2": "<|tool_calls_section_begin|><|tool_call_begin|>functions.roll:0<|tool_call_argument_begin|>"
    + f"{ARGUMENTS}<|tool_call_end|><|tool_call_begin|>functions.now:1<|tool_call_argument_begin|>{{}}"
    + "<|tool_call_end|><|tool_calls_section_end|>",
    "kimi-k3": '<|close|>response<|sep|><|open|>tools<|sep|><|open|>call tool="roll" index="1"<|sep|>'
    + '<|open|>argument key="sides" type="number"<|sep|>6<|close|>argument<|sep|>'
    + '<|open|>argument key="note" type="string"<|sep|>a < b<|close|>argument<|sep|>'
    + '<|open|>argument key="tags" type="array"<|sep|>["x"]<|close|>argument<|sep|><|close|>call<|sep|>'
    + '<|open|>call tool="now" index="2"<|sep|><|close|>call<|sep|><|close|>tools<|sep|><|close|>message<|sep|>',
    "llama3": '{"name": "roll", "parameters": ' + ARGUMENTS + '}; {"name": "now", "parameters": {}}',
    "longcat-json": "".join(f"<longcat_tool_call>\n{text}\n</longcat_tool_call>\n" for text in OBJECTS),
    "minicpm3": '<|tool_call_start|>\n```python\nroll(sides=6,note="a < b",tags=["x"])\nnow()\n```\n<|tool_call_end|>',
    "minicpm5": '<function name="roll"><param name="sides">6</param><param name="note"><![CDATA[a < b]]></param>'
    + '<param name="tags">["x"]</param></function>\n<function name="now"></function>',
    "minimax-m1": "<tool_calls>\n{}\n{}\n</tool_calls>".format(*OBJECTS),
    "mistral": f"[TOOL_CALLS] [{BOTH}]",
    "mistral-small": f"[TOOL_CALLS]roll[CALL_ID]abcdefghi[ARGS]{ARGUMENTS}[TOOL_CALLS]now[CALL_ID]123456789[ARGS]{{}}",
    "nemotron": f"<TOOLCALL>[{BOTH}]</TOOLCALL>",
    "nemotron-mini": "<toolcall> {} </toolcall> <toolcall> {} </toolcall>".format(*OBJECTS),
    "phi4-mini": "<|tool_call|>{}<|/tool_call|><|tool_call|>{}<|/tool_call|>".format(*OBJECTS),
    "phi4-mini-list": f"<|tool_call|>[{BOTH}]<|/tool_call|>",
    "python-list": """[roll(sides=6, note='a < b', tags=["x"]), now()]""",
    "seed-oss": "<seed:tool_call>\n<function=roll>\n<parameter=sides>6</parameter>\n<parameter=note>a < b</parameter>\n"
    + '<parameter=tags>["x"]</parameter>\n</function>\n</seed:tool_call>'
    + "<seed:tool_call><function=now></function></seed:tool_call>",
    "solar": "<|tool_calls|><|tool_call:begin|>abc<|tool_call:name|>roll<|tool_call:args|>"
    + f"{ARGUMENTS}<|tool_call:end|><|tool_call:begin|>d<|tool_call:name|>now<|tool_call:args|>{{}}<|tool_call:end|>",
    "xlam": f"[{BOTH}]",
}
ONE = {
    "glm4": f"\nroll\n{ARGUMENTS}",
    "gigachat": f"<|function_call|>{OBJECTS[0]}",
    "gigachat-turns": f"function call<|role_sep|>\n{OBJECTS[0]}",
}


def tagged(mark: str, prefix: str = "", text: str = "", other: str = "") -> str:
    """Return both calls in tags with names as attributes."""
    values = (("sides", "6", other), ("note", "a < b", text), ("tags", '["x"]', other))
    lines = [f'<{prefix}parameter name="{name}"{kind}>{value}</{prefix}parameter>' for name, value, kind in values]
    roll = "\n".join([f'<{prefix}invoke name="roll">', *lines, f"</{prefix}invoke>"])
    return f'<{prefix}{mark}>\n{roll}\n<{prefix}invoke name="now">\n</{prefix}invoke>\n</{prefix}{mark}>'


def hunyuan(suffix: str = "", line: str = "", sep: str = "") -> str:
    """Return both calls in pairs of tags."""
    text = f"<tool_calls>\n<tool_call>roll{sep}{line}"
    for name, value in (("sides", "6"), ("note", "a < b"), ("tags", '["x"]')):
        text += f"<arg_key>{name}</arg_key>{line}<arg_value>{value}</arg_value>{line}"
    text += f"</tool_call>{line}<tool_call>now{sep}{line}</tool_call>\n</tool_calls>"
    return re.sub(r"(</?[a-z_]+)>", rf"\1{suffix}>", text)


TEXTS["hy3"] = hunyuan(":opensource", "\n", "<tool_sep>")
TEXTS["hy3-preview"] = hunyuan("", "\n", "<tool_sep>")
TEXTS["hy4"] = hunyuan(":opensource")
TEXTS["longcat"] = re.sub(r"<(/?)([a-z_]+)>", r"<\1longcat_\2>", hunyuan("", "\n")[len("<tool_calls>\n") : -13])
TAG = "]<]minimax[>["
TEXTS["minimax-m3"] = (
    '@<tool_call>\n@<invoke name="roll">@<sides>6@</sides>@<note>a < b@</note>@<tags>@<item>x@</item>@</tags>'
    '@</invoke>\n@<invoke name="now">@</invoke>\n@</tool_call>'
).replace("@", TAG)
DSML = "｜DSML｜"
TEXTS["minimax-m2"] = tagged("minimax:tool_call")
TEXTS["deepseek-v3.2"] = tagged("function_calls", DSML, ' string="true"', ' string="false"')
TEXTS["gigachat-3.5"] = tagged("tool_calls", "｜GCML｜", ' string="true"', ' string="false"')
TEXTS["deepseek-v4"] = tagged("tool_calls", DSML, ' string="true"', ' string="false"')


ALONE = {"glm4", "llama3", "python-list", "xlam"}
"""Formats in which only an answer that begins so is a call."""


@pytest.mark.parametrize("name", FORMATS)
def test_calls_are_read_however_they_are_cut(name: str) -> None:
    before = "" if name in ALONE else "Let me see."
    text = ("" if name == "functionary-3.2" else before) + (TEXTS | ONE)[name]
    expected = (before, "", [ROLL] if name in ONE else [ROLL, NOW])
    asked = Asked(tools=TOOLS)
    assert found(name, asked, [text]) == expected
    assert found(name, asked, text) == expected
    for seed in range(8):
        assert found(name, asked, cut(text, seed)) == expected, cut(text, seed)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("command-r", "Action: wait {a}"),
        ("firefunction", "functools[0] is {"),
        ("functionary", "<function=roll> takes no <b>{}</b>"),
        ("functionary", "<function=roll"),
        ("functionary-3.2", ">>>roll\nis a function {}"),
        ("functionary-3.2", ">>>rolls\n{}"),
        ("hy3", "<tool_calls:opensource>\n<tool_call:opensource>roll"),
        ("gigachat", "<|function_call|>?"),
        ("glm4", "\nroll\n{}"),
        ("granite", "<|tool_call|> is a mark"),
        ("kimi-k2", "<|tool_calls_section_begin|>functions.roll"),
        ("kimi-k3", "<|open|>tools<|sep|> are sections <|close|>tools<|sep|>"),
        ("kimi-k3", '<|open|>tools<|sep|><|open|>call tool="roll" index="1"<|sep|>'),
        ("llama3", 'Like this: {"name": "roll", "parameters": {}}'),
        ("longcat", "<longcat_tool_call>two words</longcat_tool_call>"),
        ("minicpm3", "<|tool_call_start|>is a mark<|tool_call_end|>"),
        ("minimax-m3", f"{TAG}<tool_call> is a tag"),
        ("minimax-m3", f'{TAG}<tool_call>{TAG}<invoke name="roll">{TAG}<a>1{TAG}</invoke>{TAG}</tool_call>'),
        ("mistral", "[TOOL_CALLS] are calls {"),
        ("python-list", "[now()]"),
        ("xlam", f"[{BOTH}]"),
    ],
)
def test_what_is_no_call_is_text(name: str, text: str) -> None:
    said = f"So: {text}"
    assert found(name, Asked(tools=TOOLS), [said]) == (said, "", [])
    assert found(name, Asked(tools=TOOLS), said) == (said, "", [])


def test_a_call_that_cannot_be_read_stays_as_text() -> None:
    for name, text in (("granite", '<|tool_call|>[{"name": 1}]'), ("kimi-k2", "<|tool_calls_section_begin|>{}")):
        said, _, calls = found(name, Asked(tools=TOOLS), [text])
        assert calls == []
        assert said == text.removesuffix("]")


def test_text_goes_on_behind_calls() -> None:
    for name, text in TEXTS.items():
        if not text.endswith(("]", "}", "<|tool_call:end|>")):
            said, _, calls = found(name, Asked(tools=TOOLS), f"{text}\nDone.")
            assert (said, len(calls)) == ("Done.", 2), name


@dataclass
class _Model:
    """What is asked of a request: the template of its model."""

    chat_template: str

    @property
    def model(self) -> "_Model":
        return self

    @property
    def gguf(self) -> "_Model":
        return self


class _Renderer:
    """An engine that has rendered the conversation."""

    def __init__(self, said: str) -> None:
        self._said = said

    async def apply_template(self, _: Any) -> str:
        if not self._said:
            raise TemplateError("no calls, please")
        return self._said


async def known(template: str, said: str) -> str:
    model = _Model(f"{template}{next(NUMBERS)}")  # what was found of a template is remembered
    return await recognised(cast(GenerationRequest, model), cast(Engine, _Renderer(said)))


PROMPTED = {"functionary-3.2": ">>>", "glm4": "<|assistant|>"}
"""What a prompt ends with before an answer that may be a call."""


@pytest.mark.parametrize("name", FORMATS)
async def test_what_a_format_writes_is_recognised(name: str) -> None:
    shape = FORMATS[name].calls
    assert shape is not None
    parameters = {"properties": {"key": {"const": "value"}}, "required": ["key"], "additionalProperties": False}
    walk = Walk(calls_grammar(Plan({"puna_probe": parameters}, shape, "required", parallel=False)))
    for seed in range(4):
        said = PROMPTED.get(name, "") + walk.text(seed)
        assert await known("", f"<user>?<assistant>{said}<end>") == name, said


@pytest.mark.parametrize(
    ("said", "name"),
    [
        (r'<tool_call>{"name": "puna_probe", "arguments": "{\"key\":\"value\"}"}', "qwen3"),
        (r'{"name": "puna_probe", "parameters": "{\"key\":\"value\"}"}', "llama3"),
    ],
)
async def test_arguments_may_be_in_quotes_once_more(said: str, name: str) -> None:
    assert await known("", f"<user>?<assistant>{said}<end>") == name


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("answer with <|tool_call|> followed by a JSON list of tools", "granite"),
        ("<|im_start|>system\nList of tools: [{{ tools }}]", "lfm2"),
        ("List of tools: <|tool_list_start|>", "lfm2"),
        ("return a json object with function name and arguments within <tool_call></tool_call> XML tags", "qwen3"),
        ("put it in the format of [func_name1(params_name1=params_value1, ...)]", "python-list"),
        ("<｜tool▁call▁begin｜>{{ type }}<｜tool▁sep｜>{{ name }}\n```json", "cogito"),
        ("{{ tool }}\n在调用上述函数时，请使用 Json 格式表示调用的参数。", "glm4"),
        ("{{ '<|tool_call|>' + message['content'] }}", "granite"),
        ("{{ '<tool> ' + tool }}<extra_id_1>User", "nemotron-mini"),
        ("{{ '<|tool|>' + message['tools'] + '<|/tool|>' }}", "phi4-mini-list"),
        ("{{ messages }}", ""),
    ],
)
async def test_templates_tell_how_to_call(template: str, name: str) -> None:
    assert await known(template, "") == name
    assert await known(template, "<user>?<assistant>") == name
    assert await known(template, '<tool_call>\n{"name": "puna_probe", "arguments": {}}') == "qwen3"
