"""vLLM's OpenAI server over a runner's unix socket, with the methods of ``engine.protocol.Engine``."""

import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Self

import orjson

from puna.engine.client import EngineClient
from puna.engine.errors import EngineError, EngineRequestError, TemplateError
from puna.engine.protocol import Route
from puna.engine.vllm import bodies
from puna.engine.vllm.events import Answer
from puna.engine.vllm.program import SERVED

_EVENT_END, _DATA, _DONE = b"\n\n", b"data: ", b"[DONE]"
_RUNNING = re.compile(r"^vllm:num_requests_running\{.*\} (\S+)$", re.MULTILINE)
_WORK = re.compile(r"^vllm:(?:prompt|generation)_tokens_total\{.*\} (\S+)$", re.MULTILINE)


class VllmClient(EngineClient):
    """Calls one runner of vLLM; bodies and events are llama-server's, as everywhere in Puna."""

    context = 0
    """Tokens that a prompt and its answer may have together."""

    reads_chats = False
    """Whether the engine itself finds thoughts and calls in the answers to chats. They are found here."""

    def borrowed(self) -> Self:
        """See ``EngineClient``."""
        other = super().borrowed()
        other.context = self.context
        return other

    async def stream(
        self,
        route: Route,
        body: Mapping[str, Any],
        *,
        in_turn: bool = True,  # noqa: ARG002 - it has turns of its own
    ) -> AsyncGenerator[list[dict[str, Any]], None]:
        """See ``Engine``. Only prompts are answered: messages are rendered first; vLLM gives prompts their turns."""
        asked, answer = bodies.completion(_text_only(route, body), self.context), Answer()
        async with self._call("POST", "/v1/completions", asked) as response:
            if response.status != 200:
                raise _refusal(response.status, await response.read())
            pending = b""
            while chunk := await response.some():
                self.note_byte()
                events = (pending + chunk).split(_EVENT_END)
                pending = events.pop()
                said = [item for event in events for item in answer.read(_decoded(event))]
                if said:
                    yield said

    async def complete(self, body: Mapping[str, Any], route: Route = Route.COMPLETION) -> dict[str, Any]:
        """See ``Engine``."""
        whole: dict[str, Any] = {"content": "", "completion_probabilities": []}
        async for events in self.stream(route, {**body, "stream": True}):
            for event in events:
                text = whole["content"] + event["content"]
                tokens = whole["completion_probabilities"] + event.get("completion_probabilities", [])
                whole = {**event, "content": text, "completion_probabilities": tokens}
        return whole

    async def embed(self, body: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """See ``Engine``."""
        raise EngineRequestError("the engine vllm runs models that generate text here, and embeds none")

    async def rerank(self, query: str, documents: Sequence[str]) -> dict[str, Any]:  # noqa: ARG002
        """See ``Engine``."""
        raise EngineRequestError("the engine vllm runs models that generate text here, and ranks nothing")

    async def tokenize(self, text: str, *, special: bool = True, parse_special: bool = True) -> list[int]:  # noqa: ARG002
        """See ``Engine``. Control tokens in the text are always seen as such."""
        tokens: list[int] = (await self._tokenized(text, special=special))["tokens"]
        return tokens

    async def token_count(self, text: str) -> int:
        """See ``Engine``."""
        return int((await self._tokenized(text, special=True))["count"])

    async def _tokenized(self, text: str, *, special: bool) -> dict[str, Any]:
        return await self._ask("/tokenize", {"model": SERVED, "prompt": text, "add_special_tokens": special})

    async def detokenize(self, tokens: list[int]) -> str:
        """See ``Engine``."""
        return str((await self._ask("/detokenize", {"model": SERVED, "tokens": tokens}))["prompt"])

    async def apply_template(self, body: Mapping[str, Any]) -> str:
        """See ``Engine``: the text of the tokens that the template makes."""
        try:
            return await self.detokenize((await self._ask("/tokenize", bodies.template(body)))["tokens"])
        except bodies.LackingError:
            raise
        except EngineRequestError as error:
            raise TemplateError(str(error)) from error

    async def count_tokens(self, body: Mapping[str, Any]) -> int:
        """See ``Engine``."""
        return int((await self._ask("/tokenize", bodies.template(body)))["count"])

    async def media_marker(self) -> str:
        """See ``Engine``."""
        raise bodies.LackingError("images")

    async def slots(self) -> list[dict[str, Any]]:
        """Return one slot for all requests, which changes as long as the engine reads or generates."""
        async with self._call("GET", "/metrics") as response:
            text = (await response.read()).decode(errors="replace")
        running = sum(float(number) for number in _RUNNING.findall(text))
        done = sum(float(number) for number in _WORK.findall(text))
        return [{"id": at, "is_processing": at < running, "n_done": done} for at in range(max(1, int(running)))]

    async def _ask(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        async with self._call("POST", path, body) as response:
            data = await response.read()
            if response.status != 200:
                raise _refusal(response.status, data)
        answer: dict[str, Any] = orjson.loads(data)
        return answer


def _text_only(route: Route, body: Mapping[str, Any]) -> Mapping[str, Any]:
    if route != Route.COMPLETION:
        raise EngineError("messages must be rendered before vLLM is asked")
    return body


def _decoded(event: bytes) -> dict[str, Any]:
    data = event.removeprefix(_DATA)
    if not event.startswith(_DATA) or data.strip() == _DONE:
        return {}
    answer: dict[str, Any] = orjson.loads(data)
    if error := answer.get("error"):
        raise _refused(int(error.get("code") or 500), str(error.get("message") or error))
    return answer


def _refusal(status: int, data: bytes) -> EngineError | EngineRequestError:
    try:
        error = orjson.loads(data)["error"]
        message = str(error["message"] if isinstance(error, dict) else error)
    except (orjson.JSONDecodeError, KeyError, TypeError):
        message = f"the engine answered with status {status}"
    return _refused(status, message)


def _refused(status: int, message: str) -> EngineError | EngineRequestError:
    return EngineRequestError(message) if 400 <= status < 500 else EngineError(message)
