"""The look-up of keys, and what is kept of them."""

import time
from pathlib import Path

import pytest

from puna.accounts import changes
from puna.accounts.accounts import Accounts
from puna.accounts.errors import AccountsError
from puna.accounts.keys import Key, find
from puna.accounts.store import Store
from puna.errors import BadRequestError, NotFoundError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "accounts.db"


def made(path: Path, name: str = "ada", **words: object) -> str:
    with Store(path) as store:
        return changes.create(store, name, words)[1]


def known(path: Path) -> dict[str, Key]:
    with Store(path) as store:
        keys = store.keys()
    return {key.id: key for key in keys}


def test_nothing_that_lets_anybody_in_is_kept(path: Path) -> None:
    text = made(path)
    secret = text[-43:]
    for file in path.parent.iterdir():
        assert secret.encode() not in file.read_bytes()
        assert file.stat().st_mode & 0o077 == 0, "nobody else may read it"


def test_only_the_whole_key_is_found(path: Path) -> None:
    text = made(path)
    keys = known(path)
    found = find(keys, text)
    assert found and found.name == "ada"
    identifier = found.id
    wrong = ["", "x", text[:-1], text + "x", text[:-1] + ("A" if text[-1] != "A" else "B"), text.upper(), text[5:]]
    wrong += [f"puna_{identifier}_{'A' * 43}", f"puna_{'0' * 16}_{text[-43:]}", text.replace("_", "-", 1), "ü" * 99]
    assert [guess for guess in wrong if find(keys, guess)] == []


def test_a_key_that_has_expired_or_was_revoked_lets_nobody_in(path: Path) -> None:
    brief, ended = made(path, "brief", expires="2001-01-01"), made(path, "ended")
    with Store(path) as store:
        changes.revoke(store, "ended")
    assert [find(known(path), text) for text in (brief, ended)] == [None, None]


def test_time_does_not_tell_whether_a_key_exists(path: Path) -> None:
    text = made(path)
    keys = known(path)
    there, not_there = text[:-4] + "AAAA", f"puna_{'0' * 16}_{text[-43:]}"

    def took(guess: str) -> float:
        best = float("inf")
        for _ in range(30):
            began = time.perf_counter()
            for _ in range(200):
                find(keys, guess)
            best = min(best, time.perf_counter() - began)
        return best

    assert 0.7 < took(there) / took(not_there) < 1.4


def test_rotation_ends_the_old_text_and_keeps_the_rest(path: Path) -> None:
    old = made(path, rate="5/m", models=["x*"])
    with Store(path) as store:
        key, new = changes.rotate(store, "ada")
    assert find(known(path), old) is None
    assert find(known(path), new) == key
    assert (str(key.grant.rate), key.grant.models) == ("5/m", ("x*",))


def test_change_leaves_what_is_not_named(path: Path) -> None:
    made(path, rate="5/m", expires="90d")
    with Store(path) as store:
        before = store.keys()[0]
        changes.change(store, "ada", {"tokens": "1k/d", "rate": None})
        after = store.keys()[0]
        assert (str(after.grant.rate), str(after.grant.tokens), after.expires) == ("5/m", "1000/d", before.expires)
        assert changes.change(store, "ada", {"expires": "never", "rate": "none"}).expires is None
        assert store.keys()[0].grant.rate is None
        assert after.hash == before.hash


def test_names(path: Path) -> None:
    made(path)
    with Store(path) as store:
        with pytest.raises(BadRequestError, match="'ada' already"):
            changes.create(store, "ada", {})
        for name in ("", "1.2.3.4", "-x", "a b", "a" * 65, "ä", "a\n"):
            with pytest.raises(BadRequestError, match="a key's name is"):
                changes.create(store, name, {})
        for act in (changes.rotate, changes.revoke):
            with pytest.raises(NotFoundError, match="no key 'bob'"):
                act(store, "bob")
        changes.revoke(store, "ada")
        with pytest.raises(NotFoundError, match="no key 'ada'"):
            changes.change(store, "ada", {})
        assert changes.create(store, "ada", {})[0].revoked is None


def test_a_change_that_fails_changes_nothing(path: Path) -> None:
    made(path)
    with Store(path) as store:
        before = store.keys()
        with pytest.raises(BadRequestError, match="scope"):
            changes.change(store, "ada", {"rate": "9/m", "scopes": ["root"]})
        assert store.keys() == before


def test_a_running_server_sees_each_change_at_once(path: Path) -> None:
    accounts = Accounts(path.parent)
    assert not accounts.is_guarded
    text = made(path)
    assert accounts.is_guarded
    assert accounts.find(text)
    with Store(path) as store:
        changes.change(store, "ada", {"rate": "7/m"})
        assert accounts.is_guarded
        key = accounts.find(text)
        assert key and str(key.grant.rate) == "7/m"
        changes.revoke(store, "ada")
    assert accounts.is_guarded, "a file with revoked keys alone opens nothing"
    assert accounts.find(text) is None


@pytest.mark.parametrize("damage", ["gone", "garbage", "newer"])
def test_without_a_file_that_can_be_read_nobody_has_a_key(path: Path, damage: str) -> None:
    text = made(path)
    accounts = Accounts(path.parent)
    assert accounts.is_guarded
    for side in path.parent.glob("*-*"):
        side.unlink()
    path.unlink()
    if damage == "garbage":
        path.write_bytes(b"no database" * 1000)
    elif damage == "newer":
        with Store(path) as store:
            store._db.execute("PRAGMA user_version = 99")
    for one in [accounts] if damage == "gone" else [accounts, Accounts(path.parent)]:
        assert one.is_guarded
        with pytest.raises(AccountsError, match="keys cannot be read"):
            one.find(text)
    for file in path.parent.iterdir():
        file.unlink()
    again = made(path)
    assert accounts.is_guarded
    assert accounts.find(again), "it is read again once it is there"


def test_two_programs_at_a_time_lose_no_key(path: Path) -> None:
    with Store(path) as one, Store(path, busy=0) as other, one.changing():
        with pytest.raises(AccountsError, match="another program holds the file") as caught:
            changes.create(other, "bob", {})
        assert caught.value.status == 503
        assert other.keys() == [], "readers do not wait"
