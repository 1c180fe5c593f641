"""Which engine runs what: builds side by side, the choice of one, and files that are not what they should be."""

import errno
import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest

from puna.engine.engines import About, Choice, Engines, Speed, UnknownEngineError, check_name
from puna.errors import BadRequestError

ABOUT = About(
    source="a test",
    version="1",
    speed=Speed(200, 20),
    portable_speed=Speed(100, 20),
    instructions=("AVX2",),
    repack=False,
)


@pytest.fixture
def engines(tmp_path: Path) -> Engines:
    return Engines(tmp_path)


def build(engines: Engines, name: str, about: About = ABOUT, *, use: bool = False) -> Path:
    """Install a build whose llama-server is an empty file, and return that."""
    made = engines.root / "made"
    (made / "bin").mkdir(parents=True)
    (made / "bin" / "llama-server").touch()
    return engines.install(made, name, about, use=use).server


def test_portable_is_chosen_where_nothing_is(engines: Engines) -> None:
    assert (engines.chosen(), engines.program(), engines.builds()) == ("portable", "", [])


def test_build_is_found_again_as_it_was(engines: Engines) -> None:
    build(engines, "native")
    (found,) = engines.builds()
    assert (found.name, found.about) == ("native", ABOUT)


def test_choice_lasts(engines: Engines, tmp_path: Path) -> None:
    server = build(engines, "native")
    engines.use("native")
    again = Engines(tmp_path)
    assert (again.chosen(), again.program("cria:latest")) == ("native", str(server))
    again.use("portable")
    assert engines.program() == ""


def test_model_keeps_its_own_engine(engines: Engines) -> None:
    one, other = build(engines, "one"), build(engines, "other")
    engines.use("one", "Cria:latest")
    engines.use("other")
    assert engines.program("cria:latest") == str(one), "names of models are compared without regard to case"
    assert engines.program("llama3:latest") == str(other)
    engines.use("default", "cria:latest")
    assert engines.program("cria:latest") == str(other)


def test_setting_stands_above_every_choice(engines: Engines, tmp_path: Path) -> None:
    build(engines, "native")
    engines.use("native", "cria:latest")
    assert Engines(tmp_path, "portable").program("cria:latest") == ""


def test_engine_may_be_named_by_its_path(engines: Engines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = tmp_path / "llama-server"
    server.touch()
    monkeypatch.chdir(tmp_path)
    engines.use("./llama-server")
    monkeypatch.chdir("/")
    assert engines.program() == str(server)


def test_unknown_engine_is_not_chosen(engines: Engines) -> None:
    for name in ("nope", "/nowhere/llama-server", "../llama-server"):
        with pytest.raises(UnknownEngineError, match="there is no engine"):
            engines.use(name)
    assert engines.choice() == Choice()


def test_engine_that_is_gone_makes_way_for_the_portable_one(engines: Engines, caplog: pytest.LogCaptureFixture) -> None:
    build(engines, "native").unlink()
    (engines.root / "choice.json").write_text(json.dumps({"default": "native", "models": {}}))
    with caplog.at_level(logging.WARNING):
        assert engines.program("cria:latest") == ""
    assert "there is no engine 'native'" in caplog.text


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "5", '{"default": 5, "models": {}}', '{"default": "x", "models": []}', '{"default": "x"}']
)
def test_choice_that_cannot_be_read_is_passed_over(
    engines: Engines, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    engines.root.mkdir(parents=True)
    (engines.root / "choice.json").write_text(text)
    with caplog.at_level(logging.WARNING):
        assert engines.choice() == Choice()
    assert "cannot be read" in caplog.text
    build(engines, "native")
    engines.use("native")
    assert engines.chosen() == "native"


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"source": 1, "speed": {"x": 1}}', '{"instructions": 5}'])
def test_damaged_build_is_left_out(engines: Engines, text: str, caplog: pytest.LogCaptureFixture) -> None:
    build(engines, "one")
    build(engines, "two")
    (engines.root / "one" / "about.json").write_text(text)
    with caplog.at_level(logging.WARNING):
        assert [found.name for found in engines.builds()] == ["two"]
    assert "cannot be used" in caplog.text


def test_removing_a_build_ends_its_use(engines: Engines) -> None:
    build(engines, "one")
    build(engines, "two")
    engines.use("one")
    engines.use("one", "cria:latest")
    engines.use("two", "other:latest")
    engines.remove("one")
    assert engines.choice() == Choice("portable", {"other:latest": "two"})
    assert [found.name for found in engines.builds()] == ["two"]
    assert not list(engines.root.glob(".removed-*"))
    with pytest.raises(UnknownEngineError):
        engines.remove("one")


def test_build_takes_the_place_of_an_older_one(engines: Engines) -> None:
    build(engines, "native", About(source="old", version="0"))
    build(engines, "native")
    assert [found.about for found in engines.builds()] == [ABOUT]
    assert not list(engines.root.glob(".replaced-*"))


def test_build_may_be_chosen_with_its_installation(engines: Engines) -> None:
    build(engines, "native", use=True)
    assert engines.chosen() == "native"


def test_disk_that_is_full_at_the_end_of_a_build_leaves_the_older_one(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(engines, "native", use=True)

    def full(_name: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(engines, "use", full)
    for name in ("native", "other"):
        with pytest.raises(OSError, match="No space"):
            build(engines, name, replace(ABOUT, version="2"), use=True)
    assert [(found.name, found.about.version) for found in engines.builds()] == [("native", "1")]
    assert {path.name for path in engines.root.iterdir()} == {"native", "choice.json"}


@pytest.mark.parametrize("name", ["portable", "default", "", "../x", ".hidden", "a/b", "x" * 65, "a b"])
def test_name_of_a_build_is_a_safe_one(name: str) -> None:
    with pytest.raises(BadRequestError, match="cannot be the name"):
        check_name(name)
    assert check_name("native-2.1_a") == "native-2.1_a"
