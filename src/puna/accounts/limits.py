"""The limits of keys, counted in memory: how many requests and tokens in what time, how many requests at a time.

The header fields are those of draft-ietf-httpapi-ratelimit-headers-10.
"""

import math
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from puna.accounts.errors import LimitError
from puna.accounts.grant import Grant
from puna.accounts.quota import Quota, Window

REQUESTS, TOKENS = "requests", "tokens"
_CONCURRENT = "concurrent"
MeterState = tuple[str, str, int, float, int]
"""What is kept of a quota's use: key, kind, seconds, when its window began, count."""
_MOMENT = 1
"""Seconds after which it is worth trying again where nobody knows when a request ends."""


@dataclass(slots=True)
class Meter:
    """What one key has used of its quotas, and how many of its requests run."""

    windows: dict[str, Window] = field(default_factory=lambda: {REQUESTS: Window(), TOKENS: Window()})
    running: int = 0

    def begin(self, grant: Grant) -> None:
        """Count a request that begins, which ``end`` must follow; raise ``LimitError`` where a limit is reached."""
        now = time.time()
        if grant.concurrent and self.running >= grant.concurrent:
            words = f"this key may have {grant.concurrent} requests at a time"
            raise LimitError(words, _MOMENT, self.fields(grant, now))
        for kind, quota in _quotas(grant):
            window = self.windows[kind]
            window.turn(quota, now)
            if not window.rest(quota):
                wait = max(math.ceil(window.ends_in(now)), 1)
                words = f"this key has used up its {kind} ({quota}); try again in {wait} seconds"
                raise LimitError(words, wait, self.fields(grant, now))
        self.running += 1
        if grant.rate:
            self.windows[REQUESTS].used += 1

    def end(self) -> None:
        """Count a request as over."""
        self.running -= 1

    def take(self, grant: Grant, tokens: int) -> None:
        """Count tokens that were used."""
        if grant.tokens:
            window = self.windows[TOKENS]
            window.turn(grant.tokens, time.time())
            window.used += tokens

    def fields(self, grant: Grant, now: float = 0.0) -> dict[str, str]:
        """Return what a response says of the limits: the policies, and what is left under each."""
        now = now or time.time()
        policies, left = [], []
        for kind, quota in _quotas(grant):
            window = self.windows[kind]
            window.turn(quota, now)
            unit = "" if kind == REQUESTS else f';qu="{kind}"'
            policies.append(f'"{kind}";q={quota.count};w={quota.seconds}{unit}')
            left.append(f'"{kind}";r={window.rest(quota)};t={max(math.ceil(window.ends_in(now)), 0)}')
        if grant.concurrent:
            policies.append(f'"{_CONCURRENT}";q={grant.concurrent};qu="concurrent-requests"')
            left.append(f'"{_CONCURRENT}";r={max(grant.concurrent - self.running, 0)}')
        return {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(left)} if policies else {}


class Meters:
    """The meters of all keys, by their names."""

    def __init__(self) -> None:
        self._meters: dict[str, Meter] = {}

    def of(self, name: str) -> Meter:
        """Return the meter of a key."""
        return self._meters.setdefault(name, Meter())

    def keep(self, names: Iterable[str]) -> None:
        """Forget the keys that are not among ``names`` and of which no request runs."""
        known = set(names)
        self._meters = {name: meter for name, meter in self._meters.items() if name in known or meter.running}

    def restore(self, states: Iterable[MeterState]) -> None:
        """Go on from what an earlier process has counted."""
        for name, kind, seconds, began, used in states:
            if kind in (REQUESTS, TOKENS):
                self.of(name).windows[kind] = Window(seconds, began, used)

    def states(self, grants: Mapping[str, Grant]) -> Iterator[MeterState]:
        """Yield what the keys of ``grants`` have used, to be restored."""
        for name, grant in grants.items():
            if name in self._meters:
                for kind, _ in _quotas(grant):
                    window = self._meters[name].windows[kind]
                    yield name, kind, window.seconds, window.began, window.used


def _quotas(grant: Grant) -> Iterator[tuple[str, Quota]]:
    if grant.rate:
        yield REQUESTS, grant.rate
    if grant.tokens:
        yield TOKENS, grant.tokens
