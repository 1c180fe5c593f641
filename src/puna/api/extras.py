"""What every dialect under ``/v1`` takes besides its own fields, and what it says of fields without effect."""

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from pydantic import Field

from puna.api.http.body import Body
from puna.errors import BadRequestError
from puna.inference.options import OPTION_NAMES, Options
from puna.models.model import Model
from puna.outside import bounded

IGNORED = "Puna-Ignored"
"""The response header that names what of a request has no effect."""
_DEFAULTS = {"truncate": False, "shift": False}
"""Agents shorten a conversation when they are told that it is too long, so turns are not dropped without a word."""
_PLAIN = re.compile(r"[\w.\-]+", re.ASCII)
_MOST_NAMES = 20
_OPTIONS = frozenset(OPTION_NAMES)
_log = logging.getLogger(__name__)


class Extras(Body):
    """The fields that clients of these dialects add, as their ``extra_body``.

    Every option may be one of them, as well as in ``options``, which wins.
    """

    options: dict[str, Any] = Field(default_factory=dict)
    keep_alive: float | str | None = None
    priority: str = ""
    chat_template_kwargs: dict[str, Any] = Field(default_factory=dict)
    reasoning_budget_tokens: int | None = None
    thinking_token_budget: int | None = None

    @property
    def unknown(self) -> list[str]:
        """Return the names of fields that nobody knows."""
        return sorted(name for name in self.model_extra or () if name not in _OPTIONS)

    @property
    def budget(self) -> int | None:
        """Return how many tokens the thoughts may have, by the names that others have for the option."""
        asked = self.reasoning_budget_tokens
        return self.thinking_token_budget if asked is None else asked

    def merged(self, model: Model, own: Mapping[str, Any] | None = None) -> Options:
        """Return the options of the request; later ones win: the model's, the body's, ``own``, those in ``options``.

        Unlike under ``/api`` a prompt that does not fit is an error, unless ``truncate`` or ``shift`` say otherwise.
        """
        given = {name: getattr(self, name, None) for name in OPTION_NAMES}
        budget = {"thinking_budget": self.budget}
        return Options.merge(_DEFAULTS, model.defaults, given, budget, own or {}, self.options)


_OF_A_VALUE = re.compile(r"^(include|input|tools)\.(?![a-z0-9_.]{1,40}$).*", re.DOTALL)
"""A name whose end is a value of the request, and no word of an API: the log does not repeat it."""


def ignored_headers(path: str, body: Extras, options: Options, names: Iterable[str]) -> dict[str, str]:
    """Return the header that says what has no effect: unknown fields and options, and ``names``.

    The log says it as well, of ``names`` once.
    """
    known = tuple(dict.fromkeys(names))
    if known:
        _tell(path, tuple(dict.fromkeys(_OF_A_VALUE.sub(r"\1", name) for name in known)))
    return ignored_header([*known, *body.unknown, *options.unknown])


def ignored_header(every: Sequence[str]) -> dict[str, str]:
    """Return the header that names what has no effect, none for nothing."""
    if not every:
        return {}
    shown = [name if _PLAIN.fullmatch(name) else ascii(bounded(name, 100)) for name in every[:_MOST_NAMES]]
    more = [f"and {len(every) - _MOST_NAMES} more"] if len(every) > _MOST_NAMES else []
    return {IGNORED: ", ".join([*shown, *more])}


@lru_cache(maxsize=256)
def _tell(path: str, names: tuple[str, ...]) -> None:
    _log.warning("%s: without effect here: %s", path, ", ".join(names))


def whole_number(value: int | None, field: str, low: int, high: int | None = None) -> int | None:
    """Return a number if it is within bounds, of which the upper may lack; else raise ``BadRequestError``."""
    if value is not None and (value < low or (high is not None and value > high)):
        bounds = f"at least {low}" if high is None else f"between {low} and {high}"
        raise BadRequestError(f"{field} must be {bounds}", param=field)
    return value
