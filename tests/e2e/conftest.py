"""Models that several files of tests use."""

import pytest
from tests.e2e.prompting import GO_TEMPLATE, make
from tests.server import Server


@pytest.fixture(scope="session")
def go_model(shared_server: Server) -> str:
    """The built-in model with its format as a Go TEMPLATE, which Puna renders and whose answers it parses."""
    return make(shared_server, "cria-go", template=GO_TEMPLATE)
