"""What binds an answer: the one way from a request's ``format`` to what an engine is sent."""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import orjson

from puna.errors import BadRequestError
from puna.inference.format.apart import Apart, made_grammar
from puna.inference.format.calls import Plan, calls_grammar
from puna.inference.format.errors import FormatError, FormatTooLargeError
from puna.inference.format.unique import UniqueItems

_CACHE = 8 << 20
"""Bytes of grammars that are kept."""
_ENTRY = 512
_LONGEST_GRAMMAR = 1 << 20


@dataclass(frozen=True, slots=True)
class Constraint:
    """A grammar in GBNF, and the schema if items must differ where the grammar does not see to it."""

    grammar: str
    repeating: Mapping[str, Any] | None = None

    def filter(self) -> UniqueItems | None:
        """Return what the text of one answer must pass through, if anything."""
        return None if self.repeating is None else UniqueItems(self.repeating)


class _Cache:
    """Constraints, and why others were refused, by the digest of what they were made from; the oldest go first."""

    def __init__(self, size: int) -> None:
        self._left = size
        self._entries: OrderedDict[bytes, tuple[int, Constraint | BadRequestError]] = OrderedDict()

    def get(self, key: bytes) -> Constraint | BadRequestError | None:
        """Return what is known."""
        if key not in self._entries:
            return None
        self._entries.move_to_end(key)
        return self._entries[key][1]

    def put(self, key: bytes, size: int, made: Constraint | BadRequestError) -> None:
        """Remember, at the cost of what is oldest."""
        self._left += self._entries.pop(key, (0, None))[0] - size
        self._entries[key] = (size, made)
        while self._left < 0:
            self._left += self._entries.popitem(last=False)[1][0]


_cache = _Cache(_CACHE)
_SMALL, _FEW_STEPS = 1 << 14, 10_000
"""The bytes of a schema that is tried in this process, and what it may cost there: tens of milliseconds."""
_worker = ThreadPoolExecutor(1, "format")
"""The work takes turns with the event loop; several threads of it would take most turns."""
_waiter = ThreadPoolExecutor(1, "format-apart")
"""Waits for the process that does what takes longer."""
_apart = Apart()


async def bind(asked: str | Mapping[str, Any] | Constraint, own_grammar: str = "") -> str | Constraint:
    """Return what binds an answer to ``format``, "" if nothing does; "json" means any object.

    ``own_grammar`` is a grammar that the caller has written: it is looked at only. Raises ``FormatError`` or
    ``GrammarError`` for what cannot be enforced, or not within measure.
    """
    if own_grammar:
        if asked != "":
            raise FormatError("cannot be given together with the option 'grammar'")
        await _made(b"grammar" + sha256(own_grammar.encode()).digest(), _waiter, lambda: _check(own_grammar))
    if asked == "" or isinstance(asked, Constraint):
        return asked
    schema: Mapping[str, Any] = {"type": "object"} if isinstance(asked, str) else asked
    text = orjson.dumps(schema)
    key = b"schema" + sha256(text).digest()
    if len(text) <= _SMALL:
        with contextlib.suppress(_TooMuchHereError):
            return await _made(key, _worker, lambda: _compile_here(schema, len(text)))
    return await _made(key, _waiter, lambda: _constraint(schema, len(text), *_apart.grammar(text)))


async def bind_calls(plan: Plan) -> Constraint:
    """Return what binds an answer that may have calls. Raises ``FormatError`` if there is too much of it."""
    text = orjson.dumps(plan)
    key = b"calls" + sha256(text).digest()
    if len(text) <= _SMALL:
        with contextlib.suppress(_TooMuchHereError):
            return await _made(key, _worker, lambda: _calls_here(plan))
    return await _made(key, _waiter, lambda: _measured(_apart.calls(text)))


async def _made(key: bytes, thread: Executor, make: Callable[[], tuple[Constraint, int]]) -> Constraint:
    known = _cache.get(key)
    if known is None:
        made, size = await asyncio.get_running_loop().run_in_executor(thread, _tried, make)
        _cache.put(key, size + _ENTRY, made)
        known = made
    if isinstance(known, BadRequestError):
        raise known.with_traceback(None)
    return known


def _tried(make: Callable[[], tuple[Constraint, int]]) -> tuple[Constraint | BadRequestError, int]:
    try:
        return make()
    except BadRequestError as error:
        return error.with_traceback(None), 0


class _TooMuchHereError(Exception):
    """A schema takes more steps than are taken in this process."""


def _compile_here(schema: Mapping[str, Any], size: int) -> tuple[Constraint, int]:
    try:
        return _constraint(schema, size, *made_grammar(schema, _FEW_STEPS))
    except FormatTooLargeError:
        raise _TooMuchHereError from None


def _calls_here(plan: Plan) -> tuple[Constraint, int]:
    try:
        return _measured(calls_grammar(plan, _FEW_STEPS))
    except FormatTooLargeError:
        raise _TooMuchHereError from None


def _measured(grammar: str) -> tuple[Constraint, int]:
    if len(grammar) > _LONGEST_GRAMMAR:
        raise FormatTooLargeError("the grammar of the tools")
    return Constraint(grammar), len(grammar)


def _constraint(schema: Mapping[str, Any], size: int, grammar: str, leaves_repeats: bool) -> tuple[Constraint, int]:
    if len(grammar) > _LONGEST_GRAMMAR:
        raise FormatTooLargeError("the schema")
    if leaves_repeats:
        return Constraint(grammar, schema), len(grammar) + 10 * size
    return Constraint(grammar), len(grammar)


def _check(grammar: str) -> tuple[Constraint, int]:
    _apart.check(grammar)
    return Constraint(""), 0
