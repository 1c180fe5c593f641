"""From a template's text to tokens, by the rules of Go's ``text/template/parse``."""

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import NoReturn

from puna.gotemplate.quoting import quote, token_text

LEFT, RIGHT = "{{", "}}"
_SPACES = " \t\r\n"
_KEYWORDS = frozenset({"block", "break", "continue", "define", "else", "end", "if", "nil", "range", "template", "with"})
_WORD = re.compile(r"\w+")
_NUMBER = re.compile(
    r"[+-]?(?:0[xX][0-9a-fA-F_]*(?:\.[0-9a-fA-F_]*)?(?:[pP][+-]?[0-9_]*)?"
    r"|0[oO][0-7_]*(?:\.[0-7_]*)?|0[bB][01_]*(?:\.[01_]*)?"
    r"|[0-9_]*(?:\.[0-9_]*)?(?:[eE][+-]?[0-9_]*)?)i?"
)
_STRING = re.compile(r'"(?:[^"\\\n]|\\[^\n])*"')
_CHAR = re.compile(r"'(?:[^'\\\n]|\\[^\n])*'")
_SPACE_RUN = re.compile(r"[ \t\r\n]+")


class Kind(Enum):
    """What a token is."""

    BOOL = auto()
    CHAR = auto()
    CHAR_CONSTANT = auto()
    ASSIGN = auto()
    DECLARE = auto()
    DOT = auto()
    EOF = auto()
    ERROR = auto()
    FIELD = auto()
    IDENTIFIER = auto()
    KEYWORD = auto()
    LEFT_DELIM = auto()
    LEFT_PAREN = auto()
    NUMBER = auto()
    PIPE = auto()
    RAW_STRING = auto()
    RIGHT_DELIM = auto()
    RIGHT_PAREN = auto()
    SPACE = auto()
    STRING = auto()
    TEXT = auto()
    VARIABLE = auto()


@dataclass(frozen=True, slots=True)
class Token:
    kind: Kind
    position: int
    text: str

    def __str__(self) -> str:
        """The token as error messages show it."""
        if self.kind is Kind.EOF:
            return "EOF"
        if self.kind is Kind.ERROR:
            return self.text
        if self.kind in (Kind.KEYWORD, Kind.DOT):
            return f"<{self.text}>"
        return token_text(self.text)


MAX_TOKENS = 10_000
"""Far more than templates of models have: some hundreds. Tokens, and what is made of them, are looked through for
garbage as long as they are there, and nothing else happens meanwhile."""


def tokenize(text: str) -> list[Token]:
    """All tokens of ``text``; the last one is ``EOF`` or ``ERROR``, whose text is the reason."""
    return _Lexer(text).run()


class _LexError(Exception):
    """Ends the scan; carries the reason."""


