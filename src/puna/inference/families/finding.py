"""What is known of a way of answering: what finds thoughts and calls in it, and the marks of these."""

from collections.abc import Callable
from dataclasses import dataclass

from puna.inference.families.parsing import Asked
from puna.inference.format.calls import CallShape, Thoughts
from puna.inference.output.events import ContentText, OutputEvent, OutputParser, ThinkingText

USUAL_TAGS = ("<think>", "</think>")
"""What stands around the thoughts of most models."""


@dataclass(frozen=True, slots=True)
class Parsing:
    """A parser and what it can find. ``preserved`` are the marks that may be control tokens.

    For answers in a format: ``closing`` is the mark that ends the thoughts before it, ``resume`` the text from there to
    the answer ("": the mark and an empty line), and ``opening`` the text before an answer without thoughts.
    ``thought`` is what thoughts begin with where an answer does not begin inside them, and ``to_call`` the text from
    their end to a call.
    """

    make: Callable[[Asked], OutputParser]
    preserved: tuple[str, ...]
    tools: bool = True
    thinking: bool = True
    closing: str = "</think>"
    resume: str = ""
    opening: str = ""
    thought: str = ""
    to_call: str = ""
    calls: CallShape | None = None
    """How its calls are written."""
    in_tags: bool = False
    """Whether thoughts stand between ``thought`` and ``closing``, and the prompt may end with the former."""

    @property
    def tags(self) -> tuple[str, str] | None:
        """Return the tags around thoughts where a template writes the first of them or the model does."""
        if self.in_tags:
            return self.thought, self.closing
        return USUAL_TAGS if self.closing == USUAL_TAGS[1] else None

    def thoughts(self, asked: Asked) -> Thoughts | None:
        """Return what thoughts an answer may begin with: which text is one, the parser knows."""
        if any(isinstance(event, ThinkingText) for event in self._read(asked, "x")):
            return Thoughts(self.closing, "", self.to_call)
        # Where none were asked for some parsers leave them out, and others take them for text.
        found = self._read(asked, f"{self.thought}x{self.closing}") if self.thought else [ContentText("x")]
        told = all(isinstance(event, ThinkingText) for event in found)
        return Thoughts(self.closing, self.thought, self.to_call) if told else None

    def _read(self, asked: Asked, text: str) -> list[OutputEvent]:
        parser = self.make(asked)
        return [*parser.feed(text), *parser.finish()]

    def answer_after_thoughts(self, *, may_call: bool) -> str:
        """Return the text from the thoughts to an answer, which begins if nothing can be called."""
        if may_call and (self.resume or self.to_call):
            return self.closing + self.to_call
        return self.resume or f"{self.closing}\n\n"
