"""Regular languages: what they are made of, and what is left of one after a character (its derivative).

With derivatives (Brzozowski, 1964) languages can be intersected and complemented as easily as concatenated, which
patterns with look-aheads, lengths beside patterns and names that are not listed need. Equal expressions are one object,
so that an automaton's states are found again.
"""

from collections.abc import Iterable
from typing import Any

from puna.inference.format.charset import ANY, Ranges, intersection, of, span
from puna.inference.format.errors import Budget

DIGITS = span("0", "9")
Bounds = tuple[int, int | None]
_PER_STEP = 4
"""How many members of a union or an intersection are looked at in the time of a step."""


class Regex:
    """One expression. ``least`` and ``most`` (``None``: no bound) are lengths that its words keep to, in characters."""

    __slots__ = ("args", "kind", "least", "most", "nullable")

    def __init__(self, kind: str, args: tuple[Any, ...], nullable: bool, least: int, most: int | None) -> None:
        self.kind = kind
        self.args = args
        self.nullable = nullable
        self.least = least
        self.most = most


class Regexes:
    """Makes expressions, each once."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self._known: dict[tuple[object, ...], Regex] = {}
        self._derived: dict[tuple[Regex, int], Regex] = {}
        self._borders: dict[Regex, frozenset[int]] = {}
        self.nothing = self._one("nothing", (), nullable=False, least=0, most=0)
        self.empty = self._one("empty", (), nullable=True, least=0, most=0)
        self.anything = self.repeat(self.chars(ANY), 0, None)

    def chars(self, allowed: Ranges) -> Regex:
        """Return one character out of a set."""
        return self._one("chars", (allowed,), nullable=False, least=1, most=1) if allowed else self.nothing

    def text(self, text: str) -> Regex:
        """Return exactly this text."""
        return self.sequence(self.chars(of(letter)) for letter in text)

    def multiple(self, divisor: int, remainder: int = 0) -> Regex:
        """Return digits that complete a number, of which ``remainder`` is known, to a multiple of ``divisor``."""
        return self._one("multiple", (divisor, remainder), nullable=remainder == 0, least=0, most=None)

    def sequence(self, parts: Iterable[Regex]) -> Regex:
        """Return one after another."""
        result = self.empty
        for part in reversed(list(parts)):
            result = self.join(part, result)
        return result

    def join(self, first: Regex, second: Regex) -> Regex:
        """Return a word of the first, then one of the second."""
        if first is self.nothing or second is self.nothing:
            return self.nothing
        if first is self.empty:
            return second
        if second is self.empty:
            return first
        if first.kind == "join":
            head, tail = first.args
            return self.join(head, self.join(tail, second))
        most = None if first.most is None or second.most is None else first.most + second.most
        return self._one("join", (first, second), first.nullable and second.nullable, first.least + second.least, most)

    def either(self, parts: Iterable[Regex]) -> Regex:
        """Return what is in any of the languages."""
        flat: dict[Regex, None] = {}
        for part in parts:
            flat.update(dict.fromkeys(part.args if part.kind == "either" else (part,)))
        flat.pop(self.nothing, None)
        if self.anything in flat:
            return self.anything
        if len(flat) < 2:
            return next(iter(flat), self.nothing)
        self.budget.spend(len(flat) // _PER_STEP)
        members = sorted(flat, key=id)
        lengths = [member.most for member in members]
        most = None if None in lengths else max(length for length in lengths if length is not None)
        nullable = any(member.nullable for member in members)
        return self._one("either", tuple(members), nullable, min(member.least for member in members), most)

    def both(self, parts: Iterable[Regex]) -> Regex:
        """Return what is in all of the languages."""
        flat: dict[Regex, None] = {}
        for part in parts:
            flat.update(dict.fromkeys(part.args if part.kind == "both" else (part,)))
        flat.pop(self.anything, None)
        members = self._merged(list(flat))
        if self.nothing in members:
            return self.nothing
        if self.empty in members:
            return self.empty if all(member.nullable for member in members) else self.nothing
        self.budget.spend(len(members) // _PER_STEP)
        if len(members) < 2:
            return next(iter(members), self.anything)
        lengths = [member.most for member in members if member.most is not None]
        least, most = max(member.least for member in members), min(lengths, default=None)
        if most is not None and least > most:
            return self.nothing
        nullable = all(member.nullable for member in members)
        return self._one("both", tuple(sorted(members, key=id)), nullable, least, most)

    def negate(self, part: Regex) -> Regex:
        """Return every word that the language does not have."""
        if part.kind == "not":
            inside: Regex = part.args[0]
            return inside
        if part is self.nothing:
            return self.anything
        if part is self.anything:
            return self.nothing
        return self._one("not", (part,), not part.nullable, 0, None)

    def repeat(self, part: Regex, least: int, most: int | None) -> Regex:
        """Return ``least`` to ``most`` words, one after another; ``None`` is without end."""
        if most == 0 or part is self.empty or (part is self.nothing and least == 0):
            return self.empty
        if part is self.nothing or (least == most == 1):
            return part
        if part.kind == "either" and self.empty in part.args:
            return self.repeat(self.either(one for one in part.args if one is not self.empty), 0, most)
        least = 0 if part.nullable else least
        if part.kind == "repeat" and (once := _product(part.args[1:], (least, most))):
            return self.repeat(part.args[0], *once)
        longest = None if most is None or part.most is None else part.most * most
        return self._one("repeat", (part, least, most), least == 0, part.least * least, longest)

    def optional(self, part: Regex) -> Regex:
        """Return a word, or none."""
        return self.either([self.empty, part])

    def length(self, least: int, most: int | None) -> Regex:
        """Return any text of so many characters."""
        return self.repeat(self.chars(ANY), least, most)

    def _one(self, kind: str, args: tuple[Any, ...], nullable: bool, least: int, most: int | None) -> Regex:
        key = (kind, *args)
        found = self._known.get(key)
        if found is None:
            self.budget.spend()
            found = self._known[key] = Regex(kind, args, nullable, least, most)
        return found

    def _merged(self, members: list[Regex]) -> list[Regex]:
        """Make one of all repeated characters, and leave out bounds on lengths that the others keep to anyway."""
        plain = [one for one in members if one.kind == "repeat" and one.args[0].kind == "chars"]
        if len(plain) > 1:
            allowed, least, most = ANY, 0, None
            for one in plain:
                part, low, high = one.args
                allowed = intersection(allowed, part.args[0])
                least = max(least, low)
                most = high if most is None else most if high is None else min(most, high)
            if most is not None and least > most:
                return [self.nothing]
            merged = self.repeat(self.chars(allowed), least, most)
            members = [one for one in members if one not in plain] + [merged]
        for one in list(members):
            if one.kind == "repeat" and one.args[0] is self.chars(ANY) and len(members) > 1:
                others = [other for other in members if other is not one]
                low = max(other.least for other in others)
                high = min((other.most for other in others if other.most is not None), default=None)
                if one.least <= low and (one.most is None or (high is not None and high <= one.most)):
                    members = others
        return members

    def derivative(self, node: Regex, character: int) -> Regex:
        """Return what may follow after a character."""
        key = (node, character)
        found = self._derived.get(key)
        if found is None:
            self.budget.spend()
            found = self._derived[key] = self._derive(node, character)
        return found

    def _derive(self, node: Regex, character: int) -> Regex:
        args: tuple[Any, ...] = node.args
        match node.kind:
            case "chars":
                inside = any(low <= character <= high for low, high in args[0])
                return self.empty if inside else self.nothing
            case "multiple":
                divisor, remainder = args
                if not 48 <= character <= 57:
                    return self.nothing
                return self.multiple(divisor, (remainder * 10 + character - 48) % divisor)
            case "join":
                first, second = args
                rest = self.join(self.derivative(first, character), second)
                if not first.nullable:
                    return rest
                return self.either([rest, self.derivative(second, character)])
            case "either":
                return self.either([self.derivative(part, character) for part in args])
            case "both":
                return self.both([self.derivative(part, character) for part in args])
            case "not":
                return self.negate(self.derivative(args[0], character))
            case "repeat":
                part, least, most = args
                after = self.repeat(part, max(least - 1, 0), None if most is None else most - 1)
                return self.join(self.derivative(part, character), after)
        return self.nothing

    def borders(self, node: Regex) -> frozenset[int]:
        """Return the characters at which derivatives may begin to differ."""
        found = self._borders.get(node)
        if found is None:
            found = self._borders[node] = self._find_borders(node)
        return found

    def _find_borders(self, node: Regex) -> frozenset[int]:
        match node.kind:
            case "chars":
                return frozenset(edge for low, high in node.args[0] for edge in (low, high + 1))
            case "multiple":
                return frozenset(range(48, 59))
            case "join":
                first, second = node.args
                own = self.borders(first)
                return own | self.borders(second) if first.nullable else own
            case "either" | "both":
                return frozenset().union(*(self.borders(part) for part in node.args))
            case "not" | "repeat":
                return self.borders(node.args[0])
        return frozenset()


def _product(inner: Bounds, outer: Bounds) -> Bounds | None:
    """Return the bounds of a repetition of a repetition as of one, ``None`` if not every number between them is met."""
    (least, most), (few, many) = inner, outer
    met = few == many or (most is None and few > 0) or (few + 1) * least <= few * (most or 0) + 1
    return (least * few, None if most is None or many is None else most * many) if met else None
