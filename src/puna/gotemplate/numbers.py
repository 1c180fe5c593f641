"""Go's text for numbers: ``strconv.FormatFloat`` and the integer forms of ``fmt``."""

import math
from dataclasses import dataclass


@dataclass(slots=True)
class Flags:
    """The flags, width and precision of one formatting verb."""

    plus: bool = False
    minus: bool = False
    sharp: bool = False
    space: bool = False
    zero: bool = False
    plus_v: bool = False
    sharp_v: bool = False
    width: int | None = None
    precision: int | None = None


def pad(text: str, flags: Flags, *, zero: bool | None = None) -> str:
    """``text`` at the width asked for. Zeros are put on the left only."""
    if not flags.width:
        return text
    if flags.minus:
        return text.ljust(flags.width)
    fill = "0" if (flags.zero if zero is None else zero) else " "
    return text.rjust(flags.width, fill)


def _digits(value: int, base: int, *, upper: bool) -> str:
    code = {2: "b", 8: "o", 10: "d", 16: "X" if upper else "x"}[base]
    return format(value, code)


def format_integer(value: int, base: int, verb: str, flags: Flags) -> str:
    """An integer in a base, with the prefixes and zeros that the flags ask for."""
    negative = value < 0
    signed = negative or flags.plus or flags.space
    zeros = 0
    if flags.precision is not None:
        zeros = flags.precision
        if zeros == 0 and value == 0:
            return " " * (flags.width or 0)
    elif flags.zero and not flags.minus and flags.width is not None:
        zeros = flags.width - signed
    text = _digits(abs(value), base, upper=verb == "X").rjust(zeros, "0")
    if flags.sharp:
        prefix = {2: "0b", 8: "" if text.startswith("0") else "0", 16: "0X" if verb == "X" else "0x"}
        text = prefix.get(base, "") + text
    if verb == "O":
        text = "0o" + text
    sign = "-" if negative else "+" if flags.plus else " " if flags.space else ""
    return pad(sign + text, flags, zero=False)


def format_unicode(code: int, flags: Flags) -> str:
    """``U+0078``, or ``U+0078 'x'`` with the sharp flag."""
    digits = max(4, flags.precision or 0)
    text = f"U+{code & 0xFFFFFFFFFFFFFFFF:X}"
    text = "U+" + text[2:].rjust(digits, "0")
    if flags.sharp and 0 <= code <= 0x10FFFF and not 0xD800 <= code < 0xE000 and chr(code).isprintable():
        text += f" '{chr(code)}'"
    return pad(text, flags, zero=False)


