"""Which functions an answer calls: ``tool_choice`` and ``parallel_tool_calls`` as OpenAI's chat API has them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from puna.errors import BadRequestError
from puna.inference.requests import ToolChoice

MODES = ("auto", "none", "required")
_EXPECTED = (
    '"auto", "none", "required", {"type": "function", "function": {"name"}} or '
    '{"type": "allowed_tools", "allowed_tools": {"mode", "tools"}}'
)


def read_tool_choice(
    value: str | Mapping[str, Any] | None, tools: Sequence[Mapping[str, Any]], *, parallel: bool | None = None
) -> ToolChoice:
    """Return what ``tool_choice`` and ``parallel_tool_calls`` ask of an answer that may call ``tools``.

    A function is named as in ``{"type": "function", "function": {"name": "f"}}`` or, as in OpenAI's Responses, in
    ``{"type": "function", "name": "f"}``; "any" is another word for "required". Raises ``BadRequestError`` for what is
    none of these, and for a function that is not among the tools.
    """
    together = parallel is not False
    if value is None:
        return ToolChoice(parallel=together)
    mode, asked = _read(value)
    known = [str(tool["function"]["name"]) for tool in tools]
    for name in asked or ():
        if name not in known:
            raise BadRequestError(f'tool_choice: there is no tool called "{name}"')
    if mode == "required" and not known:
        raise BadRequestError("tool_choice: there are no tools to call")
    return ToolChoice(mode, asked, together)


def _read(value: str | Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    if isinstance(value, str):
        return _mode(value), ()
    match value.get("type"):
        case "function":
            return "required", (_name(value),)
        case "allowed_tools":
            inner = value.get("allowed_tools", value)
            if not isinstance(inner, Mapping) or not isinstance(inner.get("tools"), list) or not inner["tools"]:
                raise _wrong(value)
            return _mode(inner.get("mode", "auto")), tuple(dict.fromkeys(_names(inner["tools"])))
    raise _wrong(value)


def _names(tools: Iterable[Any]) -> Iterable[str]:
    for tool in tools:
        if not isinstance(tool, Mapping):
            raise _wrong(tool)
        yield _name(tool)


def _name(value: Mapping[str, Any]) -> str:
    function = value.get("function", value)
    name = function.get("name") if isinstance(function, Mapping) else None
    if not isinstance(name, str) or not name:
        raise _wrong(value)
    return name


def _mode(value: Any) -> str:
    mode = "required" if value == "any" else value
    if mode not in MODES:
        raise _wrong(value)
    return str(mode)


def _wrong(value: Any) -> BadRequestError:
    return BadRequestError(f"invalid tool_choice: {str(value)[:80]!r} (must be {_EXPECTED})")
