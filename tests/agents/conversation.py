"""A conversation of a coding agent with a real server, in the network that this process is in.

``python -m tests.agents.conversation AGENT PROGRAM FOLDER`` prints what happened, as JSON: what the agent said, the
requests, what the log tells of them, and the file that the agent was made to write. The agent is offline where it is
run in a network of its own (``unshare -rn``).
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.longer import CONTEXT, long_weights

import puna
from puna.cli.agents import AGENTS, NO_KEY, Target
from puna.testing import call

NOTE = "The llama sings.\n"
QUESTIONS = ("Write a note and read it.", "What did I ask?", "Read the long file.", "And what was my first question?")
LONG, LAST = "It is long.", "You asked for a note."
SUMMARY = "The user had a note written and read, then a long file read."
_SECONDS = 240
SETTINGS = {
    "OLLAMA_CONTEXT_LENGTH": str(CONTEXT),
    "OLLAMA_GO_TEMPLATE": "1",
    "OLLAMA_NUM_PARALLEL": "1",
    "PUNA_LOG_FORMAT": "json",
}
ENGINE = {"PUNA_ENGINE": os.environ["PUNA_TEST_NATIVE"]} if "PUNA_TEST_NATIVE" in os.environ else {}
"""A native engine, where there is one, reads their prompts in less time."""

_TEMPLATE = """\
{{ if .Tools }}<|im_start|>system
{{ range .Tools }}{{ . }}
{{ end }}<|im_end|>
{{ end }}{{ range .Messages }}<|im_start|>{{ .Role }}
{{ .Content }}{{ range .ToolCalls }}
<tool_call>
{"name": "{{ .Function.Name }}", "arguments": {{ .Function.Arguments }}}
</tool_call>{{ end }}<|im_end|>
{{ end }}<|im_start|>assistant
"""
"""Tools stand at the beginning, as with models that agents are used with; the model's own has them in each turn."""


@dataclass(frozen=True, slots=True)
class Ways:
    """How an agent is driven: its arguments for a first and for each further question, and the calls that it knows.

    ``window`` is the context that it is told of, in tokens: little enough that a file of ``lines`` fills it.
    """

    window: int
    lines: int
    first: tuple[str, ...]
    further: tuple[str, ...]
    write: Callable[[Path], Any]
    read: Callable[[Path], Any]
    environment: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    """Settings of its own by which its prompts are short, in its home (hidden ones) or where it works."""
    full: tuple[str, ...] = (SUMMARY, LONG)
    """What it is answered once it has read the long file: some agents compact before they answer, some after that."""
    after: tuple[str, ...] = (LAST,)
    """What it is answered to the last question; some agents compact before that."""

    def scripts(self, note: Path, long: Path) -> list[list[Any]]:
        """Return what the model answers, question by question."""
        return [
            [self.write(note), self.read(note), "It says that the llama sings."],
            ["You asked me to write a note."],
            [self.read(long), *self.full],
            [*self.after],
        ]


_CODEX = (
    "-c",
    'model_instructions_file="{home}/.brief"',
    "exec",
    "--dangerously-bypass-approvals-and-sandbox",
    "--skip-git-repo-check",
)
WAYS = {
    "claude": Ways(
        window=40_000,
        lines=420,
        first=("-p", "--tools", "Read,Write", "--system-prompt", "Be brief.", "--dangerously-skip-permissions"),
        further=("-c",),
        write=lambda path: call("Write", {"file_path": str(path), "content": NOTE}),
        read=lambda path: call("Read", {"file_path": str(path)}),
        environment={"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "IS_SANDBOX": "1"},
        after=(SUMMARY, LAST),  # once more: it has put the long file back, in part
    ),
    "codex": Ways(
        window=12_000,
        lines=150,
        first=_CODEX,
        further=("resume", "--last"),
        write=lambda path: call("exec_command", {"cmd": f"printf '%s' '{NOTE}' > {path.name}"}),
        read=lambda path: call("exec_command", {"cmd": f"cat {path.name}", "max_output_tokens": 30_000}),
        files={".brief": "Be brief."},
        full=(LONG,),
        after=(SUMMARY, LAST),
    ),
    "opencode": Ways(
        window=7_600,
        lines=150,
        first=("run", "--title", "note"),
        further=("-c",),
        write=lambda path: call("write", {"filePath": str(path), "content": NOTE}),
        read=lambda path: call("read", {"filePath": str(path)}),
        environment={
            "OPENCODE_DISABLE_MODELS_FETCH": "1",
            "OPENCODE_DISABLE_AUTOUPDATE": "1",
            "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
        },
        files={
            "opencode.json": json.dumps(
                {
                    "agent": {"build": {"prompt": "Be brief."}},
                    "tools": dict.fromkeys(("bash", "glob", "grep", "task", "todowrite", "webfetch", "skill"), False),
                }
            )
        },
        full=(LONG, SUMMARY, LONG),
    ),
}


def make_long(server: puna.Server, folder: Path) -> str:
    """Make the built-in model with a context that an agent's prompts fit in; it makes no sense of them."""
    path = folder / "long.gguf"
    path.write_bytes(long_weights())
    with server.ollama() as client:
        client.create(model="long", files={path.name: client.create_blob(path)}, template=_TEMPLATE)
    return "long"


def main(name: str, program: str, folder: Path) -> dict[str, Any]:
    """Hold the conversation in ``folder``, and return what happened."""
    ways, agent = WAYS[name], AGENTS[name]
    work, home = folder / "work", folder / "home"
    work.mkdir(parents=True)
    home.mkdir()
    subprocess.run(["git", "init", "-q"], cwd=work, check=True)
    for path, text in ways.files.items():
        (home if path.startswith(".") else work).joinpath(path).write_text(text)
    note, long = work / "note.txt", work / "long.txt"
    long.write_text("".join(f"Line {at}: the llama walks over hill {at * 7} and sings.\n" for at in range(ways.lines)))
    said = []
    server = puna.Server(settings=SETTINGS | ENGINE).start()
    try:
        model = make_long(server, folder)
        start = agent.start(Target(server.url, NO_KEY, model, ways.window, ("completion", "tools")))
        environment = {"PATH": os.environ["PATH"], "HOME": str(home), **ways.environment, **start.environment}

        def ask(question: str, *more: str) -> None:
            arguments = [argument.replace("{home}", str(home)) for argument in ways.first]
            command = [program, *start.arguments, *arguments, *more, question]
            done = subprocess.run(
                command, env=environment, cwd=work, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS
            )
            said.append([done.returncode, *(text.decode(errors="replace") for text in (done.stdout, done.stderr))])

        try:
            for at, (question, script) in enumerate(zip(QUESTIONS, ways.scripts(note, long), strict=True)):
                server.script(script)
                ask(question, *(ways.further if at else ()))
            server.check()
        except (subprocess.SubprocessError, AssertionError) as error:
            said.append([type(error).__name__, str(error)])
        lines = [json.loads(line) for line in server.log().splitlines() if line.startswith("{")]
        requests = [
            {"path": one.path, "status": one.status, "body": one.body} for one in server.requests if one.generates
        ]
    finally:
        server.stop()
    return {
        "folder": str(folder),
        "said": said,
        "requests": requests,
        "log": lines,
        "note": note.read_text() if note.exists() else "",
    }


if __name__ == "__main__":
    json.dump(main(sys.argv[1], sys.argv[2], Path(sys.argv[3])), sys.stdout)
