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
_FORMS: Sequence[tuple[str, str]] = (
    (rf"<tool_call>\s*<function={_PROBE}>\s*<parameter=key>\nvalue\n</parameter>", "qwen3-coder"),
    (rf'<tool_call>\s*\{{\s*"name":\s*"{_PROBE}",\s*"arguments":\s*\{{', "qwen3"),
    (rf"<tool_call>{_PROBE}\n<arg_key>key</arg_key>\n<arg_value>", "laguna"),
    (rf"<tool_call>{_PROBE}\s*<arg_key>key</arg_key>\s*<arg_value>", "glm-4.7"),
    (rf"\[TOOL_CALLS\]\s*{_PROBE}\[ARGS\]\s*\{{", "ministral"),
    (rf"<\|tool_call>call:{_PROBE}\{{", "gemma4"),
    (rf"<start_function_call>call:{_PROBE}\{{", "functiongemma"),
    (rf"<\|tool_call_start\|>\[{_PROBE}\(", "lfm2"),
    (rf"<function_calls>{_PROBE}\(", "olmo3"),
    (rf'<atem:invoke name="{_PROBE}">', "glimmer"),
    (
        rf'<\|START_ACTION\|>\s*\[\s*\{{\s*"tool_call_id":\s*"\w+",\s*"tool_name":\s*"{_PROBE}",\s*"parameters":',
        "cohere",
    ),
    (rf"<｜tool▁call▁begin｜>{_PROBE}<｜tool▁sep｜>\{{", "deepseek3"),
    (rf"<｜tool▁call▁begin｜>function<｜tool▁sep｜>{_PROBE}\n```json\n", "cogito"),
    (rf"<\|channel\|>commentary[^<]*to=functions\.{_PROBE}|to=functions\.{_PROBE}<\|channel\|>commentary", "harmony"),
)
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
        except TemplateError:  # some refuse a tool's result, or a call without text; none of them is known here
            said = ""
        _known[text] = next((name for form, name in _FORMS if re.search(form, said)), "")
    return _known[text]


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
