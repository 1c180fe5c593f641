"""Kimi K3: an answer is sections, of thoughts, of text and of calls, whose tags are made of three control tokens."""

import re
from collections.abc import Mapping
from typing import Any

from puna.inference.families.parsing import Asked, TagParser, typed_value
from puna.inference.families.qwen_text import side_by_side
from puna.inference.format.arguments import KIND, Pairs, Writing
from puna.inference.format.calls import ARGUMENTS, NAME, NUMBER, CallShape
from puna.inference.format.notation import Notation
from puna.inference.output.calls import arguments_in

_OPEN, _CLOSE, _SEP = "<|open|>", "<|close|>", "<|sep|>"


def _begin(section: str) -> str:
    return f"{_OPEN}{section}{_SEP}"


def _end(section: str) -> str:
    return f"{_CLOSE}{section}{_SEP}"


MARKS = (_OPEN, _CLOSE, _SEP)
THINK, THINK_END, RESPONSE = _begin("think"), _end("think"), _begin("response")
_RESPONSE_END, _TOOLS, _TOOLS_END, _MESSAGE_END = _end("response"), _begin("tools"), _end("tools"), _end("message")
_CALL = f'{_OPEN}call tool="{NAME}" index="{NUMBER}"{_SEP}{ARGUMENTS}{_end("call")}'
CALLS = CallShape(
    _CALL,
    Writing(
        Notation(never=MARKS),
        Pairs(
            f'{_OPEN}argument key="',
            f'" type="{KIND}"{_SEP}',
            _CLOSE,
            f"argument{_SEP}",
            texts=Notation("", "", never=(_OPEN, _SEP)),
        ),
    ),
    begin=f"{_RESPONSE_END}{_TOOLS}",
    between="",
    end=f"{_TOOLS_END}{_MESSAGE_END}",
    others=(f"{_TOOLS}{_CALL}",),
    names=r"[^\s\"&<>|]+",
)
"""An answer begins inside a section of text, or of thoughts."""

_open, _close, _sep = map(re.escape, MARKS)
_ONE = re.compile(rf'\s*{_open}call tool="([^"]*)"[^"<]*(?:index="\d*")?\s*{_sep}(.*?){_close}call{_sep}\s*', re.DOTALL)
_ARGUMENT = re.compile(
    rf'\s*{_open}argument key="([^"]*)"\s+type="(\w+)"\s*{_sep}(.*?){_close}argument{_sep}', re.DOTALL
)
_AS_JSON = re.compile(rf"\s*{_open}json[^<]*{_sep}(.*?){_close}json{_sep}\s*", re.DOTALL)


def _plain(attribute: str) -> str:
    return attribute.replace("&quot;", '"').replace("&amp;", "&")


def _value(kind: str, text: str) -> Any:
    if kind == "string":
        return text
    return typed_value(text, ["integer", "number"] if kind == "number" else [kind])


def _read(raw: str) -> list[tuple[str, Mapping[str, Any]]] | None:
    calls: list[tuple[str, Mapping[str, Any]]] = []
    while match := _ONE.match(raw):
        raw = raw[match.end() :]
        whole = _AS_JSON.fullmatch(match[2])
        pairs = side_by_side(_ARGUMENT, match[2])
        arguments = arguments_in(whole[1]) if whole else {_plain(key): _value(kind, text) for key, kind, text in pairs}
        if arguments is None or not match[1]:
            return None
        calls.append((_plain(match[1]), arguments))
    return calls or None


def parser(_: Asked) -> TagParser:
    """Return a parser of its answers, from behind the thoughts on."""
    return TagParser(
        thinking=False,
        call=_TOOLS,
        call_end=_TOOLS_END,
        read=_read,
        whole=lambda raw: raw.rstrip().endswith(_end("call")),
        left_out=(RESPONSE, _RESPONSE_END, _MESSAGE_END),
    )
