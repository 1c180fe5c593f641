"""Whether the engine can use a chat template: tried in a process of its own, within bounds of time and memory.

A Jinja template inside a GGUF is a program of somebody else's. The engine runs it while it loads the model, and for
every chat. So each is run once before, by the same engine, with the small built-in model and messages as they are
usual; what came of it is kept on disk by the digests of template and engine.
"""

import asyncio
import contextlib
import hashlib
import json
import logging
import re
from functools import cache
from pathlib import Path
from typing import Any

from puna import builtin
from puna.engine.config import RunnerConfig
from puna.engine.errors import EngineError, EngineRequestError, ModelLoadError, RunnerCrashedError
from puna.engine.runner import Runner
from puna.engine.words import is_library
from puna.errors import UnavailableError
from puna.models.atomic import AtomicFile
from puna.models.gguf import GGUFFile
from puna.models.library import Library

HARMLESS = "{% for message in messages %}{{ message.content }}{% endfor %}"
"""A template for runners whose own is of no use, or not used."""
_PROCESSOR_SECONDS = 3
_MEMORY = 2 << 30
_SECONDS = 30.0
"""More than the processor's time: other work may hold the trial up."""
_LONGEST = 1 << 20
_KEPT = 1024
_VERSION = 2
_NAME = "template-trial"
_KEYS = ("tokenizer.chat_template", "tokenizer.chat_template.tool_use")
_TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Tells the weather of a town.",
        "parameters": {"type": "object", "properties": {"town": {"type": "string"}}, "required": ["town"]},
    },
}
_CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"town": "Cuzco"}'}}
_TALK = [{"role": "system", "content": "You are helpful."}] + [
    {"role": role, "content": f"{role} {turn}: hello, how are you?"}
    for turn in range(8)
    for role in ("user", "assistant")
]
_QUESTION = {"role": "user", "content": "What is the weather in Cuzco?"}
_CONVERSATIONS: tuple[dict[str, Any], ...] = (
    {"messages": [_QUESTION]},
    {"messages": [*_TALK, _QUESTION]},
    *(
        {
            "messages": [
                _QUESTION,
                {"role": "assistant", "content": "", "reasoning_content": "I ask.", "tool_calls": [_CALL]},
                {"role": "tool", "tool_call_id": "call_1", "name": "weather", "content": "sunny"},
            ],
            "tools": [_TOOL],
            "chat_template_kwargs": {"enable_thinking": think},
        }
        for think in (True, False)
    ),
)
_REASON = re.compile(r"(?:\berror|failed to apply template|parsing error): ([^;]+)")
_UNPARSED = "Automatic parser generation failed:"
_UNTOLD = "the engine cannot read it"
_ATTEMPTS = 4
_log = logging.getLogger(__name__)


