"""MiniMax M3: arguments are tags of their own names, and so is all that is in them; a control token begins each tag."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from puna.inference.families.parsing import Asked, TagParser, typed_value
from puna.inference.format.arguments import ITEM, KEY, Pairs, Schemas, Writing
from puna.inference.format.calls import ARGUMENTS, NAME, CallShape
from puna.inference.format.notation import Notation
from puna.inference.format.typed import inner_schemas, property_schema, schema_types

_TAG = "]<]minimax[>["
THINK, THINK_END = "<mm:think>", "</mm:think>"
_CALLS, _CALLS_END, _CALL_END = f"{_TAG}<tool_call>", f"{_TAG}</tool_call>", f"{_TAG}</invoke>"
MARKS = (_TAG, THINK, THINK_END)
CALLS = CallShape(
    f'{_TAG}<invoke name="{NAME}">{ARGUMENTS}{_CALL_END}',
    Writing(
        Notation(never=(_TAG,)),
        Pairs(f"{_TAG}<", ">", _TAG, f"</{KEY}>", texts=Notation("", "", never=(_TAG,)), nested=True),
    ),
    begin=f"{_CALLS}\n",
    between="\n",
    end=f"\n{_CALLS_END}",
    names=r"[^\s\"<>]+",
)
_PART = re.compile(r"<(/?)([^<>]+)>(.*)", re.DOTALL)
_INVOKE = re.compile(r'invoke name="([^"]+)"')


@dataclass(slots=True)
class _Node:
    """A tag: the text behind it, and the tags in it."""

    name: str
    text: str = ""
    inner: "list[_Node]" = field(default_factory=list)


def _tree(raw: str) -> list[_Node] | None:
    """Return the outermost tags of a text, ``None`` if they are not closed, or have text beside them.

    What closes a tag is known without its name.
    """
    top = _Node("")
    path = [top]
    top.text, *parts = raw.split(_TAG)
    for part in parts:
        match = _PART.fullmatch(part)
        if match is None or (match[1] and len(path) == 1):
            return None
        if not match[1]:
            path.append(_Node(match[2], match[3]))
            path[-2].inner.append(path[-1])
            continue
        path.pop()
        if match[3].strip():
            return None
    return top.inner if len(path) == 1 else None


def _value(root: Mapping[str, Any], schemas: Schemas, node: _Node) -> Any:
    types = [kind for schema in schemas for kind in schema_types(root, schema)]
    if node.inner:
        if "array" in types or ("object" not in types and all(one.name == ITEM for one in node.inner)):
            said = inner_schemas(root, schemas, None)
            return [_value(root, said, one) for one in node.inner]
        return {one.name: _value(root, inner_schemas(root, schemas, one.name), one) for one in node.inner}
    if not node.text and "string" not in types:
        return [] if "array" in types else {} if "object" in types else ""
    return typed_value(node.text, types)


def _read(asked: Asked, raw: str) -> list[tuple[str, Mapping[str, Any]]] | None:
    calls: list[tuple[str, Mapping[str, Any]]] = []
    for node in _tree(raw) or ():
        named = _INVOKE.fullmatch(node.name)
        if named is None:
            return None
        root = asked.tools.get(named[1], {})
        try:
            values = {one.name: _value(root, (property_schema(root, one.name),), one) for one in node.inner}
        except RecursionError:
            return None
        calls.append((named[1], values))
    return calls or None


def parser(asked: Asked) -> TagParser:
    """Return a parser of its answers; what ends thoughts stands before those without any."""
    return TagParser(
        thinking=False,
        call=_CALLS,
        call_end=_CALLS_END,
        read=lambda raw: _read(asked, raw),
        whole=lambda raw: raw.rstrip().endswith(_CALL_END),
        left_out=(THINK_END,),
    )
