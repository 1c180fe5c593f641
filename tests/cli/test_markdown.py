"""Markdown as it streams: what stays on the screen is what the whole text looks like, however it was cut."""

import io
import random
import re

import pytest
from rich.console import Console

from puna.cli.markdown import MarkdownWriter

TEXT = """# A title

Some **bold** words with `code`, and a [link](https://example.org/). 骆驼住在高原上。

- one
- two
  1. nested

```python
def greet(name):

    return f"Hello {name}"
```

| name | size |
|------|-----:|
| cria | 8 MB |

> A quote.

Roses are red
violets are <b>blue</b>.
"""
SHOWN = """\
A title

Some bold words with code, and a link (https://example.org/).
骆驼住在高原上。

 • one
 • two
    1 nested

  def greet(name):

      return f"Hello {name}"

 name  size
 ──────────
 cria  8 MB

▌ A quote.

Roses are red
violets are <b>blue</b>.
"""
_TOKEN = re.compile(r"\x1b\[(\d*)A|\x1b\[2K|\x1b\[[0-9;?]*[a-zA-Z]|\r|\n|[^\x1b\r\n]+")


def screen(output: str) -> str:
    """Return what a terminal shows after ``output``, scrolled-off lines included."""
    rows, row = [""], 0
    for token in _TOKEN.finditer(output):
        text = token[0]
        if text == "\n":
            row += 1
            rows += [""] * (row + 1 - len(rows))
        elif text.endswith("A") and text.startswith("\x1b"):
            row -= int(token[1] or 1)
        elif text == "\x1b[2K":
            rows[row] = ""
        elif text[0] not in "\x1b\r":
            rows[row] += text
    return "\n".join(line.rstrip() for line in rows).rstrip() + "\n"


def shown(pieces: list[str], height: int = 20) -> str:
    output = io.StringIO()
    writer = MarkdownWriter(Console(file=output, force_terminal=True, width=64, height=height))
    for piece in pieces:
        writer._next_drawing = 0.0  # as if time had passed
        writer.write(piece)
    writer.finish()
    return screen(output.getvalue())


@pytest.mark.parametrize("seed", range(4))
def test_the_screen_does_not_tell_how_the_text_was_cut(seed: int) -> None:
    chance = random.Random(seed)
    cuts = sorted(chance.sample(range(len(TEXT)), 40 * (seed > 0)))
    pieces = [TEXT[start:end] for start, end in zip([0, *cuts], [*cuts, len(TEXT)], strict=True)]
    assert shown(pieces) == SHOWN


def test_what_is_longer_than_the_screen_is_there_once_and_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("puna.cli.markdown._LONG_CODE", 20)
    code = [f"x{number} = {number}" for number in range(70)]
    items = [f"item {number}" for number in range(1, 15)]
    rows = [f"| row{number} | {'x' * (number % 7)} |" for number in range(12)]
    text = "\n".join(["```", *code, "```", "", *(f"* {item}" for item in items), "", "| a | b |", "|---|---|", *rows])
    lines = shown([line + "\n" for line in text.splitlines()], 8).splitlines()
    assert [line.strip() for line in lines if " = " in line] == code
    assert [line.removeprefix(" • ") for line in lines if "item" in line] == items
    assert len([line for line in lines if "row" in line]) == len(rows)
    widths = {line.rindex("x") for line in lines if line.endswith("xxxxxx")}
    assert len(widths) == 1, "the columns of a table stand under each other"


def test_nothing_in_an_answer_steers_the_terminal() -> None:
    output = io.StringIO()
    writer = MarkdownWriter(Console(file=output, force_terminal=True, width=60, height=20))
    writer.write("a\x1b]52;c;aGk=\x07b\x1b[2J\u202ec\n")
    writer.finish()
    assert "\x1b]52" not in output.getvalue()
    assert "\x1b[2J" not in output.getvalue()
    assert "\u202e" not in output.getvalue()
