"""Custom tools, which take a text and no arguments.

A model is offered each as a function whose one argument is the text, bound by the tool's grammar if it has one.
"""

from collections.abc import Mapping
from typing import Any

from puna.api.openai.grammars import text_pattern
from puna.errors import BadRequestError
from puna.inference.output.calls import lenient_object
from puna.inference.output.json_text import JsonText

INPUT = "input"
"""What the argument is called."""


def custom_function(name: str, description: str, form: object, where: str) -> dict[str, Any]:
    """Return the function that stands for a tool, with the tool's ``form`` (``{"type": "text"}``, or a grammar).

    Errors call the tool ``where``.
    """
    schema: dict[str, Any] = {"type": "string"}
    form = form or {"type": "text"}
    if not isinstance(form, Mapping) or form.get("type") not in ("text", "grammar"):
        raise BadRequestError(f'{where}.format.type must be "text" or "grammar"', param=f"{where}.format.type")
    if form["type"] == "grammar":
        inner = form.get("grammar")  # chat completions have it inside, responses beside the type
        syntax, definition = [
            (inner if isinstance(inner, Mapping) else form).get(key) for key in ("syntax", "definition")
        ]
        if not isinstance(definition, str) or not definition.strip():
            raise BadRequestError(f"{where}.format.definition must be a string", param=f"{where}.format")
        try:
            schema["pattern"] = text_pattern(str(syntax), definition, f"{where}.format")
        except BadRequestError as error:
            error.param = f"{where}.format"
            raise
        description += f"\nThe input must follow this {syntax} grammar:\n{definition}"
    parameters = {"type": "object", "properties": {INPUT: schema}, "required": [INPUT]}
    return {"name": name, "description": description.strip(), "parameters": parameters}


class Input:
    """The text of one call, out of the arguments of the function that stands for the tool."""

    def __init__(self) -> None:
        self._written: list[str] = []
        self._text = JsonText(INPUT)

    def feed(self, piece: str) -> str:
        """Take the next piece of the arguments, and return what can be read of the text with it."""
        self._written.append(piece)
        return self._text.feed(piece)

    def whole(self) -> str:
        """Return the text: of arguments that were cut off what there is of it, of others all that was written."""
        written, told = "".join(self._written), self._text.text
        found = lenient_object(written)
        return str(found[INPUT]) if found and INPUT in found else told or written

    def rest(self) -> str:
        """Return what of the whole text has not been told piece by piece."""
        text, told = self.whole(), self._text.text
        return text[len(told) :] if text.startswith(told) else ""


def whole_input(arguments: str) -> str:
    """Return the text of a call that is complete."""
    found = Input()
    found.feed(arguments)
    return found.whole()
