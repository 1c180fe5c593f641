"""Grammars of answers that may call functions: free text up to the mark of a call, which then is one that is asked for.

One grammar holds for a whole answer, thoughts included: they may speak of the mark. (llama.cpp's own triggers, at which
a grammar begins, know nothing of thoughts; and each token makes it look through the whole text again.)
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from puna.inference.format.arguments import Pairs, Writing, arguments
from puna.inference.format.compiler import STEPS, Compiler
from puna.inference.format.errors import Budget, FormatError, FormatTooLargeError
from puna.inference.format.gbnf_cost import check_made
from puna.inference.format.grammar import Grammar, Item, Rule, literal
from puna.inference.format.notation import Notation
from puna.inference.format.scan import Mark, scan

NAME, ARGUMENTS, GAP, NUMBER, FIRST, ID = "\x01", "\x02", "\x03", "\x04", "\x05", "\x06"
"""What stands in a shape for name, arguments, white space or none, a number, the answer's beginning, and an id."""
_SLOT = re.compile("([\x01-\x06])")
_ID_LENGTH = 9
"""What Mistral's templates want of an id."""
_ANY = {"type": "object"}
AS_JSON = Writing()
_ALTERNATIVES = ("'anyOf'", "'oneOf'", "'$ref'")
"""Without one of these in a schema its grammar keeps few ways open."""


@dataclass(frozen=True, slots=True)
class CallShape:
    """How a family writes calls.

    ``begin`` stands before the first of them, ``between`` two (``None``: there is one only), ``end`` after the last.
    ``others`` are other forms of the first call. ``in_thoughts`` is that which counts although the thoughts have not
    come to their end, "" if none does. ``names`` is the pattern of the names that can be written; ``quoted`` ones are
    texts of JSON.
    """

    call: str
    writing: Writing = AS_JSON
    begin: str = ""
    between: str | None = GAP
    end: str = ""
    others: tuple[str, ...] = ()
    in_thoughts: str = ""
    names: str = r"[^\s()<>{}\[\],=|]+"
    quoted: bool = False
    around: str = GAP
    """What may stand before the first call and after the last one."""
    marked_by_name: bool = False
    """Whether only the name tells a call from other text, so that the mark of one includes it."""

    @property
    def anywhere(self) -> str:
        """Return ``call`` without the wish to begin the answer, for where it is known to be one."""
        return self.call.removeprefix(FIRST)

    @property
    def mark(self) -> str:
        """Return the text at which a call is known, as far as it is the same for all functions."""
        return _SLOT.split((self.begin + self.call).removeprefix(FIRST))[0]

    @property
    def marks_in_thoughts(self) -> tuple[str, str] | None:
        """Return what begins and what ends the call that ends thoughts, ``None`` if none does."""
        first, *_, last = _SLOT.split(self.in_thoughts) if self.in_thoughts else ("", "")
        return (first, last) if first and last else None


