"""What the Tab key completes in a conversation: commands, their words, models and paths."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence

from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document

from puna.cli.conversation import Conversation
from puna.cli.errors import CommandError
from puna.cli.slash_help import COMMANDS, SET_WORDS, SHOW_WORDS
from puna.inference.options import OPTION_NAMES

_PATH_START = ("/", "./", "../", "~/")


class Words(Completer):
    """Completes the last word of what is typed."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._paths = PathCompleter(expanduser=True)

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """Yield what the word may become."""
        before = document.text_before_cursor
        words = before.split()
        last = "" if not words or before[-1].isspace() else words.pop()
        if not words and before.startswith("/") and "/" not in before[1:]:
            yield from _matching(COMMANDS, last)
        elif words and words[0].startswith("/"):
            yield from _matching(self._choices(words), last)
        elif last.startswith(_PATH_START):
            yield from self._paths.get_completions(Document(last), complete_event)

    def _choices(self, words: Sequence[str]) -> Sequence[str]:
        match words:
            case ["/set"]:
                return SET_WORDS
            case ["/set", "parameter"]:
                return OPTION_NAMES
            case ["/set", "think"]:
                return ("low", "medium", "high", "max")
            case ["/show"]:
                return SHOW_WORDS
            case ["/?" | "/help"]:
                return ("set", "show", "shortcuts")
            case ["/load" | "/list"]:
                with contextlib.suppress(CommandError, KeyError, TypeError):
                    return [str(model["name"]) for model in self._conversation.client.get("/api/tags")["models"]]
        return ()


def _matching(choices: Sequence[str], begun: str) -> Iterator[Completion]:
    for choice in choices:
        if choice.startswith(begun):
            yield Completion(choice, -len(begun))
