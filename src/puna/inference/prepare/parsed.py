"""What looks for thoughts and calls in the text of an answer."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from puna.inference.families.finding import USUAL_TAGS, Parsing
from puna.inference.families.formats import FORMATS
from puna.inference.families.harmony import prompt_names
from puna.inference.families.parsers import PARSERS
from puna.inference.families.parsing import Asked
from puna.inference.families.voice import Voice, parse_template
from puna.inference.format.calls import JSON_ALONE, CallShape, Thoughts
from puna.inference.output.chosen import ChosenCalls, must_differ
from puna.inference.output.events import OutputParser
from puna.inference.output.thinking import ThinkingParser
from puna.inference.output.tools import ToolCallParser, closing_marker
from puna.inference.prepare.bound import allowed, bound, can_write
from puna.inference.prepare.call import Prepared, decoder
from puna.inference.prepare.shapes import template_shape
from puna.inference.prompt.ollama_template import opens_thinking, thinking_tags, tool_call_prefix
from puna.inference.requests import Conversation, GenerationRequest, Think, ToolChoice

_BEFORE_ANSWER = "\n\n"


def think_of(request: GenerationRequest, voice: Voice) -> Think:
    """Return whether to think, in the words of the model's family."""
    think = request.thinks
    return "high" if think == "max" and voice.parser == "harmony" else think


@dataclass(frozen=True, slots=True)
class AnswerReader:
    """What reads an answer: parsers, and the marks that they look for; ``shape`` and ``thoughts`` are what it may have.

    ``closing``, ``resume``, ``opening`` and ``budgeted`` are for ``Prepared``.
    """

    parsers: Sequence[OutputParser] = ()
    marks: Sequence[str] = ()
    shape: CallShape | None = None
    thoughts: Thoughts | None = None
    closing: str = ""
    resume: str = ""
    opening: str = ""
    budgeted: bool = False


async def parsed(prepared: Prepared, request: GenerationRequest, conversation: Conversation, voice: Voice) -> Prepared:
    """Return the call with its answer's text parsed for what the model's family, or its template, announces.

    Calls are bound to what was chosen of them (``tool_choice``), and to their functions' parameters.
    """
    prompt = prepared.prompt or ""
    if voice.parser:
        reading = _by_family(prompt, request, conversation, voice)
    else:
        reading = _by_template(prompt, request, conversation, voice)
    if conversation.tools and not request.has_format:
        reading = _chosen(reading, conversation)
    prepared = replace(
        _preserving(prepared, reading.marks),
        decode=decoder(reading.parsers, request.options.stop),
        closing=reading.closing,
        resume=reading.resume,
        opening=reading.opening,
        budget=request.most_thoughts if reading.budgeted else -1,
        thought=reading.thoughts.opening if reading.thoughts else "",
        call_marks=reading.shape.marks_in_thoughts if reading.shape else None,
    )
    return await bound(prepared, request, conversation, voice, reading.shape, reading.thoughts)


def _chosen(reading: AnswerReader, conversation: Conversation) -> AnswerReader:
    """Return what reads an answer whose calls are as chosen, in a way of their own if the family's is not known."""
    choice, functions = conversation.tool_choice, allowed(conversation)
    if choice.mode == "required" and not can_write(reading.shape, conversation):
        thoughts = reading.thoughts if reading.thoughts and not reading.thoughts.opening else None
        first = [ThinkingParser(USUAL_TAGS[0], thoughts.closing, opened=True)] if thoughts else []
        reading = replace(
            reading, parsers=[*first, ToolCallParser("{", functions)], shape=JSON_ALONE, thoughts=thoughts
        )
    differ = any(map(must_differ, functions.values()))
    if choice.mode == "none" or (choice == ToolChoice() and not differ):
        return reading
    return replace(reading, parsers=[ChosenCalls(reading.parsers, functions, None if choice.parallel else 1)])


