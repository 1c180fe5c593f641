"""The arguments of a call where they are written one after another, each with its name before it."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from puna.inference.format.charset import complement, of
from puna.inference.format.compiler import Compiler
from puna.inference.format.errors import FormatError, UnsupportedKeywordError
from puna.inference.format.facts import Facts, Part, Parts, same
from puna.inference.format.grammar import Item, Rule, literal
from puna.inference.format.instance import meets
from puna.inference.format.keywords import TYPES
from puna.inference.format.members import has_further, listed_properties, property_parts
from puna.inference.format.notation import JSON, PLAIN, Notation
from puna.inference.format.numbers import decimals, integers
from puna.inference.format.scan import Mark, scan
from puna.inference.format.texts import Texts
from puna.inference.format.typed import property_schema, schema_types, typed_value

_NAME = re.compile(r"[\w.$-]+")
_NULL = "^[nN][uU][lL][lL]$"
_WORDS = (
    "^(?:[tT][rR][uU][eE]|[fF][aA][lL][sS][eE]|[nN][uU][lL][lL]|[nN][aA][nN]|[iI][nN][fF](?:[iI][nN][iI][tT][yY])?)$"
)
_BEGINS_AS_TEXT = "^(?:[A-Za-z\u00c0-\u024f\u0370-\u052f\u3041-\u9fff\uac00-\ud7a3]|$)"
_FURTHER = "^[A-Za-z_]\\w*$"
_DIGITS = 15
"""Numbers that have no type of their own in the text are no longer than a float keeps, and 64 bits hold."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """What stands before a name, between it and its value, and behind that: ``close``, by which its end is known.

    ``texts`` is how arguments that are texts are written, and ``text_between``, if anything, what stands before them
    instead of ``between``. Without quotes what an argument is depends on its type (``typed_value``).
    """

    before: str
    between: str
    close: str
    after: str = ""
    separator: str = ""
    texts: Notation = PLAIN
    trims: bool = False
    text_between: str = ""


@dataclass(frozen=True, slots=True)
class Writing:
    """How arguments are written: as one object in a notation, or in ``pairs`` with what is no text in the notation."""

    values: Notation = JSON
    pairs: Pairs | None = None


def arguments(compiler: Compiler, pairs: Pairs | None) -> Rule:
    """Return the rule for the arguments that a compiler's schema allows; raise ``FormatError``."""
    compiler.check()
    if pairs is None:
        rule = compiler.value((compiler.schema,))
    else:
        made = _Arguments(compiler, pairs)
        ways = [facts for facts in compiler.resolver.facts((compiler.schema,)) if "object" in facts.kinds()]
        rule = compiler.grammar.add([[made.way(facts)] for facts in ways])
    compiler.complete()
    return rule


