"""A conversation in the terminal."""

import shlex
from collections.abc import Mapping
from typing import Any

import ollama
import typer
from prompt_toolkit import PromptSession
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import InMemoryHistory

from puna.cli.errors import CommandError

_HELP = """\
/set system TEXT          set the system message
/set parameter NAME VALUE set an option
/set think on|off         think before answering, or not
/set verbose on|off       show timings, or not
/show                     describe the model
/clear                    forget the conversation
/bye                      leave (also Ctrl-D)
\"\"\"                       begin and end a message of several lines"""
_MULTILINE = '"""'
_PLACEHOLDER = FormattedText([("fg:ansibrightblack", "Send a message (/? for help)")])
_GREY, _RESET = "\033[90m", "\033[0m"
_SWITCH = {"on": True, "off": False}


class Conversation:
    """Messages so far and how to ask for the next answer."""

    def __init__(
        self, client: ollama.Client, model: str, options: dict[str, Any], *, show_thinking: bool, verbose: bool
    ) -> None:
        self._client = client
        self._model = model
        self._request = options
        self._parameters: dict[str, Any] = {}
        self._messages: list[dict[str, Any]] = []
        self._system = ""
        self._show_thinking = show_thinking
        self._verbose = verbose

    def ask(self, text: str) -> None:
        """Print the answer to ``text`` as it comes; Ctrl-C ends it and forgets the question."""
        self._messages.append({"role": "user", "content": text})
        system = [{"role": "system", "content": self._system}] if self._system else []
        answer, thinking = "", False
        last: Mapping[str, Any] = {}
        try:
            for part in self._client.chat(
                self._model, system + self._messages, stream=True, options=self._parameters, **self._request
            ):
                last = part.model_dump()
                if part.message.thinking and self._show_thinking:
                    typer.echo(("" if thinking else _GREY) + part.message.thinking, nl=False)
                    thinking = True
                if part.message.content:
                    typer.echo((f"{_RESET}\n\n" if thinking else "") + part.message.content, nl=False)
                    thinking = False
                    answer += part.message.content
        except BaseException:
            self._messages.pop()
            raise
        finally:
            typer.echo(_RESET if thinking else "")
        self._messages.append({"role": "assistant", "content": answer})
        if last.get("prompt_truncated"):
            typer.echo(f"(the oldest {last['dropped_messages']} messages no longer fit the context)", err=True)
        if self._verbose:
            self._print_timings(last)

    def talk(self) -> None:
        """Read messages and commands until the user leaves."""
        self._client.generate(self._model)  # loads the model while the user types
        session: PromptSession[str] = PromptSession(history=InMemoryHistory())
        while True:
            try:
                text = self._read(session)
                if text.strip() == "/bye":
                    return
                if text.startswith("/"):
                    self._command(text)
                elif text.strip():
                    self.ask(text)
            except EOFError:
                return
            except KeyboardInterrupt:
                typer.echo("\nUse Ctrl-D or /bye to leave.")
            except ollama.ResponseError as error:
                typer.echo(f"Error: {error.error}", err=True)
            except CommandError as error:
                typer.echo(f"Error: {error}", err=True)

    def _read(self, session: "PromptSession[str]") -> str:
        text = session.prompt(">>> ", placeholder=_PLACEHOLDER)
        if not text.startswith(_MULTILINE):
            return text
        text = text.removeprefix(_MULTILINE)
        while not text.rstrip().endswith(_MULTILINE):
            text += "\n" + session.prompt("... ")
        return text.rstrip().removesuffix(_MULTILINE)

    def _command(self, text: str) -> None:
        try:
            words = shlex.split(text)
        except ValueError:
            words = text.split()
        match words:
            case ["/?" | "/help"]:
                typer.echo(_HELP)
            case ["/clear"]:
                self._messages.clear()
                typer.echo("The conversation is forgotten.")
            case ["/show", *_]:
                details = self._client.show(self._model)
                typer.echo(f"{self._model}: {details.details}\ncapabilities: {', '.join(details.capabilities or [])}")
            case ["/set", "system", *rest] if rest:
                self._system = " ".join(rest)
            case ["/set", "parameter", name, *values] if values:
                self._parameters[name] = _value(values)
            case ["/set", "think", "on" | "off" as word]:
                self._request["think"] = _SWITCH[word]
            case ["/set", "verbose", "on" | "off" as word]:
                self._verbose = _SWITCH[word]
            case _:
                raise CommandError(f"unknown command: {text} (/? lists them)")

    def _print_timings(self, last: Mapping[str, Any]) -> None:
        seconds = {name: (last.get(f"{name}_duration") or 0) / 1e9 for name in ("total", "load", "prompt_eval", "eval")}
        typer.echo(f"\ntotal {seconds['total']:.2f} s, load {seconds['load']:.2f} s", err=True)
        for name, word in (("prompt_eval", "prompt"), ("eval", "answer")):
            count = last.get(f"{name}_count") or 0
            rate = count / seconds[name] if seconds[name] else 0.0
            typer.echo(f"{word}: {count} tokens, {rate:.1f} tokens/s", err=True)


def _value(words: list[str]) -> Any:
    """Return an option's value as the API takes it: a number or a boolean where it looks like one."""
    text = " ".join(words)
    if text in {"true", "false"}:
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
