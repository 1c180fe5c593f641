"""A server with a real model for tests, scripts and notebooks."""

import atexit
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from puna.process import await_end
from puna.testing.answers import Answer, Fault, Item, as_answer
from puna.testing.asked import Request, request_of
from puna.testing.process import Running, ServerError, start

if TYPE_CHECKING:
    import anthropic
    import ollama

    import openai

_END_SECONDS = 30.0
_KEY = "puna"
"""Clients want a key; the server asks for none."""


class ScriptError(AssertionError):
    """A script and what was asked do not go together: answers were left over, or there were too few of them."""


class Server:
    """A server of its own: a process with a free port, an empty store and no settings of the user's.

    ``model`` is the name that ``server.model`` has; a model that is not built in is lent from the user's store.
    ``models`` is a store to use instead, ``settings`` are environment variables of ``puna serve``. Use it as a context
    manager, or ``start`` and ``stop``; the server ends with this process in any case.

    Answers are the same each time: temperature and seed are 0 unless a request says otherwise.
    """

    def __init__(
        self,
        model: str = "cria",
        *,
        models: str | Path | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.model = model
        self._models = Path(models).expanduser() if models is not None else None
        self._settings = dict(settings or {})
        self._running: Running | None = None
        self._lane = 0
        self._use: HTTPConnection | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._script: list[Answer] | None = None

    # --- its life

    def start(self) -> Self:
        """Start it, and return it. Raises ``ServerError``, also where nobody has the model."""
        if self._running is not None:
            return self
        root = Path(tempfile.mkdtemp(prefix="puna-"))
        try:
            self._running, self._process = start(root, self._models, self._settings)
            atexit.register(self.stop)
            self._use, self._lane = self._running.use(), self._running.port
            self.use(self.model)
        except BaseException:
            self.stop()
            shutil.rmtree(root, ignore_errors=True)
            raise
        return self

    def stop(self) -> None:
        """End it, and remove what it had on disk."""
        atexit.unregister(self.stop)
        self._leave()
        if self._process:
            self._process.terminate()
            await_end(self._process, _END_SECONDS)
        if self._running:
            shutil.rmtree(self._running.root, ignore_errors=True)
        self._running = self._process = None

    def _leave(self) -> None:
        if self._use:
            self._use.close()
        self._use = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.check()
        finally:
            self.stop()

    # --- where it is

    @property
    def url(self) -> str:
        """Return the base URL of Ollama's API, for ``OLLAMA_HOST`` as well."""
        self._started()
        return f"http://127.0.0.1:{self._lane}"

    @property
    def ollama_url(self) -> str:
        """Return the base URL for clients of Ollama."""
        return self.url

    @property
    def openai_url(self) -> str:
        """Return the base URL for clients of OpenAI."""
        return f"{self.url}/v1"

    @property
    def anthropic_url(self) -> str:
        """Return the base URL for clients of Anthropic."""
        return self.url

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables by which programs that use any of the three clients find the server."""
        return {
            "OLLAMA_HOST": self.ollama_url,
            "OPENAI_BASE_URL": self.openai_url,
            "OPENAI_API_KEY": _KEY,
            "ANTHROPIC_BASE_URL": self.anthropic_url,
            "ANTHROPIC_API_KEY": _KEY,
        }

    def ollama(self) -> "ollama.Client":
        """Return a client of the package ``ollama``."""
        import ollama

        return ollama.Client(host=self.ollama_url, trust_env=False)

    def openai(self) -> "openai.OpenAI":
        """Return a client of the package ``openai``, which tries nothing twice."""
        import openai

        http = openai.DefaultHttpxClient(trust_env=False)
        return openai.OpenAI(base_url=self.openai_url, api_key=_KEY, max_retries=0, http_client=http)

    def anthropic(self) -> "anthropic.Anthropic":
        """Return a client of the package ``anthropic``, which tries nothing twice."""
        import anthropic

        http = anthropic.DefaultHttpxClient(trust_env=False)
        return anthropic.Anthropic(base_url=self.anthropic_url, api_key=_KEY, max_retries=0, http_client=http)

    def log(self) -> str:
        """Return what the server has logged."""
        return self._started().log()

    # --- what it answers, and what it was asked

    def use(self, model: str) -> None:
        """Let ``model`` be the name of another model; raise ``ServerError`` if nobody has it."""
        if model != "cria" and self._models is None:
            from puna.testing.store import lend  # most tests use the model that is built in

            lend(model, self._started().models)
        self.model = model

    def script(self, answers: Iterable[Item]) -> "Script":
        """Let the model answer the next generations with these, one each, in the place of an earlier script.

        Until the script is taken away a generation for which no answer is left is refused with status 400. Raises
        ``ScriptError`` if the earlier one was not used up. The result is a context manager: at its end the script is
        checked, and the model answers as it likes again.
        """
        made = [as_answer(item) for item in ([answers] if isinstance(answers, str) else answers)]
        if self._script is not None:
            self.check()
        self._tell({"script": [asdict(item) for item in made]})
        self._script = made
        return Script(self)

    def fault(self, fault: Fault, times: int = 1) -> None:
        """Let ``fault`` happen to the next ``times`` generations or embeddings, before any answer of a script."""
        self._tell({"faults": [asdict(fault)] * times})

    def check(self) -> None:
        """Raise ``ScriptError`` unless each answer of the script was asked for, and no other."""
        if self._script is None:
            return
        state = self._started().ask("GET", port=self._lane)
        left = self._script[len(self._script) - state["left"] :]
        problems = list(state["errors"])
        if left:
            problems.append(f"{len(left)} of {len(self._script)} answers of the script were not asked for: {left[0]}")
        if problems:
            asked = "".join(f"\n  {request}" for request in self.requests) or " nothing"
            raise ScriptError("; ".join(problems) + f"\nasked so far:{asked}")

    def free(self) -> None:
        """Take the script away: the model answers as it likes."""
        self._script = None
        self._started().ask("DELETE", "/script", port=self._lane)

    def reset(self) -> None:
        """Forget the script, faults that have not happened, and what was asked."""
        self._script = None
        self._started().ask("DELETE", port=self._lane)

    @property
    def requests(self) -> Sequence[Request]:
        """Return what was asked since the start of the test, or of the server; at most the last 1,000 requests."""
        running = self._started()
        entries = running.ask("GET", port=self._lane)["requests"]
        return [request_of(entry, running, self._lane) for entry in entries]

    def _tell(self, body: Mapping[str, object]) -> None:
        self._started().ask("POST", body=body, port=self._lane)

    def _started(self) -> Running:
        if self._running is None:
            raise ServerError("the server is not started: use it in a with statement, or call start()")
        return self._running


class Script:
    """A script in force."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._server.check()
        finally:
            self._server.free()
