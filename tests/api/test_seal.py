"""What goes out and comes back is what it was."""

import base64
from pathlib import Path

import pytest

from puna.api.seal import AlteredError, Seal


def test_signature_fits_its_text_only(tmp_path: Path) -> None:
    seal = Seal(tmp_path)
    signed = seal.sign("thought é")
    assert seal.open(signed, "thought é", "x") == "thought é"
    with pytest.raises(AlteredError, match=r"^x\.signature does not fit"):
        seal.open(signed, "thought", "x.signature")


def test_text_inside_comes_out(tmp_path: Path) -> None:
    seal = Seal(tmp_path)
    text = "a long thought " * 500
    held = seal.hold(text)
    assert len(held) < 400
    assert seal.open(held, "", "x") == text
    data = bytearray(base64.b64decode(held))
    data[-3] ^= 1
    with pytest.raises(AlteredError):
        seal.open(base64.b64encode(bytes(data)).decode(), "", "x")


@pytest.mark.parametrize("foreign", ["", "not base64!", "EqQBCgIYAhIk", "cHVuYQE="])
def test_seals_of_others_say_nothing(tmp_path: Path, foreign: str) -> None:
    assert Seal(tmp_path).open(foreign, "thought", "x") == "thought"
    assert Seal(tmp_path / "a").open(Seal(tmp_path / "b").sign("other"), "thought", "x") == "thought"


def test_key_is_kept_and_private(tmp_path: Path) -> None:
    home = tmp_path / "home"
    signed = Seal(home).sign("thought")
    (kept,) = home.iterdir()
    assert kept.stat().st_mode & 0o077 == 0
    with pytest.raises(AlteredError):
        Seal(home).open(signed, "another", "x")
    kept.write_bytes(b"short")
    assert Seal(home).open(signed, "another", "x") == "another"
    assert len(kept.read_bytes()) == 32


def test_without_a_place_for_the_key(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    seal = Seal(tmp_path / "file")
    assert seal.open(seal.sign("thought"), "thought", "x") == "thought"
