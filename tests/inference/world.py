"""Models of a few bytes, and an engine that answers from a script, for tests of what lies around a real one."""

from collections.abc import AsyncGenerator, Iterable, Mapping
from pathlib import Path
from typing import Any

import gguf

from puna.engine.client import EngineClient
from puna.inference.answer import Calls
from puna.inference.events import CallArguments, CallStarted, Event, Text, Thought
from puna.inference.options import Options
from puna.inference.requests import Completion, Conversation, GenerationRequest, Infill, Message, ToolCall
from puna.models.create.build import create
from puna.models.create.recipe import Recipe
from puna.models.library import Library
from puna.models.model import Model
from puna.names import parse_name

JINJA = "{% for m in messages %}{{ m.content }}{% endfor %}{% if tools %}{{ tools }}{% endif %}"
BOS = 1


def gguf_file(path: Path, metadata: Mapping[str, Any], tokens: list[str] | None = None, arch: str = "llama") -> Path:
    """Write a GGUF file that has this metadata and no weights."""
    writer = gguf.GGUFWriter(path, arch)
    for name, value in metadata.items():
        if isinstance(value, bool):
            writer.add_bool(name, value)
        elif isinstance(value, int):
            writer.add_uint32(name, value)
        else:
            writer.add_string(name, value)
    writer.add_token_list(tokens or ["a", "b"])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def model_of(folder: Path, metadata: Mapping[str, Any] | None = None, *, arch: str = "llama", **recipe: Any) -> Model:
    """Return a model of a library in ``folder``, made from a GGUF file with this metadata."""
    library = Library(folder / "models")
    path = gguf_file(folder / "model.gguf", metadata or {}, recipe.pop("tokens", None), arch)
    digest = library.blobs.add(path.read_bytes())
    name = parse_name("tiny")
    create(library, name, Recipe(files={"model.gguf": digest}, **recipe), lambda _: None, lambda: False)
    return library.get(name)


def request_of(model: Model, asked: Conversation | Completion | Infill | str, **more: Any) -> GenerationRequest:
    """Return a request; text is what a user says."""
    if isinstance(asked, str):
        asked = Conversation(messages=(Message(role="user", content=asked),))
    options = Options.merge(model.parameters, more.pop("options", {}))
    return GenerationRequest(model=model, name=str(model.name), input=asked, options=options, **more)


class ScriptedEngine(EngineClient):
    """An engine whose tokens are characters, which adds a beginning to texts, and which streams ``answers`` in turn."""

    def __init__(self, *answers: list[dict[str, Any]]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.template_fault = ""

    async def tokenize(self, text: str, *, special: bool = True, parse_special: bool = True) -> list[int]:
        """``^`` is the text of the beginning."""
        tokens = [BOS if letter == "^" and parse_special else ord(letter) for letter in text]
        return [BOS, *tokens] if special else tokens

    async def token_count(self, text: str) -> int:
        return len(await self.tokenize(text))

    async def detokenize(self, tokens: list[int]) -> str:
        return "".join("^" if token == BOS else chr(token) for token in tokens)

    async def apply_template(self, body: Mapping[str, Any]) -> str:
        return "".join(f"[{message['role']}:{message['content']}]" for message in body["messages"])

    async def stream(self, path: str, body: Mapping[str, Any]) -> AsyncGenerator[list[dict[str, Any]], None]:
        self.asked.append((path, dict(body)))
        for event in self.answers.pop(0):
            yield [event]


def said(*pieces: str, **end: Any) -> list[dict[str, Any]]:
    """Return the events of an answer of ``/completion`` in these pieces; ``end`` are fields of the last."""
    last = {"content": "", "stop": True, "stop_type": "eos", "timings": timings(len(pieces))} | end
    events = enumerate(pieces, 1)
    return [*({"content": piece, "stop": False, "timings": timings(count)} for count, piece in events), last]


def timings(generated: int) -> dict[str, Any]:
    """Return what the engine says of an answer of so many tokens: 1.5 ms for each."""
    return {"predicted_n": generated, "predicted_ms": 1.5 * generated, "prompt_n": 5, "prompt_ms": 2.0}


def text_of(events: Iterable[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Text))


def thinking_of(events: Iterable[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Thought))


def calls_of(events: Iterable[Event]) -> list[ToolCall]:
    calls = Calls()
    done = []
    for event in events:
        if isinstance(event, CallStarted):
            calls.start(event)
        elif isinstance(event, CallArguments) and (call := calls.take(event)):
            done.append(call)
    return done
