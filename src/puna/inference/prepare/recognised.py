"""How the template inside a GGUF writes calls, where that is as one of the families does.

llama-server makes calls possible with any template, and enforces what ``tool_choice`` asks with some. So where more is
asked than that a model may call, the answer is bound and read here, in the words of the family that is recognised.
"""

import re
from collections.abc import Sequence

from puna.engine.errors import TemplateError
from puna.engine.protocol import Engine
from puna.inference.requests import GenerationRequest

_PROBE, _ID = "puna_probe", "000000001"
_OBJECT = rf'\s*\{{\s*"name":\s*"{_PROBE}"\s*,\s*"arguments":\s*"?\{{'
"""Some templates put arguments in quotes once more where they are given them as a text."""
_FORMS: Sequence[tuple[str, str]] = (
    (rf"<tool_call>\s*<function={_PROBE}>\s*<parameter=key>\nvalue\n</parameter>", "qwen3-coder"),
    (rf"<tool_call>{_OBJECT}", "qwen3"),
    (rf"<tool_call>{_PROBE}\n<arg_key>key</arg_key>\n<arg_value>", "laguna"),
    (rf"<tool_call>{_PROBE}\s*<arg_key>key</arg_key>\s*<arg_value>", "glm-4.7"),
    (rf"<tool_call:opensource>{_PROBE}<tool_sep:opensource>", "hy3"),
    (rf"<tool_call:opensource>{_PROBE}<arg_key:opensource>", "hy4"),
    (rf"<tool_call>{_PROBE}<tool_sep>", "hy3-preview"),
    (rf"\[TOOL_CALLS\]\s*{_PROBE}\[ARGS\]\s*\{{", "ministral"),
    (rf"\[TOOL_CALLS\]\s*{_PROBE}\[CALL_ID\]\w+\[ARGS\]\s*\{{", "mistral-small"),
    (rf"\[TOOL_CALLS\]\s*\[{_OBJECT}", "mistral"),
    (rf"<tool_calls>\s*\[{_OBJECT}", "apriel"),
    (rf"<tool_calls>\s*{_OBJECT}", "minimax-m1"),
    (rf"<TOOLCALL>\s*\[{_OBJECT}", "nemotron"),
    (rf"functools\[\s*{_OBJECT}", "firefunction"),
    (rf'<\|tools_prefix\|>\s*\[\s*\{{\s*"{_PROBE}":\s*\{{', "apertus"),
    (rf"<\|tool_call\|>{_OBJECT}", "phi4-mini"),
    (rf"<\|tool_call\|>\s*\[{_OBJECT}[^<]*<\|/tool_call\|>", "phi4-mini-list"),
    (rf"<\|tool_call\|>\s*\[{_OBJECT}", "granite"),
    (rf'Action:\s*```json\s*\[\s*\{{\s*"tool_name":\s*"{_PROBE}"\s*,\s*"parameters":\s*\{{', "command-r"),
    (rf"<\|function_call\|>{_OBJECT}", "gigachat"),
    (rf"function call<\|role_sep\|>\n{_OBJECT}", "gigachat-turns"),
    (rf"<\|tool_call_begin\|>functions\.{_PROBE}:\d+<\|tool_call_argument_begin\|>\{{", "kimi-k2"),
    (rf'<\|open\|>call tool="{_PROBE}" index="\d+"<\|sep\|>', "kimi-k3"),
    (rf'<\|action_start\|><\|plugin\|>\s*\{{\s*"name":\s*"{_PROBE}"\s*,\s*"parameters":\s*\{{', "intern"),
    (rf"<longcat_tool_call>{_PROBE}\s*<longcat_arg_key>", "longcat"),
    (rf"<longcat_tool_call>{_OBJECT}", "longcat-json"),
    (rf"<function_call>{_OBJECT}", "granite-20b"),
    (rf"<toolcall>{_OBJECT}", "nemotron-mini"),
    (rf"<\|assistant\|>\s*{_PROBE}\n\{{", "glm4"),
    (rf"<\|tool_call:name\|>{_PROBE}<\|tool_call:args\|>\{{", "solar"),
    (rf"<function={_PROBE}>\{{", "functionary"),
    (rf">>>{_PROBE}\n\{{", "functionary-3.2"),
    (rf"<seed:tool_call>\s*<function={_PROBE}>\s*<parameter=key>value</parameter>", "seed-oss"),
    (rf'<minimax:tool_call>\s*<invoke name="{_PROBE}">\s*<parameter name="key">value</parameter>', "minimax-m2"),
    (rf'\]<\]minimax\[>\[<invoke name="{_PROBE}">', "minimax-m3"),
    (rf'<｜DSML｜function_calls>\s*<｜DSML｜invoke name="{_PROBE}">', "deepseek-v3.2"),
    (rf'<｜DSML｜tool_calls>\s*<｜DSML｜invoke name="{_PROBE}">', "deepseek-v4"),
    (rf'<｜GCML｜tool_calls>\s*<｜GCML｜invoke name="{_PROBE}">', "gigachat-3.5"),
    (rf'<function name="{_PROBE}"><param name="key">value</param>', "minicpm5"),
    (rf"<\|tool_call>call:{_PROBE}\{{", "gemma4"),
    (rf"<start_function_call>call:{_PROBE}\{{", "functiongemma"),
    (rf"<\|tool_call_start\|>\[{_PROBE}\(", "lfm2"),
    (rf"<\|tool_call_start\|>\s*```python\s*{_PROBE}\(", "minicpm3"),
    (rf"\[{_PROBE}\(key=", "python-list"),
    (rf"<function_calls>{_PROBE}\(", "olmo3"),
    (rf'<atem:invoke name="{_PROBE}">', "glimmer"),
    (
        rf'<\|START_ACTION\|>\s*\[\s*\{{\s*"tool_call_id":\s*"\w+",\s*"tool_name":\s*"{_PROBE}",\s*"parameters":',
        "cohere",
    ),
    (rf"<｜tool▁call▁begin｜>{_PROBE}<｜tool▁sep｜>\{{", "deepseek3"),
    (rf"<｜tool▁call▁begin｜>function<｜tool▁sep｜>{_PROBE}\n```json\n", "cogito"),
    (rf"<\|channel\|>commentary[^<]*to=functions\.{_PROBE}|to=functions\.{_PROBE}<\|channel\|>commentary", "harmony"),
    (rf'\{{"name":\s*"{_PROBE}",\s*"parameters":\s*(?:\{{\s*"key":\s*"value"|"\{{)', "llama3"),
    (rf"\[{_OBJECT}", "xlam"),
)
_TOLD: Sequence[tuple[Sequence[str], str]] = (
    (("<|tool_list_start|>",), "lfm2"),
    (("List of tools: [", "<|im_start|>"), "lfm2"),
    (("<|tool_call|> followed by a JSON list",), "granite"),
    (("<｜tool▁call▁begin｜>", "<｜tool▁sep｜>", "```json"), "cogito"),
    (("return a json object with function name and arguments within <tool_call></tool_call>",), "qwen3"),
    (("在调用上述函数时，请使用 Json 格式表示调用的参数",), "glm4"),
    (("<|tool_call|>' + message['content']",), "granite"),
    (("<extra_id_1>", "<tool> "), "nemotron-mini"),
    (("<|tool|>", "<|/tool|>"), "phi4-mini-list"),
    (("[func_name1(params_name1=params_value1",), "python-list"),
)
"""What a template has in it that says how to call, but leaves the calls of a conversation out."""
_MOST = 64
_known: dict[str, str] = {}


