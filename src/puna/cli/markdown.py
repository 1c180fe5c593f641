"""Markdown on a terminal while it streams: what is complete stays as it is, and only its last block is drawn again."""

import os
import time
from itertools import pairwise
from typing import ClassVar

from markdown_it import MarkdownIt
from markdown_it.token import Token
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.live import Live
from rich.markdown import CodeBlock, Heading, Markdown
from rich.segment import Segment, Segments
from rich.syntax import Syntax
from rich.text import Text
from rich.theme import Theme

from puna.cli.screen import printable

_PARSER = MarkdownIt("commonmark", {"html": False}).enable(["strikethrough", "table"])
"""Without HTML, which would be left out: what a model writes is shown."""
_STYLES = Theme(
    {
        "markdown.h1": "bold underline",
        "markdown.h2": "bold",
        "markdown.h3": "bold italic",
        "markdown.code": "cyan",
        "markdown.link_url": "underline blue",
        "markdown.item.number": "bold",
    }
)
_LIGHT_BACKGROUNDS = ("7", "15")
_SECONDS = 0.04
_SHARE = 8
"""How many times as long as a drawing took nothing is drawn again, at least."""
_LEAST_LINES, _MARGIN = 4, 2
_LONG_CODE = 200
"""Lines of code after which the ones before are left as they are."""


class _Heading(Heading):
    LEVEL_ALIGN: ClassVar = {}


class _Code(CodeBlock):
    """Code with its colours, and without a background that somebody else's terminal may not go with."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        code = str(self.text).rstrip("\n")
        theme, background = self.theme, "default"
        yield Syntax(code, self.lexer_name, theme=theme, background_color=background, word_wrap=True, padding=(0, 2))


class _Markdown(Markdown):
    elements: ClassVar = Markdown.elements | {"heading_open": _Heading, "fence": _Code, "code_block": _Code}

    def __init__(self, tokens: list[Token]) -> None:
        light = os.environ.get("COLORFGBG", "").rpartition(";")[2] in _LIGHT_BACKGROUNDS
        # A link shows where it leads, so that a model cannot hide it.
        super().__init__("", code_theme="ansi_light" if light else "ansi_dark", hyperlinks=False)
        self.parsed = tokens


class MarkdownWriter:
    """Shows Markdown as it comes. Between ``write`` and ``finish`` the end of the screen belongs to it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._text = ""
        self._fixed = 0
        """Lines of the last block that have scrolled away from where they could be drawn again."""
        self._is_first = True
        self._goes_on = False
        self._next_drawing = 0.0

    def write(self, text: str) -> None:
        """Take more of the text and show it, soon."""
        self._text += printable(text)
        began = time.monotonic()
        if began < self._next_drawing or not self._text.strip():
            return
        with self._console.use_theme(_STYLES):
            self._live.start()
            self._draw()
        took = time.monotonic() - began
        self._next_drawing = began + max(_SECONDS, took * _SHARE)

    def finish(self) -> None:
        """Show what is left and let go of the screen."""
        with self._console.use_theme(_STYLES):
            self._live.update(Text(""), refresh=self._live.is_started)
            self._split()
            if tokens := _parsed(self._text):
                self._keep(self._lines(_Markdown(tokens)))
            self._live.stop()
        self._text = ""

    drop = finish

    def _draw(self) -> None:
        self._split()
        tokens = _parsed(self._text)
        lines = self._lines(_Markdown(tokens))
        room = max(_LEAST_LINES, self._console.height - _MARGIN)
        # The columns of a table change with each of its rows: none of it may be left behind.
        can_fix = not any(token.type == "table_open" for token in tokens)
        if can_fix and len(lines) - self._fixed > room:
            self._fix(lines[: len(lines) - room])
        self._live.update(Segments(_joined(lines[self._fixed :][-room:])), refresh=True)

    def _split(self) -> None:
        """Keep all blocks but the last, which may go on, and of long code all but its end."""
        tokens = _parsed(self._text)
        starts = [token for token in tokens if token.level == 0 and token.nesting >= 0 and token.map]
        rows = self._text.splitlines(keepends=True)
        if len(starts) > 1:
            cuts = [token.map[0] for token in starts if token.map]
            for begin, end in pairwise(cuts):
                self._keep(self._lines(_Markdown(_parsed("".join(rows[begin:end])))))
            self._text = "".join(rows[cuts[-1] :])
        elif starts and starts[0].type == "fence" and len(rows) > _LONG_CODE + 1 and starts[0].map:
            first, cut = starts[0].map[0], starts[0].map[0] + 1 + _LONG_CODE // 2
            self._keep(self._lines(_Markdown(_parsed("".join(rows[:cut])))), goes_on=True)
            self._text = "".join([rows[first], *rows[cut:]])

    def _lines(self, renderable: RenderableType) -> list[list[Segment]]:
        """Return the lines of something, without the blanks that fill them, which a copy would have."""
        options = self._console.options
        lines = [_stripped(line) for line in self._console.render_lines(renderable, options, pad=False)]
        while lines and not lines[0]:  # rich has some around lists and tables
            del lines[0]
        while lines and not lines[-1]:
            lines.pop()
        if not (self._is_first or self._goes_on):
            lines.insert(0, [])
        return lines

    def _fix(self, lines: list[list[Segment]]) -> None:
        """Leave lines of the last block behind for good, those that were left already excepted."""
        self._console.print(Segments(_joined(lines[self._fixed :])), end="")
        self._fixed = max(self._fixed, len(lines))

    def _keep(self, lines: list[list[Segment]], *, goes_on: bool = False) -> None:
        """Leave a whole block behind, or the beginning of one that goes on."""
        self._fix(lines)
        self._fixed = self._fixed - len(lines) if goes_on else 0
        self._is_first, self._goes_on = False, goes_on


def _parsed(text: str) -> list[Token]:
    tokens = _PARSER.parse(text)
    for token in tokens:
        for child in token.children or ():
            if child.type == "softbreak":  # the lines of a verse are lines
                child.type = "hardbreak"
    return tokens


def _stripped(line: list[Segment]) -> list[Segment]:
    rest = list(line)
    while rest and not rest[-1].text.strip() and not (rest[-1].style and rest[-1].style.bgcolor):
        rest.pop()
    if rest and not (rest[-1].style and rest[-1].style.bgcolor):
        rest[-1] = Segment(rest[-1].text.rstrip(), rest[-1].style)
    return rest


def _joined(lines: list[list[Segment]]) -> list[Segment]:
    return [segment for line in lines for segment in (*line, Segment.line())]
