"""``puna run`` as a conversation in a terminal."""

import pytest
from tests.cli.terminal import Terminal
from tests.e2e.test_cli import WORDS, make_parrot
from tests.server import Server, World


@pytest.fixture
def beside(server: Server, world: World) -> World:
    world.environment["OLLAMA_HOST"] = f"127.0.0.1:{server.port}"
    make_parrot(server.world.models)
    return world


def test_conversation(beside: World) -> None:
    with Terminal(beside, "run", "parrot") as terminal:
        terminal.expect(">>> ")
        terminal.type("Hello, 羊驼!")
        terminal.expect(WORDS)
        terminal.expect(">>> ")
        terminal.type("/set parameter grammar 'root ::= \"something else\"'")
        terminal.expect(">>> ")
        terminal.type("And now?")
        terminal.expect("something else")
        terminal.expect(">>> ")
        terminal.type("/set system Be kind.")
        terminal.expect(">>> ")
        terminal.type("/show info")
        terminal.expect("Capabilities\n    completion")
        terminal.expect(">>> ")
        terminal.type("/clear")
        terminal.expect("Cleared session context")
        terminal.expect(">>> ")
        terminal.type("/nonsense")
        terminal.expect("Error: unknown command: /nonsense")
        terminal.expect(">>> ")
        terminal.type('"""two')
        terminal.expect(r"\.\.\.")
        terminal.type('lines"""')
        terminal.expect("something else")
        terminal.expect(">>> ")
        terminal.type("/bye")
        assert terminal.status() == 0


def test_interrupt_ends_an_answer_and_not_the_conversation(server: Server, beside: World) -> None:
    with Terminal(beside, "run", "cria") as terminal:
        terminal.talk_for_ever()
        terminal.type("\x03")
        terminal.expect(">>> ")  # which would come much later otherwise
        terminal.type("/bye")
        assert terminal.status() == 0


def test_a_key_of_the_shell_is_not_part_of_a_message(beside: World) -> None:
    with Terminal(beside, "run", "parrot") as terminal:
        terminal.expect(">>> ")
        terminal.type("\x1a/bye")  # without a shell around it there is nothing to go back to
        assert terminal.status() == 0
