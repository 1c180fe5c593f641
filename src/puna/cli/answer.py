"""Shows an answer while it comes: thoughts apart from the rest, lines broken between words, and what it took."""

import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import typer
from rich.cells import cell_len
from rich.console import Console

from puna.cli.errors import CommandError

_GREY, _RESET = "\033[90m", "\033[0m"
_OPENING, _CLOSING = "Thinking...\n", "...done thinking.\n\n"
"""As Ollama marks thoughts: a pipe has no colours to tell them by."""
_NARROWEST, _MARGIN = 10, 1
_WIDE = 2
_UNITS = ((1e9, "s"), (1e6, "ms"), (1e3, "µs"))


@dataclass(slots=True)
class Display:
    """How answers are shown."""

    show_thinking: bool = True
    wrap: bool = True
    verbose: bool = False

    def show(self, parts: Iterable[Mapping[str, Any]]) -> str:
        """Print an answer as its parts come, and return it without the thoughts."""
        on_terminal = sys.stdout.isatty()
        writer = _Writer(_width() if on_terminal and self.wrap else 0)
        thoughts = _Thoughts(writer, coloured=on_terminal)
        answer: list[str] = []
        last: Mapping[str, Any] = {}
        console = Console(stderr=True)
        waiting = console.status("") if on_terminal and console.is_terminal else None
        if waiting:
            waiting.start()
        try:
            for last in parts:
                message = last.get("message") or {}
                thinking, content = message.get("thinking") or "", message.get("content") or ""
                if waiting and (content or (thinking and self.show_thinking)):
                    waiting.stop()
                if thinking and self.show_thinking:
                    thoughts.write(thinking)
                if content:
                    thoughts.close()
                    writer.write(content)
                    answer.append(content)
        except BaseException:
            writer.drop()
            raise
        finally:
            if waiting:
                waiting.stop()
            thoughts.end()
            writer.finish()
        if not last.get("done"):
            raise CommandError("the answer broke off before its end")
        self._account(last)
        return "".join(answer)

    def _account(self, last: Mapping[str, Any]) -> None:
        """Say on standard error what the answer does not show."""
        if last.get("prompt_truncated"):
            dropped = f"{last.get('dropped_messages')} messages, {last.get('dropped_tokens')} tokens"
            typer.echo(f"(the oldest part of the conversation no longer fits the context: {dropped})", err=True)
        if last.get("done_reason") == "length":
            typer.echo("(the answer was cut off: num_predict, or the end of the context)", err=True)
        if self.verbose:
            typer.echo("\n" + "\n".join(timings(last)), err=True)


class _Writer:
    """Writes text as it comes, and breaks lines between words where ``width`` is not 0."""

    def __init__(self, width: int) -> None:
        self._width = width if width >= _NARROWEST else 0
        self._column = 0
        self._word = ""
        self.at_line_start = True

    def write(self, text: str) -> None:
        """Write text; the word that it ends with waits for its end."""
        self._put("".join(map(self._wrapped, text)) if self._width else text)

    def flush(self) -> None:
        """Write the word that waits."""
        self._put(self._placed())

    def drop(self) -> None:
        """Forget the word that waits: nobody wants the rest of an answer that they have stopped."""
        self._word = ""

    def raw(self, text: str) -> None:
        """Write what is no text: colours."""
        self.flush()
        typer.echo(text, nl=False)

    def finish(self) -> None:
        """End the last line."""
        self.flush()
        typer.echo("")

    def _put(self, text: str) -> None:
        if text:
            typer.echo(text, nl=False)
            self.at_line_start = text.endswith("\n")

    def _wrapped(self, character: str) -> str:
        if character == "\n":
            placed, self._column = self._placed(), 0
            return placed + character
        if character.isspace():
            placed = self._placed()
            self._column += 1
            return placed + character
        if cell_len(character) == _WIDE:  # a line of Chinese may end after any character
            placed = self._placed()
            self._word = character
            return placed + self._placed()
        self._word += character
        return self._placed() if cell_len(self._word) > self._width - _NARROWEST else ""

    def _placed(self) -> str:
        """Return the word that waits, on a new line if this one has no room for it."""
        word, self._word = self._word, ""
        length = cell_len(word)
        if word and self._column and self._column + length > self._width - _MARGIN:
            self._column = length
            return f"\n{word}"
        self._column += length
        return word


class _Thoughts:
    """The marks around thoughts."""

    def __init__(self, writer: _Writer, *, coloured: bool) -> None:
        self._writer = writer
        self._coloured = coloured
        self._open = False

    def write(self, text: str) -> None:
        """Write a part of a thought."""
        if not self._open:
            self._open = True
            if self._coloured:
                self._writer.raw(_GREY)
            self._writer.write(_OPENING)
        self._writer.write(text)

    def close(self) -> None:
        """Mark the end of the thoughts, if there were any."""
        if self._open:
            self._writer.flush()
            self._writer.write(_CLOSING if self._writer.at_line_start else f"\n{_CLOSING}")
        self.end()

    def end(self) -> None:
        """Leave the colour of thoughts."""
        if self._open and self._coloured:
            self._writer.raw(_RESET)
        self._open = False


def _width() -> int:
    return shutil.get_terminal_size().columns


def timings(last: Mapping[str, Any]) -> list[str]:
    """Return what an answer took, in the lines of Ollama's ``Summary`` (``api/types.go``), which scripts read."""
    lines = []
    for name in ("total", "load"):
        if nanoseconds := last.get(f"{name}_duration"):
            lines.append((f"{name} duration", duration(nanoseconds)))
    for name in ("prompt_eval", "eval"):
        words, count = name.replace("_", " "), last.get(f"{name}_count") or 0
        nanoseconds = last.get(f"{name}_duration") or 0
        if count:
            lines.append((f"{words} count", f"{count} token(s)"))
        if nanoseconds:
            lines.append((f"{words} duration", duration(nanoseconds)))
            lines.append((f"{words} rate", f"{count * 1e9 / nanoseconds:.2f} tokens/s"))
    return [f"{label + ':':<21} {value}" for label, value in lines]


def duration(nanoseconds: int) -> str:
    """Return a duration as Go writes one: 1m2.5s, 12.3ms."""
    minutes, rest = divmod(nanoseconds, 60 * 10**9)
    if minutes:
        hours, minutes = divmod(minutes, 60)
        return (f"{hours}h" if hours else "") + f"{minutes}m{rest / 1e9:.9g}s"
    size, unit = next((entry for entry in _UNITS if nanoseconds >= entry[0]), (1, "ns"))
    return f"{nanoseconds / size:.9g}{unit}"
