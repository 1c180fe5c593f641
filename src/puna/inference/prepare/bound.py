"""What holds an answer with functions at hand to calls as they were chosen, and to the functions' parameters."""

import logging
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from puna.errors import BadRequestError
from puna.inference.families.harmony import prompt_names
from puna.inference.families.voice import Voice
from puna.inference.format.calls import CallShape, Plan, Thoughts
from puna.inference.format.constraint import bind_calls
from puna.inference.format.errors import FormatError
from puna.inference.prepare.call import Prepared
from puna.inference.requests import Conversation, GenerationRequest

_log = logging.getLogger(__name__)


def allowed(conversation: Conversation) -> dict[str, Mapping[str, Any]]:
    """Return the parameters of the functions that may be called, by name."""
    names = conversation.tool_choice.names
    functions = {str(tool["function"]["name"]): tool["function"].get("parameters") or {} for tool in conversation.tools}
    return {name: parameters for name, parameters in functions.items() if not names or name in names}


def can_write(shape: CallShape | None, conversation: Conversation) -> bool:
    """Return whether a call of any function can be written in a shape."""
    return shape is not None and (
        shape.quoted or any(re.fullmatch(shape.names, name) for name in allowed(conversation))
    )


async def bound(
    prepared: Prepared,
    request: GenerationRequest,
    conversation: Conversation,
    voice: Voice,
    shape: CallShape | None,
    thoughts: Thoughts | None,
) -> Prepared:
    """Return the call with a grammar for its whole answer; raise ``BadRequestError`` if a call cannot be forced.

    Without a shape, and beside a grammar of the caller's own, calls are found in free text.
    """
    choice = conversation.tool_choice
    if not conversation.tools or request.has_format:
        return prepared
    if request.options.sampling.get("grammar"):
        if choice.mode == "required":
            raise BadRequestError("tool_choice cannot force a call together with the option 'grammar'")
        return prepared
    if shape is None:
        return prepared
    functions = allowed(conversation)
    if voice.parser == "harmony":
        called = prompt_names(str(tool["function"]["name"]) for tool in conversation.tools)
        functions = {called[name]: parameters for name, parameters in functions.items()}
    plan = Plan(functions, shape, choice.mode, choice.parallel, thoughts)
    try:
        grammar = (await bind_calls(plan)).grammar
        after = (await bind_calls(replace(plan, thoughts=None))).grammar if prepared.budget >= 0 else ""
    except FormatError as error:
        if choice.mode == "required":
            raise BadRequestError(f"tool_choice: {error}") from None
        _log.warning("the calls of an answer are not bound: what a function takes cannot be a grammar")
        return prepared
    return replace(
        prepared,
        body=prepared.body | {"grammar": grammar},
        after_thoughts={"grammar": after} if after else prepared.after_thoughts,
    )
