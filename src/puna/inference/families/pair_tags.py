"""Calls whose arguments stand in pairs of tags, a name and a value, as templates inside GGUF files have them.

The tags are GLM's, but have something before or behind their names: those of Hy3, Hy4 and LongCat.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from puna.inference.families.parsing import Asked, TagParser, typed_value
from puna.inference.families.qwen_text import side_by_side
from puna.inference.format.arguments import Pairs, Writing
from puna.inference.format.calls import ARGUMENTS, GAP, NAME, CallShape
from puna.inference.format.notation import Notation

_TAGS = ("think", "tool_call", "arg_key", "arg_value")


@dataclass(frozen=True, slots=True, kw_only=True)
class PairTags:
    """How a family writes the tags of calls.

    ``outer`` is the tag around all of them, ``mark`` what stands behind a function's name. Some have each tag
    ``in_lines`` of its own.
    """

    prefix: str = ""
    suffix: str = ""
    outer: str = "tool_calls"
    mark: str = "tool_sep"
    in_lines: bool = True
    _call: re.Pattern[str] = field(init=False)
    _pair: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        begin, key, value = (re.escape(self.tag(name)) for name in _TAGS[1:])
        end, key_end, value_end = (re.escape(self.tag(f"/{name}")) for name in _TAGS[1:])
        mark = re.escape(self.tag(self.mark)) if self.mark else ""
        call = rf"\s*{begin}\s*([^<>\s]+)\s*{mark}(?=\s*(?:{key}|{end}))(.*?){end}\s*"
        object.__setattr__(self, "_call", re.compile(call, re.DOTALL))
        pair = rf"\s*{key}(.*?){key_end}\s*{value}(.*?){value_end}"
        object.__setattr__(self, "_pair", re.compile(pair, re.DOTALL))

    def tag(self, name: str) -> str:
        """Return a tag."""
        end = "/" if name.startswith("/") else ""
        return f"<{end}{self.prefix}{name.removeprefix('/')}{self.suffix}>"

    @property
    def marks(self) -> tuple[str, ...]:
        """Return all that may be control tokens."""
        names = (*_TAGS, *filter(None, [self.outer]))
        return (*(self.tag(end + name) for name in names for end in ("", "/")), *self._behind_name)

    @property
    def _behind_name(self) -> tuple[str, ...]:
        return (self.tag(self.mark),) if self.mark else ()

    @property
    def shape(self) -> CallShape:
        """Return how calls are written."""
        line = "\n" if self.in_lines else ""
        never = tuple(self.tag(name) for name in ("/arg_value", "arg_key", "/tool_call"))
        between = f"{self.tag('/arg_key')}{line}{self.tag('arg_value')}"
        pairs = Pairs(self.tag("arg_key"), between, self.tag("/arg_value"), line, texts=Notation("", "", never=never))
        return CallShape(
            f"{self.tag('tool_call')}{NAME}{''.join(self._behind_name)}{line}{ARGUMENTS}{self.tag('/tool_call')}",
            Writing(Notation(never=never), pairs),
            begin=f"{self.tag(self.outer)}{GAP}" if self.outer else "",
            end=f"{GAP}{self.tag(f'/{self.outer}')}" if self.outer else "",
        )

    def parser(self, asked: Asked) -> TagParser:
        """Return a parser of its answers."""
        around = self.outer or "tool_call"
        begin, end = ("", "") if self.outer else (self.tag("tool_call"), self.tag("/tool_call"))
        return TagParser(
            thinking=False,
            call=self.tag(around),
            call_end=self.tag(f"/{around}"),
            read=lambda raw: self._read(asked, begin + raw + end),
            whole=lambda raw: raw.rstrip().endswith(self.tag("/tool_call")),
        )

    def _read(self, asked: Asked, raw: str) -> list[tuple[str, Mapping[str, Any]]] | None:
        calls: list[tuple[str, Mapping[str, Any]]] = []
        while match := self._call.match(raw):
            raw, name = raw[match.end() :], match[1]
            pairs = side_by_side(self._pair, match[2])
            calls.append((name, {key: typed_value(value, asked.types_of(name, key)) for key, value in pairs}))
        return calls or None


_SUFFIX = ":opensource"
HY3 = PairTags(suffix=_SUFFIX)
HY3_PREVIEW = PairTags()
HY4 = PairTags(suffix=_SUFFIX, mark="", in_lines=False)
LONGCAT = PairTags(prefix="longcat_", outer="", mark="")
