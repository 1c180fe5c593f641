"""Grammars of calls: from the mark that announces one on, a function's parameters bind what is generated.

The engine follows such a grammar from the moment at which the mark has been said (``grammar_lazy``).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from puna.inference.format.constraint import Constraint, bind
from puna.inference.format.errors import FormatError
from puna.inference.format.grammar import literal

_OBJECT = {"type": "object"}
_LONGEST = 1 << 20
_WORD = 1
"""llama.cpp's number for a trigger that is a text (``COMMON_GRAMMAR_TRIGGER_TYPE_WORD``)."""
_NAMES = re.compile(r'("(?:[^"\\]|\\.)*"|\[(?:[^\]\\]|\\.)*\])|\b(root|r\d+)\b')


@dataclass(frozen=True, slots=True)
class CallShape:
    """How a family writes calls: a mark, the function's name, its arguments as a JSON object, and what stands around.

    A blank allows white space, or none, where it is. ``quoted`` tells that the name is a text of JSON.
    """

    mark: str
    before_name: str
    before_arguments: str
    after: str
    quoted: bool = True


JSON_IN_TAGS = CallShape("<tool_call>", ' { "name": "', '" , "arguments": ', " } </tool_call>")
NAME_AND_JSON = CallShape("[TOOL_CALLS]", "", "[ARGS]", "", quoted=False)


async def bind_calls(shape: CallShape, functions: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the fields that bind calls for the engine; {} where there would be too much of them.

    ``functions`` are parameters by name. Those that cannot be enforced are bound to be any object.
    """
    rules: list[str] = []
    choices: list[str] = []
    for number, (name, parameters) in enumerate(functions.items()):
        rules.append(_renamed(await _arguments(parameters), f"f{number}"))
        said = orjson.dumps(name).decode()[1:-1] if shape.quoted else name
        choices.append(f"{literal(said)} {_piece(shape.before_arguments)} f{number}")
    call = " ".join(filter(None, (literal(shape.mark), _piece(shape.before_name), "name", _piece(shape.after))))
    head = [
        "root ::= call again",
        "again ::= space call again | space",
        f"call ::= {call}",
        f"name ::= {' | '.join(choices)}",
        'space ::= "" | " " | "\\n" | "\\n\\n"',
    ]
    grammar = "\n".join([*head, *rules])
    if len(grammar) > _LONGEST:
        return {}
    trigger = {"type": _WORD, "value": shape.mark}
    return {"grammar": grammar, "grammar_lazy": True, "grammar_triggers": [trigger], "ignore_eos": False}


async def _arguments(parameters: Mapping[str, Any]) -> str:
    try:
        bound = await bind({**parameters, **_OBJECT})
    except FormatError:
        bound = await bind(_OBJECT)
    return bound.grammar if isinstance(bound, Constraint) else ""


def _renamed(grammar: str, prefix: str) -> str:
    """Return a grammar whose rules have names of their own; ``root`` is called ``prefix``."""

    def name(match: re.Match[str]) -> str:
        return match[1] or (prefix if match[2] == "root" else f"{prefix}-{match[2]}")

    return _NAMES.sub(name, grammar)


def _piece(text: str) -> str:
    return " space ".join(literal(part) if part else "" for part in text.split(" ")).strip() if text else ""
