"""The parsers by the names that manifests have for them, and what the engine must not leave out of their text."""

from collections.abc import Mapping

from puna.inference.families import (
    cohere,
    deepseek,
    functiongemma,
    gemma4,
    glimmer,
    glm,
    harmony,
    laguna,
    lfm2,
    ministral,
    nemotron,
    olmo3,
    qwen3,
    qwen3coder,
    qwen3vl,
    qwen35,
)
from puna.inference.families.finding import USUAL_TAGS, Parsing
from puna.inference.families.formats import FORMATS
from puna.inference.families.qwen_text import TAGGED
from puna.inference.format.calls import JSON_IN_TAGS
from puna.inference.output.events import ContentText, OutputEvent

_CALL = ("<tool_call>", "</tool_call>")
_USER = ("<user>", "</user>")
_PAIRS = ("<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>")


class _Passing:
    """Reports all text as content."""

    def feed(self, text: str) -> list[OutputEvent]:
        return [ContentText(text)] if text else []

    def finish(self) -> list[OutputEvent]:
        return []


NAMED: Mapping[str, Parsing] = {
    "cogito": Parsing(
        deepseek.cogito_parser,
        ("</think>", *deepseek.MARKS, *deepseek.OUTPUTS),
        calls=deepseek.COGITO_CALLS,
    ),
    "cohere": Parsing(
        cohere.parser,
        cohere.MARKS,
        closing="<|END_THINKING|>",
        resume="<|END_THINKING|><|START_TEXT|>",
        opening="<|START_TEXT|>",
        calls=cohere.CALLS,
    ),
    "deepseek3": Parsing(deepseek.deepseek_parser, ("</think>", *deepseek.MARKS), calls=deepseek.DEEPSEEK_CALLS),
    "functiongemma": Parsing(
        functiongemma.parser,
        ("<start_function_call>", "<end_function_call>"),
        thinking=False,
        calls=functiongemma.CALLS,
    ),
    "gemma4": Parsing(
        gemma4.parser, gemma4.MARKS, closing="<channel|>", resume="<channel|>", thought="<|channel>", calls=gemma4.CALLS
    ),
    "gemma4-no-thinking": Parsing(
        gemma4.no_thinking_parser,
        gemma4.MARKS,
        thinking=False,
        closing="<channel|>",
        thought="<|channel>",
        calls=gemma4.CALLS,
    ),
    "glimmer": Parsing(
        glimmer.parser,
        glimmer.MARKS,
        closing="<|eom|>",
        resume="<|eom|><|start|>assistant to=user<|message|>",
        opening=" to=user<|message|>",
        thought=" to=self<|message|>",
        to_call="<|start|>assistant",
        calls=glimmer.CALLS,
    ),
    "glm-4.7": Parsing(glm.glm47_parser, (*USUAL_TAGS, *_CALL, *_PAIRS), calls=glm.CALLS),
    "glm-ocr": Parsing(glm.glm_ocr_parser, (*USUAL_TAGS, *_CALL, *_PAIRS), thinking=False, calls=glm.CALLS),
    "harmony": Parsing(
        harmony.parser,
        harmony.MARKS,
        closing=harmony.END,
        resume=f"{harmony.END}{harmony.START}assistant{harmony.FINAL}",
        opening=harmony.FINAL,
        thought=f"{harmony.CHANNEL}analysis{harmony.MESSAGE}",
        to_call=f"{harmony.START}assistant",
        calls=harmony.CALLS,
    ),
    "laguna": Parsing(
        laguna.parser, (*USUAL_TAGS, *_CALL, *_USER, *_PAIRS), thought="<think>", calls=glm.CALLS_IN_LINES
    ),
    "lfm2": Parsing(lfm2.parser, (*USUAL_TAGS, *lfm2.MARKS), thinking=False, calls=lfm2.CALLS),
    "lfm2-thinking": Parsing(
        lfm2.thinking_parser,
        (*USUAL_TAGS, *lfm2.MARKS),
        thought="<think>",
        calls=lfm2.CALLS,
    ),
    "ministral": Parsing(
        ministral.parser,
        ministral.MARKS,
        thinking=False,
        thought=ministral.THINK,
        closing=ministral.THINK_END,
        calls=ministral.CALL,
    ),
    "nemotron-3-nano": Parsing(nemotron.parser, (*USUAL_TAGS, *_CALL), calls=TAGGED),
    "nemotron-3.5-nano": Parsing(nemotron.parser, (*USUAL_TAGS, *_CALL), calls=TAGGED),
    "olmo3": Parsing(olmo3.parser, ("<function_calls>", "</function_calls>"), thinking=False, calls=olmo3.CALLS),
    "olmo3-think": Parsing(olmo3.thinking_parser, ("</think>",), tools=False),
    "ornith": Parsing(qwen35.parser, (*USUAL_TAGS, *_CALL), calls=TAGGED),
    "passthrough": Parsing(lambda _: _Passing(), (), tools=False, thinking=False),
    "poolside-v1": Parsing(
        laguna.poolside_parser, (*USUAL_TAGS, *_CALL, *_USER, *_PAIRS), thought="<think>", calls=glm.CALLS
    ),
    "qwen3": Parsing(qwen3.parser, (*USUAL_TAGS, *_CALL), thinking=False, calls=JSON_IN_TAGS),
    "qwen3-coder": Parsing(qwen3coder.parser, _CALL, thinking=False, calls=TAGGED),
    "qwen3-thinking": Parsing(qwen3.thinking_parser, (*USUAL_TAGS, *_CALL), calls=JSON_IN_TAGS),
    "qwen3-vl-instruct": Parsing(qwen3vl.instruct_parser, ("</think>", *_CALL), thinking=False, calls=JSON_IN_TAGS),
    "qwen3-vl-thinking": Parsing(qwen3vl.thinking_parser, ("</think>", *_CALL), calls=JSON_IN_TAGS),
    "qwen3.5": Parsing(qwen35.parser, (*USUAL_TAGS, *_CALL), calls=TAGGED),
}
"""Those that Ollama's manifests name."""
PARSERS: Mapping[str, Parsing] = {**NAMED, **FORMATS}
