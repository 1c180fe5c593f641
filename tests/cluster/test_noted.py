"""What an ingress and a node note in files: deleted models, and copies."""

from pathlib import Path

import pytest

from puna.cluster.deleted import Deleted
from puna.cluster.noted import read_words, write_words


def test_words_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "cluster" / "words.json"
    assert read_words(path) == []
    write_words(path, ("b", "a"))
    assert read_words(path) == ["b", "a"]


@pytest.mark.parametrize("text", ["", "{", '{"a": 1}', "3"])
def test_a_file_of_something_else_has_no_words(tmp_path: Path, text: str) -> None:
    path = tmp_path / "words.json"
    path.write_text(text)
    assert read_words(path) == []


def test_a_list_that_cannot_be_read_for_a_moment_is_not_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    deleted = Deleted(tmp_path / "deleted.json")
    deleted.add("sha256:a")

    def refuse(*_arguments: object, **_named: object) -> str:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_text", refuse)
        deleted.add("sha256:b")
        with pytest.raises(OSError, match="Too many open files"):
            deleted.without(set())
    assert "nodes that are away will not hear" in caplog.text
    deleted.add("sha256:c")
    assert deleted.digests() == ["sha256:a", "sha256:c"]
    assert deleted.without({"sha256:a"}) == {"sha256:c"}
    assert deleted.digests() == ["sha256:c"]
