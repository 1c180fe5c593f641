"""The prompt of a conversation: reads messages and commands, and carries on after errors and Ctrl-C."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import typer
from prompt_toolkit import PromptSession
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import FileHistory, History, InMemoryHistory

from puna.cli.conversation import Conversation
from puna.cli.errors import CommandError
from puna.cli.pictures import find_pictures
from puna.cli.slash import run_command
from puna.settings import Settings

_QUOTES = '"""'
_PLACEHOLDER = FormattedText([("fg:ansibrightblack", "Send a message (/? for help)")])
_LEAVE = "Use Ctrl + d or /bye to exit."
_FILE_MODE = 0o600


class Terminal:
    """Reads what the user types, and has it answered or carried out."""

    def __init__(self, conversation: Conversation) -> None:
        self.conversation = conversation
        settings = Settings.from_env()
        self._file = settings.home / "history"
        self._session: PromptSession[str] = PromptSession(history=_history(self._file, keep=not settings.no_history))

    def keep_history(self, keep: bool) -> None:
        """Keep what is typed beyond the end of the program, or not, from now on."""
        self._session = PromptSession(history=_history(self._file, keep=keep))

    def run(self) -> None:
        """Read messages and commands until the user leaves."""
        self.conversation.load()  # so that the first answer does not wait for it
        while True:
            try:
                text = self._read()
            except EOFError:
                return
            except KeyboardInterrupt:
                typer.echo(f"\n{_LEAVE}")
                continue
            with self._carrying_on():
                if not self._take(text):
                    return

    def read_on(self, text: str) -> str:
        """Return a text that begins with three quotation marks without them, its further lines read."""
        text = text.removeprefix(_QUOTES)
        while not text.rstrip().endswith(_QUOTES):
            text += "\n" + self._session.prompt("... ")
        return text.rstrip().removesuffix(_QUOTES)

    def _read(self) -> str:
        text = self._session.prompt(">>> ", placeholder=_PLACEHOLDER)
        return self.read_on(text) if text.startswith(_QUOTES) else text

    def _take(self, text: str) -> bool:
        """Carry out a command or ask what was typed; return whether to go on."""
        if text.startswith("/") and not self._is_picture(text):
            return run_command(self, text)
        if text.strip():
            self.conversation.ask(text)
            typer.echo("")
        return True

    def _is_picture(self, text: str) -> bool:
        first = text.split()[0]
        return any(words.startswith(first) for words in find_pictures(text))

    @contextlib.contextmanager
    def _carrying_on(self) -> Iterator[None]:
        try:
            yield
        except KeyboardInterrupt:
            typer.echo("")  # the answer ends, and the conversation does not
        except CommandError as error:
            typer.echo(f"Error: {error}", err=True)


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
