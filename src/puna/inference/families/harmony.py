"""Harmony, the format of gpt-oss: messages with headers that say for whom each is."""

import re
from collections.abc import Iterable

from puna.inference.families.parsing import Asked, StateParser
from puna.inference.format.arguments import Writing
from puna.inference.format.calls import ARGUMENTS, FIRST, GAP, NAME, CallShape
from puna.inference.format.notation import Notation
from puna.inference.output.calls import arguments_in
from puna.inference.output.events import ThinkingText

START, END, MESSAGE, CHANNEL, CONSTRAIN = "<|start|>", "<|end|>", "<|message|>", "<|channel|>", "<|constrain|>"
FINAL = f"{CHANNEL}final{MESSAGE}"
MARKS = (START, END, MESSAGE, CHANNEL, CONSTRAIN)
_RECIPIENT = re.compile(r"(?:^|\s)to=(\S+)")
_CHANNEL = re.compile(re.escape(CHANNEL) + r"(\S*)")
_NAMESPACE = "functions."
_OWN_NAMES = ("browser.open", "browser.search", "browser.find", "python")
"""Functions that the model was trained with, under names of their own."""
_ADDRESSED = f" to=functions.{NAME}{CHANNEL}commentary{GAP}{CONSTRAIN}json{MESSAGE}{ARGUMENTS}"
CALLS = CallShape(
    f"{CHANNEL}commentary to=functions.{NAME}{GAP}{CONSTRAIN}json{MESSAGE}{ARGUMENTS}",
    Writing(Notation(never=(END,))),
    between=None,
    others=(f"{FIRST}{_ADDRESSED}", f"{START}assistant{_ADDRESSED}"),
)


class _Parser(StateParser):
    def __init__(self, asked: Asked) -> None:
        begins = self._content if asked.prefill else self._thoughts if asked.prefill_thinking else self._header
        super().__init__(begins)
        self._names = {called: name for name, called in prompt_names(asked.tools).items()}
        self._function = ""

    def _header(self) -> bool:
        header, mark, rest = self._text.partition(MESSAGE)
        if not mark:
            if self._ended:
                self._text = ""
            return False
        self._text = rest
        channel = _CHANNEL.search(header)
        recipient = _RECIPIENT.search(_CHANNEL.sub(" ", header).replace(CONSTRAIN, f" {CONSTRAIN}"))
        if recipient and (channel is None or channel[1] in ("analysis", "commentary")):
            self._function = recipient[1].partition("<")[0]
            return self._go(self._arguments)
        return self._go(self._thoughts if channel and channel[1] == "analysis" else self._content)

    def _next(self) -> bool:
        """Leave out what stands between two messages."""
        at = self._text.find(START)
        if at < 0:
            self._text = "" if self._ended else self._text[-len(START) :]
            return False
        self._text = self._text[at + len(START) :]
        return self._go(self._header)

    def _content(self) -> bool:
        return bool(self._up_to([END], trim=False)) and self._go(self._next)

    def _thoughts(self) -> bool:
        return bool(self._up_to([END], ThinkingText, trim=False)) and self._go(self._next)

    def _arguments(self) -> bool:
        raw, end, rest = self._text.partition(END)
        if not end and not self._ended:
            return False
        self._text = rest
        arguments = arguments_in(raw)
        name = self._function.removeprefix(_NAMESPACE)
        if arguments is None:
            self._keep(f"{CHANNEL}commentary to={self._function}{MESSAGE}{raw}")
        else:
            self._call(self._names.get(name, name), arguments)
        return self._go(self._next)


def prompt_names(names: Iterable[str]) -> dict[str, str]:
    """Return what each function is called in a prompt: a name of letters, digits and "_" that no other has."""
    called: dict[str, str] = {}
    for name in names:
        plain = name if name in _OWN_NAMES else _plain(name)
        unique, number = plain, 2
        while unique in called.values():
            unique, number = f"{plain}_{number}", number + 1
        called[name] = unique
    return called


def _plain(name: str) -> str:
    plain = "".join(
        "_" if char in " -." else char for char in name if char in " -._$" or char.isalpha() or char.isdigit()
    )
    return f"_{plain}" if plain[:1].isdigit() else plain or "unnamed"


def parser(asked: Asked) -> StateParser:
    """Return a parser of its answers."""
    return _Parser(asked)