async def recognised(request: GenerationRequest, client: Engine) -> str:
    """Return the name of the parser that reads calls as the engine's template writes them, "" if none is known to."""
    text = request.model.gguf.chat_template or ""
    if text not in _known:
        if len(_known) >= _MOST:
            del _known[next(iter(_known))]
        try:
            said = await client.apply_template(_conversation())
        except TemplateError:  # some refuse a tool's result, or a call without text
            said = ""
        _known[text] = _written(said) or _told(text)
    return _known[text]


def _written(said: str) -> str:
    return next((name for form, name in _FORMS if re.search(form, said)), "")


def _told(template: str) -> str:
    return next((name for marks, name in _TOLD if all(mark in template for mark in marks)), "")


def _conversation() -> dict[str, object]:
    call = {"type": "function", "id": _ID, "function": {"name": _PROBE, "arguments": '{"key":"value"}'}}
    parameters = {"type": "object", "properties": {"key": {"type": "string"}}, "required": ["key"]}
    return {
        "messages": [
            {"role": "user", "content": "?"},
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [call],
            },
            {"role": "tool", "content": "!", "name": _PROBE, "tool_call_id": _ID},
        ],
        "tools": [{"type": "function", "function": {"name": _PROBE, "description": "?", "parameters": parameters}}],
    }
