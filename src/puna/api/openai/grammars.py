"""Grammars of custom tools' texts, as patterns that the enforcement of schemas knows (``inference/format/pattern``).

A Lark grammar is read rule by rule and becomes one regular expression: names are replaced by what they stand for, and a
rule that repeats itself at its beginning or its end becomes a repetition. What nests in itself is no regular language:
it is followed as deep as there is room for, and texts that nest deeper are not written. The parts of Lark that few use
are refused. (Lark's grammar language: https://lark-parser.readthedocs.io/en/stable/grammar.html.)
"""

import contextlib
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NoReturn

from puna.errors import BadRequestError
from puna.inference.format.errors import Budget, FormatError
from puna.inference.format.pattern import pattern_language
from puna.inference.format.regex import Regexes

_LONGEST, _LONGEST_DEFINITION = 4000, 1 << 14
_STEPS = 20_000
_MOST_EXPRESSIONS = 2000
_MOST_WORK, _WORK_OF_A_NAME = 20_000, 10
"""How many parts of rules are looked at to make one expression, and how many of them a name counts as: each may stand
for many others, and these for others again."""
_DEPTHS = (8, 6, 4, 3, 2, 1)
"""How often a rule may stand within itself; the first that is not too large is taken."""
_COMMON = {
    "DIGIT": "[0-9]",
    "HEXDIGIT": "[a-fA-F0-9]",
    "INT": "[0-9]+",
    "SIGNED_INT": "[+-]?[0-9]+",
    "DECIMAL": r"(?:[0-9]+\.[0-9]*|\.[0-9]+)",
    "FLOAT": r"(?:[0-9]+[eE][+-]?[0-9]+|(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)",
    "NUMBER": r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?",
    "SIGNED_NUMBER": r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?",
    "LCASE_LETTER": "[a-z]",
    "UCASE_LETTER": "[A-Z]",
    "LETTER": "[A-Za-z]",
    "WORD": "[A-Za-z]+",
    "CNAME": "[_A-Za-z][_A-Za-z0-9]*",
    "ESCAPED_STRING": r'"(?:[^"\\\n]|\\.)*"',
    "WS_INLINE": "[ \\t]+",
    "WS": "[ \\t\\f\\r\\n]+",
    "CR": "\\r",
    "LF": "\\n",
    "NEWLINE": "(?:\\r?\\n)+",
}
"""The terminals of Lark's ``common``, as it defines them."""
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<string>"(?:[^"\\\n]|\\.)*"i?)
      | (?P<regex>/(?!/)(?:[^/\\\n]|\\.)+/[imslux]*)
      | (?P<name>[!?]?_?[A-Za-z][A-Za-z0-9_]*|_[A-Za-z0-9_]*)
      | (?P<times>~\s*[0-9]+(?:\s*\.\.\s*[0-9]+)?)
      | (?P<alias>->\s*[A-Za-z_][A-Za-z0-9_]*)
      | (?P<range>\.\.)
      | (?P<sign>[()\[\]|*+?:.])
      | (?P<number>-?[0-9]+)
    )""",
    re.VERBOSE,
)
_COMMENT = re.compile(r'("(?:[^"\\\n]|\\.)*"?|/(?!/)(?:[^/\\\n]|\\.)+/?)|(?://|\#)[^\n]*')
"""A comment, or what none is looked for in: a string or an expression, to the end of its line if it is not closed."""
_IMPORT = re.compile(r"%import\s+common(?:\.(\w+)(?:\s*->\s*(\w+))?|\s*\(([^)]*)\))\s*")
_IGNORE = re.compile(r"%ignore\s+(\S.*)")
_BEGINNING = re.compile(r"\s*(?:%|[!?]{0,2}\w+(?:\.-?\d+)?\s*:)", re.ASCII)
"""How a rule or a directive begins, whether it is indented or not."""
_POSIX = re.compile(r"(?<!\\)\[:\^?[a-z]+:\]")
_PLAIN = re.compile(r"[A-Za-z0-9 _\-]")


@lru_cache(maxsize=64)  # agents send the same ones again with every turn
def text_pattern(syntax: str, definition: str, where: str) -> str:
    """Return a pattern with anchors for the texts that a grammar allows; raise ``BadRequestError`` for one that cannot
    be enforced. ``syntax`` is "regex" or "lark"; errors call the grammar ``where``."""
    if syntax not in ("regex", "lark"):
        raise BadRequestError(f'{where}.syntax must be "lark" or "regex"')
    if len(definition) > _LONGEST_DEFINITION:
        raise BadRequestError(f"{where}.definition is too large to be enforced")
    if syntax == "regex":
        if named := _POSIX.search(definition):  # the letters in it would be a class of their own
            raise BadRequestError(f"{where}.definition cannot be enforced: {named[0]}")
        return _anchored(definition, where)
    grammar = _Lark(definition, where)
    for depth in _DEPTHS[:-1] if grammar.nests else ():
        try:
            return _anchored(grammar.pattern(depth), where)
        except BadRequestError:  # too large, or it says below what else it is
            continue
    return _anchored(grammar.pattern(_DEPTHS[-1]), where)


def _anchored(pattern: str, where: str) -> str:
    pattern = f"^(?:{pattern})$"
    if len(pattern) > _LONGEST:
        raise BadRequestError(f"{where}.definition is too large to be enforced")
    try:
        pattern_language(Regexes(Budget(_STEPS)), pattern)
    except FormatError as error:
        reason = str(error).partition("pattern ")[2] or str(error)
        raise BadRequestError(f"{where}.definition cannot be enforced: {reason}") from None
    return pattern


class _TooDeepError(Exception):
    """A rule stands within itself more often than it may."""


@dataclass(frozen=True, slots=True)
class _Name:
    """A rule or terminal that is named in another."""

    name: str


_Sequence = list["str | _Name | _Choice"]


@dataclass(slots=True)
class _Choice:
    """Sequences to choose from, then a quantifier for the whole."""

    ways: list[_Sequence]
    times: str = ""


class _Lark:
    """One Lark grammar."""

    def __init__(self, text: str, where: str) -> None:
        self._where = where
        self._rules: dict[str, _Choice] = {}
        self._known: dict[tuple[str, ...], str | None] = {}
        """What rules stand for, by the rules that they stand in; ``None`` where that leads too deep."""
        self._work = 0
        self._open: list[str] = []
        self._depth = 0
        self._cut = False
        self._ignored: list[_Choice] = []
        self._between = ""
        """What may stand between terminals."""
        self._tokens: list[tuple[str, str]] = []
        self._at = 0
        try:
            for statement in self._statements(_COMMENT.sub(lambda match: match[1] or "", text)):
                self._read(statement)
        except RecursionError:
            self._refuse("it is too large")

    @property
    def nests(self) -> bool:
        """Return whether a rule may stand within itself, other than by repeating itself at an end."""
        with contextlib.suppress(_TooDeepError, BadRequestError):
            self.pattern(0)
        return self._cut

    def pattern(self, depth: int) -> str:
        """Return the expression of ``start``, in which rules stand within themselves ``depth`` times at most."""
        self._depth, self._known, self._work, self._open, self._between = depth, {}, 0, [], ""
        if "start" not in self._rules:
            self._refuse("there is no rule called start")
        if self._ignored:
            self._between = f"(?:{'|'.join(self._either(one.ways) for one in self._ignored)})*"
        try:
            return self._between + self._of("start")
        except _TooDeepError:
            if not depth:
                raise
            self._refuse("a rule contains itself without an end")
        except RecursionError:
            self._refuse("it is too large")

    def _refuse(self, reason: str) -> NoReturn:
        raise BadRequestError(f"{self._where}.definition cannot be enforced: {reason}")

    @staticmethod
    def _statements(text: str) -> list[str]:
        """Return rules and directives; a rule may go on in lines that are indented or begin with a bar."""
        found: list[str] = []
        for line in text.splitlines():
            if not line.strip():
                continue
            if found and not _BEGINNING.match(line) and (line[0].isspace() or line.lstrip().startswith("|")):
                found[-1] += "\n" + line
            else:
                found.append(line.lstrip())
        return found

    def _read(self, statement: str) -> None:
        if statement.startswith("%"):
            self._directive(statement)
            return
        self._tokens, self._at = self._lexed(statement), 0
        kind, name = self._next()
        if kind != "name":
            self._refuse(f"{statement.strip()[:60]!r} is no rule")
        if self._peek() == ("sign", "."):  # a priority, by which parsers choose, and texts do not differ
            self._at += 2
        if self._next() != ("sign", ":"):
            self._refuse(f"{statement.strip()[:60]!r} is no rule")
        name = name.lstrip("!?")
        self._rules[name] = self._choice(())
        if self._at < len(self._tokens):
            self._refuse(f"rule {name}: {self._tokens[self._at][1]!r}")

    def _directive(self, statement: str) -> None:
        if ignored := _IGNORE.fullmatch(statement.rstrip()):
            self._tokens, self._at = self._lexed(ignored[1]), 0
            self._ignored.append(self._choice(()))
            return
        found = _IMPORT.fullmatch(statement)
        if not found:
            self._refuse(f"{statement.split()[0]} is not supported")
        pairs = [(found[1], found[2] or found[1])] if found[1] else []
        pairs += [(name.strip(), name.strip()) for name in (found[3] or "").split(",") if name.strip()]
        for name, own in pairs:
            if name not in _COMMON:
                self._refuse(f"common.{name} is not known")
            self._rules[own] = _Choice([[_COMMON[name]]])

    def _lexed(self, statement: str) -> list[tuple[str, str]]:
        tokens, at = [], 0
        while statement[at:].strip():
            match = _TOKEN.match(statement, at)
            if match is None:
                self._refuse(f"{statement[at:].strip()[:40]!r}")
            tokens.append((str(match.lastgroup), match[0].strip()))
            at = match.end()
        return tokens

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("", "")

    def _next(self) -> tuple[str, str]:
        token = self._peek()
        self._at += 1
        return token

    def _choice(self, ends: tuple[str, ...]) -> _Choice:
        ways: list[_Sequence] = [[]]
        while (token := self._peek()) != ("", "") and token[1] not in ends:
            self._at += 1
            match token:
                case ("sign", "|"):
                    ways.append([])
                case ("alias", _):
                    pass
                case _:
                    ways[-1].append(self._times(self._atom(token)))
        return _Choice(ways)

    def _atom(self, token: tuple[str, str]) -> "str | _Name | _Choice":
        kind, text = token
        match kind:
            case "string":
                letters = self._letters(text)
                if self._peek()[0] == "range":
                    self._at += 1
                    return f"[{_escaped(letters)}-{_escaped(self._letters(self._next()[1]))}]"
                return "".join(map(_either_case if text.endswith("i") else _escaped, letters))
            case "regex":
                return self._regex(text)
            case "name":
                return _Name(text.lstrip("!?"))
            case "sign" if text in "([":
                inner = self._choice((")" if text == "(" else "]",))
                if self._next()[1] != (")" if text == "(" else "]"):
                    self._refuse("a bracket is not closed")
                inner.times = "?" if text == "[" else ""
                return inner
        return self._refuse(f"{text!r} where it stands")

    def _times(self, atom: "str | _Name | _Choice") -> "str | _Name | _Choice":
        kind, text = self._peek()
        if kind == "times":
            least, _, most = text[1:].replace(" ", "").partition("..")
            times = f"{{{least},{most}}}" if most else f"{{{least}}}"
        elif kind == "sign" and text in "*+?":
            times = text
        else:
            return atom
        self._at += 1
        return _Choice([[atom]], times)

    def _letters(self, text: str) -> str:
        if not text.startswith('"'):
            self._refuse(f"{text!r} where a text was expected")
        body = text.rstrip("i")[1:-1]
        try:
            return re.sub(r"\\(u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|.)", _unescaped, body)
        except ValueError:
            self._refuse(f"{text[:40]!r}")

    def _regex(self, text: str) -> str:
        body, _, flags = text.rpartition("/")
        if set(flags) - {"s", "u"}:
            self._refuse(f"the flags of {text[:40]!r}")
        body = body[1:].replace("\\/", "/").replace("\\ ", " ")
        return f"(?:{_dots(body) if 's' in flags else body})"

    def _of(self, name: str) -> str:
        """Return the expression of a rule."""
        if name not in self._rules:
            self._refuse(f"there is no rule called {name[:60]}")
        if self._open.count(name) > self._depth:
            self._cut = True
            raise _TooDeepError
        known = (name, *sorted(self._open))
        if known not in self._known:
            if len(self._known) > _MOST_EXPRESSIONS:
                self._refuse("it is too large")
            self._known[known] = None
            self._open.append(name)
            try:
                self._known[known] = self._unrolled(name, self._rules[name].ways)
            finally:
                self._open.pop()
        found = self._known[known]
        if found is None:
            raise _TooDeepError
        if len(found) > _LONGEST:
            self._refuse("it is too large")
        return found

    def _unrolled(self, name: str, ways: list[_Sequence]) -> str:
        """Return the expression of a rule's ways; those that begin, or end, with the rule itself repeat the rest."""
        own = _Name(name)
        ways = [way for way in ways if way != [own]]
        first, last = [way for way in ways if way[:1] == [own]], [way for way in ways if way[-1:] == [own]]
        body = self._either([way for way in ways if own not in (*way[:1], *way[-1:])])
        before = self._repeated([way[:-1] for way in last if way[0] != own])
        after = self._repeated([way[1:] for way in first if way[-1] != own])
        one = f"(?:{before}{body}{after})" if before or after else body
        joined = [way[1:-1] for way in first if way[-1] == own]
        return f"(?:{one}(?:{self._either(joined)}{one})*)" if joined else one

    def _repeated(self, ways: list[_Sequence]) -> str:
        return f"(?:{self._either(ways)})*" if ways else ""

    def _either(self, ways: list[_Sequence]) -> str:
        """Return the expression of those ways that do not lead too deep; raise ``_TooDeepError`` if all do."""
        texts = []
        for way in ways:
            try:
                texts.append("".join(self._expression(part) for part in way))
            except _TooDeepError:
                continue
        if not texts:
            raise _TooDeepError
        return texts[0] if len(texts) == 1 else f"(?:{'|'.join(texts)})"

    def _expression(self, part: "str | _Name | _Choice") -> str:
        self._work += _WORK_OF_A_NAME if isinstance(part, _Name) else 1
        if self._work > _MOST_WORK:
            self._refuse("it is too large")
        between = self._between if self._open and not self._open[-1].isupper() else ""
        if isinstance(part, str):
            return part + between
        if isinstance(part, _Name):
            return f"(?:{self._of(part.name)}){between if part.name.isupper() else ''}"
        try:
            return f"(?:{self._either(part.ways)}){part.times}"
        except _TooDeepError:
            if part.times in ("?", "*"):
                return ""
            raise


def _escaped(letter: str) -> str:
    return letter if _PLAIN.fullmatch(letter) and letter != "-" else f"\\u{{{ord(letter):x}}}"


def _either_case(letter: str) -> str:
    ways = sorted({letter.lower(), letter.upper(), letter})
    return _escaped(letter) if len(ways) == 1 else f"[{''.join(map(_escaped, ways))}]"


def _unescaped(match: re.Match[str]) -> str:
    found = match[1]
    if found[0] in "ux" and len(found) > 1:
        return chr(int(found[1:], 16))
    return {"n": "\n", "t": "\t", "r": "\r", "f": "\f"}.get(found, found)


def _dots(body: str) -> str:
    """Return an expression in which a dot stands for any character, ends of lines among them."""
    return re.sub(r"\\.|\[(?:[^\]\\]|\\.)*+\]?|\.", lambda match: r"[\s\S]" if match[0] == "." else match[0], body)
