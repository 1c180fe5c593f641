"""From a JSON Schema to a grammar: whatever follows the grammar is valid against the schema.

The grammar may allow less than the schema does: properties come in the order in which they are listed, numbers have no
exponent, an array of unique values to choose from is in their order. What cannot be enforced is refused.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Self

from puna.inference.format.arrays import Arrays
from puna.inference.format.disjoint import Alternatives
from puna.inference.format.document import Document, check_size
from puna.inference.format.errors import Budget, UnsupportedKeywordError
from puna.inference.format.facts import Facts, Parts, Resolver, unsatisfiable
from puna.inference.format.grammar import Grammar, Item, Rule
from puna.inference.format.instance import meets
from puna.inference.format.keywords import TYPES, Schema
from puna.inference.format.notation import JSON, PLAIN, Notation
from puna.inference.format.numbers import decimals, integers
from puna.inference.format.objects import Objects
from puna.inference.format.strings import Strings
from puna.inference.format.texts import Texts

STEPS = 150_000


class Compiler:
    """Compiles one schema, in so many ``steps`` at most, into a grammar of its own or rules of one that there is.

    To be used in a ``with``: its parts refer to each other, and would stay until a look for garbage.
    """

    def __init__(
        self,
        schema: Schema,
        steps: int = STEPS,
        *,
        notation: Notation = JSON,
        grammar: Grammar | None = None,
    ) -> None:
        budget = Budget(steps)
        self.notation = notation
        self.grammar = grammar or Grammar(budget)
        self.grammar.budget = budget
        self.strings = Strings(budget)
        self.resolver = Resolver(Document(schema), budget)
        self.resolver.told_apart = Alternatives(self.resolver, self.strings).told_apart
        self.schema = schema
        self._rules: dict[tuple[int, ...], tuple[Parts, Rule]] = {}
        self.blank = self.grammar.add([[], ['" "']])
        self.space = self.blank
        if notation.lines:
            self.space = self.grammar.add([[], ['" "'], ['"\\n"', *self.grammar.counted("[ \\t]", 0, 16)]])
        self.texts = Texts(self.grammar, self.strings, notation)
        self._objects = Objects(self)
        self._arrays = Arrays(self)
        self._later: list[tuple[Rule, Callable[[], Iterable[Sequence[Item]]]]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.resolver.told_apart = list
        vars(self).clear()

    def text(self) -> str:
        """Return the grammar. Raises ``FormatError``."""
        self.check()
        root = self.value((self.schema,))
        self.complete()
        text = self.grammar.text(root)
        if not text:
            raise unsatisfiable()
        return text

    def check(self) -> None:
        """Raise ``FormatError`` for a schema that is too large, or forbids at its top."""
        check_size(self.schema)
        if "not" in self.schema:
            raise UnsupportedKeywordError("not")

    def complete(self) -> None:
        """Make the rules that were promised."""
        while self._later:
            rule, body = self._later.pop()
            self.grammar.define(rule, body())

    @property
    def leaves_repeats(self) -> bool:
        """Return whether items that must differ may be the same where only the grammar binds."""
        return bool(self._arrays.checked)

    def later(self, body: Callable[[], Iterable[Sequence[Item]]]) -> Rule:
        """Return the name of a rule that is made in its turn, so that deep schemas need no deep calls."""
        rule = self.grammar.reserve()
        self._later.append((rule, body))
        return rule

    def value(self, parts: Parts) -> Rule:
        """Return the rule for a value that is valid against all the schemas."""
        key = tuple(sorted({id(part) for part in parts if part is not True}))
        if key in self._rules:
            return self._rules[key][1]
        rule = self.later(lambda: [[one] for facts in self.resolver.facts(parts) for one in self.ways(facts)])
        self._rules[key] = (parts, rule)
        return rule

    def ways(self, facts: Facts) -> Iterable[Item]:
        """Yield the rules for a value that is as the facts say."""
        if facts.values is not None:
            free = replace(facts, values=None)
            fitting = [one for one in facts.values if meets(self.resolver, self.strings, one, free)]
            yield self.grammar.choice(self.notation.written(one) for one in fitting)
            return
        kinds = facts.kinds()
        for kind in TYPES:
            if kind in kinds and not (kind == "integer" and "number" in kinds):
                yield self.typed(kind, facts)

    def typed(self, kind: str, facts: Facts) -> Item:
        """Return the rule for a value of one type."""
        match kind:
            case "object":
                return self._objects.rule(facts)
            case "array":
                return self._arrays.rule(facts)
            case "string":
                return self.texts.rule(facts)
            case "boolean":
                return self.grammar.add([['"true"'], ['"false"']])
            case "null":
                return '"null"'
        regexes = self.strings.regexes
        if kind == "integer" or facts.divisors:
            language = integers(regexes, facts.low, facts.high, facts.divisors)
        else:
            language = decimals(regexes, facts.low, facts.high)
        return self.grammar.language(self.strings.automaton(language), spelling=PLAIN)
