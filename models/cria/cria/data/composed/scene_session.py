"""Whole conversations with the same functions on offer: requests, answers after results, refusals and small talk by turns.

What is learned of them is twice the share of a single request's, as the definitions are read once for all of it.
"""

import random
from collections.abc import Iterator
from dataclasses import replace

from cria.data.composed.calls import REFUSALS_EN, REFUSALS_ZH, opening
from cria.data.composed.grammar import expand
from cria.data.composed.scene_calls import Offered, answered, ask, definitions, offer, replied, sentence
from cria.data.skills.common import assistant, finish, user
from cria.data.skills.smalltalk import chat
from cria.data.skills.tools_asking import calling
from cria.data.skills.words import Draw, draw
from cria.examples import Case, Example, Message, Split

OTHER_SHARE, TALK_SHARE = 0.2, 0.12
"""Of the turns: those that want what no function on offer does, and small talk."""
DONE_EN = ("[Done.|All right, it is done.|That is done.|OK, done.]",)
DONE_ZH = ("[好了。|已经办好了。|完成了。|办好了。]",)
REPLIES = ("ok", "done", '{"ok":true}', '{"status":"ok"}', "success", "true")


def asked_again(d: Draw, made: Offered) -> Offered:
    """The same function with another of its sentences, if it names no more than what is offered."""
    other = sentence(d, made.scene)
    return replace(made, sentence=other) if other.slots <= made.keys.keys() else made


def session(d: Draw) -> Example | Case:
    """Two or three requests one after another; a test ends with a call."""
    *offered, other = offer(d, d.pick((2, 2, 2, 3)))
    messages = opening(d)
    number = d.pick((2, 2, 3))
    for index in range(number):
        roll = d.rng.random()
        last = index == number - 1
        if roll < OTHER_SHARE and not last:
            messages += [
                user(ask(d, asked_again(d, other)).text),
                assistant(expand(d, d.say(REFUSALS_EN, REFUSALS_ZH))),
            ]
        elif roll < OTHER_SHARE + TALK_SHARE and not last:
            text, answer = chat(d)
            messages += [user(text), assistant(answer)]
        else:
            messages += _requested(d, asked_again(d, d.pick(offered)))
    calls = [index for index, message in enumerate(messages) if message.get("tool_calls")]
    messages = messages[: calls[-1] + 1] if d.split == "test" or d.chance(0.4) else messages
    wanted = messages[calls[-1]]["tool_calls"]
    return finish(
        d.split, messages, "scene/session", check="tool_calls", expected=wanted, tools=definitions(d, offered)
    )


def _requested(d: Draw, made: Offered) -> list[Message]:
    """A request, its call, what came back, and the answer."""
    asked = ask(d, made)
    if made.scene.result:
        reply, answer = answered(d, made.scene, asked.said)
    else:
        reply, answer = d.pick(REPLIES), expand(d, d.say(DONE_EN, DONE_ZH))
    return [user(asked.text), calling([asked.call]), replied(reply, made.name), assistant(answer)]


def generate(rng: random.Random, split: Split) -> Iterator[Example | Case]:
    """Endless conversations, half of them Chinese."""
    while True:
        yield session(draw(rng, split, 0.5))