@dataclass(frozen=True, slots=True)
class Thoughts:
    """Thoughts before an answer, up to ``closing``; the answer begins inside them if ``opening`` is "".

    ``resume`` is what stands between their end and a call.
    """

    closing: str
    opening: str = ""
    resume: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What an answer may be: parameters by the functions' names, a shape for their calls, and what is chosen of them.

    ``mode`` and ``parallel`` are as in ``ToolChoice``; ``functions`` are those that may be called.
    """

    functions: Mapping[str, Mapping[str, Any]]
    shape: CallShape
    mode: str = "auto"
    parallel: bool = True
    thoughts: Thoughts | None = None


def read_plan(text: bytes) -> Plan:
    """Return the plan that was written as JSON."""
    plan = orjson.loads(text)
    shape = plan["shape"]
    writing, pairs = shape["writing"], shape["writing"]["pairs"]
    if pairs:
        pairs = Pairs(**pairs | {"texts": _notation(pairs["texts"])})
    shape |= {"writing": Writing(_notation(writing["values"]), pairs), "others": tuple(shape["others"])}
    thoughts = Thoughts(**plan["thoughts"]) if plan["thoughts"] else None
    return Plan(**plan | {"shape": CallShape(**shape), "thoughts": thoughts})


def _notation(found: dict[str, Any]) -> Notation:
    return Notation(**found | {"never": tuple(found["never"])})


def calls_grammar(plan: Plan, steps: int | None = None) -> str:
    """Return the grammar of an answer. Parameters that cannot be enforced allow any arguments.

    ``steps`` is what it may cost, if less than usual for each function; raises ``FormatTooLargeError`` if it costs
    more, and ``FormatError`` if there is no answer.
    """
    text = _Answer(plan, steps).text()
    if not text:
        raise FormatError("there is no function whose call could be written")
    return text


class _Answer:
    """Makes the rules of one answer."""

    def __init__(self, plan: Plan, steps: int | None) -> None:
        self._plan, self._shape, self._steps = plan, plan.shape, steps
        self._grammar = Grammar(Budget(STEPS))
        blanks = self._grammar.counted("[ \\t]", 0, 16)
        line = self._grammar.add([blanks, ['"\\n"', *blanks]])
        self._gap = self._grammar.add([[], ['" "'], ['"\\n"', line]])
        self._digits = self._grammar.add([["[0-9]"], ["[0-9]", "[0-9]"]])
        self._id = self._grammar.add([["[a-zA-Z0-9]"] * _ID_LENGTH])
        writable = re.compile(self._shape.names)
        # Nothing is known of arguments that will not come.
        made = self._arguments if plan.mode != "none" else lambda _: self._gap
        self._functions = [
            (orjson.dumps(name).decode()[1:-1] if self._shape.quoted else name, made(parameters))
            for name, parameters in plan.functions.items()
            if self._shape.quoted or writable.fullmatch(name)
        ]

    def text(self) -> str:
        """Return the grammar."""
        grammar, plan = self._grammar, self._plan
        grammar.budget = Budget(STEPS)
        if plan.mode == "required":
            return grammar.text(self._required())
        thoughts = plan.thoughts
        content = grammar.reserve()
        if thoughts is None:
            return grammar.text(self._free(content, []))
        inside = scan(grammar, [Mark(thoughts.closing, (content,)), *self._marks([self._shape.in_thoughts])])
        if not thoughts.opening:
            self._free(content, [])
            return grammar.text(inside)
        return grammar.text(self._free(content, [Mark(thoughts.opening, (inside,))]))

    def _required(self) -> Rule:
        grammar, thoughts = self._grammar, self._plan.thoughts
        call: list[Item] = [*self._items(self._shape.begin.removeprefix(FIRST)), self._call(self._shape.anywhere)]
        at_once = [*self._items(self._shape.around), *call]
        if thoughts is None:
            return grammar.add([at_once])
        closing = Mark(thoughts.closing, (*self._items(thoughts.resume), self._gap, *call))
        inside = scan(grammar, [closing, *self._marks([self._shape.in_thoughts])], ends=[])
        if not thoughts.opening:
            return inside
        return grammar.add([at_once, [literal(thoughts.opening), inside]])

    def _free(self, rule: Rule, more: list[Mark]) -> Rule:
        """Define the rule of text that may have calls in it, and may end anywhere."""
        shape = self._shape
        return scan(self._grammar, [*self._marks([shape.begin + shape.call, *shape.others]), *more], rule=rule)

    def _marks(self, forms: Iterable[str]) -> Iterator[Mark]:
        """Yield the marks of calls in some forms, and what follows them: the rest of the call, or nothing that may."""
        for form in filter(None, forms):
            first, form = form.startswith(FIRST), form.removeprefix(FIRST)
            if self._shape.marked_by_name:
                for name, made in self._functions:
                    parts = _SLOT.split(form)
                    mark = parts[0] + name + parts[2]
                    rest = "".join(parts[3:])
                    then = (*self._items(rest, name, made), self._more()) if self._plan.mode != "none" else None
                    yield Mark(mark, then, first)
                continue
            mark = _SLOT.split(form)[0]
            then = None if self._plan.mode == "none" else (self._call(form[len(mark) :]),)
            yield Mark(mark, then, first)

    def _call(self, form: str) -> Rule:
        """Return the rule of a call in a form, and of those after it."""
        before, name, rest = form.partition(NAME)
        ways = [[*self._items(name + rest, called, made), self._more()] for called, made in self._functions]
        return self._grammar.add([[*self._items(before), self._grammar.add(ways)]])

    def _more(self) -> Rule:
        """Return the rule of what follows a call."""
        key = ("more",)
        if key not in self._grammar.made:
            self._grammar.made[key] = rule = self._grammar.reserve()
            body = [self._items(self._shape.end + self._shape.around)]
            if self._plan.parallel and self._shape.between is not None:
                body.append([*self._items(self._shape.between), self._call(self._shape.anywhere)])
            self._grammar.define(rule, body)
        return self._grammar.made[key]

    def _items(self, form: str, name: str = "", made: Rule | None = None) -> list[Item]:
        slots: Mapping[str, Callable[[], Item]] = {
            NAME: lambda: literal(name),
            ARGUMENTS: lambda: made or self._gap,
            GAP: lambda: self._gap,
            NUMBER: lambda: self._digits,
            ID: lambda: self._id,
        }
        return [slots[part]() if part in slots else literal(part) for part in _SLOT.split(form) if part]

    def _arguments(self, parameters: Mapping[str, Any]) -> Rule:
        grammar, writing = self._grammar, self._shape.writing
        for schema in ({**parameters, **_ANY}, _ANY):
            steps = STEPS if self._steps is None else self._steps
            try:
                with Compiler(schema, steps, notation=writing.values, grammar=grammar) as compiler:
                    rule = arguments(compiler, writing.pairs)
                text = _ending(grammar, rule)
                if any(keyword in str(schema) for keyword in _ALTERNATIVES):
                    check_made(text)
                return rule
            except FormatTooLargeError:
                if self._steps is not None:
                    raise
            except (FormatError, RecursionError):
                pass
            finally:
                if self._steps is not None:
                    self._steps = grammar.budget.left
        raise FormatError("no arguments can be written")


def _ending(grammar: Grammar, rule: Rule) -> str:
    """Return the grammar of one rule; raise ``FormatError`` if no text follows it."""
    text = grammar.text(rule)
    if not text:
        raise FormatError("no arguments are valid")
    return text


JSON_IN_TAGS = CallShape(
    f'<tool_call>{GAP}{{{GAP}"name":{GAP}"{NAME}"{GAP},{GAP}"arguments":{GAP}{ARGUMENTS}{GAP}}}{GAP}</tool_call>',
    Writing(Notation(never=("</tool_call>",))),
    in_thoughts=f'<tool_call>\n{{"name": "{NAME}", "arguments": {ARGUMENTS}}}{GAP}</tool_call>',
    quoted=True,
)
"""How Qwen's models, and many after them, write calls."""
JSON_ALONE = CallShape(f'{{"name":{GAP}"{NAME}",{GAP}"arguments":{GAP}{ARGUMENTS}{GAP}}}', quoted=True)
"""Calls of models whose own way is not known: an answer that must have a call is nothing else."""
