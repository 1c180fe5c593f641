"""What looks for thoughts and calls in the text of an answer."""

from collections.abc import Sequence
from dataclasses import replace

from puna.inference.families.harmony import prompt_names
from puna.inference.families.parsers import PARSERS
from puna.inference.families.parsing import Asked
from puna.inference.families.voice import Voice, parse_template
from puna.inference.format.calls import JSON_IN_TAGS, CallShape, bind_calls
from puna.inference.output.events import OutputParser
from puna.inference.output.thinking import ThinkingParser
from puna.inference.output.tools import ToolCallParser, closing_marker
from puna.inference.prepare.call import Prepared, decoder
from puna.inference.prompt.ollama_nodes import tool_call_text
from puna.inference.prompt.ollama_template import OllamaTemplate, opens_thinking, thinking_tags, tool_call_prefix
from puna.inference.requests import Conversation, GenerationRequest, Think

_USUAL_TAGS = ("<think>", "</think>")
_BEFORE_ANSWER = "\n\n"
_JSON_IN_TAGS = '<tool_call>{"name":'


def think_of(request: GenerationRequest, voice: Voice) -> Think:
    """Return whether to think, in the words of the model's family."""
    think = request.thinks
    return "high" if think == "max" and voice.parser == "harmony" else think


def parsed(prepared: Prepared, request: GenerationRequest, conversation: Conversation, voice: Voice) -> Prepared:
    """Return the call with its answer's text parsed for what the model's family, or its template, announces."""
    if voice.parser:
        return _by_family(prepared, request, conversation, voice)
    template = parse_template(voice.template) if voice.template else None
    return _by_template(prepared, request, conversation, template)


def _by_family(prepared: Prepared, request: GenerationRequest, conversation: Conversation, voice: Voice) -> Prepared:
    parsing = PARSERS[voice.parser]
    if request.has_format and not _thinks_first(request, voice):
        return prepared
    parser = parsing.make(_asked(request, conversation, voice))
    return replace(
        _preserving(prepared, parsing.preserved),
        decode=decoder([parser], request.options.stop),
        closing=parsing.closing if request.has_format else "",
        resume=parsing.resume or parsing.closing + _BEFORE_ANSWER,
        opening=parsing.opening,
        budget=request.most_thoughts if _thinks_first(request, voice) else -1,
    )


async def bound_to_calls(
    prepared: Prepared, request: GenerationRequest, conversation: Conversation, voice: Voice
) -> Prepared:
    """Return the call with the calls in its answer bound by the functions' parameters, where a grammar can do that.

    Not while it thinks: thoughts may speak of the mark, and a grammar would hold them to a call.
    """
    shape = _call_shape(voice)
    if shape is None or not conversation.tools or request.has_format or request.thinks:
        return prepared
    if "grammar" in request.options.sampling:
        return prepared
    functions = {str(tool["function"]["name"]): tool["function"].get("parameters") or {} for tool in conversation.tools}
    return replace(prepared, body=prepared.body | await bind_calls(shape, functions))


def _call_shape(voice: Voice) -> CallShape | None:
    if voice.parser:
        return PARSERS[voice.parser].calls
    text = tool_call_text(parse_template(voice.template).root) if voice.template else None
    return JSON_IN_TAGS if text and "".join(text.split()).startswith(_JSON_IN_TAGS) else None


def opening_of(request: GenerationRequest, voice: Voice) -> str:
    """Return what the prompt of an answer ends with whose format binds from its first character."""
    if not voice.parser or not request.has_format or _thinks_first(request, voice):
        return ""
    return PARSERS[voice.parser].opening


def _thinks_first(request: GenerationRequest, voice: Voice) -> bool:
    return PARSERS[voice.parser].thinking and bool(think_of(request, voice))


def _asked(request: GenerationRequest, conversation: Conversation, voice: Voice) -> Asked:
    functions = [tool["function"] for tool in conversation.tools]
    last = conversation.messages[-1] if conversation.messages else None
    answers = last is not None and last.role == "assistant"
    return Asked(
        tools={str(function["name"]): function.get("parameters") or {} for function in functions},
        think=think_of(request, voice),
        prefill=last.content if last and answers else "",
        prefill_thinking=last.thinking if last and answers else "",
        after_result=last is not None and last.role == "tool",
    )


def _by_template(
    prepared: Prepared, request: GenerationRequest, conversation: Conversation, template: OllamaTemplate | None
) -> Prepared:
    tags = (template and thinking_tags(template)) or _USUAL_TAGS
    parsers: list[OutputParser] = []
    marks: list[str] = []
    if request.thinks:
        parsers.append(ThinkingParser(*tags, opened=opens_thinking(prepared.prompt or "", tags)))
        marks += tags
    closing = tags[1] if parsers and request.has_format else ""
    if conversation.tools and template is not None:
        names = [str(tool["function"]["name"]) for tool in conversation.tools]
        prefix = tool_call_prefix(template)
        parsers.append(ToolCallParser(prefix, names))
        marks += [prefix, closing_marker(prefix)]
    return replace(
        _preserving(prepared, marks),
        decode=decoder(parsers, request.options.stop),
        closing=closing,
        resume=tags[1] + _BEFORE_ANSWER,
        budget=request.most_thoughts if parsers and request.thinks else -1,
    )


def _preserving(prepared: Prepared, marks: Sequence[str]) -> Prepared:
    """Return the call with marks kept in its text that the engine leaves out where they are control tokens."""
    kept = [mark for mark in marks if mark not in ("", "{", "[")]
    return replace(prepared, body=prepared.body | {"preserved_tokens": kept}) if kept else prepared


def named_for(voice: Voice, conversation: Conversation) -> Conversation:
    """Return the conversation with its functions called as the model's family can."""
    if voice.parser != "harmony" or not conversation.tools:
        return conversation
    names = prompt_names(str(tool["function"]["name"]) for tool in conversation.tools)
    tools = tuple(
        tool | {"function": tool["function"] | {"name": names[str(tool["function"]["name"])]}}
        for tool in conversation.tools
    )
    return replace(conversation, tools=tools)
