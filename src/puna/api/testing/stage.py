"""What is played to whom: each port of the server is a lane, with a script, faults and a record of its own."""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any

from puna.api.testing.faults import ScriptError, error_of
from puna.api.testing.schemas import AnswerBody, CallBody, FaultBody
from puna.inference.requests import Conversation, GenerationRequest, Script, ToolCall

_MOST_ASKED, _MOST_BYTES = 1000, 64 << 20
"""How many requests a lane remembers, and of how many bytes of bodies; the last one in any case."""


@dataclass(slots=True)
class Asked:
    """One request as it came in; ``request`` is what a dialect has made of it, if it asks for a generation.

    ``cut_after`` is how many pieces of the answer are sent before the connection is closed; ``None``: all.
    """

    number: int
    method: str
    path: str
    dialect: str
    lane: "Lane"
    body: bytearray = field(default_factory=bytearray)
    status: int | None = None
    request: GenerationRequest | None = None
    cut_after: int | None = None


CURRENT: ContextVar[Asked | None] = ContextVar("puna.testing", default=None)
"""The request that is being answered."""


@dataclass(frozen=True, slots=True)
class Turn:
    """How one generation goes: the request as the engine is to get it, after ``delay`` seconds.

    ``answer`` is that of the script, which takes it back if the request is refused.
    """

    request: GenerationRequest
    delay: float = 0
    answer: AnswerBody | None = None


class Lane:
    """What is asked through one port, and what is answered there."""

    def __init__(self) -> None:
        self.asked: deque[Asked] = deque(maxlen=_MOST_ASKED)
        self._count = 0
        self.reset()

    def reset(self) -> None:
        """Forget the script, the faults and what was asked."""
        self.script: deque[AnswerBody] | None = None
        self.length = 0
        self.faults: deque[FaultBody] = deque()
        self.errors: list[str] = []
        self.asked.clear()

    def note(self, method: str, path: str, dialect: str) -> Asked:
        """Return the record of a request that has just come in."""
        while sum(len(asked.body) for asked in self.asked) > _MOST_BYTES:
            self.asked.popleft()
        self._count += 1
        asked = Asked(self._count, method, path, dialect, self)
        self.asked.append(asked)
        return asked

    def direct(self, script: Sequence[AnswerBody] | None, faults: Sequence[FaultBody]) -> None:
        """Take a script in the place of an earlier one, and faults behind those that wait."""
        if script is not None:
            self.script, self.length, self.errors = deque(script), len(script), []
        self.faults.extend(faults)

    def fault(self, asked: Asked) -> float:
        """Let the next fault happen, if one waits: raise it, or return for how many seconds it delays the answer."""
        return _happen(self.faults.popleft(), asked) if self.faults else 0

    def turn(self, asked: Asked, request: GenerationRequest) -> Turn:
        """Return how the next generation goes; raise the fault that it meets, or ``ScriptError``."""
        asked.request = request
        delay = self.fault(asked)
        if self.script is None:
            return Turn(request, delay)
        if not self.script:
            self.errors.append(f"{asked.method} {asked.path} asked for a generation when the script was at its end")
            raise ScriptError(f"the script has no answer left: all {self.length} were given before this request")
        answer = self.script.popleft()
        delay += _happen(answer.fault, asked) if answer.fault else 0
        if not answer.own:
            try:
                asked.request = request = _scripted(request, answer)
            except ScriptError as error:
                self.errors.append(str(error))
                raise
        return Turn(request, delay, answer)

    def take_back(self, turn: Turn) -> None:
        """Keep the answer of a request that was refused for the next one."""
        if self.script is not None and turn.answer:
            self.script.appendleft(turn.answer)


def _happen(fault: FaultBody, asked: Asked) -> float:
    if error := error_of(fault):
        raise error
    if fault.kind == "cut":
        asked.cut_after = fault.after
    return fault.seconds


def _scripted(request: GenerationRequest, answer: AnswerBody) -> GenerationRequest:
    """Return the request whose only answer is that of the script."""
    if answer.calls:
        _check_calls(request, answer.calls)
    if answer.thinking and request.think is False:
        raise ScriptError("the script has thoughts, but the request wants none")
    calls = tuple(ToolCall(name=call.name, arguments=call.arguments) for call in answer.calls)
    sampling = {name: value for name, value in request.options.sampling.items() if name != "grammar"}
    return replace(
        request,
        format="",
        think=(request.think or True) if answer.thinking else False,
        options=replace(request.options, sampling=sampling),
        script=Script(thinking=answer.thinking, content=answer.text, calls=calls),
    )


def _check_calls(request: GenerationRequest, calls: Sequence[CallBody]) -> None:
    if not isinstance(request.input, Conversation):
        raise ScriptError("the script has a call, but the request is no conversation")
    offered = [str(tool["function"]["name"]) for tool in request.input.tools]
    for call in calls:
        if call.offered and call.name not in offered:
            those = ", ".join(offered) or "none"
            raise ScriptError(f"the script calls {call.name!r}, which the request does not offer (it offers: {those})")


class Stage:
    """All lanes of a server, and who uses it: when the last one has gone, ``on_idle`` is called."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.lanes: dict[int, Lane] = {}
        self.users = 0
        self.listen: Callable[[], Awaitable[int]]
        self.on_idle: Callable[[], object]

    def lane(self, port: int) -> Lane:
        """Return the lane of a port."""
        return self.lanes.setdefault(port, Lane())


def shown(asked: Asked) -> dict[str, Any]:
    """Return a request as the control route tells it: messages and tools in no dialect's words."""
    request = asked.request
    conversation = request.input if request and isinstance(request.input, Conversation) else None
    return {
        "number": asked.number,
        "method": asked.method,
        "path": asked.path,
        "dialect": asked.dialect,
        "status": asked.status,
        "body": bytes(asked.body).decode(errors="replace"),
        "model": request.name if request else "",
        "messages": [_message(message) for message in conversation.messages] if conversation else [],
        "tools": [tool["function"] for tool in conversation.tools] if conversation else [],
        "generates": request is not None,
    }


def _message(message: Any) -> dict[str, Any]:
    body: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.thinking:
        body["thinking"] = message.thinking
    if message.tool_calls:
        body["tool_calls"] = [{"name": call.name, "arguments": call.arguments} for call in message.tool_calls]
    named = {"tool_name": message.tool_name, "tool_call_id": message.tool_call_id, "images": len(message.images)}
    return body | {name: value for name, value in named.items() if value}
