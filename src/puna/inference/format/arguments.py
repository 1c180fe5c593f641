"""The arguments of a call where they are written one after another, each with its name before it."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from puna.inference.format.charset import complement, of
from puna.inference.format.compiler import Compiler
from puna.inference.format.errors import FormatError, FormatTooLargeError, UnsupportedKeywordError
from puna.inference.format.facts import Facts, Part, Parts, same
from puna.inference.format.grammar import Item, Rule, literal
from puna.inference.format.instance import meets
from puna.inference.format.keywords import TYPES
from puna.inference.format.members import has_further, item_parts, listed_properties, prefix_length, property_parts
from puna.inference.format.notation import JSON, PLAIN, Notation
from puna.inference.format.numbers import decimals, integers
from puna.inference.format.scan import Mark, scan
from puna.inference.format.texts import Texts
from puna.inference.format.typed import inner_schemas, kind_of, property_schema, schema_types, typed_value

Schemas = tuple[Any, ...]
"""What may be said of a value: schemas, any of which may hold."""
_NAME = re.compile(r"[\w.$-]+")
_NULL = "^[nN][uU][lL][lL]$"
_WORDS = (
    "^(?:[tT][rR][uU][eE]|[fF][aA][lL][sS][eE]|[nN][uU][lL][lL]|[nN][aA][nN]|[iI][nN][fF](?:[iI][nN][iI][tT][yY])?)$"
)
_BEGINS_AS_TEXT = "^(?:[A-Za-z\u00c0-\u024f\u0370-\u052f\u3041-\u9fff\uac00-\ud7a3]|$)"
_FURTHER = "^[A-Za-z_]\\w*$"
ITEM = "item"
"""What items of arrays are called where members stand in pairs."""
KEY, KIND = "\x07", "\x08"
"""What stands in ``Pairs`` for the argument's name, and for the type of its value."""
_DIGITS = 15
"""Numbers that have no type of their own in the text are no longer than a float keeps, and 64 bits hold."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """What stands before a name, between it and its value, and behind that: ``close``, by which its end is known.

    ``texts`` is how arguments that are texts are written, and ``text_between``, if anything, what stands before them
    instead of ``between``. ``between`` may tell the type (``KIND``) and ``after`` the name once more (``KEY``). Members
    of objects and items of arrays are in pairs of their own if they are ``nested``. Without quotes what an argument is
    depends on its type (``typed_value``).
    """

    before: str
    between: str
    close: str
    after: str = ""
    separator: str = ""
    texts: Notation = PLAIN
    trims: bool = False
    text_between: str = ""
    nested: bool = False


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
        self._nested: dict[tuple[object, ...], Rule] = {}

    def way(self, facts: Facts, schemas: Schemas | None = None) -> Rule:
        """Return the rule for one way in which the arguments, or an object in them (``schemas``), can be valid."""
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
                parts, behind = property_parts(self._strings, facts, name), self._behind(literal(name))
                values.append((name, self._value(parts, self._said_of(name, schemas), behind)))
            except FormatError:
                if name in facts.required:
                    raise
        # From the last on: what follows depends on whether anything stands before it.
        following = [self._further(facts, listed, schemas, begun=begun) for begun in (False, True)]
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

    def _said_of(self, name: str, schemas: Schemas | None) -> Schemas:
        """Return what is said of an argument, or of a property of an object in them."""
        root = self._compiler.schema
        return (property_schema(root, name),) if schemas is None else inner_schemas(root, schemas, name)

    def _any_name(self) -> Item:
        return self._grammar.language(self._strings.automaton(self._strings.pattern(_FURTHER)), spelling=PLAIN)

    def _behind(self, key: Item) -> list[Item]:
        """Return what stands behind the mark that ends a value of a name."""
        first, *others = self._pairs.after.split(KEY)
        found = [literal(first), *(item for part in others for item in (key, literal(part)))]
        return [item for item in found if item != literal("")]

    @property
    def _between(self) -> str:
        """Return what stands between a name and any value, "" if that differs."""
        return "" if self._pairs.text_between or KIND in self._pairs.between else self._pairs.between

    def _of_kind(self, kind: str) -> str:
        """Return what stands between a name and a value of a kind, "" if it is the same for all."""
        pairs = self._pairs
        if pairs.text_between:
            return pairs.text_between if kind == "string" else pairs.between
        return pairs.between.replace(KIND, "number" if kind == "integer" else kind) if KIND in pairs.between else ""

    def _further(self, facts: Facts, listed: Sequence[str], schemas: Schemas | None, *, begun: bool) -> Rule:
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
        end: list[Item] = [*between, *self._value(parts, self._said_of("", schemas), self._behind(self._any_name()))]
        key = grammar.language(self._strings.automaton(names), end, spelling=PLAIN)
        rest = grammar.reserve()
        before = [literal(self._pairs.before)] if self._pairs.before else []
        grammar.define(rest, [[*self._separator(True), *before, key, rest], []])
        first: list[Item] = [*self._separator(begun), *before, key, rest]
        return grammar.add([first, []])

    def _value(self, parts: Parts, schemas: Schemas, behind: Sequence[Item]) -> Sequence[Item]:
        """Return the items of a value with what closes it; raise ``FormatError`` if there is none that can be read."""
        root = self._compiler.schema
        types = [kind for schema in schemas for kind in schema_types(root, schema)]
        body: list[Sequence[Item]] = []
        end: list[Item] = [*([literal(self._pairs.close)] if self._pairs.close else []), *behind]
        for number, facts in enumerate(self._compiler.resolver.facts(parts)):
            if facts.values is not None:
                texts = list(self._listed(facts, types))
                body += [[self._grammar.choice(texts, end)]] if texts else []
                continue
            kinds = facts.kinds()
            for kind in TYPES:
                if kind in kinds and not (kind == "integer" and "number" in kinds) and self._is_read(kind, types):
                    before = [literal(said)] if (said := self._of_kind(kind)) else []
                    if kind == "string":
                        value = self._text(facts, types, behind)
                    else:
                        key = (kind, number, tuple(map(id, parts)), tuple(map(id, schemas)))
                        value = [self._inside(key, facts, types, schemas) or self._other(kind, facts), *end]
                    body.append([*before, *value])
        if not body:
            raise FormatError("no value of an argument can be written")
        return [self._grammar.add(body)]

    def _inside(self, key: tuple[object, ...], facts: Facts, types: Sequence[str], schemas: Schemas) -> Rule | None:
        """Return the rule for what has members, or items, in pairs of their own; ``None`` if that cannot be read so.

        Nothing between two tags is an empty text, where a value may be one.
        """
        kind = key[0]
        empty = facts.least_items if kind == "array" else len(facts.required)
        if not self._pairs.nested or kind not in ("array", "object") or (kind == "object" and "array" in types):
            return None
        if not empty and ("string" in types or {"array", "object"} <= set(types)):
            return None
        if key not in self._nested:
            rule = self._nested[key] = self._grammar.reserve()
            body: list[Sequence[Item]] = []
            try:
                body = [self._items(facts, schemas) if kind == "array" else [self.way(facts, schemas)]]
            except FormatTooLargeError:
                raise
            except FormatError:
                body = [[self._other(str(kind), facts)]]
            finally:
                self._grammar.define(rule, body)
        return self._nested[key]

    def _items(self, facts: Facts, schemas: Schemas) -> Sequence[Item]:
        if facts.unique or prefix_length(facts):
            raise UnsupportedKeywordError("uniqueItems or prefixItems", "of items in tags")
        if facts.most_items == 0:
            return []
        inner = inner_schemas(self._compiler.schema, schemas, None)
        before = literal(f"{self._pairs.before}{ITEM}{self._between}")
        item = self._grammar.add([[before, *self._value(item_parts(facts, 0), inner, self._behind(literal(ITEM)))]])
        return self._grammar.counted(item, facts.least_items, facts.most_items)

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
                yield self._of_kind(kind_of(value)) + text

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

    def _text(self, facts: Facts, types: Sequence[str], behind: Sequence[Item]) -> Sequence[Item]:
        """Return the items of a text and what closes it."""
        regexes, pairs = self._strings.regexes, self._pairs
        end = [*([literal(pairs.close)] if pairs.close else []), *behind]
        if not self._is_typed:
            return [self._texts.rule(facts), *end]
        language = self._strings.language(facts)
        if set(types) <= {"string", "null"} and language is regexes.anything:
            marks = [Mark(pairs.close, ()), *map(Mark, pairs.texts.never)]
            marks += [Mark("\n", first=True), Mark(f"\n{pairs.close}")] if pairs.trims else []
            if "null" not in types:
                marks.append(Mark(f"null{pairs.close}", first=True, any_case=True))
            text = scan(self._grammar, marks, ends=[], raw=pairs.texts.raw)
            return [text, *behind]
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
