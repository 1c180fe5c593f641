"""The llama-server protocol over a runner's unix socket."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import orjson

from puna.engine.errors import (
    ContextExceededError,
    EngineError,
    EngineRequestError,
    RunnerCrashedError,
    TemplateError,
    TemplateTimeoutError,
    UnreadableAnswerError,
    UnreadGrammarError,
)
from puna.engine.http import Answer, Http
from puna.engine.prompt_gate import PromptGate, is_long
from puna.engine.protocol import Route
from puna.engine.words import UNEXPLAINED, before_content, clean, told

_log = logging.getLogger(__name__)
_HEALTH_SECONDS = 5.0
_TEMPLATE_SECONDS = 10.0
_UNSEEN_SECONDS = 3.0
"""A chat that has not begun by then may be held up by its template; most read a long prompt."""
_EVENT_END = b"\n\n"
_DATA = b"data: "
_OBJECT = _DATA + b"{"
_NOT_FOUND = ("map_base::at", "map::at")
"""What C++ says, in lower case, when a tokenizer looks for the token of a byte, and there is none."""
_OFF_GRAMMAR = "Unexpected empty grammar stack"
"""What it says when the model has no token that a grammar goes on with."""
_UNREAD_GRAMMAR = "failed to parse grammar"
_UNREADABLE = "does not match the expected"
_IN_TEMPLATE = ("While executing ", "Unable to generate parser for this template")
"""What the engine's interpreter of templates says; what went wrong stands at the end."""
_OLD_MEDIA_MARKER = "<__media__>"
"""The marker of engines that have only one."""
_LONGEST_PIECE = 1 << 19
"""Bytes of a text, so tokens at most, that are asked for at once: to read a million takes 30 ms, in which nothing else
happens."""
_ABORTED = "the call was aborted"
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.01, 0.25
_LATENESS = 0.05
"""How much later than it could a load may be seen to have ended, as a part of the time that it took."""


