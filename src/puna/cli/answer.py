"""Shows an answer while it comes: thoughts apart from the rest, Markdown on a terminal, and what it took."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import typer

from puna.cli.errors import CommandError
from puna.cli.plain import PlainWriter
from puna.cli.screen import columns, console, has_colours, is_terminal, printable
from puna.cli.timings import timings
from puna.cli.waiting import Waiting

_GREY, _RESET = "\033[90m", "\033[0m"
_OPENING, _CLOSING = "Thinking...\n", "...done thinking.\n\n"
"""As Ollama marks thoughts: a pipe has no colours to tell them by."""


class Stopped(KeyboardInterrupt):
    """The user has stopped an answer; ``text`` is what had come of it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text


class _Writer(Protocol):
    def write(self, text: str) -> None: ...
    def drop(self) -> None: ...
    def finish(self) -> None: ...


@dataclass(slots=True)
class Display:
    """How answers are shown. Markdown is drawn on a terminal that may be wrapped, and never for a ``format``."""

    show_thinking: bool = True
    wrap: bool = True
    markdown: bool = True
    verbose: bool = False

    def show(self, parts: Iterable[Mapping[str, Any]], waiting: Waiting | None, *, formatted: bool = False) -> str:
        """Print an answer as its parts come, and return it without the thoughts. Raises ``Stopped`` on Ctrl-C."""
        on_terminal = is_terminal(sys.stdout)
        plain = PlainWriter(columns() if on_terminal and self.wrap else 0)
        thoughts = _Thoughts(plain, coloured=has_colours(sys.stdout))
        writer: _Writer = self._markdown() if on_terminal and self.wrap and self.markdown and not formatted else plain
        clean = printable if on_terminal else str
        answer: list[str] = []
        last: Mapping[str, Any] = {}
        refused = False
        try:
            for last in parts:
                message = last.get("message") or {}
                thinking, content = clean(message.get("thinking") or ""), clean(message.get("content") or "")
                calls = message.get("tool_calls") or ()
                if waiting and (content or calls or (thinking and self.show_thinking)):
                    waiting.stop()
                if thinking and self.show_thinking:
                    thoughts.write(thinking)
                if content or calls:
                    thoughts.close()
                    writer.write(content + ("\n" if calls and answer else "") + _told(calls))
                    answer.append(content)
        except BaseException as error:
            writer.drop()
            refused = not last
            if isinstance(error, KeyboardInterrupt):
                raise Stopped("".join(answer)) from None
            raise
        finally:
            if waiting:
                waiting.stop()
            thoughts.end()
            if writer is not plain and not plain.at_line_start:
                plain.finish()
            if not refused:  # there is no line to end
                writer.finish()
        if not last.get("done"):
            raise CommandError("the answer broke off before its end")
        self._account(last)
        return "".join(answer)

    def say(self, text: str) -> None:
        """Print an answer that is there already."""
        self.show([{"message": {"content": text}, "done": True}], None)

    def _markdown(self) -> _Writer:
        from puna.cli.markdown import MarkdownWriter  # a pipe has no use for it

        return MarkdownWriter(console())

    def _account(self, last: Mapping[str, Any]) -> None:
        """Say on standard error what the answer does not show."""
        if last.get("prompt_truncated"):
            dropped = f"{last.get('dropped_messages')} messages, {last.get('dropped_tokens')} tokens"
            typer.echo(f"(the oldest part of the conversation no longer fits the context: {dropped})", err=True)
        if last.get("done_reason") == "length":
            typer.echo("(the answer was cut off: num_predict, or the end of the context)", err=True)
        if self.verbose:
            typer.echo("\n" + "\n".join(timings(last)), err=True)


def _told(calls: Sequence[Mapping[str, Any]]) -> str:
    """Return words about calls, for the command line has no tools, as Ollama's tells of them."""
    lines = []
    for call in calls:
        function = call.get("function") or {}
        arguments = json.dumps(function.get("arguments"), ensure_ascii=False)
        lines.append(f"Model called a non-existent function '{function.get('name')}()' with arguments: {arguments}")
    return "\n".join(lines)


class _Thoughts:
    """The marks around thoughts."""

    def __init__(self, writer: PlainWriter, *, coloured: bool) -> None:
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
