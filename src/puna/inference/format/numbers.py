"""Numbers of JSON, as text, within exact bounds.

They are written without an exponent, with at most fifteen digits where bounds do not need more: more than a double
keeps would be read back as another number, perhaps one out of bounds.
"""

from dataclasses import dataclass
from fractions import Fraction

from puna.inference.format.charset import of, span
from puna.inference.format.errors import UnsupportedKeywordError
from puna.inference.format.regex import DIGITS, Regex, Regexes

_DIGITS = 15
_LARGEST = 10**60
_LARGEST_DIVISOR = 1000
_SMALL_DIVISOR = 50
"""Counting digits beside the remainders of a greater one would take too many states."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A bound, exact; ``open`` if it does not itself belong to what it bounds."""

    at: Fraction
    open: bool = False


def integers(regexes: Regexes, low: Bound | None, high: Bound | None, divisors: tuple[int, ...]) -> Regex:
    """Return the integers from ``low`` to ``high`` that all of ``divisors`` divide."""
    least = None if low is None else low.at.__floor__() + 1 if low.open else low.at.__ceil__()
    most = None if high is None else high.at.__ceil__() - 1 if high.open else high.at.__floor__()
    size = max([_DIGITS, *(len(str(abs(bound))) + 1 for bound in (least, most) if bound is not None)])
    further = None if max(divisors, default=1) > _SMALL_DIVISOR else size - 1
    positive = regexes.join(regexes.chars(span("1", "9")), regexes.repeat(regexes.chars(DIGITS), 0, further))
    form = regexes.either([regexes.text("0"), positive])
    form = regexes.both([form, *(_multiples(regexes, divisor) for divisor in divisors)])
    return _signed(regexes, form, _closed(least), _closed(most))


def decimals(regexes: Regexes, low: Bound | None, high: Bound | None) -> Regex:
    """Return the numbers from ``low`` to ``high``."""
    whole = max((len(str(abs(bound.at).__floor__())) for bound in (low, high) if bound is not None), default=1)
    if whole > _DIGITS:  # numbers of so many digits are not written at all
        low = None if low and low.at < 0 and abs(low.at) >= 10**_DIGITS else low
        high = None if high and high.at > 0 and high.at >= 10**_DIGITS else high
        if any(bound and abs(bound.at) >= 10**_DIGITS for bound in (low, high)):
            return regexes.nothing
        whole = max((len(str(abs(bound.at).__floor__())) for bound in (low, high) if bound is not None), default=1)
    digit = regexes.chars(DIGITS)
    integer = regexes.join(regexes.chars(span("1", "9")), regexes.repeat(digit, 0, _DIGITS - 1))
    point = regexes.sequence([regexes.text("."), digit, regexes.repeat(digit, 0, max(_DIGITS - whole, 1) - 1)])
    form = regexes.join(regexes.either([regexes.text("0"), integer]), regexes.optional(point))
    return _signed(regexes, form, low, high)


def _closed(bound: int | None) -> Bound | None:
    return None if bound is None else Bound(Fraction(bound))


def _multiples(regexes: Regexes, divisor: int) -> Regex:
    zeros = 0
    while divisor % 10 == 0:
        divisor, zeros = divisor // 10, zeros + 1
    if divisor > _LARGEST_DIVISOR or zeros > _DIGITS:
        raise UnsupportedKeywordError("multipleOf", f"more than {_LARGEST_DIVISOR}")
    if divisor == 1 and not zeros:
        return regexes.anything
    shifted = regexes.join(regexes.multiple(divisor), regexes.text("0" * zeros))
    return regexes.either([regexes.text("0"), shifted])


def _signed(regexes: Regexes, form: Regex, low: Bound | None, high: Bound | None) -> Regex:
    """Return ``form`` with its sign; there is no minus before zero."""
    above = regexes.both([form, *_within(regexes, low, high)])
    mirrored = (high and Bound(-high.at, high.open), low and Bound(-low.at, low.open))
    if mirrored[0] is None or mirrored[0].at < 0 or (mirrored[0].at == 0 and not mirrored[0].open):
        mirrored = (Bound(Fraction(0), True), mirrored[1])
    below = regexes.both([form, *_within(regexes, *mirrored)])
    return regexes.either([above, regexes.join(regexes.text("-"), below)])


