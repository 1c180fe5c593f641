"""From a JSON Schema to a grammar: whatever follows the grammar is valid against the schema.

The grammar may allow less than the schema does: properties come in the order in which they are listed, numbers have no
exponent, an array of unique values to choose from is in their order. What cannot be enforced is refused.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import orjson

from puna.inference.format.arrays import Arrays
from puna.inference.format.charset import ANY
from puna.inference.format.disjoint import Alternatives
from puna.inference.format.document import Document, check_size
from puna.inference.format.errors import Budget, UnsupportedKeywordError
from puna.inference.format.facts import Facts, Parts, Resolver, unsatisfiable
from puna.inference.format.grammar import Grammar, Item, Rule, literal, quoted_characters
from puna.inference.format.instance import meets
from puna.inference.format.keywords import TYPES, Schema
from puna.inference.format.numbers import decimals, integers
from puna.inference.format.objects import Objects
from puna.inference.format.strings import Strings

_STEPS = 150_000


class Compiler:
    """Compiles one schema, in so many ``steps`` at most."""

    def __init__(self, schema: Schema, steps: int = _STEPS) -> None:
        budget = Budget(steps)
        self.grammar = Grammar(budget)
        self.strings = Strings(budget)
        self.resolver = Resolver(Document(schema), budget)
        self.resolver.told_apart = Alternatives(self.resolver, self.strings).told_apart
        self._schema = schema
        self._rules: dict[tuple[int, ...], tuple[Parts, Rule]] = {}
        self.space = self.grammar.add([[], ['" "'], ['"\\n"', *self.grammar.counted("[ \\t]", 0, 16)]])
        self.blank = self.grammar.add([[], ['" "']])
        self._objects = Objects(self)
        self._arrays = Arrays(self)
        self._later: list[tuple[Rule, Callable[[], Iterable[Sequence[Item]]]]] = []

    def text(self) -> str:
        """Return the grammar. Raises ``FormatError``."""
        check_size(self._schema)
        if "not" in self._schema:
            raise UnsupportedKeywordError("not")
        root = self.value((self._schema,))
        while self._later:
            rule, body = self._later.pop()
            self.grammar.define(rule, body())
        text = self.grammar.text(root)
        if not text:
            raise unsatisfiable()
        return text

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
        rule = self.later(lambda: [[one] for facts in self.resolver.facts(parts) for one in self._ways(facts)])
        self._rules[key] = (parts, rule)
        return rule

    def _ways(self, facts: Facts) -> Iterable[Item]:
        if facts.values is not None:
            free = replace(facts, values=None)
            fitting = [one for one in facts.values if meets(self.resolver, self.strings, one, free)]
            yield self.grammar.choice(orjson.dumps(one).decode() for one in fitting)
            return
        kinds = facts.kinds()
        for kind in TYPES:
            if kind in kinds and not (kind == "integer" and "number" in kinds):
                yield self._typed(kind, facts)

    def _typed(self, kind: str, facts: Facts) -> Item:
        match kind:
            case "object":
                return self._objects.rule(facts)
            case "array":
                return self._arrays.rule(facts)
            case "string":
                return self.string(facts)
            case "boolean":
                return self.grammar.add([['"true"'], ['"false"']])
            case "null":
                return '"null"'
        regexes = self.strings.regexes
        if kind == "integer" or facts.divisors:
            language = integers(regexes, facts.low, facts.high, facts.divisors)
        else:
            language = decimals(regexes, facts.low, facts.high)
        return self.grammar.language(self.strings.automaton(language), quoted=False)

    def string(self, facts: Facts) -> Rule:
        """Return the rule for a text in quotes."""
        quote = literal('"')
        language = self.strings.language(facts)
        if language is self.strings.regexes.anything:
            return self.grammar.add([[quote, *self.grammar.counted(self.character(), 0, None), quote]])
        if language.kind == "repeat" and language.args[0] is self.strings.regexes.chars(ANY):
            counted = self.grammar.counted(self.character(), *language.args[1:])
            return self.grammar.add([[quote, *counted, quote]])
        words = self.grammar.language(self.strings.automaton(language), [quote], quoted=True)
        return self.grammar.add([[quote, words]])

    def character(self) -> Rule:
        """Return the rule for any one character in quotes."""
        raw, *_ = quoted_characters(ANY)
        hexadecimal = "[0-9a-fA-F]"
        code = self.grammar.add(
            [["[0-9a-cA-CefEF]", hexadecimal], ["[dD]", "[0-7]"]]  # surrogates stand for half a character
        )
        escape = self.grammar.add([['["\\\\/bfnrt]'], ['"u"', code, hexadecimal, hexadecimal]])
        return self.grammar.add([[raw], [literal("\\"), escape]])
