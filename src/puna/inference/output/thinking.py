"""Tells a model's thinking from its answer by the tags around it, as Ollama's ``thinking/parser.go`` does."""

from enum import Enum, auto

from puna.inference.output.events import ContentText, OutputEvent, ThinkingText, overlap


class _State(Enum):
    LOOKING = auto()
    BEFORE_THINKING = auto()
    THINKING = auto()
    BEFORE_ANSWER = auto()
    ANSWER = auto()


class ThinkingParser:
    """Thinking only counts at the start of the text; space around the tags is dropped.

    ``opened`` says that the prompt ends with the opening tag, so that the text begins inside the thinking.
    """

    def __init__(self, opening: str, closing: str, *, opened: bool = False) -> None:
        self._opening = opening
        self._closing = closing
        self._state = _State.BEFORE_THINKING if opened else _State.LOOKING
        self._held = ""

    def feed(self, text: str) -> list[OutputEvent]:
        self._held += text
        events: list[OutputEvent] = []
        while self._step(events):
            pass
        return events

    def finish(self) -> list[OutputEvent]:
        held, self._held = self._held, ""
        if self._state is _State.THINKING:
            held = held.rstrip()
        if not held or self._state in (_State.BEFORE_THINKING, _State.BEFORE_ANSWER):
            return []
        return [ThinkingText(held) if self._state is _State.THINKING else ContentText(held)]

    def _step(self, events: list[OutputEvent]) -> bool:
        """Goes on as far as one state allows; False where more text is needed."""
        match self._state:
            case _State.LOOKING:
                return self._look()
            case _State.BEFORE_THINKING:
                return self._skip_space(_State.THINKING)
            case _State.THINKING:
                return self._think(events)
            case _State.BEFORE_ANSWER:
                return self._skip_space(_State.ANSWER)
            case _State.ANSWER:
                if self._held:
                    events.append(ContentText(self._held))
                self._held = ""
                return False

    def _look(self) -> bool:
        text = self._held.lstrip()
        if text.startswith(self._opening):
            self._held = text[len(self._opening) :]
            self._state = _State.BEFORE_THINKING
            return True
        if self._opening.startswith(text):
            return False
        self._state = _State.ANSWER
        return True

    def _skip_space(self, following: _State) -> bool:
        self._held = self._held.lstrip()
        if self._held:
            self._state = following
        return bool(self._held)

    def _think(self, events: list[OutputEvent]) -> bool:
        thinking, closing, rest = self._held.partition(self._closing)
        if closing:
            thinking, self._held = thinking.rstrip(), rest
            self._state = _State.BEFORE_ANSWER
        else:
            cut = len(thinking[: len(thinking) - overlap(thinking, self._closing)].rstrip())
            thinking, self._held = thinking[:cut], thinking[cut:]
        if thinking:
            events.append(ThinkingText(thinking))
        return bool(closing)