def _within(regexes: Regexes, low: Bound | None, high: Bound | None) -> list[Regex]:
    """Return what bounds a number without a sign."""
    found = []
    if high is not None:
        found.append(regexes.nothing if high.at < 0 else _Digits(regexes, high).at_most())
    if low is not None and (low.at > 0 or (low.at == 0 and low.open)):
        found.append(_Digits(regexes, low).at_least())
    return found


class _Digits:
    """Compares texts of numbers with a bound, digit by digit."""

    def __init__(self, regexes: Regexes, bound: Bound) -> None:
        if bound.at >= _LARGEST:
            raise UnsupportedKeywordError("minimum or maximum", "of more than 60 digits")
        self._regexes = regexes
        self._open = bound.open
        self._whole = str(bound.at.__floor__())
        self._rest = _fraction(bound.at - bound.at.__floor__())
        self._digit = regexes.chars(DIGITS)
        self._digits = regexes.repeat(self._digit, 0, None)
        self._point = regexes.optional(regexes.join(regexes.text("."), self._digits))

    def at_most(self) -> Regex:
        """Return the numbers up to the bound."""
        whole, rest, regexes = self._whole, self._rest, self._regexes
        size = len(whole)
        found = [regexes.join(regexes.repeat(self._digit, 1, size - 1), self._point)] if size > 1 else []
        found += [
            regexes.sequence(
                [self._after(whole[:at], "0", chr(ord(whole[at]) - 1)), self._more(size - at - 1), self._point]
            )
            for at in range(size)
        ]
        found.append(regexes.join(regexes.text(whole), self._equal_whole_below(rest)))
        return regexes.either(found)

    def _equal_whole_below(self, rest: str) -> Regex:
        regexes = self._regexes
        zeros = regexes.repeat(regexes.text("0"), 0, None)
        after = [
            *(
                regexes.join(self._after(rest[:at], "0", chr(ord(rest[at]) - 1)), self._digits)
                for at in range(len(rest))
            ),
            *(regexes.text(rest[:at]) for at in range(1, len(rest))),
        ]
        if not self._open:
            after.append(regexes.join(regexes.text(rest), zeros))
        below = regexes.join(regexes.text("."), regexes.either(after))
        return regexes.optional(below) if rest or not self._open else below

    def at_least(self) -> Regex:
        """Return the numbers from the bound on."""
        whole, rest, regexes = self._whole, self._rest, self._regexes
        size = len(whole)
        found = [regexes.sequence([regexes.repeat(self._digit, size + 1, None), self._point])]
        found += [
            regexes.sequence(
                [self._after(whole[:at], chr(ord(whole[at]) + 1), "9"), self._more(size - at - 1), self._point]
            )
            for at in range(size)
        ]
        zeros = regexes.repeat(regexes.text("0"), 0, None)
        more = regexes.sequence([zeros, regexes.chars(span("1", "9")), self._digits])
        after = [regexes.join(self._above(rest, at), self._digits) for at in range(len(rest))]
        after.append(regexes.join(regexes.text(rest), more if self._open else self._digits))
        above = regexes.join(regexes.text("."), regexes.either(after))
        found.append(regexes.join(regexes.text(whole), above if rest or self._open else regexes.optional(above)))
        return regexes.either(found)

    def _more(self, count: int) -> Regex:
        return self._regexes.repeat(self._digit, count, count)

    def _below(self, digits: str, at: int) -> Regex:
        """Return the digits before ``at``, then one that is less."""
        return self._after(digits[:at], "0", chr(ord(digits[at]) - 1))

    def _above(self, digits: str, at: int) -> Regex:
        """Return the digits before ``at``, then one that is greater."""
        return self._after(digits[:at], chr(ord(digits[at]) + 1), "9")

    def _after(self, prefix: str, low: str, high: str) -> Regex:
        """Return the prefix, then one digit from ``low`` to ``high``."""
        allowed = of("".join(chr(code) for code in range(ord(low), ord(high) + 1)))
        return self._regexes.join(self._regexes.text(prefix), self._regexes.chars(allowed))


def _fraction(rest: Fraction) -> str:
    """Return the digits after the point, without zeros at the end; bounds are decimals, so they end."""
    digits: list[str] = []
    while rest and len(digits) < 400:
        rest *= 10
        digits.append(str(rest.__floor__()))
        rest -= rest.__floor__()
    return "".join(digits)