class EngineClient:
    """Calls one runner. Every method raises ``RunnerCrashedError`` when the process is gone.

    Cancelling a call closes its connection, which ends the generation in the engine.
    """

    def __init__(self, http: Http, template_fault: str = "", gate: PromptGate | None = None) -> None:
        self._http = http
        self._gate = gate or PromptGate()
        self._turn = self._passed = False
        """Whether it is this client's turn to have a long prompt read, and whether it waits for none any more."""
        self._entering: set[asyncio.Future[None]] = set()
        self.template_fault = template_fault
        """Why the model's own chat template must not be used; "" where it can be."""
        self._opening: set[asyncio.Future[Answer]] = set()
        self._answers: set[Answer] = set()
        self._aborted = False
        self._last_byte = 0.0

    reads_chats = True
    """Whether the engine itself finds thoughts and calls in the answers to chats."""

    @classmethod
    def connect(cls, socket: Path, key: str) -> Self:
        """Return a client for the runner that listens on ``socket``."""
        return cls(Http(socket, key))

    def borrowed(self) -> Self:
        """Return a client of the same runner whose calls can be aborted apart from all others."""
        return type(self)(self._http, self.template_fault, self._gate)

    async def take_turn(self) -> None:
        """Wait until the runner reads no other long prompt.

        The turn ends with the first token of the next stream that waits for turns, or by ``leave_turn``.
        """
        if self._passed:
            return
        entering = asyncio.ensure_future(self._gate.enter())
        self._entering.add(entering)
        try:
            await entering
        except asyncio.CancelledError:
            if entering.done() and not entering.cancelled():
                self._gate.leave()  # the turn had come, and nobody is left to take it
            if self._aborted and not _being_cancelled():
                raise RunnerCrashedError(_ABORTED) from None
            raise
        finally:
            self._entering.discard(entering)
        self._turn = self._passed = True

    def pass_gate(self) -> None:
        """Wait for no turn, as the engine has nearly all of the prompt."""
        self._passed = True

    def leave_turn(self) -> None:
        """Let the next long prompt be read, if this client has the turn."""
        if self._turn:
            self._turn = False
            self._gate.leave()

    def abort(self) -> None:
        """Make the calls under way, and all later ones, fail with ``RunnerCrashedError``."""
        self._aborted = True
        for entering in self._entering:
            entering.cancel()
        for opening in self._opening:
            opening.cancel()
        for answer in self._answers:
            answer.break_off(_ABORTED)

    def note_byte(self) -> None:
        """Note that the engine has just said something."""
        self._last_byte = time.monotonic()

    @property
    def waiting_since(self) -> float:
        """Return the monotonic time since which a call has waited for its next byte, 0 if there is no call."""
        return self._last_byte if self._opening or self._answers else 0.0

    async def close(self) -> None:
        """Close the connections; calls under way fail."""
        self._http.close()

    async def healthy(self) -> bool:
        """Return whether the model is loaded and the server answers."""
        try:
            async with asyncio.timeout(_HEALTH_SECONDS):
                answer = await self._http.request("GET", "/health")
        except OSError:
            return False
        answer.close()
        return answer.status == 200

    async def _get(self, path: str) -> Any:
        """Return the decoded answer to ``GET path``."""
        async with self._call("GET", path) as answer:
            return _decode(answer.status, await answer.read())

    async def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Return the decoded answer to ``POST path``."""
        async with self._call("POST", path, body) as answer:
            return _decode(answer.status, await answer.read())

    async def stream(
        self, route: Route, body: Mapping[str, Any], *, in_turn: bool = True
    ) -> AsyncGenerator[list[dict[str, Any]], None]:
        """Yield the events of one answer, those that arrived together as one list.

        A long prompt waits for its turn, which then ends with the first token; not so without ``in_turn``.
        """
        if self.template_fault and route == Route.CHAT:
            raise TemplateError(self.template_fault)
        try:
            if in_turn and is_long(body):
                await self.take_turn()
            async with self._call("POST", route, body) as answer:
                if answer.status != 200:
                    _decode(answer.status, await answer.read())
                pending = b""
                while chunk := await answer.some():
                    self._last_byte = time.monotonic()
                    events = (pending + chunk).split(_EVENT_END)
                    pending = events.pop()
                    decoded = []
                    for event in events:
                        if event.startswith(_OBJECT):
                            decoded.append(_decode_event(event))
                    if decoded:
                        if self._turn and in_turn and not decoded[-1].get("prompt_progress"):
                            self.leave_turn()
                        yield decoded
                if pending.startswith(b"error: "):
                    raise _error(500, _loads(pending.removeprefix(b"error: ")))
        finally:
            if in_turn:
                self.leave_turn()

    @asynccontextmanager
    async def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> AsyncIterator[Answer]:
        """Give the answer to one call; a connection that ends, here or while the answer is read, is a runner's end."""
        try:
            answer = await self._open(method, path, body)
            self._answers.add(answer)
            try:
                yield answer
            finally:
                self._answers.discard(answer)
                answer.close()
        except OSError as error:
            raise RunnerCrashedError(f"the runner stopped unexpectedly ({error})") from error

    async def _open(self, method: str, path: str, body: Mapping[str, Any] | None) -> Answer:
        if self._aborted:
            raise ConnectionError(_ABORTED)
        self._last_byte = time.monotonic()
        data = None if body is None else orjson.dumps(body)
        opening = asyncio.ensure_future(self._http.request(method, path, data))
        self._opening.add(opening)
        try:
            if path == Route.CHAT and body is not None:
                await self._rendered(opening, body)
            return await opening
        except BaseException as error:
            _give_up(opening)
            if isinstance(error, asyncio.CancelledError) and self._aborted and not _being_cancelled():
                raise ConnectionError(_ABORTED) from None
            raise
        finally:
            self._opening.discard(opening)

    async def _rendered(self, opening: asyncio.Future[Answer], body: Mapping[str, Any]) -> None:
        """Wait until a chat begins, or its template has been seen to end: the engine renders it out of anybody's sight.

        Raises as ``apply_template``.
        """
        await asyncio.wait({opening}, timeout=_UNSEEN_SECONDS)
        if opening.done():
            return
        rendering = asyncio.ensure_future(self.apply_template(body))
        try:
            either: set[asyncio.Future[Any]] = {opening, rendering}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if rendering.done() and not opening.done():
                rendering.result()
        finally:
            if not rendering.cancel():
                rendering.exception()  # seen, should both have ended at once

    async def tokenize(self, text: str, *, special: bool = True, parse_special: bool = True) -> list[int]:
        """Return the tokens of ``text``; ``special`` adds the model's own beginning-of-text token.

        A text far beyond most contexts is read in pieces, which may differ in a token where they meet: read at once it
        takes more memory than a runner may have.
        """
        pieces = [tokens async for tokens in self._in_pieces(text, special, parse_special)]
        return pieces[0] if len(pieces) == 1 else [token for tokens in pieces for token in tokens]

    async def token_count(self, text: str) -> int:
        """Return how many tokens ``tokenize`` returns of ``text``; of a long one they are never there all at once."""
        return sum([len(tokens) async for tokens in self._in_pieces(text, True, True)])

    async def _in_pieces(self, text: str, special: bool, parse_special: bool) -> AsyncGenerator[list[int], None]:
        longest = _LONGEST_PIECE if text.isascii() else _LONGEST_PIECE // 4
        if len(text) <= longest:
            yield await self._tokens(text, special, parse_special)
            return
        begin, end = await self._around() if special else ([], [])
        yield begin
        for piece in _pieces(text, longest):
            yield await self._tokens(piece, False, parse_special)
        yield end

    async def _tokens(self, text: str, special: bool, parse_special: bool) -> list[int]:
        body = {"content": text, "add_special": special, "parse_special": parse_special}
        tokens: list[int] = (await self._post("/tokenize", body))["tokens"]
        return tokens

    async def _around(self) -> tuple[list[int], list[int]]:
        """Return the tokens that the model's own beginning and end of a text are."""
        whole, plain = await self._tokens("a", True, False), await self._tokens("a", False, False)
        at = next((at for at in range(len(whole)) if whole[at : at + len(plain)] == plain), 0)
        return whole[:at], whole[at + len(plain) :]

    async def detokenize(self, tokens: list[int]) -> str:
        """Return the text of ``tokens``."""
        text: str = (await self._post("/detokenize", {"tokens": tokens}))["content"]
        return text

    async def apply_template(self, body: Mapping[str, Any]) -> str:
        """Return the prompt that the model's own chat template makes of a chat request.

        Raises ``TemplateError`` where it cannot be used.
        """
        if self.template_fault:
            raise TemplateError(self.template_fault)
        try:
            async with asyncio.timeout(_TEMPLATE_SECONDS):
                prompt: str = (await self._post("/apply-template", body))["prompt"]
        except TimeoutError as error:
            raise TemplateTimeoutError(_TEMPLATE_SECONDS) from error
        return prompt

    async def complete(self, body: Mapping[str, Any], route: Route = Route.COMPLETION) -> dict[str, Any]:
        """Return a whole answer."""
        answer: dict[str, Any] = await self._post(route, body)
        return answer

    async def embed(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the vectors of texts, in base64, with the count of their tokens."""
        answer: dict[str, Any] = await self._post("/v1/embeddings", {**body, "encoding_format": "base64"})
        return answer

    async def rerank(self, query: str, documents: Sequence[str]) -> dict[str, Any]:
        """Return a score for each document, as ``results`` with ``index`` and ``relevance_score``, a logit."""
        answer: dict[str, Any] = await self._post("/v1/rerank", {"query": query, "documents": list(documents)})
        return answer

    async def count_tokens(self, body: Mapping[str, Any]) -> int:
        """Return how many tokens the messages of a chat request are, their pictures and sounds included."""
        tokens: int = (await self._post("/v1/chat/completions/input_tokens", body))["input_tokens"]
        return tokens

    async def media_marker(self) -> str:
        """Return what the engine replaces by a picture or a sound in the text of a prompt.

        Each runner has a marker of its own, which no text that a user sends can contain by accident.
        """
        return str((await self._get("/props")).get("media_marker") or _OLD_MEDIA_MARKER)

    async def slots(self) -> list[dict[str, Any]]:
        """Return what each slot holds and does."""
        slots: list[dict[str, Any]] = await self._get("/slots")
        return slots

    async def save_slot(self, slot: int, name: str) -> int:
        """Save a slot to a file of the runner's slot directory; return how many tokens it held."""
        return int((await self._post(f"/slots/{slot}?action=save", {"filename": name}))["n_saved"])

    async def restore_slot(self, slot: int, name: str) -> int:
        """Fill a slot from such a file; return how many tokens that were."""
        return int((await self._post(f"/slots/{slot}?action=restore", {"filename": name})).get("n_restored", 0))

    async def empty_slot(self, slot: int) -> None:
        """Forget what a slot holds."""
        await self._post(f"/slots/{slot}?action=erase", {})


def _pieces(text: str, longest: int) -> Iterator[str]:
    """Yield a text in pieces, each of which begins with a blank or the end of a line where there is one."""
    start = 0
    while len(text) - start > longest:
        end = start + longest
        blank = max(text.rfind(letter, start + longest // 2, end) for letter in " \n")
        end = blank if blank > 0 else end
        yield text[start:end]
        start = end
    yield text[start:]


def _give_up(opening: asyncio.Future[Answer]) -> None:
    """Close the connection of a request whose answer nobody waits for, also if it has just begun."""
    if not (opening.cancel() or opening.cancelled() or opening.exception()):
        opening.result().close()


def _being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _loads(data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise EngineError(f"the engine's answer is not JSON: {data[:200]!r}") from error


def _decode(status: int, data: bytes) -> Any:
    answer = _loads(data)
    if status != 200:
        raise _error(status, answer)
    return answer


def _decode_event(event: bytes) -> dict[str, Any]:
    answer: dict[str, Any] = _loads(event[len(_DATA) :])
    if "error" in answer:
        raise _error(answer["error"].get("code", 500), answer)
    return answer


def _error(status: int, answer: Any) -> EngineError | EngineRequestError | ContextExceededError:
    error = answer.get("error", answer) if isinstance(answer, dict) else {}
    if error.get("type") == "exceed_context_size_error":
        return ContextExceededError(error["n_prompt_tokens"], error["n_ctx"])
    said = str(error.get("message") or f"the engine answered with status {status}")
    if said.lower().endswith(_NOT_FOUND):
        return EngineRequestError("the model's vocabulary has no token for some of the text")
    if _OFF_GRAMMAR in said:
        return EngineRequestError("the model has no token that the grammar can go on with")
    if _UNREAD_GRAMMAR in said:
        return UnreadGrammarError()
    if any(words in said for words in _IN_TEMPLATE):
        return TemplateError(told(said.rpartition("Error: ")[2]))
    message = told(said)
    if message == UNEXPLAINED:
        _log.warning("%s: %s", message, clean(before_content(said)))
    if 400 <= status < 500:
        return EngineRequestError(message)
    return UnreadableAnswerError(message) if _UNREADABLE in said else EngineError(message)


async def wait_until_healthy(client: EngineClient) -> None:
    """Return as soon as the runner answers; the caller bounds the time."""
    started = time.monotonic()
    while not await client.healthy():
        waited = time.monotonic() - started
        await asyncio.sleep(min(max(_LATENESS * waited, _SHORTEST_PAUSE), _LONGEST_PAUSE))
