"""Reads Modelfiles by the rules of ``parser/parser.go`` in Ollama.

Where that reader loses what was written, this one keeps it: characters that Go counts as unprintable (the joiners
inside emoji among them) stay, and text that is not UTF-8 is an error with a line instead of replacement characters.
"""

import codecs
import re
from dataclasses import dataclass
from typing import Any

from puna.config.near import nearest
from puna.errors import BadRequestError
from puna.models.modelfile.values import BLANK, parameter_value, read_value

MAX_BYTES = 16 << 20
COMMANDS = (
    "FROM",
    "PARAMETER",
    "TEMPLATE",
    "SYSTEM",
    "ADAPTER",
    "LICENSE",
    "MESSAGE",
    "DRAFT",
    "RENDERER",
    "PARSER",
    "REQUIRES",
)
ROLES = ("system", "user", "assistant")
_NOT_EMPTY = ("FROM", "ADAPTER", "DRAFT", "REQUIRES")
_VERSION = re.compile(r"v?\d+(\.\d+(\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?)?)?", re.ASCII)
_BLANKS = re.compile(r"[ \t]*")
_SKIPPED = re.compile(r"(?:[ \t\r\n]+|#[^\r\n]*)*+")
_WORD = re.compile(r"[^ \t\r\n]*")
_NEWLINE = re.compile(r"\r\n|\r|\n")
_PARAMETER_NAME = re.compile(r"[A-Za-z0-9_]+")


class ModelfileError(BadRequestError):
    """A Modelfile is not of the form that it must have; the text names the line where it is known."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"Modelfile (line {line}): {reason}" if line else f"Modelfile: {reason}")
        self.line = line


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its name in capitals, its value without quotes, and the line where it begins.

    ``key`` is the name of a PARAMETER or the role of a MESSAGE.
    """

    name: str
    value: str
    line: int = 0
    key: str = ""


@dataclass(frozen=True, slots=True)
class Modelfile:
    """The commands of a Modelfile in order."""

    commands: tuple[Command, ...]

    def values(self, name: str) -> tuple[str, ...]:
        """Return the values of every command of one name."""
        return tuple(command.value for command in self.commands if command.name == name)

    def last(self, name: str) -> str | None:
        """Return the value of the last command of one name, which is the one that counts where one is wanted."""
        return next(iter(reversed(self.values(name))), None)

    @property
    def parameters(self) -> dict[str, Any]:
        """Return the options: numbers, booleans and texts, and lists of those that may be given more than once."""
        options: dict[str, Any] = {}
        for command in self.commands:
            if command.name == "PARAMETER":
                value = parameter_value(command.key, command.value)
                old = options.get(command.key)
                options[command.key] = old + value if isinstance(old, list) and isinstance(value, list) else value
        return options

    @property
    def messages(self) -> tuple[dict[str, str], ...]:
        """Return the messages that every conversation begins with."""
        return tuple({"role": item.key, "content": item.value} for item in self.commands if item.name == "MESSAGE")


def parse_modelfile(source: str | bytes) -> Modelfile:
    """Return the Modelfile that ``source`` holds (bytes: UTF-8, or UTF-16 with a byte order mark).

    Raises ``ModelfileError``.
    """
    if len(source) > MAX_BYTES:
        raise ModelfileError(0, f"it is larger than {MAX_BYTES >> 20} MiB")
    text = source if isinstance(source, str) else _decode(source)
    commands = tuple(_Reader(text).commands())
    if not any(command.name == "FROM" for command in commands):
        raise ModelfileError(0, "no FROM line")
    return Modelfile(commands)


def _decode(raw: bytes) -> str:
    marks = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
    mark, encoding = next((entry for entry in marks if raw.startswith(entry[0])), (b"", "utf-8"))
    try:
        return raw[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        before = raw[len(mark) : len(mark) + error.start].decode(encoding, "replace")
        raise ModelfileError(1 + len(_NEWLINE.findall(before)), f"the text is not {encoding.upper()}") from None


class _Reader:
    """Walks through a text once; ``_line`` is the line of ``_position``."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0
        self._line = 1

    def commands(self) -> "list[Command]":
        found = []
        while self._skip():
            found.append(self._command())
        return found

    def _skip(self) -> bool:
        """Go to the next command and return whether there is one."""
        self._advance(_end(_SKIPPED, self._text, self._position))
        return self._position < len(self._text)

    def _command(self) -> Command:
        line = self._line
        word = self._word()
        name = word.upper()
        if name not in COMMANDS:
            allowed = ", ".join(COMMANDS)
            meant = nearest(word, COMMANDS).upper()
            more = f"did you mean {meant}?" if meant else f"it must be one of {allowed}"
            raise ModelfileError(line, f"{word[:40]!r} is not a command; {more}")
        key = ""
        if name == "PARAMETER":
            key = self._word()
            if not _PARAMETER_NAME.fullmatch(key):
                raise ModelfileError(line, f"PARAMETER needs a name and a value, not {key[:40]!r}")
        elif name == "MESSAGE":
            key = self._word()
            if key not in ROLES:
                raise ModelfileError(line, 'message role must be one of "system", "user", or "assistant"')
        value = self._value(f"{name} {key}".rstrip())
        if not value and name in _NOT_EMPTY:
            raise ModelfileError(line, f"{name} needs a value")
        if name == "REQUIRES" and not _VERSION.fullmatch(value):
            raise ModelfileError(line, "requires must be a version like 0.14.0")
        return Command(name, value.removeprefix("v") if name == "REQUIRES" else value, line, key)

    def _word(self) -> str:
        """Return the next word of the line, "" at its end, and pass it and the blanks after it."""
        begin = _end(_BLANKS, self._text, self._position)
        end = _end(_WORD, self._text, begin)
        self._position = _end(_BLANKS, self._text, end)
        return self._text[begin:end]

    def _value(self, command: str) -> str:
        if self._position == len(self._text) or (
            self._text[self._position] in "\r\n" and self._text[self._position - 1] not in BLANK
        ):
            raise ModelfileError(self._line, f"{command} needs a value")
        found = read_value(self._text, self._position)
        if found is None:
            raise ModelfileError(self._line, f"the quotation that {command} begins is never closed")
        value, end = found
        self._advance(end)
        return value

    def _advance(self, end: int) -> None:
        self._line += len(_NEWLINE.findall(self._text, self._position, end))
        self._position = end


def _end(pattern: re.Pattern[str], text: str, position: int) -> int:
    match = pattern.match(text, position)
    return match.end() if match else position
