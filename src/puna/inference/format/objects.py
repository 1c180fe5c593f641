"""Objects of JSON: the listed properties in their order, then further ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING

from puna.inference.format.errors import UnsupportedKeywordError
from puna.inference.format.facts import Facts, Part, Parts
from puna.inference.format.grammar import Item, Rule, literal
from puna.inference.format.instance import holds
from puna.inference.format.members import has_further, listed_properties, property_parts
from puna.inference.format.regex import Regex

if TYPE_CHECKING:
    from puna.inference.format.compiler import Compiler

_MOST_PATTERNS = 4


class Objects:
    """Makes the rules of objects."""

    def __init__(self, compiler: Compiler) -> None:
        self._compiler = compiler

    def rule(self, facts: Facts) -> Rule:
        """Return the rule for an object that is as the facts say."""
        return _Object(self._compiler, facts).rule()


class _Object:
    """One object. Rules are named after the next property and the number of those before it, as far as that counts."""

    def __init__(self, compiler: Compiler, facts: Facts) -> None:
        self._compiler = compiler
        self._grammar = compiler.grammar
        self._facts = facts
        self._required = set(facts.required)
        names = listed_properties(facts)
        finite = self._finite_names()
        if finite is not None:
            names = list(dict.fromkeys([*names, *finite]))
        self._names = [name for name in names if self._may_have(name)]
        self._further: list[tuple[Item, Rule]] = []
        if finite is None and has_further(facts):
            self._further = self._further_properties(names)
        self._impossible = not self._required <= set(self._names)
        self._least = facts.least_properties
        self._most = facts.most_properties
        if self._further and self._least > len(self._names) + 1:
            raise UnsupportedKeywordError("minProperties", "where names may be the same")
        self._counts = self._most is not None or self._least > len(self._required)
        self._known: dict[tuple[str, int, int], Rule] = {}

    def rule(self) -> Rule:
        """Return the rule."""
        if self._impossible:
            return self._grammar.add([])
        body: list[list[Item]] = [[self._next(0, 0)]]
        if not self._required and not self._least:
            body.append([literal("}")])
        return self._grammar.add([[literal("{"), self._compiler.space, self._grammar.add(body)]])

    def _finite_names(self) -> list[str] | None:
        """Return the names that properties may have, if they are listed."""
        if not self._facts.names:
            return None
        names: list[str] = []
        for facts in self._compiler.resolver.facts(self._facts.names):
            if facts.values is None:
                return None
            names += [name for name in facts.values if isinstance(name, str)]
        return names

    def _may_have(self, name: str) -> bool:
        compiler = self._compiler
        if not holds(compiler.resolver, compiler.strings, name, self._facts.names):
            return False
        return bool(compiler.resolver.facts(property_parts(compiler.strings, self._facts, name)))

    def _next(self, index: int, count: int) -> Rule:
        """Return the rule for one property and what comes after it, from the listed one at ``index`` on."""
        return self._once("next", index, count, self._next_body)

    def _after(self, index: int, count: int) -> Rule:
        """Return the rule for what comes after a property."""
        return self._once("after", index, count, self._after_body)

    def _once(self, kind: str, index: int, count: int, make: Callable[[int, int], Iterable[Sequence[Item]]]) -> Rule:
        key = (kind, index, count if self._counts else 0)
        if key not in self._known:
            self._known[key] = self._compiler.later(lambda: make(index, key[2]))
        return self._known[key]

    def _next_body(self, index: int, count: int) -> Iterable[Sequence[Item]]:
        full = self._most is not None and count >= self._most
        if index < len(self._names):
            name = self._names[index]
            if not full:
                value = self._compiler.value(property_parts(self._compiler.strings, self._facts, name))
                key = literal(f"{self._compiler.texts.key(name)}:")
                yield [key, self._compiler.blank, value, self._after(index + 1, self._more(count))]
            if name not in self._required:
                yield [self._next(index + 1, count)]
        elif not full:
            # A further name may be the same as one before it, so that only the first one counts towards the least.
            last = self._after(index + 1, self._more(count))
            yield from ([key, value, last] for key, value in self._further)

    def _after_body(self, index: int, count: int) -> Iterable[Sequence[Item]]:
        following = self._further_after if index > len(self._names) else self._next
        yield [literal(","), self._compiler.space, following(index, count)]
        if not self._required.intersection(self._names[index:]) and count >= (self._least if self._counts else 0):
            yield [self._compiler.space, literal("}")]

    def _further_after(self, index: int, count: int) -> Rule:
        return self._once("further", index, count, self._further_body)

    def _further_body(self, index: int, count: int) -> Iterable[Sequence[Item]]:
        if self._most is not None and count >= self._most:
            return
        enough = not self._counts or count >= self._least
        last = self._after(index, self._more(count) if self._most is not None and enough else count)
        yield from ([key, value, last] for key, value in self._further)

    def _more(self, count: int) -> int:
        """Return the number of properties after one more, as far as it matters."""
        highest = self._least if self._most is None else max(self._most, self._least)
        return min(count + 1, highest) if self._counts else 0

    def _further_properties(self, listed: list[str]) -> list[tuple[Item, Rule]]:
        """Return names with colon, and values, of properties that are not listed, apart by the patterns they match."""
        compiler, regexes = self._compiler, self._compiler.strings.regexes
        patterns = sorted({name for part in self._facts.objects for name in _table(part, "patternProperties")})
        if len(patterns) > _MOST_PATTERNS:
            raise UnsupportedKeywordError("patternProperties", f"more than {_MOST_PATTERNS}")
        names = self._name_language()
        others = [regexes.negate(regexes.text(name)) for name in listed]
        silent = bool(listed_properties(self._facts) or patterns)
        found: list[tuple[Item, Rule]] = []
        for matched in product((True, False), repeat=len(patterns)):
            inside = {name for name, one in zip(patterns, matched, strict=True) if one}
            said = self._facts.names or any(_says(part, "additionalProperties") for part in self._facts.objects)
            if not inside and silent and not said:
                continue
            languages = [
                compiler.strings.pattern(name) if name in inside else regexes.negate(compiler.strings.pattern(name))
                for name in patterns
            ]
            parts = self._parts(inside)
            if compiler.resolver.facts(parts):
                key = compiler.texts.further_key(
                    regexes.both([names, *others, *languages]), [literal(":"), compiler.blank]
                )
                found.append((key, compiler.value(parts)))
        return found

    def _parts(self, matched: set[str]) -> Parts:
        found = []
        for part in self._facts.objects:
            own = [one for name, one in _table(part, "patternProperties").items() if name in matched]
            found += own or [part.get("additionalProperties", True) if not isinstance(part, bool) else True]
        return tuple(found)

    def _name_language(self) -> Regex:
        compiler = self._compiler
        if not self._facts.names:
            return compiler.strings.regexes.anything
        ways = compiler.resolver.facts(self._facts.names)
        return compiler.strings.regexes.either(
            [
                compiler.strings.regexes.either(map(compiler.strings.regexes.text, map(str, facts.values)))
                if facts.values is not None
                else compiler.strings.language(facts)
                for facts in ways
                if "string" in facts.types
            ]
        )


def _table(part: Part, keyword: str) -> Mapping[str, Part]:
    return {} if isinstance(part, bool) else part.get(keyword, {})


def _says(part: Part, keyword: str) -> bool:
    return not isinstance(part, bool) and keyword in part
