"""Files of settings: values as the environment has them, and the line of whatever is wrong."""

import os
from pathlib import Path

import pytest

from puna.config.file import ConfigError, read_file
from puna.settings import SETTINGS, SettingError, Settings, given_settings, setting_warnings

NO_HOME = "/nonexistent"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that ``PUNA_CONFIG`` names."""
    path = tmp_path / "puna.toml"
    monkeypatch.setenv("PUNA_CONFIG", str(path))
    return path


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own file."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    path = tmp_path / "xdg/puna/config.toml"
    path.parent.mkdir(parents=True)
    return path


def test_keys_are_unique() -> None:
    assert len({entry.key for entry in SETTINGS}) == len(SETTINGS)
    assert "model" not in {entry.key for entry in SETTINGS}, "that is where the sections of models are"


def test_values_of_every_kind(file: Path) -> None:
    file.write_text(
        'host = "0.0.0.0:1"\nkeep_alive = 90\nload_timeout = "1h"\ndebug = true\nmax_body = "1M"\n'
        'origins = ["http://a", "http://b"]\n[mirrors]\n"registry.ollama.ai" = "http://mirror"\n'
    )
    settings = Settings.from_env()
    assert (settings.address.host, settings.address.port) == ("0.0.0.0", 1)
    assert (settings.keep_alive, settings.load_timeout, settings.debug) == (90, 3600, True)
    assert settings.max_body == 1 << 20
    assert settings.origins == ("http://a", "http://b")
    assert settings.mirrors == {"registry.ollama.ai": "http://mirror"}


def test_environment_wins_over_named_file_over_own(file: Path, own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own.write_text("max_queue = 1\nsessions = 1\nnum_parallel = 1")
    file.write_text("max_queue = 2\nsessions = 2")
    monkeypatch.setenv("OLLAMA_MAX_QUEUE", "3")
    settings = Settings.from_env()
    assert (settings.max_queue, settings.sessions, settings.num_parallel) == (3, 2, 1)
    given = given_settings()
    origins = [given[name].origin for name in ("OLLAMA_MAX_QUEUE", "PUNA_SESSIONS", "OLLAMA_NUM_PARALLEL")]
    assert origins == ["environment", f"{file}:2", f"{own}:3"]
    assert given["OLLAMA_DEBUG"].origin == "default"


def test_empty_value_is_the_default(file: Path, own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own.write_text("max_queue = 1\norigins = ['http://a']")
    file.write_text("origins = []")
    monkeypatch.setenv("OLLAMA_MAX_QUEUE", "")
    settings = Settings.from_env()
    assert settings.origins == ()
    assert settings.max_queue == 1, "an empty variable is not set"


def test_null_device_means_no_files(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own.write_text("this is not TOML")
    monkeypatch.setenv("PUNA_CONFIG", os.devnull)
    assert Settings.from_env().max_queue == 512


def test_given_environment_stands_alone(file: Path) -> None:
    file.write_text("this is not TOML")
    assert Settings.from_env({}).max_queue == 512


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("\n\nmax_queue = many", 3, "it is not TOML"),
        ("max_queue = [\n1,", 2, "it is not TOML"),
        ("\nmax_queue = -1", 2, "max_queue: '-1' is not a whole number"),
        ("origins = [\n'a',\n'b']\nmax_queues = 1", 4, "max_queues: there is no such setting; did you mean max_queue"),
        ("OLLAMA_MAX_QUEUE = 1", 1, "in a file it is called max_queue"),
        ("testing = 'x'", 1, "there is no such setting"),
        ("PUNA_CONFIG = 'x'", 1, "it can only be given in the environment"),
        ("a = '''\nmax_queue = 1\n'''", 1, "a: there is no such setting"),
        ("x.y = 1\nmax_queue = 1", 1, "x: there is no such setting"),
        ("[sessions.more]\nx = 1", 1, "an entry must be text"),
        ("max_queue = 1\nsessions = 2026-01-01", 2, "it must be text"),
        ("origins = [\n'a,b']", 1, "without a comma"),
        ("max_queue = 1\n\norigins = [['a']]", 3, "an entry must be text"),
    ],
)
def test_error_names_file_and_line(file: Path, text: str, line: int, message: str) -> None:
    file.write_text(text)
    with pytest.raises((ConfigError, SettingError), match=message) as caught:
        Settings.from_env()
    assert str(caught.value).startswith(f"{file}:{line}: ")


def test_what_is_not_utf8_has_a_line(file: Path) -> None:
    file.write_bytes(b"max_queue = 1\n# \xff")
    with pytest.raises(ConfigError, match=":2: it is not UTF-8"):
        Settings.from_env()


def test_named_file_must_be_there(file: Path) -> None:
    with pytest.raises(ConfigError, match="PUNA_CONFIG: there is no file"):
        Settings.from_env()
    file.mkdir()
    with pytest.raises(ConfigError, match=r"PUNA_CONFIG: .* cannot be read"):
        Settings.from_env()


def test_usual_file_that_cannot_be_read_is_passed_over(own: Path) -> None:
    own.mkdir()
    assert Settings.from_env().max_queue == 512
    assert [warning for warning in setting_warnings() if f"{own} cannot be read" in warning]


def test_without_a_home_there_is_no_own_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", NO_HOME)
    assert Settings.from_env().max_queue == 512


def test_file_has_an_end(file: Path) -> None:
    file.write_text("#" * (2 << 20))
    with pytest.raises(ConfigError, match="at most 1 MiB"):
        Settings.from_env()


def test_lines_of_everything(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes(
        b'# [a]\r\nb = """\r\n[c]\r\nd = 1\r\n"""\r\ne = [\r\n  1,\r\n  # ]\r\n]\r\n'
        b'[model."x:1"] # y\r\npinned = true\r\noptions = {seed = 1}\r\n\r\n[model.y.options]\r\nseed = 1\r\n'
    )
    lines = read_file(path).lines
    assert lines == {
        ("b",): 2,
        ("e",): 6,
        ("model",): 10,
        ("model", "x:1"): 10,
        ("model", "x:1", "pinned"): 11,
        ("model", "x:1", "options"): 12,
        ("model", "x:1", "options", "seed"): 12,
        ("model", "y"): 14,
        ("model", "y", "options"): 14,
        ("model", "y", "options", "seed"): 15,
    }


def test_secret_in_a_wrong_value_is_not_repeated(file: Path) -> None:
    file.write_text("basic_auth = 'hunter2'\n")
    with pytest.raises(SettingError, match=":1: basic_auth: it must have the form") as caught:
        Settings.from_env()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("mode", [0o600, 0o640])
def test_secret_that_others_may_read_is_named(file: Path, mode: int) -> None:
    file.write_text("basic_auth = 'ada:hunter2'\n")
    file.chmod(mode)
    warnings = [warning for warning in setting_warnings() if "basic_auth" in warning]
    assert len(warnings) == (mode != 0o600)
    assert not any("hunter2" in warning for warning in warnings)


def test_every_secret_is_known_by_its_name() -> None:
    secrets = {entry.variable for entry in SETTINGS if entry.is_secret}
    assert {"OLLAMA_BASIC_AUTH", "PUNA_REGISTRY_AUTH", "PUNA_TESTING"} <= secrets
