"""What is asked of a model, in no dialect's words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from puna.inference.format.constraint import Constraint
from puna.inference.options import Options
from puna.models.model import Model

Think = bool | str | None
"""Whether to think: yes, no, a level ("low", "medium", "high", "max"), or as the model does by default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A call that a model made: a function's name and its arguments, a JSON object in the order it was written.

    ``raw`` is the text of the arguments where a dialect passes that on: the same text is the same prompt.
    """

    name: str
    arguments: Mapping[str, Any]
    id: str = ""
    raw: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn of a conversation.

    ``images`` are its pictures and sounds, which their first bytes tell apart, and ``places`` where in ``content`` each
    goes, in characters; all before it if ``places`` is empty.
    """

    role: str
    content: str = ""
    thinking: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_name: str = ""
    tool_call_id: str = ""
    images: tuple[bytes, ...] = ()
    places: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """Which functions may be called: ``mode`` is "auto", "none" or "required".

    ``names`` are those that may be, all if it is empty; without ``parallel`` one call is the most.
    """

    mode: str = "auto"
    names: tuple[str, ...] = ()
    parallel: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """Messages to answer, with the functions that may be called.

    Those have their keys in the order of Ollama's structs (``tools_in_order``) as soon as anything is rendered.
    """

    messages: tuple[Message, ...]
    tools: tuple[dict[str, Any], ...] = ()
    tool_choice: ToolChoice = ToolChoice()


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """Text, or tokens, to go on with as they are; ``images`` and ``places`` are as in ``Message``."""

    prompt: str | tuple[int, ...]
    images: tuple[bytes, ...] = ()
    places: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Infill:
    """A gap to fill between two texts."""

    prefix: str
    suffix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """An answer that a model is made to give, in tests of applications: its thoughts, its text, then its calls."""

    thinking: str = ""
    content: str = ""
    calls: tuple[ToolCall, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """One generation.

    ``format`` is "" for free text, "json", a JSON Schema, or what was made of either to bind the answer. ``context``
    are the tokens of an earlier answer to go on from. ``truncate`` drops the oldest messages of a prompt that does not
    fit; without it that is an error. ``shift`` lets an answer go on past the context's end by forgetting its oldest
    tokens.
    """

    model: Model
    name: str
    """What the caller calls the model; errors use the same word."""
    input: Conversation | Completion | Infill
    options: Options
    think: Think = None
    format: str | Mapping[str, Any] | Constraint = ""
    template: str = ""
    context: tuple[int, ...] = ()
    truncate: bool = True
    shift: bool = True
    logprobs: bool = False
    top_logprobs: int = 0
    can_think: bool = False
    """Whether the model has the capability."""
    with_context: bool = False
    """Whether the final event carries the tokens of prompt and answer."""
    script: Script | None = None
    """The only answer that the model may give; ``format`` is "" then."""
    with_reading: bool = False
    """Whether events tell how far the engine is with the prompt; one comes before the first piece in any case."""
    choices: int = 1
    """How many answers are asked for."""
    whole: bool = False
    """Whether nobody is told of an answer before its end: one whose runner is lost may then begin anew."""
    template_values: Mapping[str, Any] = field(default_factory=dict)
    """What the template inside a GGUF is given besides, by name (``chat_template_kwargs``)."""
    prediction: str = ""
    """What the answer is likely to be: it changes no answer, but an engine that can is faster where it is right."""

    @property
    def thinks(self) -> Think:
        """Return whether to think: as asked, as the model's parameters say, else as Ollama does, if it can."""
        if not self.can_think:
            return False if self.think is False else None  # some say so though they cannot
        chosen = self.think if self.think is not None else self.options.think
        return True if chosen is None else chosen

    @property
    def most_thoughts(self) -> int:
        """Return how many tokens the thoughts may have, negative for no limit of their own.

        A grammar of the caller's own says what the thoughts are, and where they end.
        """
        own_grammar = self.options.sampling.get("grammar")
        return self.options.thinking_budget if self.thinks and not own_grammar else -1

    @property
    def has_format(self) -> bool:
        """Return whether the answer must have a format; the empty schema means any JSON."""
        return self.format != "" or self.script is not None
