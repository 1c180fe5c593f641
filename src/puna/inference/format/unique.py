"""Arrays whose items must differ (``uniqueItems``), where no grammar can see to it: an item that was there before is
left out of the answer. A set that a model writes with a value twice is that set."""

import json
from dataclasses import dataclass, field
from typing import Any

from puna.inference.format.document import Document
from puna.inference.format.errors import Budget, FormatError
from puna.inference.format.facts import Parts, Resolver, same
from puna.inference.format.instance import holds
from puna.inference.format.keywords import Schema
from puna.inference.format.members import item_parts, property_parts
from puna.inference.format.strings import Strings

_STEPS = 1_000_000


@dataclass(slots=True)
class _Frame:
    """An object or array that is not closed yet; ``ways`` are the schemas that it may be following."""

    is_array: bool
    ways: list[Parts]
    unique: bool = False
    place: int = 0
    key: str | None = None
    held: list[str] = field(default_factory=list)
    kept: list[Any] = field(default_factory=list)


class UniqueItems:
    """Passes the text of one answer on, but for items that repeat others of an array in which they must not."""

    def __init__(self, schema: Schema) -> None:
        budget = Budget(_STEPS)
        self._schema = schema
        self._resolver = Resolver(Document(schema), budget)
        self._strings = Strings(budget)
        self._frames: list[_Frame] = []
        self._quoted: list[str] | None = None
        self._escaped = False
        self._out: list[str] = []
        self._said: list[str] = []

    def feed(self, text: str) -> str:
        """Return what can be passed on after another piece of the answer."""
        for letter in text:
            if self._quoted is not None:
                self._in_quotes(letter)
            else:
                self._outside(letter)
        passed = "".join(self._out)
        self._out.clear()
        self._said.append(passed)
        return passed

    def is_valid(self) -> bool:
        """Return whether the answer is valid without what was left out."""
        try:
            return holds(self._resolver, self._strings, json.loads("".join(self._said)), (self._schema,))
        except (ValueError, FormatError):
            return False

    def _write(self, letter: str) -> None:
        held = next((frame.held for frame in reversed(self._frames) if frame.unique), self._out)
        held.append(letter)

    def _in_quotes(self, letter: str) -> None:
        assert self._quoted is not None
        self._write(letter)
        self._quoted.append(letter)
        if self._escaped:
            self._escaped = False
        elif letter == "\\":
            self._escaped = True
        elif letter == '"':
            frame = self._frames[-1] if self._frames else None
            if frame and not frame.is_array and frame.key is None:
                frame.key = json.loads("".join(self._quoted))
            self._quoted = None

    def _outside(self, letter: str) -> None:
        match letter:
            case '"':
                self._quoted = ['"']
            case "{" | "[":
                self._write(letter)
                self._frames.append(self._frame(letter == "["))
                return
            case "}" | "]" if self._frames:
                self._item_ends()
                self._frames.pop()
            case "," if self._frames:
                self._item_ends()
                self._frames[-1].place += 1
                self._frames[-1].key = None
        self._write(letter)

    def _item_ends(self) -> None:
        """Pass on the item that is complete, unless the array has it already."""
        frame = self._frames[-1]
        text = "".join(frame.held)
        frame.held.clear()
        outer = next((one.held for one in reversed(self._frames[:-1]) if one.unique), self._out)
        if not frame.unique or not text.strip():
            outer.append(text)
            return
        try:
            value = json.loads(text.lstrip().removeprefix(","))
        except ValueError:  # nothing but space after a comma
            value = None
        if any(same(value, other) for other in frame.kept):
            return
        frame.kept.append(value)
        outer.append(text)

    def _frame(self, is_array: bool) -> _Frame:
        ways = self._ways()
        found = [facts for parts in ways for facts in self._resolver.facts(parts)]
        unique = is_array and any(facts.unique and "array" in facts.types for facts in found)
        return _Frame(is_array, ways, unique)

    def _ways(self) -> list[Parts]:
        """Return the schemas that the value which begins now may be following."""
        if not self._frames:
            return [(self._schema,)]
        frame = self._frames[-1]
        found: dict[tuple[int, ...], Parts] = {}
        for parts in frame.ways:
            for facts in self._resolver.facts(parts):
                if frame.is_array:
                    inner = item_parts(facts, frame.place)
                else:
                    inner = property_parts(self._strings, facts, frame.key or "")
                found[tuple(map(id, inner))] = inner
        return list(found.values())
