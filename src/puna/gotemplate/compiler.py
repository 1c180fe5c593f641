"""Turns a parse tree into Python closures, so that a template is walked once and rendered many times.

A statement is called with the runtime and dot; it answers None, or the jump that ends an iteration. An
expression is called alike and answers the value. Values are as in ``values.py``.
"""

from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Any, TypeAlias

from puna.gotemplate import nodes
from puna.gotemplate.errors import FunctionError
from puna.gotemplate.expressions import UNSET, ExpressionCompiler, last_operand
from puna.gotemplate.functions import Builtin
from puna.gotemplate.printing import print_action, print_values
from puna.gotemplate.quoting import quote
from puna.gotemplate.runtime import Runtime
from puna.gotemplate.values import NO_VALUE, Function, kind, sorted_items


class Jump(Enum):
    """How a statement leaves the iteration it is in."""

    BREAK = auto()
    CONTINUE = auto()


Statement: TypeAlias = Callable[[Runtime, Any], Jump | None]


def compiled(
    name: str, text: str, trees: Mapping[str, nodes.Tree], functions: Mapping[str, Builtin]
) -> dict[str, tuple[Statement, int]]:
    """What renders each of the trees of one text, with the number of slots that its variables take.

    None refers to another: where one invokes another it is found by ``Runtime.programs``.
    """
    programs = {}
    for tree_name, tree in trees.items():
        expressions = ExpressionCompiler(name, tree_name, text, functions)
        programs[tree_name] = (_TreeCompiler(expressions).block(tree.root), tree.slots)
    return programs


class _TreeCompiler:
    def __init__(self, expressions: ExpressionCompiler) -> None:
        self._expressions = expressions

    def block(self, block: nodes.Block) -> Statement:
        """A list of statements; one step each."""
        body = tuple(self._statement(node) for node in block.nodes)
        count = len(body)
        if count == 1:
            return body[0]

        def run(runtime: Runtime, dot: Any) -> Jump | None:
            runtime.steps -= count
            if runtime.steps < 0:
                runtime.check_steps()
            for statement in body:
                jump = statement(runtime, dot)
                if jump is not None:
                    return jump
            return None

        return run

    def _statement(self, node: nodes.Node) -> Statement:
        match node:
            case nodes.Text():
                return _text(node.text)
            case nodes.Action():
                return self._action(node)
            case nodes.If():
                return self._if(node)
            case nodes.With():
                return self._with(node)
            case nodes.Range():
                return self._range(node)
            case nodes.Invoke():
                return self._invoke(node)
            case nodes.Break():
                return lambda _runtime, _dot: Jump.BREAK
            case nodes.Continue():
                return lambda _runtime, _dot: Jump.CONTINUE

    def _action(self, node: nodes.Action) -> Statement:
        value_of = self._expressions.pipe(node.pipe)
        fail = self._expressions.fail
        if node.pipe.targets:

            def declare(runtime: Runtime, dot: Any) -> None:
                value_of(runtime, dot)

            return declare

        def show(runtime: Runtime, dot: Any) -> None:
            value = value_of(runtime, dot)
            if type(value) is str:
                runtime.write(value)
            elif value is NO_VALUE:
                runtime.write("<no value>")
            elif isinstance(value, Function):
                fail(node, f"can't print {node} of type func()")
            else:
                try:
                    runtime.write(print_action(value))
                except FunctionError as error:
                    fail(node, str(error))

        return show

    def _if(self, node: nodes.If) -> Statement:
        condition = self._expressions.condition(node.pipe)
        body = self.block(node.body)
        otherwise = _nothing if node.otherwise is None else self.block(node.otherwise)

        def run(runtime: Runtime, dot: Any) -> Jump | None:
            return body(runtime, dot) if condition(runtime, dot) else otherwise(runtime, dot)

        return run

    def _with(self, node: nodes.With) -> Statement:
        value_of = self._expressions.pipe(node.pipe)
        body = self.block(node.body)
        otherwise = _nothing if node.otherwise is None else self.block(node.otherwise)

        def run(runtime: Runtime, dot: Any) -> Jump | None:
            value = value_of(runtime, dot)
            return body(runtime, value) if value else otherwise(runtime, dot)

        return run

    def _range(self, node: nodes.Range) -> Statement:
        value_of = self._expressions.pipe(node.pipe)
        items_of = self._items(node)
        iterate = self._iteration(node)
        otherwise = _nothing if node.otherwise is None else self.block(node.otherwise)

        def run(runtime: Runtime, dot: Any) -> Jump | None:
            value = value_of(runtime, dot)
            if isinstance(value, dict):
                # Sorting the keys is work even where the loop is left at once.
                runtime.steps -= len(value)
            items = items_of(value)
            if items is None:
                return otherwise(runtime, dot)
            iterate(runtime, items)
            return None

        return run

    def _items(self, node: nodes.Range) -> Callable[[Any], Any]:
        fail = self._expressions.fail
        two = len(node.pipe.targets) > 1
        place = last_operand(node.pipe)

        def items_of(value: Any) -> Any:
            """Pairs of index and element, or None for none; raises for what ``range`` does not take."""
            if isinstance(value, list | tuple):
                return enumerate(value) if value else None
            if isinstance(value, dict):
                return sorted_items(value) if value else None
            if kind(value) == "invalid":
                return None
            if kind(value) not in ("int", "uint"):
                fail(place, f"range can't iterate over {print_values((value,))}")
            if two:
                fail(place, f"can't use {value} to iterate over more than one variable")
            return ((None, number) for number in range(value)) if value > 0 else None

        return items_of

    def _iteration(self, node: nodes.Range) -> Callable[[Runtime, Any], None]:
        body = self.block(node.body)
        slots = [target.slot for target in node.pipe.targets]
        element_slot = slots[-1] if slots else -1
        index_slot = slots[0] if len(slots) > 1 else -1

        def iterate(runtime: Runtime, items: Any) -> None:
            frame = runtime.frame
            for index, element in items:
                if element_slot >= 0:
                    frame[element_slot] = element
                if index_slot >= 0:
                    frame[index_slot] = index
                runtime.steps -= 1
                if runtime.steps < 0:
                    runtime.check_steps()
                if body(runtime, element) is Jump.BREAK:
                    return

        return iterate

    def _invoke(self, node: nodes.Invoke) -> Statement:
        value_of = _no_value if node.pipe is None else self._expressions.pipe(node.pipe)
        fail = self._expressions.fail

        def run(runtime: Runtime, dot: Any) -> None:
            program = runtime.programs.get(node.name)
            if program is None:
                fail(node, f"template {quote(node.name)} not defined")
            data = value_of(runtime, dot)
            runtime.enter()
            runtime.steps -= program[1]
            caller = runtime.frame
            execute(program, runtime, data)
            runtime.frame = caller
            runtime.depth -= 1

        return run


def execute(program: tuple[Statement, int], runtime: Runtime, data: Any) -> None:
    """Runs what renders one tree, with variables of its own."""
    body, slots = program
    runtime.frame = [data] + [UNSET] * (slots - 1)
    body(runtime, data)


def _text(text: str) -> Statement:
    def run(runtime: Runtime, _dot: Any) -> None:
        runtime.write(text)

    return run


def _nothing(_runtime: Runtime, _dot: Any) -> None:
    return None


def _no_value(_runtime: Runtime, _dot: Any) -> Any:
    return NO_VALUE