class _Arguments:
    """The arguments of one function."""

    def __init__(self, compiler: Compiler, pairs: Pairs) -> None:
        self._compiler, self._pairs = compiler, pairs
        self._grammar, self._strings = compiler.grammar, compiler.strings
        self._texts = Texts(compiler.grammar, compiler.strings, pairs.texts)
        self._is_typed = not pairs.texts.quote

    def way(self, facts: Facts) -> Rule:
        """Return the rule for one way in which the arguments can be valid."""
        if facts.values is not None or facts.names or facts.most_properties is not None:
            raise UnsupportedKeywordError("enum, propertyNames or maxProperties", "of all arguments")
        if facts.least_properties > len(facts.required) or any(_has_patterns(part) for part in facts.objects):
            raise UnsupportedKeywordError("minProperties or patternProperties", "of all arguments")
        values: list[tuple[str, Sequence[Item]]] = []
        listed = listed_properties(facts)
        for name in listed:
            try:
                if not _NAME.fullmatch(name):
                    raise FormatError(f"the name {name[:80]!r} cannot be written")
                values.append((name, self._value(name, property_parts(self._strings, facts, name))))
            except FormatError:
                if name in facts.required:
                    raise
        # From the last on: what follows depends on whether anything stands before it.
        following = [self._further(facts, listed, begun=begun) for begun in (False, True)]
        for name, value in reversed(values):
            after = following[True]
            body = []
            for begun in (False, True):
                one: list[Item] = [*self._separator(begun), literal(self._before(name)), *value, after]
                body.append(self._grammar.add([one] if name in facts.required else [one, [following[begun]]]))
            following = body
        return following[False]

    def _separator(self, begun: bool) -> list[Item]:
        separated = begun and self._pairs.separator
        return [literal(self._pairs.separator), self._compiler.blank] if separated else []

    def _before(self, name: str) -> str:
        return f"{self._pairs.before}{name}{self._between}"

    @property
    def _between(self) -> str:
        """Return what stands between a name and any value, "" if that differs."""
        return "" if self._pairs.text_between else self._pairs.between

    def _of_kind(self, *, is_text: bool) -> str:
        """Return what stands between a name and a value of a kind, "" if it is the same for all."""
        pairs = self._pairs
        return (pairs.text_between if is_text else pairs.between) if pairs.text_between else ""

    def _further(self, facts: Facts, listed: Sequence[str], *, begun: bool) -> Rule:
        """Return the rule for arguments that are not listed, and for none."""
        grammar, regexes = self._grammar, self._strings.regexes
        if not has_further(facts):
            return grammar.add([[]])
        parts: Parts = tuple(
            True if isinstance(part, bool) else part.get("additionalProperties", True) for part in facts.objects
        )
        if not self._compiler.resolver.facts(parts):
            return grammar.add([[]])
        names = regexes.both(
            [self._strings.pattern(_FURTHER), *(regexes.negate(regexes.text(name)) for name in listed)]
        )
        between = [literal(self._between)] if self._between else []
        end: list[Item] = [*between, *self._value("", parts)]
        key = grammar.language(self._strings.automaton(names), end, spelling=PLAIN)
        rest = grammar.reserve()
        before = [literal(self._pairs.before)] if self._pairs.before else []
        grammar.define(rest, [[*self._separator(True), *before, key, rest], []])
        first: list[Item] = [*self._separator(begun), *before, key, rest]
        return grammar.add([first, []])

    def _value(self, name: str, parts: Parts) -> Sequence[Item]:
        """Return the items of a value with what closes it; raise ``FormatError`` if there is none that can be read."""
        schema = property_schema(self._compiler.schema, name)
        types = schema_types(self._compiler.schema, schema)
        body: list[Sequence[Item]] = []
        closing = f"{self._pairs.close}{self._pairs.after}"
        end: list[Item] = [literal(closing)] if closing else []
        for facts in self._compiler.resolver.facts(parts):
            if facts.values is not None:
                texts = list(self._listed(facts, types))
                body += [[self._grammar.choice(texts, end)]] if texts else []
                continue
            kinds = facts.kinds()
            for kind in TYPES:
                if kind in kinds and not (kind == "integer" and "number" in kinds) and self._is_read(kind, types):
                    is_text = kind == "string"
                    before = [literal(said)] if (said := self._of_kind(is_text=is_text)) else []
                    value = self._text(facts, types, end) if is_text else [self._other(kind, facts), *end]
                    body.append([*before, *value])
        if not body:
            raise FormatError(f"no value of {name[:80]!r} can be written")
        return [self._grammar.add(body)]

    def _is_read(self, kind: str, types: Sequence[str]) -> bool:
        """Return whether what is written as a value of a type is read as one."""
        if not self._is_typed:
            return True
        return kind in types or (kind == "integer" and "number" in types) or (kind == "string" and not types)

    def _listed(self, facts: Facts, types: Sequence[str]) -> Iterable[str]:
        free = Facts(**{name: getattr(facts, name) for name in Facts.__slots__} | {"values": None})
        for value in facts.values or ():
            if not meets(self._compiler.resolver, self._strings, value, free):
                continue
            notation = self._pairs.texts if isinstance(value, str) else self._compiler.notation
            try:
                text = notation.written(value)
            except FormatError:
                continue
            read = text.removeprefix("\n").removesuffix("\n") if self._pairs.trims else text
            if not self._is_typed or same(typed_value(read, types), value):
                yield self._of_kind(is_text=isinstance(value, str)) + text

    def _other(self, kind: str, facts: Facts) -> Item:
        """Return the rule for a value that is no text."""
        if not self._is_typed or kind not in ("integer", "number"):
            return self._compiler.typed(kind, facts)
        regexes = self._strings.regexes
        if kind == "integer" or facts.divisors:
            language = integers(regexes, facts.low, facts.high, facts.divisors)
        else:
            language = decimals(regexes, facts.low, facts.high)
        short = self._strings.automaton(regexes.both([language, regexes.length(1, _DIGITS)]))
        return self._grammar.language(self._strings.automaton(language) if short.is_empty else short, spelling=PLAIN)

    def _text(self, facts: Facts, types: Sequence[str], end: Sequence[Item]) -> Sequence[Item]:
        """Return the items of a text and what closes it."""
        if not self._is_typed:
            return [self._texts.rule(facts), *end]
        regexes, pairs = self._strings.regexes, self._pairs
        language = self._strings.language(facts)
        if set(types) <= {"string", "null"} and language is regexes.anything:
            marks = [Mark(pairs.close, ()), *map(Mark, pairs.texts.never)]
            marks += [Mark("\n", first=True), Mark(f"\n{pairs.close}")] if pairs.trims else []
            if "null" not in types:
                marks.append(Mark(f"null{pairs.close}", first=True, any_case=True))
            text = scan(self._grammar, marks, ends=[], raw=pairs.texts.raw)
            return [text, literal(pairs.after)] if pairs.after else [text]
        others = _NULL if set(types) <= {"string", "null"} else _WORDS
        limits = [] if "null" in types and others is _NULL else [regexes.negate(self._strings.pattern(others))]
        if pairs.trims:
            limits.append(regexes.repeat(regexes.chars(complement(of("\n"))), 0, None))
        if others is _WORDS:
            limits.append(self._strings.pattern(_BEGINS_AS_TEXT))
        words = self._texts.narrowed(regexes.both([language, *limits]))
        return [self._grammar.language(self._strings.automaton(words), end, spelling=PLAIN)]


def _has_patterns(part: Part) -> bool:
    return not isinstance(part, bool) and "patternProperties" in part
