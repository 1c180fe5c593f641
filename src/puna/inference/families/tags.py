"""Calls whose arguments stand in tags, each with its name, as templates inside GGUF files have them.

None of these has a name in Ollama. What each looks like is known from what such templates write of a call.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from puna.inference.families.parsing import Asked, TagParser, typed_value
from puna.inference.families.qwen_text import read_tagged, side_by_side
from puna.inference.format.arguments import Pairs, Writing
from puna.inference.format.calls import ARGUMENTS, GAP, NAME, CallShape
from puna.inference.format.notation import Notation

_SEED, _SEED_END = "<seed:tool_call>", "</seed:tool_call>"
SEED_MARKS = (_SEED, _SEED_END, "<seed:think>", "</seed:think>")
_SEED_NEVER = ("</parameter>", "<parameter=", "</function>", _SEED_END)
SEED_CALLS = CallShape(
    f"{_SEED}{GAP}<function={NAME}>{GAP}{ARGUMENTS}</function>{GAP}{_SEED_END}",
    Writing(
        Notation(never=_SEED_NEVER),
        Pairs("<parameter=", ">", "</parameter>", "\n", texts=Notation("", "", never=_SEED_NEVER), trims=True),
    ),
)


def seed_parser(asked: Asked) -> TagParser:
    """Return a parser of Seed-OSS's answers."""
    return TagParser(
        thinking=False,
        call=_SEED,
        call_end=_SEED_END,
        read=lambda raw: read_tagged(asked, raw),
        whole=lambda raw: "</function>" in raw,
    )


@dataclass(frozen=True, slots=True)
class Tags:
    """The names of tags: around all calls, around each with its name, and around each argument with its own.

    ``typed`` arguments say whether they are texts.
    """

    calls: str
    call: str
    argument: str
    typed: bool = False
    pattern: re.Pattern[str] = field(init=False)
    pair: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        is_text = r'(?:\s+string="(true|false)")?' if self.typed else "()"
        call = rf'\s*<{self.call} name="([^"]*)">(.*?)</{self.call}>\s*'
        pair = rf'\s*<{self.argument} name="([^"]*)"{is_text}>(.*?)</{self.argument}>'
        object.__setattr__(self, "pattern", re.compile(call, re.DOTALL))
        object.__setattr__(self, "pair", re.compile(pair, re.DOTALL))

    @property
    def shape(self) -> CallShape:
        """Return how calls are written."""
        end = f"</{self.argument}>"
        never = (end, f"<{self.argument}", f"</{self.call}>", *([f"</{self.calls}>"] if self.calls else []), _DATA)
        pairs = Pairs(
            f'<{self.argument} name="',
            '" string="false">' if self.typed else '">',
            end,
            "\n" if self.calls else "",
            texts=Notation("", "", never=never),
            text_between='" string="true">' if self.typed else "",
        )
        gap = "\n" if self.calls else ""
        return CallShape(
            f'<{self.call} name="{NAME}">{gap}{ARGUMENTS}</{self.call}>',
            Writing(Notation(never=never), pairs),
            begin=f"<{self.calls}>{GAP}" if self.calls else "",
            end=f"{GAP}</{self.calls}>" if self.calls else "",
        )

    def read(self, asked: Asked, raw: str) -> list[tuple[str, Mapping[str, Any]]] | None:
        """Return the calls in what stands between the outer tags, ``None`` if there is none."""
        calls: list[tuple[str, Mapping[str, Any]]] = []
        while match := self.pattern.match(raw):
            raw = raw[match.end() :]
            calls.append((match[1], dict(self._pairs(asked, match[1], match[2]))))
        return calls or None

    def _pairs(self, asked: Asked, name: str, text: str) -> Iterator[tuple[str, Any]]:
        for key, is_text, value in side_by_side(self.pair, text):
            types = asked.types_of(name, key) or (_NO_TEXTS if is_text == "false" else [])
            if value.startswith(_DATA):
                value = value.removeprefix(_DATA).removesuffix(_DATA_END)
            yield key, value if is_text == "true" else typed_value(value, types)


_DATA, _DATA_END = "<![CDATA[", "]]>"
_NO_TEXTS = ["boolean", "integer", "number", "array", "object"]
MINIMAX = Tags("minimax:tool_call", "invoke", "parameter")
DSML = Tags("｜DSML｜function_calls", "｜DSML｜invoke", "｜DSML｜parameter", typed=True)
DSML_V4 = Tags("｜DSML｜tool_calls", "｜DSML｜invoke", "｜DSML｜parameter", typed=True)
GCML = Tags("｜GCML｜tool_calls", "｜GCML｜invoke", "｜GCML｜parameter", typed=True)
MINICPM = Tags("", "function", "param")


def _parser(tags: Tags, asked: Asked) -> TagParser:
    return TagParser(
        thinking=False,
        call=f"<{tags.calls}>",
        call_end=f"</{tags.calls}>",
        read=lambda raw: tags.read(asked, raw),
        whole=lambda raw: raw.rstrip().endswith(f"</{tags.call}>"),
    )


def _single_parser(tags: Tags, asked: Asked) -> TagParser:
    """Return a parser of calls that nothing stands around."""
    begin, end = f"<{tags.call} name=", f"</{tags.call}>"
    return TagParser(
        thinking=False,
        call=begin,
        call_end=end,
        read=lambda raw: tags.read(asked, begin + raw + end),
        whole=lambda _: False,
    )


minimax_parser = partial(_parser, MINIMAX)
dsml_parser = partial(_parser, DSML)
dsml_v4_parser = partial(_parser, DSML_V4)
gcml_parser = partial(_parser, GCML)
minicpm_parser = partial(_single_parser, MINICPM)