def _shortest(value: float) -> tuple[str, int]:
    """The fewest digits that name ``value``, and the place of the decimal point before which they stand."""
    mantissa, exponent = f"{value!r}e0".split("e")[:2] if "e" not in repr(value) else repr(value).split("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent)
    if whole.strip("0") == "":
        point -= len(whole) + len(fraction) - len(digits)
        point = int(exponent) - (len(fraction) - len(fraction.lstrip("0")))
    digits = digits.rstrip("0")
    return (digits or "0", point if digits else 1)


def _exponent_form(digits: str, exponent: int, letter: str) -> str:
    head = digits[0] + ("." + digits[1:] if len(digits) > 1 else "")
    return f"{head}{letter}{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def _plain_form(digits: str, point: int) -> str:
    if point <= 0:
        return "0." + "0" * -point + digits
    if point >= len(digits):
        return digits + "0" * (point - len(digits))
    return digits[:point] + "." + digits[point:]


def _general(value: float, precision: int, letter: str) -> str:
    """``%g``: the shorter of the two forms by Go's rule."""
    if precision < 0:
        digits, point = _shortest(value)
        limit = 6
    else:
        digits, point = _rounded(value, max(precision, 1))
        limit = max(precision, 1)
        if limit > len(digits) and len(digits) >= point:
            limit = len(digits)
    exponent = point - 1
    if exponent < -4 or exponent >= limit:
        return _exponent_form(digits, exponent, "E" if letter == "G" else "e")
    return _plain_form(digits, point)


def _rounded(value: float, count: int) -> tuple[str, int]:
    mantissa, exponent = f"{value:.{count - 1}e}".split("e")
    digits = mantissa.replace(".", "").rstrip("0")
    return (digits or "0", int(exponent) + 1 if digits else 1)


def _hexadecimal(value: float, precision: int, letter: str) -> str:
    """``%x`` of a float: ``0x1.8p+01``."""
    mantissa, exponent = math.frexp(value)
    power = exponent - 1 if value else 0
    fraction = round((mantissa * 2 - 1) * (1 << 52)) if value else 0
    if precision >= 0 and precision < 13:
        shift = 4 * (13 - precision)
        fraction = (fraction + (1 << (shift - 1)) - 1 + ((fraction >> shift) & 1)) >> shift << shift
    lead = 1 if value else 0
    if fraction >> 52:
        fraction -= 1 << 52
        power += 1
    digits = f"{fraction:013x}"
    digits = digits.rstrip("0") if precision < 0 else digits[:precision].ljust(precision, "0")
    text = f"0x{lead}" + ("." + digits if digits else "") + f"p{'-' if power < 0 else '+'}{abs(power):02d}"
    return text.upper() if letter == "X" else text


def _binary(value: float) -> str:
    """``%b`` of a float: an integer mantissa and a power of two."""
    mantissa, exponent = math.frexp(value)
    if not value:
        return "0p-1074"
    shift = 53 if exponent > -1022 else exponent + 1074
    return f"{int(math.ldexp(mantissa, shift))}p{exponent - shift:+d}"


def float_text(value: float, verb: str, precision: int) -> str:
    """``strconv.FormatFloat(value, verb, precision, 64)``; -1 asks for the fewest digits needed."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    sign = "-" if math.copysign(1.0, value) < 0 else ""
    value = abs(value)
    if verb in "gG":
        return sign + _general(value, precision, verb)
    if verb in "xX":
        return sign + _hexadecimal(value, precision, verb)
    if verb == "b":
        return sign + _binary(value)
    if precision < 0:
        digits, point = _shortest(value)
        plain = _plain_form(digits, point)
        return sign + (plain if verb == "f" else _exponent_form(digits, point - 1, verb))
    return sign + f"{value:.{precision}{verb}}"


def _restore_zeros(text: str, verb: str, precision: int) -> str:
    """The sharp flag: always a decimal point, and the zeros that ``%g`` drops."""
    missing = (6 if precision < 0 else precision) if verb in "gGx" else 0
    marks = "pP" if verb in "xX" else "eEpP"
    cut = next((i for i, char in enumerate(text) if char in marks), len(text))
    body, tail = text[:cut], text[cut:]
    significant = body.replace(".", "").lstrip("0")
    missing -= len(significant)
    if "." not in body:
        if body == "0":
            missing -= 1
        body += "."
    return body + "0" * max(0, missing) + tail


def format_float(value: float, verb: str, default_precision: int, flags: Flags) -> str:
    """A float with the sign and padding that the flags ask for."""
    precision = default_precision if flags.precision is None else flags.precision
    text = float_text(value, verb, precision)
    sign = text[0] if text[0] in "+-" else "+"
    text = text.removeprefix(sign)
    if flags.space and sign == "+" and not flags.plus:
        sign = " "
    if text in ("Inf", "NaN"):
        shown = sign if text == "Inf" and (sign != "+" or flags.plus) else ""
        shown = sign if text == "NaN" and (flags.space or flags.plus) else shown
        return pad((shown or ("+" if text == "Inf" else "")) + text, flags, zero=False)
    if flags.sharp and verb != "b":
        text = _restore_zeros(text, verb, precision)
    if flags.plus or sign != "+":
        if flags.zero and not flags.minus and flags.width is not None and flags.width > len(text) + 1:
            return sign + text.rjust(flags.width - 1, "0")
        return pad(sign + text, flags)
    return pad(text, flags)
