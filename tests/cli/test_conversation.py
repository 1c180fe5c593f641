"""A conversation in a terminal: what is sent, what is kept, and what is shown of it."""

import re
from typing import Any

from tests.cli.conftest import make_parrot
from tests.cli.terminal import Terminal
from tests.server import Server, World

MARKDOWN = "# A title\n\nSome **bold** words.\n"
_COLOUR = re.compile(r"\x1b\[[0-9;]*(3[0-7]|9[0-7])[0-9;]*m")


def messages(server: Server, name: str) -> list[dict[str, Any]]:
    """Return the messages that a saved conversation begins with."""
    found: list[dict[str, Any]] = server.ask("/api/show", {"model": name})["messages"]
    return found


def test_markdown_is_drawn_on_a_terminal_and_nowhere_else(server: Server, beside: World) -> None:
    make_parrot(server, "talk-markdown", MARKDOWN)
    assert beside.run("run", "talk-markdown", "x").stdout == MARKDOWN + "\n"
    for columns in (80, 140):
        with Terminal(beside, "run", "talk-markdown", "x", columns=columns) as terminal:
            assert "# A title" not in terminal.rest()
            assert terminal.status() == 0
            assert "\x1b[1;4mA title" in terminal.raw
    for flag in ("--nomarkdown", "--nowordwrap"):
        with Terminal(beside, "run", "talk-markdown", "x", flag) as terminal:
            terminal.expect(r"# A title\n\nSome \*\*bold\*\* words.\n")
    beside.environment["TERM"] = "dumb"
    with Terminal(beside, "run", "talk-markdown", "x") as terminal:
        assert "# A title" in terminal.rest()
        assert "\x1b" not in terminal.raw


def test_a_user_without_colours_gets_none(server: Server, beside: World) -> None:
    make_parrot(server, "talk-colours", "```python\nx = 1  # one\n```\n")
    with Terminal(beside, "run", "talk-colours", "x") as terminal:
        terminal.rest()
        assert _COLOUR.search(terminal.raw)
    beside.environment["NO_COLOR"] = "1"
    for arguments in (["run", "talk-colours", "x"], ["list"]):
        with Terminal(beside, *arguments) as terminal:
            terminal.rest()
            assert not _COLOUR.search(terminal.raw), terminal.raw


def test_what_was_said_before_ctrl_c_is_kept(server: Server, beside: World) -> None:
    with Terminal(beside, "run", "cria") as terminal:
        terminal.talk_for_ever()
        terminal.type("\x03")
        terminal.expect(r"\(stopped here\)")
        terminal.expect(">>> ")
        terminal.type("/save talk-stopped")
        terminal.expect("Created new model 'talk-stopped'")
        terminal.type("/bye")
        assert terminal.status() == 0
    question, answer = messages(server, "talk-stopped")
    assert question == {"role": "user", "content": "Talk for ever"}
    assert answer["role"] == "assistant"
    assert len(answer["content"]) > 20


def test_a_saved_conversation_goes_on(server: Server, beside: World) -> None:
    make_parrot(server, "talk-first", "The first answer.")
    for model, question in (("talk-first", "One?"), ("talk-saved", "Two?")):
        with Terminal(beside, "run", model) as terminal:
            if model == "talk-saved":
                terminal.expect(r">>> One\?\nThe first answer.[^>]*\n")
            terminal.expect(r">>> Send")
            terminal.type(question)
            terminal.expect(r"The first answer.\n")
            terminal.expect(">>> ")
            terminal.type("/save talk-saved")
            terminal.expect("Created new model")
            terminal.expect(">>> Send")
            terminal.type("\x04")
            assert terminal.status() == 0
    assert [entry["content"] for entry in messages(server, "talk-saved")] == [
        "One?", "The first answer.", "Two?", "The first answer."
    ]  # fmt: skip


def test_pasted_lines_and_files_are_one_message(server: Server, beside: World) -> None:
    make_parrot(server, "talk-files", "Yes.")
    (beside.home / "my notes.txt").write_text("the secret is ```blue```\n")
    (beside.home / "program").write_bytes(b"\x7fELF\0\0")
    with Terminal(beside, "run", "talk-files") as terminal:
        terminal.expect(">>> ")
        terminal.type("\x1b[200~two\rlines\x1b[201~")
        terminal.expect("Yes.")
        terminal.expect(">>> ")
        terminal.type("see ./my\\ notes.txt, ./program and ./nothing.png")
        terminal.expect(r"\(there is no ./nothing.png; the name is sent as text\)")
        terminal.expect(r"\(program is not text: only its name is sent\)")
        terminal.expect(r"Added file 'my notes.txt'")
        terminal.expect("Yes.")
        terminal.expect(">>> ")
        terminal.type("/save talk-said")
        terminal.expect("Created new model")
        terminal.type("/bye")
    pasted, _, named, _ = messages(server, "talk-said")
    assert pasted["content"] == "two\nlines"
    assert named["content"] == (
        "see ./my\\ notes.txt, ./program and ./nothing.png\n\nmy notes.txt:\n```\nthe secret is ```blue```\n```"
    )


def test_a_prompt_outside_a_conversation_is_sent_as_it_is(server: Server, beside: World) -> None:
    (beside.home / "notes.txt").write_text("secret")
    (beside.home / "cat.png").write_bytes(b"x")
    done = beside.run("run", "cria", "what is in ./notes.txt and cat.png?")
    assert done.returncode == 0
    assert done.stderr == "(./cat.png would send the file cat.png; the name is sent as text)\n"


def test_history_is_kept_unless_the_user_says_no(server: Server, beside: World) -> None:
    file = beside.home / ".puna" / "history"
    for keep in (False, True):
        beside.environment["OLLAMA_NOHISTORY"] = str(not keep).lower()
        with Terminal(beside, "run", "cria") as terminal:
            terminal.expect(">>> ")
            terminal.type("/set verbose")
            terminal.expect("Set 'verbose' mode.")
            terminal.type("/bye")
            assert terminal.status() == 0
        assert file.exists() == keep
    assert file.stat().st_mode & 0o777 == 0o600
    with Terminal(beside, "run", "cria") as terminal:
        terminal.expect(">>> ")
        terminal.press("\x12verb")  # Ctrl-R searches what was typed before
        found = terminal.expect(r"/set verbose[^\n]*\n?")
        assert "message" not in found.partition("/set verbose")[2]
        terminal.type("")
        terminal.type("")
        terminal.expect("Set 'verbose' mode.")
        terminal.type("/load cira")
        terminal.expect("model 'cira' not found; did you mean cria?")
        terminal.type("/?\t\x15/bye")
        assert terminal.status() == 0
