"""The short notation of functions and forms in the files of cases.

A function is ``name(argument, argument, …) What it does``, a form only the list. An argument is its name, ``?`` if it
may be left out, and after a colon its type when that is not text: ``int``, ``num``, ``bool``, ``list`` (of texts),
``list[int]``, ``list[num]``, or the choices ``red|green|blue``.
"""

import re
from typing import Any

FUNCTION = re.compile(r"(\w+)\((.*?)\) (.+)")
ARGUMENT = re.compile(r"(\w+)(\??)(?::(.+))?")
PLAIN = {"int": "integer", "num": "number", "bool": "boolean"}


def schema_of(kind: str) -> dict[str, Any]:
    """The JSON schema of a type; raises ``ValueError`` for one that the notation does not have."""
    if not kind:
        return {"type": "string"}
    if "|" in kind:
        return {"type": "string", "enum": kind.split("|")}
    if kind in PLAIN:
        return {"type": PLAIN[kind]}
    items = {"list": "string", "list[int]": "integer", "list[num]": "number"}.get(kind)
    if items is None:
        raise ValueError(f"no type {kind!r}")
    return {"type": "array", "items": {"type": items}}


def form(text: str) -> dict[str, Any]:
    """The JSON schema of an object with the fields of a list; raises ``ValueError`` where it cannot be read."""
    properties, required = {}, []
    for entry in filter(None, text.split(", ")):
        read = ARGUMENT.fullmatch(entry)
        if read is None:
            raise ValueError(f"no argument: {entry!r}")
        name, optional, kind = read.groups()
        properties[name] = schema_of(kind or "")
        if not optional:
            required.append(name)
    return {"type": "object", "properties": properties, "required": required}


def function(text: str) -> dict[str, Any]:
    """The definition of a function as clients send it; raises ``ValueError`` where it cannot be read."""
    read = FUNCTION.fullmatch(text)
    if read is None:
        raise ValueError(f"no function: {text!r}")
    name, arguments, description = read.groups()
    return tool({"name": name, "description": description, "parameters": form(arguments)})


def tool(definition: dict[str, Any]) -> dict[str, Any]:
    """A definition as it stands in a list of tools."""
    return {"type": "function", "function": definition}
