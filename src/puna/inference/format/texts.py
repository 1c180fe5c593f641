"""Texts, and the keys of objects, in the notation of a grammar."""

import re
from collections.abc import Sequence

from puna.inference.format.charset import ANY, intersection
from puna.inference.format.errors import FormatError
from puna.inference.format.facts import Facts
from puna.inference.format.grammar import Grammar, Item, Rule, literal
from puna.inference.format.notation import JSON, PLAIN, Notation
from puna.inference.format.regex import Regex
from puna.inference.format.scan import Mark, scan
from puna.inference.format.strings import Strings

_BARE = re.compile(r"[\w.$-]+")
_BARE_PATTERN = r"^[A-Za-z_]\w*$"


class Texts:
    """Makes the rules of texts."""

    def __init__(self, grammar: Grammar, strings: Strings, notation: Notation) -> None:
        self._grammar, self._strings, self._notation = grammar, strings, notation

    def rule(self, facts: Facts) -> Rule:
        """Return the rule for a text with its quotes."""
        grammar, notation = self._grammar, self._notation
        quote = literal(notation.quote)
        language = self._strings.language(facts)
        if language is self._strings.regexes.anything:
            return self._anything()
        if notation is JSON or notation.escapes == "json":
            if language.kind == "repeat" and language.args[0] is self._strings.regexes.chars(ANY):
                counted = grammar.counted(self.character(), *language.args[1:])
                return grammar.add([[quote, *counted, quote]])
        else:
            language = self.narrowed(language)
        words = grammar.language(self._strings.automaton(language), [quote], spelling=notation)
        return grammar.add([[quote, words]])

    def narrowed(self, language: Regex) -> Regex:
        """Return the texts of a language that can be written; raise ``FormatError`` if there are none."""
        regexes = self._strings.regexes
        writable = regexes.repeat(regexes.chars(self._notation.writable), 0, None)
        found = regexes.both([language, writable])
        if self._strings.automaton(found).is_empty:
            raise FormatError("no text that the schema allows can be written in a call")
        return found

    def _anything(self) -> Rule:
        grammar, notation = self._grammar, self._notation
        quote = literal(notation.quote)
        if notation.escapes == "json" and not notation.never:
            return grammar.add([[quote, *grammar.counted(self.character(), 0, None), quote]])
        marks = [Mark(text) for text in notation.never]
        if notation.escapes:
            text = scan(grammar, marks, raw=notation.raw, others=self._escapes(), ends=[[quote]])
        else:
            text = scan(grammar, [*marks, Mark(notation.quote, ())], ends=[])
        return grammar.add([[quote, text]])

    def character(self) -> Rule:
        """Return the rule for any one character in quotes of JSON."""
        raw = next(iter(Notation(never=self._notation.never).letters(intersection(ANY, self._notation.raw))))
        return self._grammar.add([[raw], *self._escapes()])

    def _escapes(self) -> list[list[Item]]:
        backslash = literal("\\")
        if self._notation.escapes == "python":
            return [[backslash, '["\\\\nrt]']]
        hexadecimal = "[0-9a-fA-F]"
        code = self._grammar.add(
            [["[0-9a-cA-CefEF]", hexadecimal], ["[dD]", "[0-7]"]]  # surrogates stand for half a character
        )
        escape = self._grammar.add([['["\\\\/bfnrt]'], ['"u"', code, hexadecimal, hexadecimal]])
        return [[backslash, escape]]

    def key(self, name: str) -> str:
        """Return a key of an object as it is written; raise ``FormatError`` for one that cannot be."""
        if not self._notation.bare:
            return self._notation.written(name)
        if not _BARE.fullmatch(name):
            raise FormatError(f"the name {name[:80]!r} cannot be written")
        return name

    def further_key(self, language: Regex, end: Sequence[Item]) -> Rule:
        """Return the rule for a key out of a language, and ``end``."""
        grammar, strings = self._grammar, self._strings
        if self._notation.bare:
            bare = strings.regexes.both([language, strings.pattern(_BARE_PATTERN)])
            return grammar.language(strings.automaton(bare), end, spelling=PLAIN)
        if language is strings.regexes.anything:
            return grammar.add([[self._anything(), *end]])
        quote = literal(self._notation.quote)
        words = grammar.language(strings.automaton(language), [quote, *end], spelling=self._notation)
        return grammar.add([[quote, words]])
