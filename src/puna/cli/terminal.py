"""The prompt of a conversation: reads messages and commands, and carries on after errors and Ctrl-C."""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from prompt_toolkit import PromptSession
from prompt_toolkit.enums import DEFAULT_BUFFER
from prompt_toolkit.filters import has_focus, is_searching
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings

from puna.cli.answer import Stopped
from puna.cli.client import NOT_FOUND, ServerError
from puna.cli.completer import Words
from puna.cli.connection import nearest
from puna.cli.conversation import Conversation
from puna.cli.errors import CommandError
from puna.cli.pictures import find_pictures
from puna.cli.screen import print_text
from puna.cli.slash import run_command
from puna.settings import Settings

_QUOTES = '"""'
_LONG = re.compile(r'\s*(?:/set\s+system\s+)?"""')
"""How a text begins that goes on over several lines."""
_FIRST = re.compile(r"(?:\\.|\S)+")
_ESCAPED = re.compile(r"\\(.)")
_PLACEHOLDER = FormattedText([("fg:ansibrightblack", "Send a message (/? for help)")])
_LEAVE = "Use Ctrl + d or /bye to exit."
_FILE_MODE = 0o600


def _placeholder() -> FormattedText:
    return FormattedText([]) if is_searching() else _PLACEHOLDER  # what is found stands where it would


class Terminal:
    """Reads what the user types, and has it answered or carried out."""

    def __init__(self, conversation: Conversation) -> None:
        self.conversation = conversation
        conversation.takes_files = True
        settings = Settings.from_env()
        if settings.editor:
            os.environ["VISUAL"] = settings.editor  # where prompt_toolkit looks for it
        self._file = settings.home / "history"
        self._keys = _keys()
        self._session = self._new_session(keep=not settings.no_history)

    def _new_session(self, *, keep: bool) -> "PromptSession[str]":
        return PromptSession(
            history=_history(self._file, keep=keep),
            multiline=True,
            prompt_continuation="... ",
            key_bindings=self._keys,
            completer=Words(self.conversation),
            complete_while_typing=False,
            enable_suspend=True,
            tempfile_suffix=".md",
        )

    def keep_history(self, keep: bool) -> None:
        """Keep what is typed beyond the end of the program, or not, from now on."""
        self._session = self._new_session(keep=keep)

    def run(self) -> None:
        """Read messages and commands until the user leaves."""
        self.conversation.load()  # so that the first answer does not wait for it
        self.show_earlier()
        while True:
            try:
                text = self._session.prompt(">>> ", placeholder=_placeholder)
            except EOFError:
                return
            except KeyboardInterrupt:
                if not self._session.default_buffer.text:
                    typer.echo(f"\n{_LEAVE}")
                continue
            with self._carrying_on():
                if not self._take(text):
                    return

    def show_earlier(self) -> None:
        """Print the messages that the model begins with, as if they had just been said."""
        for message in self.conversation.earlier:
            if message["role"] == "user":
                print_text(f">>> {message['content']}")
            elif message["role"] == "assistant":
                self.conversation.display.say(message["content"])
                typer.echo("")

    def _take(self, text: str) -> bool:
        """Carry out a command or ask what was typed; return whether to go on."""
        if text.startswith(_QUOTES):
            text = unquoted(text)
        elif text.startswith("/") and not self._names_a_file(text):
            return run_command(self, text)
        if text.strip():
            self.conversation.ask(text)
            typer.echo("")
        return True

    def _names_a_file(self, text: str) -> bool:
        """Return whether what begins with a slash is a path, as a terminal writes one that is dropped on it."""
        first = _FIRST.match(text)
        try:
            if first and Path(_ESCAPED.sub(r"\1", first[0])).is_file():
                return True
        except (OSError, ValueError):
            pass  # no name that a file can have
        return any(text.startswith(words) for words in find_pictures(text))

    @contextlib.contextmanager
    def _carrying_on(self) -> Iterator[None]:
        try:
            yield
        except Stopped as stopped:
            typer.echo("(stopped here)\n" if stopped.text else "", err=True)
        except KeyboardInterrupt:
            typer.echo("")
        except CommandError as error:
            typer.echo(f"Error: {error}{self._advice(error)}", err=True)

    def _advice(self, error: CommandError) -> str:
        """Return the name that was meant where a model is not there."""
        if not (isinstance(error, ServerError) and error.status == NOT_FOUND):
            return ""
        quoted = re.search(r"model ['\"](.+)['\"] not found", str(error))
        near = nearest(self.conversation.client, quoted[1]) if quoted else ""
        return f"; did you mean {near}?" if near else ""


def unquoted(text: str) -> str:
    """Return a text without the three quotation marks around it."""
    return text.strip().removeprefix(_QUOTES).removesuffix(_QUOTES)


def is_complete(text: str) -> bool:
    """Return whether what was typed is all: a text that begins with three quotation marks ends with three more."""
    begins = _LONG.match(text)
    return begins is None or text[begins.end() :].rstrip().endswith(_QUOTES)


def _keys() -> KeyBindings:
    keys = KeyBindings()

    typing = has_focus(DEFAULT_BUFFER) & ~is_searching

    @keys.add("enter", filter=typing)
    def _enter(event: Any) -> None:
        buffer = event.current_buffer
        if is_complete(buffer.text):
            buffer.validate_and_handle()
        else:
            buffer.insert_text("\n")

    @keys.add("escape", "enter", filter=typing)
    def _new_line(event: Any) -> None:
        event.current_buffer.insert_text("\n")

    @keys.add("c-g", filter=typing)
    def _edit(event: Any) -> None:
        event.current_buffer.open_in_editor()

    return keys


def _history(file: Path, *, keep: bool) -> History:
    """Return the history, in memory where it cannot or shall not be kept."""
    if not keep:
        return InMemoryHistory()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(_FILE_MODE)
        return _SafeHistory(str(file))
    except OSError:
        return InMemoryHistory()


class _SafeHistory(FileHistory):
    """A history in a file, which goes on in memory when the file cannot be written."""

    def store_string(self, string: str) -> None:
        """Write one entry."""
        with contextlib.suppress(OSError, UnicodeError):
            super().store_string(string)
