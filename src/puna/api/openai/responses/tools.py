"""Tools: what of them a model is offered as functions, and whose calls are whose when it answers.

A function in a namespace is offered as ``namespace__name``, a custom tool as a function of one text.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from puna.api.openai.custom import custom_function
from puna.api.openai.responses.blame import blaming
from puna.errors import BadRequestError
from puna.inference.requests import ToolChoice

_MODES = ("auto", "none", "required")


def flat_name(namespace: object, name: str) -> str:
    """Return what a function is called by the model."""
    return f"{namespace}__{name}" if isinstance(namespace, str) and namespace else name


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool as its owner knows it; ``custom`` ones take a text."""

    name: str
    namespace: str = ""
    custom: bool = False


@dataclass(slots=True)
class Tools:
    """The tools of one request: ``functions`` as models are offered them, ``others`` are kinds that nobody here has."""

    functions: list[dict[str, Any]] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    _known: dict[str, Tool] = field(default_factory=dict)

    def of(self, flat: str) -> Tool:
        """Return whose call it is if a model calls ``flat``."""
        return self._known.get(flat) or Tool(flat)

    def add(self, given: Iterable[Mapping[str, Any]], where: str = "tools") -> None:
        """Take tools of a request; raise ``BadRequestError`` for what is wrong with them."""
        for index, tool in enumerate(given):
            place = f"{where}[{index}]"
            if not isinstance(tool, dict):
                raise BadRequestError(f"{place} must be an object", param=place)
            match tool.get("type") or "function":
                case "namespace":
                    with blaming(place):
                        self._add_namespace(tool, place)
                case "function" | "custom":
                    with blaming(place):
                        self._add_one(tool, place)
                case kind:
                    self.others.append(str(kind)[:80])

    def _add_namespace(self, tool: Mapping[str, Any], where: str) -> None:
        name, inner = tool.get("name"), tool.get("tools")
        if not isinstance(name, str) or not name or not isinstance(inner, list):
            raise BadRequestError(f"{where}: a namespace needs a name and tools")
        about = tool.get("description") or ""
        for index, one in enumerate(inner):
            place = f"{where}.tools[{index}]"
            if not isinstance(one, dict):
                raise BadRequestError(f"{place} must be an object")
            if (one.get("type") or "function") not in ("function", "custom"):
                self.others.append(str(one.get("type"))[:80])
                continue
            self._add_one(one, place, name, str(about) if index == 0 else "")

    def _add_one(self, tool: Mapping[str, Any], where: str, namespace: str = "", about: str = "") -> None:
        given = tool.get("function")  # as in chat completions, which some clients send here as well
        tool = tool if not isinstance(given, dict) else {"type": "function", **given}
        name, parameters = tool.get("name"), tool.get("parameters")
        if not isinstance(name, str) or not name:
            raise BadRequestError(f"{where}: a tool needs a name")
        if not isinstance(parameters, dict | None):
            raise BadRequestError(f"{where}.parameters must be a JSON Schema object")
        flat = flat_name(namespace, name)
        if flat in self._known:
            raise BadRequestError(f'{where}: there is more than one tool called "{flat[:80]}"')
        custom = tool.get("type") == "custom"
        self._known[flat] = Tool(name, namespace, custom)
        description = "\n".join(filter(None, (about, str(tool.get("description") or ""))))
        function = {"name": flat, "description": description, "parameters": parameters or {}}
        if custom:
            function = custom_function(flat, description, tool.get("format"), where)
        self.functions.append({"type": "function", "function": function})

    def choice(self, value: str | Mapping[str, Any], *, parallel: bool) -> ToolChoice:
        """Return what ``tool_choice`` asks; raise ``BadRequestError`` for a tool that is not offered."""
        with blaming("tool_choice"):
            return self._choice(value, parallel)

    def _choice(self, value: str | Mapping[str, Any], parallel: bool) -> ToolChoice:
        if isinstance(value, str):
            return ToolChoice(self._mode(value), parallel=parallel)
        kind = value.get("type")
        if kind in ("function", "custom"):
            return ToolChoice("required", (self._named(value),), parallel)
        if kind != "allowed_tools":
            raise BadRequestError(f'tool_choice: tools of the kind "{str(kind)[:80]}" are not offered here')
        tools = value.get("tools")
        if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
            raise BadRequestError("tool_choice.tools must be an array of objects")
        names = [self._named(tool) for tool in tools if tool.get("type", "function") in ("function", "custom")]
        mode = self._mode(str(value.get("mode", "auto")))
        if not names:
            if mode == "required":
                raise BadRequestError("tool_choice: none of the tools that are allowed is offered here")
            return ToolChoice("none", parallel=parallel)
        return ToolChoice(mode, tuple(dict.fromkeys(names)), parallel)

    def _mode(self, mode: str) -> str:
        if mode not in _MODES:
            raise BadRequestError(f'tool_choice must be one of {", ".join(_MODES)} or an object, not "{mode[:40]}"')
        if mode == "required" and not self.functions:
            raise BadRequestError("tool_choice: there are no tools to call")
        return mode

    def _named(self, value: Mapping[str, Any]) -> str:
        inner = value.get("function")
        name = str((inner if isinstance(inner, dict) else value).get("name") or "")
        flat = flat_name(value.get("namespace"), name)
        found = [flat] if flat in self._known else [key for key, tool in self._known.items() if tool.name == name]
        if len(found) != 1:
            raise BadRequestError(f'tool_choice: there is no tool called "{name[:80]}"')
        return found[0]
