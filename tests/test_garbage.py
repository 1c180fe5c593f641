"""How often a large request is looked through for garbage while it is made."""

import json
import subprocess
import sys

CHAT = """
import gc, json, sys
import orjson
from puna import garbage
from puna.api.http.body import validated
from puna.api.ollama.schemas import ChatBody
from puna.api.ollama.translate import message_of

looks = []
gc.callbacks.append(lambda phase, about: looks.append(about["generation"]) if phase == "stop" else None)
gc.disable()
garbage.settle()
assert gc.isenabled()
data = orjson.dumps({"model": "m", "messages": [{"role": "user", "content": "a"}] * 20_000})
looks.clear()
body = validated(ChatBody, data, "/api/chat")
made = list(looks)
messages = [message_of(message) for message in body.messages]
print(json.dumps([made, looks, gc.isenabled()]))
"""


def test_a_large_request_is_seldom_looked_through() -> None:
    output = subprocess.run([sys.executable, "-c", CHAT], capture_output=True, text=True, check=True)
    made, looks, collects = json.loads(output.stdout)
    assert len(made) <= 1  # when all of it is there
    assert sum(generation > 0 for generation in looks) <= 2
    assert 2 not in looks
    assert len(looks) <= 40
    assert collects
