"""Makes grammars of large formats in a process of its own.

In a thread they would take turns with the event loop, and whatever they are made of would be looked through for garbage
again and again, while nothing else of the server goes on. The process, ``python -m puna.inference.format.apart``, is
started when there is work, and ends when there has been none for a while, or when its standard input ends.
"""

import atexit
import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import Any

import orjson

from puna.engine.environment import environment
from puna.engine.memory_limit import limit_memory
from puna.errors import BadRequestError
from puna.inference.format.calls import calls_grammar, read_plan
from puna.inference.format.compiler import Compiler
from puna.inference.format.errors import FormatError, FormatTooLargeError
from puna.inference.format.gbnf import GrammarError
from puna.inference.format.gbnf_cost import check_grammar, check_made

_MEMORY = 1 << 30
_SECONDS = 30.0
"""Far more than the budget of steps takes, on a machine that does other things as well."""
_IDLE_SECONDS = 10.0


def made_grammar(schema: Mapping[str, Any], steps: int | None = None) -> tuple[str, bool]:
    """Return the grammar of a schema, and whether it leaves items the same that must differ. Raises ``FormatError``.

    ``steps`` is what it may cost, if less than usual.
    """
    with Compiler(schema) if steps is None else Compiler(schema, steps) as compiler:
        try:
            grammar = compiler.text()
        except RecursionError:
            raise FormatTooLargeError("the schema") from None
        check_made(grammar)
        return grammar, compiler.leaves_repeats


class Apart:
    """The process, if there is one. For one thread at a time."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._questions: Connection | None = None
        self._answers: Connection | None = None

    def grammar(self, schema: bytes) -> tuple[str, bool]:
        """Do what ``made_grammar`` does for a schema as JSON."""
        answer = self._ask(b"s" + schema)
        if answer is None:
            raise FormatTooLargeError("the schema")
        if "error" in answer:
            raise FormatError(answer["error"])
        return answer["grammar"], answer["repeats"]

    def calls(self, plan: bytes) -> str:
        """Return the grammar of an answer with calls, whose plan is written as JSON. Raises ``FormatError``."""
        answer = self._ask(b"c" + plan)
        if answer is None:
            raise FormatTooLargeError("what the tools take")
        if "error" in answer:
            raise FormatError(answer["error"])
        return str(answer["grammar"])

    def check(self, grammar: str) -> None:
        """Raise ``GrammarError`` for a caller's grammar that must not be followed."""
        answer = self._ask(b"g" + grammar.encode())
        if answer is None:
            raise GrammarError("it takes too much to follow")
        if "error" in answer:
            raise GrammarError(answer["error"])

    def close(self) -> None:
        """End the process."""
        if self._process is None or self._questions is None or self._answers is None:
            return
        self._process.kill()
        self._process.wait()
        self._questions.close()
        self._answers.close()
        self._process = None

    def _ask(self, question: bytes) -> dict[str, Any] | None:
        """Return what the process answers, ``None`` if it had not the memory or the time to."""
        for _ in range(2):  # an idle process may end just when it is asked
            answers = self._start()
            with contextlib.suppress(OSError, EOFError):
                assert self._questions is not None
                self._questions.send_bytes(question)
                if not answers.poll(_SECONDS):
                    break
                answer: dict[str, Any] | None = orjson.loads(answers.recv_bytes())
                return answer
            self.close()
        self.close()
        return None

    def _start(self) -> Connection:
        if self._process is not None and self._process.poll() is not None:
            self.close()
        if self._process is None or self._answers is None:
            question, asking = os.pipe()
            answering, answer = os.pipe()
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "puna.inference.format.apart"],
                    stdin=question,
                    stdout=answer,
                    stderr=subprocess.DEVNULL,
                    env=environment(),
                    process_group=0,  # a Ctrl-C for the server is none for it; as in ``engine/process.py``
                )
            finally:
                os.close(question)
                os.close(answer)
            # When it ends by itself nobody may ask for long, and it would stay a zombie.
            threading.Thread(target=self._process.wait, name="format", daemon=True).start()
            self._questions, self._answers = Connection(asking, readable=False), Connection(answering, writable=False)
            atexit.register(self.close)
        return self._answers


def _answered(question: bytes) -> dict[str, Any] | None:
    kind, text = question[:1], question[1:]
    try:
        if kind == b"g":
            check_grammar(text.decode())
            return {}
        if kind == b"c":
            return {"grammar": calls_grammar(read_plan(text))}
        grammar, repeats = made_grammar(orjson.loads(text))
    except BadRequestError as error:
        return {"error": str(error).removeprefix("format: ").removeprefix("option 'grammar': ")}
    except MemoryError:
        return None
    return {"grammar": grammar, "repeats": repeats}


def _main() -> None:
    limit_memory(os.getpid(), _MEMORY)
    questions, answers = Connection(0, writable=False), Connection(1, readable=False)
    with contextlib.suppress(EOFError, BrokenPipeError):
        while questions.poll(_IDLE_SECONDS):
            answers.send_bytes(orjson.dumps(_answered(questions.recv_bytes())))


if __name__ == "__main__":
    _main()
