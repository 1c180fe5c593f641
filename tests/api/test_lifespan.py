"""The beginning and the end of a server's parts."""

from pathlib import Path

import pytest

from puna.accounts.accounts import Accounts
from puna.api.app import create_app
from puna.jobs.recordings import Recordings
from puna.models.registry.transfers import Transfers
from puna.service.local import LocalService
from puna.settings import Settings

PARTS = (LocalService, Accounts)


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The parts that have been closed."""
    closed: list[str] = []

    def watch(part: type[LocalService] | type[Accounts]) -> None:
        close = part.close

        async def noted(self: LocalService | Accounts) -> None:
            closed.append(part.__name__)
            await close(self)  # type: ignore[arg-type]

        monkeypatch.setattr(part, "close", noted)

    for part in PARTS:
        watch(part)
    return closed


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.from_env({"PUNA_HOME": str(tmp_path / "home"), "OLLAMA_MODELS": str(tmp_path / "models")})


async def test_what_cannot_be_closed_leaves_nothing_else_open(
    settings: Settings, closed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_recordings: Recordings) -> None:
        raise ValueError("cannot be closed")

    monkeypatch.setattr(Recordings, "close", fail)
    app = create_app(settings)
    with pytest.raises(ValueError, match="cannot be closed"):
        async with app.router.lifespan_context(app):
            assert not closed
    assert closed == [part.__name__ for part in PARTS]


async def test_what_cannot_begin_leaves_nothing_open(
    settings: Settings, closed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_transfers: Transfers) -> int:
        raise ValueError("cannot begin")

    monkeypatch.setattr(Transfers, "clean", fail)
    app = create_app(settings)
    with pytest.raises(ValueError, match="cannot begin"):
        async with app.router.lifespan_context(app):
            raise AssertionError
    assert closed == [part.__name__ for part in PARTS]
