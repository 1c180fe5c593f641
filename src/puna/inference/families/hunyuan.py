"""Hy3 and Hy4, whose calls have a name and then pairs of tags, all of them with a suffix or none."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from puna.inference.families.parsing import Asked, TagParser, typed_value
from puna.inference.families.qwen_text import side_by_side
from puna.inference.format.arguments import Pairs, Writing
from puna.inference.format.calls import ARGUMENTS, GAP, NAME, CallShape
from puna.inference.format.notation import Notation

SUFFIX = ":opensource"
_TAGS = ("think", "tool_calls", "tool_call", "arg_key", "arg_value")


@dataclass(frozen=True, slots=True)
class Hunyuan:
    """How one of them writes tags. Some have each ``in_lines`` of its own, and a mark behind the name."""

    suffix: str = ""
    in_lines: bool = True
    _call: re.Pattern[str] = field(init=False)
    _pair: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        marks = {name: re.escape(self.tag(name)) for name in _TAGS} | {"sep": re.escape(self.tag("tool_sep"))}
        ends = {name: re.escape(self.tag(f"/{name}")) for name in _TAGS}
        name, pair = r"\s*([^<>\s]+)\s*", rf"\s*{marks['arg_key']}(.*?){ends['arg_key']}\s*"
        pair += rf"{marks['arg_value']}(.*?){ends['arg_value']}"
        call = rf"\s*{marks['tool_call']}{name}(?:{marks['sep']})?(.*?){ends['tool_call']}\s*"
        object.__setattr__(self, "_call", re.compile(call, re.DOTALL))
        object.__setattr__(self, "_pair", re.compile(pair, re.DOTALL))

    def tag(self, name: str) -> str:
        """Return a tag."""
        return f"<{name}{self.suffix}>"

    @property
    def marks(self) -> tuple[str, ...]:
        """Return all that may be control tokens."""
        return (*(self.tag(end + name) for name in _TAGS for end in ("", "/")), self.tag("tool_sep"))

    @property
    def shape(self) -> CallShape:
        """Return how calls are written."""
        line = "\n" if self.in_lines else ""
        named = f"{NAME}{self.tag('tool_sep')}\n" if self.in_lines else NAME
        never = tuple(self.tag(name) for name in ("/arg_value", "arg_key", "/tool_call", "/tool_calls"))
        between = f"{self.tag('/arg_key')}{line}{self.tag('arg_value')}"
        pairs = Pairs(self.tag("arg_key"), between, self.tag("/arg_value"), line, texts=Notation("", "", never=never))
        return CallShape(
            f"{self.tag('tool_call')}{named}{ARGUMENTS}{self.tag('/tool_call')}",
            Writing(Notation(never=never), pairs),
            begin=f"{self.tag('tool_calls')}{GAP}",
            end=f"{GAP}{self.tag('/tool_calls')}",
        )

    def parser(self, asked: Asked) -> TagParser:
        """Return a parser of its answers."""
        return TagParser(
            thinking=False,
            call=self.tag("tool_calls"),
            call_end=self.tag("/tool_calls"),
            read=lambda raw: self._read(asked, raw),
            whole=lambda raw: raw.rstrip().endswith(self.tag("/tool_call")),
        )

    def _read(self, asked: Asked, raw: str) -> list[tuple[str, Mapping[str, Any]]] | None:
        calls: list[tuple[str, Mapping[str, Any]]] = []
        while match := self._call.match(raw):
            raw, name = raw[match.end() :], match[1]
            pairs = side_by_side(self._pair, match[2])
            calls.append((name, {key: typed_value(value, asked.types_of(name, key)) for key, value in pairs}))
        return calls or None


HY3 = Hunyuan(SUFFIX)
HY3_PREVIEW = Hunyuan()
HY4 = Hunyuan(SUFFIX, in_lines=False)
