"""A WebSocket is let in with a key, and each request over it is one of that key, as the key is then."""

import json
from typing import Any

from tests.keys.conftest import MakeKey, bearer
from tests.server import Server
from websockets.sync.client import ClientConnection, connect

from puna.accounts import changes
from puna.accounts.store import Store

ASK = {"type": "response.create", "model": "cria", "input": "Hi", "max_output_tokens": 2, "store": False}
ENDS = ("response.completed", "response.incomplete", "error")


def opened(server: Server, key: str) -> ClientConnection:
    url = server.url.replace("http", "ws", 1) + "/v1/responses"
    return connect(url, additional_headers=dict(bearer(key)), proxy=None)


def ask(link: ClientConnection, **fields: Any) -> dict[str, Any]:
    link.send(json.dumps(ASK | fields))
    while (event := json.loads(link.recv(60)))["type"] not in ENDS:
        pass
    return dict(event)


def test_models_and_limits_of_a_key_hold(guarded: Server, make_key: MakeKey) -> None:
    with opened(guarded, make_key(rate="2/h", models=["cria*"])) as link:
        assert ask(link)["type"] != "error"
        hidden = ask(link, model="other")
        assert (hidden["status"], hidden["error"]["message"]) == (404, "model 'other' not found")
        over = ask(link)
        assert over["status"] == 429 and "used up its requests" in over["error"]["message"]


def test_models_of_others_are_not_there(guarded: Server, make_key: MakeKey) -> None:
    with opened(guarded, make_key(models=["other*"])) as link:
        assert ask(link)["status"] == 404


def test_a_key_that_is_revoked_or_rotated_asks_nothing_more(guarded: Server, make_key: MakeKey) -> None:
    path = guarded.world.home / ".puna" / "accounts.db"
    for number, end in enumerate((changes.revoke, changes.rotate)):
        key = make_key(f"key{number}")
        with opened(guarded, key) as link:
            assert ask(link)["type"] != "error"
            with Store(path) as store:
                mine = [one for one in list(store.keys()) if one.id == key.split("_")[1]]
                end(store, mine[0].name)
            refused = ask(link)
            assert refused["status"] == 403 and "not valid any more" in refused["error"]["message"]