def _by_family(prompt: str, request: GenerationRequest, conversation: Conversation, voice: Voice) -> AnswerReader:
    parsing = PARSERS[voice.parser]
    if request.has_format and not _thinks_first(request, voice):
        return AnswerReader()
    asked = _told(_asked(request, conversation, voice), parsing, prompt)
    tools = bool(conversation.tools) and not request.has_format
    reading = AnswerReader(
        marks=parsing.preserved,
        shape=parsing.calls,
        closing=parsing.closing if request.has_format else "",
        resume=parsing.answer_after_thoughts(may_call=tools),
        opening=parsing.opening,
    )
    if not voice.renders_here and parsing.tags:
        first, thoughts = _thoughts_in(parsing.tags, prompt, request, parsing.to_call)
        parser = parsing.make(replace(asked, think=False))
        return replace(reading, parsers=[*first, parser], thoughts=thoughts, budgeted=bool(first))
    thoughts = parsing.thoughts(asked)
    budgeted = thoughts is not None and _thinks_first(request, voice)
    return replace(reading, parsers=[parsing.make(asked)], thoughts=thoughts, budgeted=budgeted)


def _thoughts_in(
    tags: tuple[str, str], prompt: str, request: GenerationRequest, to_call: str = ""
) -> tuple[list[OutputParser], Thoughts | None]:
    """Return what finds thoughts between tags at an answer's beginning, and what they are for a grammar."""
    if not request.thinks:
        return [], None
    opened = opens_thinking(prompt, tags)
    return [ThinkingParser(*tags, opened=opened)], Thoughts(tags[1], "" if opened else tags[0], to_call)


def opening_of(request: GenerationRequest, voice: Voice) -> str:
    """Return what the prompt of an answer ends with whose format binds from its first character."""
    if not voice.parser or not request.has_format or _thinks_first(request, voice):
        return ""
    return PARSERS[voice.parser].opening


def _thinks_first(request: GenerationRequest, voice: Voice) -> bool:
    return PARSERS[voice.parser].thinking and bool(think_of(request, voice))


def _asked(request: GenerationRequest, conversation: Conversation, voice: Voice) -> Asked:
    called = conversation.tools if conversation.tool_choice.mode != "none" else ()
    functions = [tool["function"] for tool in called]
    last = conversation.messages[-1] if conversation.messages else None
    answers = last is not None and last.role == "assistant"
    return Asked(
        tools={str(function["name"]): function.get("parameters") or {} for function in functions},
        think=think_of(request, voice),
        prefill=last.content if last and answers else "",
        prefill_thinking=last.thinking if last and answers else "",
        after_result=last is not None and last.role == "tool",
    )


def _told(asked: Asked, parsing: Parsing, prompt: str) -> Asked:
    """Return what a parser is told where the prompt's end says whether the answer begins inside its thoughts.

    What was asked does not: texts switch thinking on and off for some families, others begin a new turn behind what
    the conversation ends with, or end thoughts that it was given.
    """
    end = prompt.rstrip()
    if parsing.closing == USUAL_TAGS[1] and end.endswith(USUAL_TAGS[0]):
        return replace(asked, think=asked.think or True, prefill="", prefill_thinking="")
    if end.endswith(parsing.closing):
        return replace(asked, think=False)
    if parsing.opening and end.endswith(parsing.closing + parsing.opening):
        return replace(asked, prefill=asked.prefill or asked.prefill_thinking)
    return asked


def _by_template(prompt: str, request: GenerationRequest, conversation: Conversation, voice: Voice) -> AnswerReader:
    template = parse_template(voice.template) if voice.template else None
    known = None if template else _known_by_its_end(prompt)
    tags = (template and thinking_tags(template)) or (known and known.tags) or USUAL_TAGS
    parsers, thoughts = _thoughts_in(tags, prompt, request)
    reading = AnswerReader(
        marks=(known.preserved if known else tags) if parsers else (),
        thoughts=thoughts,
        closing=tags[1] if parsers and request.has_format else "",
        resume=tags[1] + ((known and known.to_call) or _BEFORE_ANSWER),
        budgeted=bool(parsers),
    )
    if conversation.tools and template is not None:
        prefix = tool_call_prefix(template)
        forced = conversation.tool_choice.mode == "required"
        reading = replace(
            reading,
            marks=(*reading.marks, prefix, closing_marker(prefix)),
            shape=template_shape(template, prefix, forced=forced),
        )
        if conversation.tool_choice.mode != "none":
            names = [str(tool["function"]["name"]) for tool in conversation.tools]
            parsers.append(ToolCallParser(prefix, names))
    return replace(reading, parsers=parsers)


def _known_by_its_end(prompt: str) -> Parsing | None:
    """Return the format whose own marks around thoughts a prompt ends with, ``None`` for others."""
    end = prompt.rstrip()
    return next((found for found in FORMATS.values() if found.in_tags and end.endswith(found.tags or ())), None)


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
