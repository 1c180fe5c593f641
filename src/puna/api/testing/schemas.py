"""What ``puna.testing`` sends to the server that it has started."""

from typing import Any, Literal

from puna.api.http.body import Body


class FaultBody(Body):
    """A fault of one generation; which of the other fields count depends on ``kind``."""

    kind: Literal["slow", "cut", "rate_limited", "server_error", "overflow"]
    seconds: float = 0
    after: int = 1
    retry_after: float = 0
    message: str = ""
    prompt_tokens: int = 0
    context: int = 0


class CallBody(Body):
    """A call that the model is to make; ``offered``: of a function that the request must offer."""

    name: str
    arguments: dict[str, Any]
    offered: bool = True


class AnswerBody(Body):
    """One answer of a script. With ``own`` the model answers as it likes, and ``fault`` is what happens to that."""

    text: str = ""
    thinking: str = ""
    calls: list[CallBody] = []
    own: bool = False
    fault: FaultBody | None = None


class DirectionBody(Body):
    """The answers of the next generations, in order (left out: the model's own), and faults of the next ones."""

    script: list[AnswerBody] | None = None
    faults: list[FaultBody] = []
