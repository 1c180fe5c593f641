"""What an option may be: each check returns the value as the engine takes it, or raises ``InvalidOptionError``.

Every value has bounds, of its size as of its length: the engine makes room for what it is told, and trusts it.
"""

import math
from collections.abc import Callable
from typing import Any

from puna.errors import BadRequestError

Check = Callable[[str, Any], Any]
INT32 = (-(2**31), 2**31 - 1)
"""The engine's whole numbers."""
_LARGEST = 1e6
_TOKEN_DIGITS = 10
_MOST_BIASES = 10_000
_LONGEST_TEXT = 1000
_LONGEST_NAME = 40
_MOST_ADAPTERS = 64
_ADAPTER = {"id", "scale"}
_SAMPLERS = (
    "dry",
    "top_k",
    "typ_p",
    "top_p",
    "top_n_sigma",
    "min_p",
    "temperature",
    "xtc",
    "infill",
    "penalties",
    "adaptive_p",
)


class InvalidOptionError(BadRequestError):
    """An option has a value of the wrong type or range."""

    def __init__(self, name: str, requirement: str) -> None:
        super().__init__(f'option "{name}" must be {requirement}', param=name)


def integer(low: int = INT32[0], high: int = INT32[1]) -> Check:
    """Return a check for whole numbers from ``low`` to ``high``; a float will do that is one."""

    def check(name: str, value: Any) -> int:
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole and not (isinstance(value, float) and value.is_integer()):
            raise InvalidOptionError(name, "of type integer")
        if not low <= value <= high:
            raise InvalidOptionError(name, _range_text(value, low, high, INT32))
        return int(value)

    return check


def at_most(name: str, value: Any) -> int:
    """Return a limit as the engine takes it: as large as one likes, where its largest number is beyond any context."""
    whole: int = integer(high=2**64)(name, value)
    return min(whole, INT32[1])


def number(low: float = -_LARGEST, high: float = _LARGEST) -> Check:
    """Return a check for numbers from ``low`` to ``high``."""

    def check(name: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not -math.inf < value < math.inf:
            raise InvalidOptionError(name, "of type float32")
        if not low <= value <= high:
            raise InvalidOptionError(name, _range_text(value, low, high, (-_LARGEST, _LARGEST)))
        return float(value)

    return check


def _range_text(value: float, low: float, high: float, open_ends: tuple[float, float]) -> str:
    """Say which range ``value`` is out of: both ends where an option has both, else the end that it is beyond."""
    if low != open_ends[0] and high != open_ends[1]:
        return f"between {low} and {high}"
    return f"at least {low:g}" if value < low else f"at most {high:.10g}"


def seed(name: str, value: Any) -> int:
    """Return the seed that the engine takes for one of 64 bits: -1 is another one each time."""
    whole: int = integer(-(2**63), 2**63 - 1)(name, value)
    return whole if whole == -1 else whole % 2**32


def repeat_penalty(name: str, value: Any) -> float:
    """Return the penalty; the engine divides by it, so that 0 is none, as 1 is."""
    checked: float = number(0, 100)(name, value)
    if 0 < checked < 0.01:
        raise InvalidOptionError(name, "at least 0.01, or 0 for none")
    return checked or 1.0


def boolean(name: str, value: Any) -> bool:
    """Return the value if it is true or false."""
    if not isinstance(value, bool):
        raise InvalidOptionError(name, "of type boolean")
    return value


def text(name: str, value: Any) -> str:
    """Return the value if it is text."""
    if not isinstance(value, str):
        raise InvalidOptionError(name, "of type string")
    return value


def texts(most: int, longest: int = _LONGEST_TEXT, *, least: int = 0) -> Check:
    """Return a check for one text, or an array of at most so many, each of at most ``longest`` characters."""

    def check(name: str, value: Any) -> tuple[str, ...]:
        values = [value] if isinstance(value, str) else value
        if not isinstance(values, list | tuple) or not all(isinstance(item, str) for item in values):
            raise InvalidOptionError(name, "of an array of strings")
        kept = tuple(item for item in values if item)
        if not least <= len(kept) <= most:
            count = f"{least} to {most}" if least else f"at most {most}"
            raise InvalidOptionError(name, f"an array of {count} strings, not {len(kept)}")
        if any(len(item) > longest for item in kept):
            raise InvalidOptionError(name, f"of strings of at most {longest} characters")
        return kept

    return check


def samplers(name: str, value: Any) -> list[str]:
    """Return the names of samplers in their order, each once."""
    values = list(texts(len(_SAMPLERS))(name, value))
    wrong = next((item for item in values if item not in _SAMPLERS), None)
    if wrong is not None or len(set(values)) < len(values):
        what = "one of them twice" if wrong is None else repr(wrong[:_LONGEST_NAME])
        raise InvalidOptionError(name, f"an array of {', '.join(sorted(_SAMPLERS))}; not {what}")
    return values


def logit_bias(name: str, value: Any) -> list[list[Any]]:
    """Return the engine's form, ``[[token, bias], …]``; a token is an id or text, bias ``false`` forbids it."""
    pairs = list(value.items()) if isinstance(value, dict) else value
    if not isinstance(pairs, list) or not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs):
        raise InvalidOptionError(name, "an object or an array of [token, bias] pairs")
    if len(pairs) > _MOST_BIASES:
        raise InvalidOptionError(name, f"given for at most {_MOST_BIASES} tokens")
    return [[_token(name, token), _bias(name, bias)] for token, bias in pairs]


