"""Compiles pipelines, commands and operands into closures that give values."""

from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn, TypeAlias

from puna.gotemplate import nodes
from puna.gotemplate.errors import FunctionError, TemplateExecutionError
from puna.gotemplate.functions import Builtin, equal
from puna.gotemplate.quoting import quote
from puna.gotemplate.runtime import Runtime
from puna.gotemplate.values import NO_VALUE, Struct, to_bytes, type_name

Expression: TypeAlias = Callable[[Runtime, Any], Any]


class _Unset:
    """The type of :data:`UNSET`."""

    __slots__ = ()


UNSET: Final = _Unset()
_ABSENT: Final = object()
# Comparing texts up to this length costs no more than a step does.
LONG_TEXT = 4096


class ExpressionCompiler:
    """Compiles the expressions of one tree; ``fail`` raises an error that names the place in it."""

    def __init__(self, parse_name: str, name: str, text: str, functions: Mapping[str, Builtin]) -> None:
        self._parse_name = parse_name
        self._name = name
        self._text = text
        self._functions = functions

    def fail(self, node: Any, reason: str) -> NoReturn:
        """Raises Go's ``template: name:line:column: executing "name" at <node>: reason``."""
        before = self._text[: node.position]
        line = before.count("\n") + 1
        column = len(to_bytes(before[before.rfind("\n") + 1 :]))
        place = f"{self._parse_name}:{line}:{column}"
        message = f"template: {place}: executing {quote(self._name)} at <{node}>: {reason}"
        raise TemplateExecutionError(message, line)

    def pipe(self, pipe: nodes.Pipe) -> Expression:
        """The value of a pipeline; an empty interface becomes no value, and targets take the value."""
        value_of = self._commands(pipe)
        if not pipe.targets:

            def run(runtime: Runtime, dot: Any) -> Any:
                value = value_of(runtime, dot)
                return NO_VALUE if value is None else value

            return run
        return self._storing(pipe, value_of)

    def condition(self, pipe: nodes.Pipe) -> Expression:
        """Like :meth:`pipe`, for a value of which only the truth matters."""
        return self._storing(pipe, self._commands(pipe)) if pipe.targets else self._commands(pipe)

    def _commands(self, pipe: nodes.Pipe) -> Expression:
        previous: Expression | None = None
        for command in pipe.commands:
            previous = self._command(command, previous)
        if previous is None:
            raise ValueError("a pipeline has at least one command")
        return previous

    def _storing(self, pipe: nodes.Pipe, value_of: Expression) -> Expression:
        slots = [target.slot for target in pipe.targets]
        undeclared = next((target for target in pipe.targets if target.slot < 0), None)

        def run(runtime: Runtime, dot: Any) -> Any:
            value = value_of(runtime, dot)
            if value is None:
                value = NO_VALUE
            if undeclared is not None:
                self.fail(last_operand(pipe), f"undefined variable: {undeclared.name}")
            for slot in slots:
                runtime.frame[slot] = value
            return value

        return run

    def _command(self, command: nodes.Command, final: Expression | None) -> Expression:
        first = command.args[0]
        if isinstance(first, nodes.Identifier):
            return self._function(command, first, command.args[1:], final)
        has_arguments = len(command.args) > 1 or final is not None
        if not has_arguments:
            return self._failing(first, "nil is not a command") if isinstance(first, nodes.Nil) else self.operand(first)
        if isinstance(first, nodes.Field | nodes.Chain) or (isinstance(first, nodes.Variable) and first.names):
            return self._called_field(first)
        return self._failing(first, f"can't give argument to non-function {first}")

    def _called_field(self, node: nodes.Field | nodes.Chain | nodes.Variable) -> Expression:
        """A field with arguments: there are no methods, so this only finds the right words to refuse."""
        value_of = self.operand(node)

        def run(runtime: Runtime, dot: Any) -> Any:
            value_of(runtime, dot)
            self.fail(node, f"{node.names[-1]} is not a method but has arguments")

        return run

    def _failing(self, node: Any, reason: str) -> Expression:
        def run(_runtime: Runtime, _dot: Any) -> Any:
            self.fail(node, reason)

        return run

    # Operands

    def operand(self, node: nodes.Operand) -> Expression:
        """The value of one operand without arguments."""
        match node:
            case nodes.Field():
                return self._field(node)
            case nodes.Variable():
                return self._variable(node)
            case nodes.Literal():
                return self._literal(node)
            case nodes.Dot():
                return lambda _runtime, dot: dot
            case nodes.Nil():
                return lambda _runtime, _dot: None
            case nodes.Pipe():
                return self.pipe(node)
            case nodes.Chain():
                return self._chain(node)
            case nodes.Identifier():
                return self._function(node, node, [], None)

    def _literal(self, node: nodes.Literal) -> Expression:
        value = node.value
        if value is None:
            return self._failing(node, f"{node.source} overflows int")
        return lambda _runtime, _dot: value

    def _field(self, node: nodes.Field) -> Expression:
        if len(node.names) > 1:
            return self._path(lambda _runtime, dot: dot, node, node.names)
        name = node.names[0]
        lookup = self._lookup

        def run(_runtime: Runtime, dot: Any) -> Any:
            if type(dot) is dict:
                return dot.get(name)
            if isinstance(dot, Struct):
                value = dot.fields.get(name, _ABSENT)
                if value is not _ABSENT:
                    return value
            return lookup(dot, name, node)

        return run

    def _variable(self, node: nodes.Variable) -> Expression:
        slot = node.slot
        if slot == 0:

            def value_of(runtime: Runtime, _dot: Any) -> Any:
                return runtime.frame[0]
        else:

            def value_of(runtime: Runtime, _dot: Any) -> Any:
                value = runtime.frame[slot] if slot > 0 else UNSET
                if value is UNSET:
                    self.fail(node, f"undefined variable: {node.name}")
                return value

        return self._path(value_of, node, node.names) if node.names else value_of

    def _chain(self, node: nodes.Chain) -> Expression:
        if isinstance(node.base, nodes.Nil):
            return self._failing(node, f"indirection through explicit nil in {node}")
        return self._path(self.operand(node.base), node, node.names)

    def _path(self, base: Expression, node: nodes.Operand, names: tuple[str, ...]) -> Expression:
        lookup = self._lookup

        def run(runtime: Runtime, dot: Any) -> Any:
            value = base(runtime, dot)
            held = False
            for name in names:
                if type(value) is dict:
                    value, held = value.get(name), True
                else:
                    value, held = lookup(value, name, node, held), False
            return value

        return run

    def _lookup(self, receiver: Any, name: str, node: nodes.Operand, held: bool = False) -> Any:
        """A field of a struct or an entry of a map; a missing entry is nil (``missingkey=zero``).

        ``held`` says that the receiver comes out of a map, where Go only sees an ``interface {}``.
        """
        if isinstance(receiver, Struct):
            value = receiver.fields.get(name, _ABSENT)
            if value is not _ABSENT:
                return value
        elif isinstance(receiver, dict):
            return receiver.get(name)
        elif receiver is NO_VALUE:
            return NO_VALUE
        elif receiver is None:
            self.fail(last_operand(node), f"nil pointer evaluating interface {{}}.{name}")
        shown = "interface {}" if held else type_name(receiver)
        return self.fail(last_operand(node), f"can't evaluate field {name} in type {shown}")

    # Functions

    def _function(
        self,
        whole: nodes.Command | nodes.Identifier,
        identifier: nodes.Identifier,
        operands: list[nodes.Operand],
        final: Expression | None,
    ) -> Expression:
        name = identifier.name
        builtin = self._functions[name]
        count = len(operands) + (final is not None)
        if count < builtin.arity and builtin.variadic:
            reason = f"wrong number of args for {name}: want at least {builtin.arity} got {len(operands)}"
            return self._failing(identifier, reason)
        if count != builtin.arity and not builtin.variadic:
            reason = f"wrong number of args for {name}: want {builtin.arity} got {count}"
            return self._failing(identifier, reason)
        arguments = [self._argument(builtin, place, node) for place, node in enumerate(operands)]
        if final is not None:
            final = self._checked(builtin, len(operands), whole, final)
        if name in ("and", "or"):
            return _short_circuit([*arguments, *([] if final is None else [final])], final, name == "or")
        if name == "not":
            return _negation(arguments[0] if final is None else final)
        if name in ("eq", "ne") and count == 2 and final is None:
            return self._equality(whole, arguments[0], arguments[1], name)
        return self._general_call(whole, name, builtin, arguments, final, operands)

    def _argument(self, builtin: Builtin, place: int, node: nodes.Operand) -> Expression:
        if place < builtin.strings:
            if isinstance(node, nodes.Literal) and not isinstance(node.value, str):
                return self._failing(node, f"expected string; found {node}")
            if isinstance(node, nodes.Nil):
                return self._failing(node, "cannot assign nil to string")
        return self._checked(builtin, place, node, self.operand(node))

    def _checked(self, builtin: Builtin, place: int, node: Any, value_of: Expression) -> Expression:
        """An argument whose type is tested where the function takes only strings there."""
        if place >= builtin.strings:
            return value_of

        def run(runtime: Runtime, dot: Any) -> Any:
            value = value_of(runtime, dot)
            if isinstance(value, str):
                return value
            if value is NO_VALUE:
                self.fail(node, "invalid value; expected string")
            shown = "interface {}" if value is None else type_name(value)
            return self.fail(node, f"wrong type for value; expected string; got {shown}")

        return run

    def _equality(self, whole: Any, left: Expression, right: Expression, name: str) -> Expression:
        """``eq`` and ``ne`` of two operands, which is most of what templates do."""
        negate = name == "ne"

        def run(runtime: Runtime, dot: Any) -> bool:
            first, second = left(runtime, dot), right(runtime, dot)
            if type(first) is str and type(second) is str:
                if len(first) > LONG_TEXT:
                    runtime.charge([first])
                return (first == second) is not negate
            try:
                return equal(first, second) is not negate
            except FunctionError as error:
                self.fail(whole, f"error calling {name}: {error}")

        return run

    def _general_call(
        self,
        whole: Any,
        name: str,
        builtin: Builtin,
        arguments: list[Expression],
        final: Expression | None,
        operands: list[nodes.Operand],
    ) -> Expression:
        body, bulk = builtin.body, builtin.bulk
        callee = [str(operands[0] if operands else "")] if name == "call" else []

        def run(runtime: Runtime, dot: Any) -> Any:
            tail = [] if final is None else [final(runtime, dot)]
            values = [argument(runtime, dot) for argument in arguments] + tail
            if bulk:
                runtime.charge(values)
            try:
                result = body(*callee, *[None if value is NO_VALUE else value for value in values])
            except FunctionError as error:
                self.fail(whole, f"error calling {name}: {error}")
            if bulk:
                runtime.charge_result(result)
            return result

        return run


def _short_circuit(arguments: list[Expression], final: Expression | None, stop: bool) -> Expression:
    """``and`` stops at what is false, ``or`` at what is true; a piped value is computed first."""
    if final is not None:
        return _piped_short_circuit(arguments[:-1], final, stop)

    def run(runtime: Runtime, dot: Any) -> Any:
        value: Any = None
        for argument in arguments:
            value = argument(runtime, dot)
            if bool(value) is stop:
                return value
        return value

    return run


def _piped_short_circuit(arguments: list[Expression], final: Expression, stop: bool) -> Expression:
    def run(runtime: Runtime, dot: Any) -> Any:
        last = final(runtime, dot)
        for argument in arguments:
            value = argument(runtime, dot)
            if bool(value) is stop:
                return value
        return last

    return run


def last_operand(node: nodes.Operand) -> nodes.Operand:
    """The operand evaluated last, which is where Go places an error about the value of the whole."""
    if isinstance(node, nodes.Pipe):
        return last_operand(node.commands[-1].args[-1])
    return last_operand(node.base) if isinstance(node, nodes.Chain) else node


def _negation(argument: Expression) -> Expression:
    return lambda runtime, dot: not argument(runtime, dot)