class _Lexer:
    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0
        self._start = 0
        self._parens = 0
        self._tokens: list[Token] = []

    def run(self) -> list[Token]:
        try:
            while self._plain_text():
                self._action()
        except _LexError as error:
            self._tokens.append(Token(Kind.ERROR, self._start, str(error)))
        return self._tokens

    def _emit(self, kind: Kind) -> None:
        if len(self._tokens) >= MAX_TOKENS:
            raise _LexError(f"template has more than {MAX_TOKENS} parts")
        self._tokens.append(Token(kind, self._start, self._text[self._start : self._position]))
        self._start = self._position

    def _skip_to(self, position: int) -> None:
        self._start = self._position = position

    def _plain_text(self) -> bool:
        """Scans text and comments up to the inside of an action; False at the end of the input."""
        while True:
            stop = self._text.find(LEFT, self._position)
            if stop < 0:
                stop = len(self._text)
                if stop > self._position:
                    self._position = stop
                    self._emit(Kind.TEXT)
                self._emit(Kind.EOF)
                return False
            self._text_before(stop)
            if self._left_delimiter():
                return True

    def _text_before(self, stop: int) -> None:
        end = stop
        if self._trims_left(stop + len(LEFT)):
            end = self._position + len(self._text[self._position : stop].rstrip(_SPACES))
        if end > self._position:
            self._position = end
            self._emit(Kind.TEXT)
        self._skip_to(stop)

    def _left_delimiter(self) -> bool:
        """Scans ``{{`` with its trim marker; False where it only begins a comment."""
        inside = self._position + len(LEFT)
        after = inside + 2 if self._trims_left(inside) else inside
        if self._text.startswith("/*", after):
            self._skip_to(after)
            self._comment()
            return False
        self._position = inside
        self._emit(Kind.LEFT_DELIM)
        self._skip_to(after)
        self._parens = 0
        return True

    def _trims_left(self, at: int) -> bool:
        text = self._text
        return text.startswith("-", at) and at + 1 < len(text) and text[at + 1] in _SPACES

    def _comment(self) -> None:
        end = self._text.find("*/", self._position + 2)
        if end < 0:
            raise _LexError("unclosed comment")
        self._position = end + 2
        length = self._right_delimiter_at(self._position)
        if not length:
            raise _LexError("comment ends before closing delimiter")
        self._leave(length)

    def _right_delimiter_at(self, at: int) -> int:
        """The length of the right delimiter at ``at`` with its trim marker: 4, 2, or 0 for none."""
        text = self._text
        if text.startswith("-" + RIGHT, at + 1) and text[at] in _SPACES:
            return 2 + len(RIGHT)
        return len(RIGHT) if text.startswith(RIGHT, at) else 0

    def _leave(self, length: int) -> None:
        """Goes past a right delimiter, and past the space it trims."""
        at = self._position + length
        if length > len(RIGHT):
            match = _SPACE_RUN.match(self._text, at)
            at = match.end() if match else at
        self._skip_to(at)

    def _action(self) -> None:
        """Scans an action up to and including its right delimiter."""
        while True:
            length = self._right_delimiter_at(self._position)
            if length:
                if self._parens:
                    raise _LexError("unclosed left paren")
                self._start = self._position + length - len(RIGHT)
                self._position += length
                self._emit(Kind.RIGHT_DELIM)
                self._position -= length
                self._leave(length)
                return
            if self._position >= len(self._text):
                raise _LexError("unclosed action")
            self._inside()

    def _inside(self) -> None:
        char = self._text[self._position]
        scan = _SCANNERS.get(char)
        if scan is not None:
            scan(self)
        elif char == "_" or char.isalpha() or char.isdecimal():
            self._identifier()
        elif "!" <= char <= "~":
            self._position += 1
            self._emit(Kind.CHAR)
        else:
            raise _LexError(f"unrecognized character in action: {unicode_form(char)}")

    def _space(self) -> None:
        match = _SPACE_RUN.match(self._text, self._position)
        end = match.end() if match else self._position
        if self._right_delimiter_at(end - 1) > len(RIGHT):
            # The last space belongs to the trim marker of the delimiter.
            end -= 1
        if end > self._position:
            self._position = end
            self._emit(Kind.SPACE)

    def _declare(self) -> None:
        if not self._text.startswith("=", self._position + 1):
            raise _LexError("expected :=")
        self._position += 2
        self._emit(Kind.DECLARE)

    def _single(self, kind: Kind) -> None:
        self._position += 1
        self._emit(kind)

    def _open_paren(self) -> None:
        self._parens += 1
        self._single(Kind.LEFT_PAREN)

    def _close_paren(self) -> None:
        if not self._parens:
            raise _LexError("unexpected right paren")
        self._parens -= 1
        self._single(Kind.RIGHT_PAREN)

    def _quoted(self, pattern: re.Pattern[str], kind: Kind, what: str) -> None:
        match = pattern.match(self._text, self._position)
        if match is None:
            raise _LexError(f"unterminated {what}")
        self._position = match.end()
        self._emit(kind)

    def _raw_string(self) -> None:
        end = self._text.find("`", self._position + 1)
        if end < 0:
            raise _LexError("unterminated raw quoted string")
        self._position = end + 1
        self._emit(Kind.RAW_STRING)

    def _name_end(self, at: int) -> int:
        match = _WORD.match(self._text, at)
        end = match.end() if match else at
        # \w also takes numbers such as "²" and marks, which are no letters or digits for Go.
        for index in range(at, end):
            char = self._text[index]
            if not (char == "_" or char.isalpha() or char.isdecimal()):
                return index
        return end

    def _check_terminator(self) -> None:
        at = self._position
        if at >= len(self._text) or self._text[at] in " \t\r\n.,|:)(" or self._text.startswith(RIGHT, at):
            return
        raise _LexError(f"bad character {unicode_form(self._text[at])}")

    def _identifier(self) -> None:
        self._position = self._name_end(self._position)
        self._check_terminator()
        word = self._text[self._start : self._position]
        if word in _KEYWORDS:
            self._emit(Kind.KEYWORD)
        else:
            self._emit(Kind.BOOL if word in ("true", "false") else Kind.IDENTIFIER)

    def _variable(self) -> None:
        self._position = self._name_end(self._position + 1)
        self._check_terminator()
        self._emit(Kind.VARIABLE)

    def _dot(self) -> None:
        following = self._text[self._position + 1 : self._position + 2]
        if "0" <= following <= "9":
            self._number()
            return
        self._position = self._name_end(self._position + 1)
        self._check_terminator()
        self._emit(Kind.DOT if self._position == self._start + 1 else Kind.FIELD)

    def _number(self) -> None:
        match = _NUMBER.match(self._text, self._position)
        end = match.end() if match else self._position
        following = self._text[end : end + 1]
        if following == "_" or following.isalpha() or following.isdecimal():
            raise _LexError(f"bad number syntax: {quote(self._text[self._start : end + 1])}")
        if following in ("+", "-"):
            self._complex(end)
        self._position = end
        self._emit(Kind.NUMBER)

    def _complex(self, at: int) -> NoReturn:
        """Refuses ``1+2i``, and in Go's words what only begins like it."""
        match = _NUMBER.match(self._text, at)
        end = match.end() if match else at
        text = self._text[self._start : end]
        if text.endswith("i"):
            raise _LexError(f"complex constants are not supported: {text}")
        raise _LexError(f"bad number syntax: {quote(text)}")


def unicode_form(char: str) -> str:
    """A character as Go's ``%#U`` prints it."""
    return f"U+{ord(char):04X}" + (f" '{char}'" if char.isprintable() else "")


_SCANNERS = {
    **dict.fromkeys(_SPACES, _Lexer._space),
    **dict.fromkeys("+-0123456789", _Lexer._number),
    "=": lambda lexer: lexer._single(Kind.ASSIGN),
    ":": _Lexer._declare,
    "|": lambda lexer: lexer._single(Kind.PIPE),
    '"': lambda lexer: lexer._quoted(_STRING, Kind.STRING, "quoted string"),
    "'": lambda lexer: lexer._quoted(_CHAR, Kind.CHAR_CONSTANT, "character constant"),
    "`": _Lexer._raw_string,
    "$": _Lexer._variable,
    ".": _Lexer._dot,
    "(": _Lexer._open_paren,
    ")": _Lexer._close_paren,
}
