"""What a key may do, and the words in which the command line, the API and the database say so."""

import fnmatch
import functools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from puna.accounts.quota import Quota, parse_quota
from puna.errors import BadRequestError
from puna.names import ModelName

ANY, INFER, PULL, REGISTRY, CREATE, ADMIN = "any", "infer", "pull", "registry", "create", "admin"
SCOPES = (INFER, PULL, REGISTRY, CREATE, ADMIN)
"""What a key can be given: to use models, to have some fetched, to take some away to another machine, to make, send and
delete some, or all. ``ANY`` is what every key may."""
PRIORITIES = ("interactive", "batch")
_MOST_PATTERNS, _LONGEST_PATTERN = 100, 200
_HEAVIEST = 100.0
_LATEST = ":latest"
_NONE = ("", "none", "0")
_PATTERN = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a key may do. Empty ``models`` and ``routes`` mean all, ``concurrent`` 0 any number at a time.

    ``tokens`` counts those of prompts and of answers. ``weight`` is how many turns the key has in a queue where a key
    of weight 1 has one. ``batch`` makes all of its requests give way to interactive ones.
    """

    scopes: tuple[str, ...] = (INFER,)
    models: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    rate: Quota | None = None
    tokens: Quota | None = None
    concurrent: int = 0
    batch: bool = False
    weight: float = 1.0

    def may(self, scope: str) -> bool:
        """Return whether the key may do what a route of this scope does."""
        return scope == ANY or scope in self.scopes or ADMIN in self.scopes

    def may_call(self, path: str) -> bool:
        """Return whether the key may use the route at ``path``."""
        return not self.routes or _pattern(self.routes).fullmatch(path) is not None

    def sees(self, name: ModelName) -> bool:
        """Return whether the key may know of, and use, the model of this name."""
        if not self.models:
            return True
        text, pattern = str(name).lower(), _pattern(self.models)
        return any(pattern.fullmatch(form) for form in (text, text.removesuffix(_LATEST)))

    @property
    def is_bounded(self) -> bool:
        """Return whether there is a limit that must be counted."""
        return bool(self.rate or self.tokens or self.concurrent)

    def to_words(self) -> dict[str, Any]:
        """Return the grant as JSON has it; ``granted`` makes the same grant of it."""
        return {
            "scopes": list(self.scopes),
            "models": list(self.models),
            "routes": list(self.routes),
            "rate": str(self.rate) if self.rate else None,
            "tokens": str(self.tokens) if self.tokens else None,
            "concurrent": self.concurrent,
            "priority": PRIORITIES[self.batch],
            "weight": self.weight,
        }


def granted(words: Mapping[str, Any]) -> Grant:
    """Return the grant that ``words`` mean, what is left out as for a new key; raise ``BadRequestError``."""
    weight = words.get("weight")
    grant = Grant(
        scopes=_scopes(words.get("scopes")),
        models=_patterns("models", words.get("models"), lower=True),
        routes=_patterns("routes", words.get("routes")),
        rate=_quota(words.get("rate")),
        tokens=_quota(words.get("tokens")),
        concurrent=int(words.get("concurrent") or 0),
        batch=_priority(words.get("priority")) == PRIORITIES[1],
        weight=1.0 if weight is None else float(weight),
    )
    if grant.concurrent < 0:
        raise BadRequestError("concurrent must not be negative")
    if not (math.isfinite(grant.weight) and 1 / _HEAVIEST <= grant.weight <= _HEAVIEST):
        raise BadRequestError(f"the weight must lie between {1 / _HEAVIEST:g} and {_HEAVIEST:g}")
    if ADMIN in grant.scopes and (grant.models or grant.routes):
        raise BadRequestError("a key with the scope admin can make others, so it cannot be held to models or routes")
    return grant


def _scopes(given: Sequence[str] | None) -> tuple[str, ...]:
    scopes = _parts(given) or (INFER,)
    if unknown := [scope for scope in scopes if scope not in SCOPES]:
        raise BadRequestError(f"there is no scope {unknown[0]!r}; there are {', '.join(SCOPES)}")
    return tuple(scope for scope in SCOPES if scope in scopes)


def _patterns(field: str, given: Sequence[str] | None, *, lower: bool = False) -> tuple[str, ...]:
    patterns = _parts(given)
    if len(patterns) > _MOST_PATTERNS or any(len(pattern) > _LONGEST_PATTERN for pattern in patterns):
        raise BadRequestError(f"{field}: at most {_MOST_PATTERNS} patterns of {_LONGEST_PATTERN} characters")
    if wrong := [pattern for pattern in patterns if not _PATTERN.fullmatch(pattern)]:
        raise BadRequestError(f"{field}: {wrong[0]!r} is no pattern of printable characters")
    return () if "*" in patterns else tuple(pattern.lower() if lower else pattern for pattern in patterns)


def _parts(given: Sequence[str] | None) -> tuple[str, ...]:
    """Return the entries of a list, each of which may be several with commas between."""
    return tuple(dict.fromkeys(part.strip() for entry in given or () for part in entry.split(",") if part.strip()))


def _quota(text: str | None) -> Quota | None:
    return None if (text or "").strip().lower() in _NONE else parse_quota(text or "")


def _priority(text: str | None) -> str:
    priority = text or PRIORITIES[0]
    if priority not in PRIORITIES:
        raise BadRequestError(f'invalid priority: "{priority}" (must be "interactive" or "batch")')
    return priority


@functools.lru_cache(maxsize=1024)
def _pattern(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(fnmatch.translate(pattern) for pattern in patterns))
