"""What a renderer is given, and the shapes of JSON that prompts are made of.

Which text each family was trained on is known from Ollama's ``model/renderers``; what they write is compared with it.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from puna.errors import BadRequestError
from puna.gotemplate.gojson import JsonStruct, marshal
from puna.inference.prompt.ollama_values import TemplateToolCall, to_go, tools_to_go

Think = bool | str | None

_HTML = re.compile(r"\\\\|\\u003c|\\u003e|\\u0026")
_UNESCAPED = {r"\u003c": "<", r"\u003e": ">", r"\u0026": "&"}
_SEPARATOR = re.compile(r'"(?:[^"\\]|\\.)*"|[:,]', re.DOTALL)


class CannotRenderError(BadRequestError):
    """A conversation that a family has no words for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One message. ``images`` is the number of its pictures; each becomes ``[img-N]`` in the prompt."""

    role: str
    content: str = ""
    thinking: str = ""
    calls: tuple[TemplateToolCall, ...] = ()
    tool_name: str = ""
    tool_call_id: str = ""
    images: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialogue:
    """A conversation to render: its turns, the definitions of functions, and whether to think (or how much)."""

    turns: Sequence[Turn]
    tools: Sequence[Mapping[str, Any]] = ()
    think: Think = None

    @property
    def functions(self) -> list[Mapping[str, Any]]:
        """Return the functions: name, description and parameters, keys in the order of Ollama's types."""
        return [tool["function"] for tool in self.documents]

    @property
    def documents(self) -> list[Mapping[str, Any]]:
        """Return the definitions as JSON objects, keys in the order of Ollama's types."""
        return [_without_empty_description(_plain(tool)) for tool in tools_to_go(self.tools)]


class Renderer(Protocol):
    """Returns the prompt of a conversation, up to where the model goes on; raises ``CannotRenderError``."""

    def __call__(self, dialogue: Dialogue) -> str: ...


def _without_empty_description(tool: dict[str, Any]) -> dict[str, Any]:
    function = tool["function"]
    return tool | {"function": {key: value for key, value in function.items() if value or key != "description"}}


def _plain(value: Any) -> Any:
    """Return a value for templates as ordinary JSON, its keys in order."""
    if isinstance(value, JsonStruct):
        return _plain(value.document)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def compact(value: Any) -> str:
    """Return JSON without spaces, in which <, > and & are escaped, as Go writes it."""
    return marshal(to_go(value))


def spaced(value: Any) -> str:
    """Return JSON as ``compact`` writes it, with a space after each colon and comma."""
    return _spaces(compact(value))


def spaced_plain(value: Any) -> str:
    """Return JSON with a space after each colon and comma, in which nothing is escaped for HTML."""
    return _spaces(_HTML.sub(lambda match: _UNESCAPED.get(match[0], match[0]), compact(value)))


def spaced_definition(definition: Mapping[str, Any]) -> str:
    """Return a function, or its parameters, as ``spaced_plain`` does, but for ``properties``: Ollama escapes these."""
    write: Mapping[str, Callable[[Any], str]] = {"parameters": spaced_definition, "properties": spaced}
    members = (f"{spaced_plain(key)}: {write.get(key, spaced_plain)(item)}" for key, item in definition.items())
    return "{" + ", ".join(members) + "}"


def _spaces(text: str) -> str:
    return _SEPARATOR.sub(lambda match: match[0] + (" " if match[0] in (":", ",") else ""), text)


def indented(value: Any, indent: str = "    ") -> str:
    """Return JSON with each member on a line of its own."""
    lines: list[str] = []
    depth = 0
    for match in re.finditer(r'"(?:[^"\\]|\\.)*"|[\[{]\s*[\]}]|[{}\[\],:]|[^\s{}\[\],:"]+', compact(value), re.DOTALL):
        part = match[0]
        if part in ("{", "["):
            depth += 1
            lines.append(part + "\n" + indent * depth)
        elif part in ("}", "]"):
            depth -= 1
            lines.append("\n" + indent * depth + part)
        elif part == ",":
            lines.append(",\n" + indent * depth)
        elif part == ":":
            lines.append(": ")
        else:
            lines.append(part)
    return "".join(lines)


def argument_text(value: Any, write: Callable[[Any], str] = compact) -> str:
    """Return an argument as text: strings as they are, all else as JSON."""
    return value if isinstance(value, str) else write(value)


def printed(value: Any, write: Callable[[Any], str] = compact) -> str:
    """Return an argument as ``argument_text`` does, but fractions as Python and Go print them: 1e-05."""
    return repr(value) if isinstance(value, float) and not value.is_integer() else argument_text(value, write)


def thinks(think: Think, default: bool = False) -> bool:
    """Return whether to think; a level is a yes."""
    return default if think is None else bool(think)


def with_images(turn: Turn, first: int) -> str:
    """Return a turn's text with ``[img-N]`` for each picture, counted from ``first``.

    ``[img]`` in the text says where one goes, and "[img-" that the text names them itself; others go before it.
    """
    if not turn.images or "[img-" in turn.content:
        return turn.content
    content, before = turn.content, ""
    for number in range(first, first + turn.images):
        mark = f"[img-{number}]"
        if "[img]" in content:
            content = content.replace("[img]", mark, 1)
        else:
            before += mark
    if before and content and not content[0].isspace():
        before += " "
    return before + content


def contents(turns: Sequence[Turn]) -> list[str]:
    """Return the text of each turn with its pictures, which are counted through the conversation."""
    texts, count = [], 0
    for turn in turns:
        texts.append(with_images(turn, count))
        count += turn.images
    return texts


def starts_run(turns: Sequence[Turn], index: int, role: str = "tool") -> bool:
    """Return whether the turn before this one has another role."""
    return index == 0 or turns[index - 1].role != role


def ends_run(turns: Sequence[Turn], index: int, role: str = "tool") -> bool:
    """Return whether the turn after this one has another role."""
    return index == len(turns) - 1 or turns[index + 1].role != role


def first_system(turns: Sequence[Turn]) -> tuple[Turn | None, Sequence[Turn]]:
    """Return the first system message, wherever it stands, and the turns beside it; later ones are among these."""
    at = next((index for index, turn in enumerate(turns) if turn.role == "system"), None)
    return (None, turns) if at is None else (turns[at], [*turns[:at], *turns[at + 1 :]])


def split_system(turns: Sequence[Turn], *roles: str) -> tuple[Turn | None, Sequence[Turn]]:
    """Return the system message that a conversation begins with, if it does, and the turns after it."""
    if turns and turns[0].role in (roles or ("system",)):
        return turns[0], turns[1:]
    return None, turns
