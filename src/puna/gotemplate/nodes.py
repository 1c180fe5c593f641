"""The parse tree. ``str(node)`` is the node's source in Go's normal form, as error messages quote it.

``position`` is the offset in the template's text that an error about the node names.
"""

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from puna.gotemplate.quoting import quote


@dataclass(slots=True)
class Text:
    position: int
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(slots=True)
class Dot:
    position: int

    def __str__(self) -> str:
        return "."


@dataclass(slots=True)
class Nil:
    position: int

    def __str__(self) -> str:
        return "nil"


@dataclass(slots=True)
class Literal:
    """A constant; ``value`` is None for a number that does not fit Go's ``int``."""

    position: int
    source: str
    value: Any

    def __str__(self) -> str:
        return self.source


@dataclass(slots=True)
class Field:
    """``.A.B``: names looked up from dot."""

    position: int
    names: tuple[str, ...]

    def __str__(self) -> str:
        return "".join("." + name for name in self.names)


@dataclass(slots=True)
class Variable:
    """``$x.A``: a variable and the names looked up from it. ``slot`` is where its value lives at run time."""

    position: int
    name: str
    names: tuple[str, ...]
    slot: int

    def __str__(self) -> str:
        return ".".join((self.name, *self.names))


@dataclass(slots=True)
class Identifier:
    """The name of a function."""

    position: int
    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(slots=True)
class Chain:
    """``(pipeline).A.B``, or fields of a function's result."""

    position: int
    base: "Operand"
    names: tuple[str, ...]

    def __str__(self) -> str:
        base = f"({self.base})" if isinstance(self.base, Pipe) else str(self.base)
        return ".".join((base, *self.names))


@dataclass(slots=True)
class Command:
    position: int
    args: list["Operand"] = field(default_factory=list)

    def __str__(self) -> str:
        return " ".join(f"({arg})" if isinstance(arg, Pipe) else str(arg) for arg in self.args)


@dataclass(slots=True)
class Pipe:
    """Commands joined by ``|``; its value is declared as, or assigned to, the variables of ``targets``."""

    position: int
    targets: list[Variable] = field(default_factory=list)
    is_assignment: bool = False
    commands: list[Command] = field(default_factory=list)

    def __str__(self) -> str:
        head = ""
        if self.targets:
            head = ", ".join(map(str, self.targets)) + (" = " if self.is_assignment else " := ")
        return head + " | ".join(map(str, self.commands))


@dataclass(slots=True)
class Block:
    """A list of nodes in their order."""

    position: int
    nodes: list["Node"] = field(default_factory=list)

    def __str__(self) -> str:
        return "".join(map(str, self.nodes))


@dataclass(slots=True)
class Action:
    position: int
    pipe: Pipe

    def __str__(self) -> str:
        return "{{" + str(self.pipe) + "}}"


@dataclass(slots=True)
class Branch:
    """What ``if``, ``with`` and ``range`` have in common."""

    position: int
    pipe: Pipe
    body: Block
    otherwise: Block | None

    keyword = ""

    def __str__(self) -> str:
        tail = "" if self.otherwise is None else "{{else}}" + str(self.otherwise)
        return "{{" + f"{self.keyword} {self.pipe}" + "}}" + f"{self.body}{tail}" + "{{end}}"


class If(Branch):
    __slots__ = ()
    keyword = "if"


class With(Branch):
    __slots__ = ()
    keyword = "with"


class Range(Branch):
    __slots__ = ()
    keyword = "range"


@dataclass(slots=True)
class Break:
    position: int

    def __str__(self) -> str:
        return "{{break}}"


@dataclass(slots=True)
class Continue:
    position: int

    def __str__(self) -> str:
        return "{{continue}}"


@dataclass(slots=True)
class Invoke:
    """``{{template "name" pipeline}}``."""

    position: int
    name: str
    pipe: Pipe | None

    def __str__(self) -> str:
        pipe = "" if self.pipe is None else f" {self.pipe}"
        return "{{template " + quote(self.name) + pipe + "}}"


@dataclass(slots=True)
class Tree:
    """One named template: its nodes and how many variables it needs."""

    name: str
    root: Block
    slots: int = 1


Operand: TypeAlias = Dot | Nil | Literal | Field | Variable | Identifier | Chain | Pipe
Node: TypeAlias = Text | Action | If | With | Range | Break | Continue | Invoke
