"""An answer that is known beforehand: a grammar leaves the model no other, and its parts are where they must be."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import orjson

from puna.engine.protocol import Engine
from puna.inference.engine_body import under_grammar
from puna.inference.format.grammar import literal
from puna.inference.output.events import ContentText, OutputEvent, ThinkingText, ToolCallParsed
from puna.inference.prepare.call import Prepared, decoder
from puna.inference.requests import GenerationRequest, Script, ToolCall

_OPEN, _CLOSE = "<think>", "</think>"
_CALL, _CALL_END = "<tool_call>", "</tool_call>"
_RUNS = re.compile(r"[\x01-\x7f]+|[^\x00-\x7f]+")
_MARKS = [_OPEN, _CLOSE, _CALL, _CALL_END]
_MARK = re.compile(f"({'|'.join(_MARKS)})")


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of the answer's text; ``whole`` is what it says once it is complete, ``kind`` what each piece of it is."""

    text: str
    kind: type[ContentText | ThinkingText] | None = None
    whole: ToolCallParsed | None = None


async def scripted(prepared: Prepared, request: GenerationRequest, client: Engine) -> Prepared:
    """Return the call that makes the model say what the request's script says; ``prepared`` as it is without one."""
    if request.script is None:
        return prepared
    parts = _parts(request.script, opened=(prepared.prompt or "").rstrip().endswith(_OPEN))
    bound = {"grammar": await _grammar(parts, client), "preserved_tokens": _MARKS} | under_grammar(request)
    return replace(
        prepared,
        body=prepared.body | bound,
        decode=decoder([_KnownText(parts)], request.options.stop),
        closing="",
    )


async def _grammar(parts: Sequence[_Part], client: Engine) -> str:
    """Return the grammar of a text: runs of ASCII by tokens, as the model would write them, all else by letters.

    Letter by letter an answer takes several times as long; but an engine that follows tokens knows none that are parts
    of a letter, and some tokenizers begin each text with a blank.
    """
    items = []
    for text, is_mark in _texts(parts):
        for run in _RUNS.findall(text):
            tokens = await client.tokenize(run, special=False, parse_special=is_mark) if run.isascii() else []
            same = bool(tokens) and await client.detokenize(tokens) == run
            items.append(" ".join(f"<[{token}]>" for token in tokens) if same else literal(run))
    return f"root ::= {' '.join(items) or literal('')}"


def _texts(parts: Sequence[_Part]) -> Iterator[tuple[str, bool]]:
    """Return the marks of a text and what stands between them, each with whether it is a mark.

    The end of a part and the line end behind it are often one token. As two the answer would not be the tokens that it
    is in the next prompt, and would have to be read again.
    """
    between = ""
    for text, is_mark in (piece for part in parts for piece in _pieces(part)):
        for piece in _MARK.split(text) if is_mark else [text]:
            if is_mark and piece in _MARKS:
                yield between, False
                yield piece, True
                between = ""
            else:
                between += piece
    yield between, False


def _pieces(part: _Part) -> list[tuple[str, bool]]:
    """Return what a part is put together of, and of each whether it is a mark: what is said may look like one."""
    if part.whole is None:
        return [(part.text, part.kind is None)]
    begin, end = f"{_CALL}\n", f"\n{_CALL_END}"
    return [(begin, True), (part.text[len(begin) : -len(end)], False), (end, True)]


def _parts(script: Script, *, opened: bool) -> list[_Part]:
    parts = []
    if script.thinking:
        parts += [] if opened else [_Part(f"{_OPEN}\n")]
        parts += [_Part(script.thinking, ThinkingText), _Part(f"\n{_CLOSE}\n\n")]
    elif opened:  # by a template that has no other way
        parts.append(_Part(f"{_CLOSE}\n\n"))
    if script.content:
        parts.append(_Part(script.content, ContentText))
    for call in script.calls:
        if parts:
            parts.append(_Part("\n"))
        parts.append(_call(call))
    return parts


def _call(call: ToolCall) -> _Part:
    arguments = orjson.dumps(call.arguments).decode()
    said = f'{{"name":{orjson.dumps(call.name).decode()},"arguments":{arguments}}}'
    return _Part(f"{_CALL}\n{said}\n{_CALL_END}", whole=ToolCallParsed(call.name, arguments))


class _KnownText:
    """Tells the parts of a text apart by their lengths, in whatever pieces it comes."""

    def __init__(self, parts: Sequence[_Part]) -> None:
        self._parts = list(parts)
        self._said = ""

    def feed(self, text: str) -> list[OutputEvent]:
        events: list[OutputEvent] = []
        while text and self._parts:
            part = self._parts[0]
            piece, text = text[: len(part.text) - len(self._said)], text[len(part.text) - len(self._said) :]
            self._said += piece
            if part.kind:
                events.append(part.kind(piece))
            if len(self._said) == len(part.text):
                events += [part.whole] if part.whole else []
                self._said = ""
                del self._parts[0]
        return events

    def finish(self) -> list[OutputEvent]:
        """Report a call that was cut off as text, as every parser does."""
        cut = self._said if self._parts and self._parts[0].whole else ""
        return [ContentText(cut)] if cut else []