def _token(name: str, token: Any) -> int | str:
    if isinstance(token, bool) or not isinstance(token, int | str):
        raise InvalidOptionError(name, "given for token ids or texts")
    if isinstance(token, str):
        if len(token) > _LONGEST_TEXT:
            raise InvalidOptionError(name, f"given for texts of at most {_LONGEST_TEXT} characters")
        if not (token.isascii() and token.isdecimal()):
            return token
        token = int(token) if len(token) <= _TOKEN_DIGITS else INT32[1] + 1
    number_of_token = int(token)
    if not 0 <= number_of_token <= INT32[1]:
        raise InvalidOptionError(name, f"given for token ids between 0 and {INT32[1]}")
    return number_of_token


def _bias(name: str, bias: Any) -> float | bool:
    if bias is False:
        return bias
    if isinstance(bias, bool) or not isinstance(bias, int | float):
        raise InvalidOptionError(name, "given as numbers, or false to forbid a token")
    if not -_LARGEST <= bias <= _LARGEST:
        raise InvalidOptionError(name, f"given as numbers between {-_LARGEST:g} and {_LARGEST:g}, or false")
    return bias


def adapters(name: str, value: Any) -> list[dict[str, Any]]:
    """Return the engine's form, ``[{"id", "scale"}, …]``, of a scale for each adapter by its number, from 0."""
    pairs = [{"id": key, "scale": scale} for key, scale in value.items()] if isinstance(value, dict) else value
    if not isinstance(pairs, list) or not all(isinstance(pair, dict) and pair.keys() <= _ADAPTER for pair in pairs):
        raise InvalidOptionError(name, 'an array of objects with "id" and "scale", or an object of scales')
    if len(pairs) > _MOST_ADAPTERS:
        raise InvalidOptionError(name, f"given for at most {_MOST_ADAPTERS} adapters")
    scale = number(-100, 100)
    chosen = {integer(0, _MOST_ADAPTERS)(name, _whole(pair.get("id"))): pair.get("scale", 1) for pair in pairs}
    return [{"id": adapter, "scale": scale(name, given)} for adapter, given in chosen.items()]


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 6 else value


def think(name: str, value: Any) -> bool | str:
    """Return whether to think, or how much."""
    if not isinstance(value, bool) and value not in ("low", "medium", "high", "max"):
        raise InvalidOptionError(name, 'a boolean or one of "low", "medium", "high", "max"')
    checked: bool | str = value
    return checked
