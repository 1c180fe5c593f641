"""The texts that facts allow, as regular languages."""

from puna.inference.format.automaton import Automaton, automaton
from puna.inference.format.errors import Budget
from puna.inference.format.facts import Facts
from puna.inference.format.formats import format_pattern
from puna.inference.format.pattern import pattern_language
from puna.inference.format.regex import Regex, Regexes


class Strings:
    """Languages of texts within one schema, each made once."""

    def __init__(self, budget: Budget) -> None:
        self.regexes = Regexes(budget)
        self._patterns: dict[str, Regex] = {}
        self._automata: dict[Regex, Automaton] = {}

    def pattern(self, pattern: str) -> Regex:
        """Return the texts in which a pattern is found."""
        if pattern not in self._patterns:
            self._patterns[pattern] = pattern_language(self.regexes, pattern)
        return self._patterns[pattern]

    def automaton(self, language: Regex) -> Automaton:
        """Return the automaton of a language."""
        if language not in self._automata:
            self._automata[language] = automaton(self.regexes, language)
        return self._automata[language]

    def finds(self, pattern: str, text: str) -> bool:
        """Return whether the text has a match of the pattern."""
        return self.automaton(self.pattern(pattern)).accepts(text)

    def language(self, facts: Facts) -> Regex:
        """Return the texts that the facts allow."""
        regexes = self.regexes
        found = [regexes.length(facts.least_length, facts.most_length), *map(self.pattern, facts.patterns)]
        for name in facts.formats:
            pattern, longest = format_pattern(name, facts.most_length)
            if pattern:
                found += [self.pattern(pattern), regexes.length(0, longest)]
        return regexes.both(found)