class TemplateTrials:
    """Tries each template once. Results are files under ``store``; runners listen in ``directory``."""

    def __init__(self, store: Path, directory: Path) -> None:
        self._store = store
        self._directory = directory
        self._known: dict[str, str] = {}
        self._running: dict[str, asyncio.Task[str]] = {}

    async def fault(self, gguf: GGUFFile, engine: str, identity: str) -> str:
        """Return why ``engine`` cannot use the templates in a file, "" if it can, or there are none.

        ``engine`` is that of a ``RunnerConfig`` and ``identity`` what tells it from every other one.
        """
        texts = [text for text in dict.fromkeys(gguf.text(key) for key in _KEYS) if text]
        trusted = await asyncio.to_thread(_trusted) if texts else ""
        for text in texts:
            if text != trusted and (found := await self._of(text, engine, identity)):
                return found
        return ""

    async def close(self) -> None:
        """End the trials under way; whoever waits for one has a 503."""
        trials = list(self._running.values())
        for trial in trials:
            trial.cancel()
        await asyncio.gather(*trials, return_exceptions=True)

    async def _of(self, text: str, engine: str, identity: str) -> str:
        if len(text) > _LONGEST:
            return f"it has more than {_LONGEST} characters"
        key = hashlib.sha256(json.dumps([_VERSION, text, identity]).encode()).hexdigest()
        if key not in self._known:
            if key not in self._running:
                self._running[key] = asyncio.create_task(self._tried(key, text, engine))
                self._running[key].add_done_callback(lambda _: self._running.pop(key, None))
            trial = self._running[key]
            await asyncio.wait({trial})  # whoever asked first may go away; the next load wants to know all the same
            if trial.cancelled():
                raise UnavailableError("the server is shutting down")
            return trial.result()
        return self._known[key]

    async def _tried(self, key: str, text: str, engine: str) -> str:
        path = self._store / f"{key}.json"
        found = await asyncio.to_thread(_read, path)
        if found is None:
            found = await _told(text, engine, self._directory)
            if found and await _try(HARMLESS, engine, self._directory):
                return ""  # it is not the template's fault, and the load will say whose it is
            await asyncio.to_thread(_write, path, found)
        if found:
            _log.warning("a chat template cannot be used: %s", found)
        if len(self._known) >= _KEPT:
            self._known.pop(next(iter(self._known)))
        self._known[key] = found
        return found


@cache
def _trusted() -> str | None:
    """Return the template of the built-in model, which needs no trial."""
    return Library(builtin.STORE).get(builtin.CRIA).gguf.chat_template


def _config(text: str, engine: str) -> RunnerConfig:
    return RunnerConfig(
        model_path=str(Library(builtin.STORE).get(builtin.CRIA).path),
        engine=engine,
        context=256,
        batch=32,
        threads=1,
        gpu_layers=0,
        flash_attention=False,
        embedding=False,
        chat_template=text,
    )


async def _told(text: str, engine: str, directory: Path) -> str:
    """Return why a template cannot be used, "" if it can.

    A llama-server that ends may lose the last of its log, in which the reason stands: then it is asked again.
    """
    for _ in range(_ATTEMPTS):
        if (found := await _try(text, engine, directory)) != _UNTOLD:
            return found
    return _UNTOLD


async def _try(text: str, engine: str, directory: Path) -> str:
    """Return why a template cannot be used, "" if it can."""
    try:
        async with asyncio.timeout(_SECONDS):
            config = await asyncio.to_thread(_config, text, engine)
            runner = await Runner.start(
                _NAME,
                config,
                directory,
                load_timeout=_SECONDS,
                memory=_MEMORY,
                processor_seconds=_PROCESSOR_SECONDS,
            )
            try:
                for conversation in _CONVERSATIONS:
                    # A template may refuse a role or tools; that is then the answer to whoever sends them.
                    with contextlib.suppress(EngineError, EngineRequestError):
                        await runner.client.apply_template(conversation)
            except RunnerCrashedError:
                await runner.crash_error()
                return _too_much(runner.exceeded_time)
            finally:
                runner.kill()
                await runner.stop()
    except TimeoutError:
        return _too_much(time=True)
    except ModelLoadError as error:
        if error.killed or error.out_of_memory:
            return _too_much(time=error.killed)
        return _reason(str(error))
    return ""


def _reason(text: str) -> str:
    """Return what is wrong with a template, out of all that the engine said when it did not load."""
    reasons = (found[1].rpartition(_UNPARSED)[2].strip() for found in _REASON.finditer(text))
    return next((said for said in reasons if said and not is_library(said)), _UNTOLD)


def _too_much(time: bool) -> str:
    return f"it takes more {'time' if time else 'memory'} than a template may"


def _read(path: Path) -> str | None:
    try:
        found = json.loads(path.read_bytes())["fault"]
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return found if isinstance(found, str) else None


def _write(path: Path, fault: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with AtomicFile(path.parent) as file:
            file.file.write(json.dumps({"fault": fault}).encode())
            file.publish(path)
    except OSError as error:
        _log.warning("the trial of a template cannot be kept: %s", error)
