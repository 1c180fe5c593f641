"""Whole conversations with the same functions on offer: requests, answers, refusals, questions back and small talk.

What is learned of them is twice the share of a single request's, as the definitions are read once for all of it.
"""

import random
from collections.abc import Iterator
from dataclasses import replace

from cria.data.composed import scene
from cria.data.composed.calls import REFUSALS_EN, REFUSALS_ZH, opening
from cria.data.composed.grammar import expand, fill
from cria.data.composed.scene_calls import Offered, answered, ask, called, definitions, offer, replied, sentence
from cria.data.skills.common import Makers, assistant, endless, finish, user
from cria.data.skills.smalltalk import chat
from cria.data.skills.tools_asking import calling
from cria.data.skills.words import Draw
from cria.examples import Case, Example, Message, Split, ToolCall

OTHER_SHARE, TALK_SHARE = 0.2, 0.12
"""Of the turns: those that want what no function on offer does, and small talk."""
DONE_EN = ("[Done.|All right, it is done.|That is done.|OK, done.]",)
DONE_ZH = ("[好了。|已经办好了。|完成了。|办好了。]",)
REPLIES = ("ok", "done", '{"ok":true}', '{"status":"ok"}', "success", "true")
CLAUSES = ("how", "when", "where", "which", "what", "whether", "who", "the", "a")
"""How the description of a function begins that says what one gets to know."""
WANT_EN = ("[Can you|Could you|Please|I want to|I'd like to|You should] {d}[, please|]",)
KNOW_EN = ("[I'd like to know|Tell me|Can you find out|I need to know] {d}",)
WANT_ZH = ("[我想|帮我|能不能|我要|麻烦你]{d}[，好吗|]",)
WHICH_EN = ("[Which {k}?|Please tell me the {k}.|What {k} do you mean?|I need the {k}.|Sure. Which {k}?]",)
WHICH_ZH = ("[请告诉我{k}。|{k}是什么？|好的，{k}呢？|需要{k}。]",)
THAT_EN = ("[It's |That would be |I mean |]{x}[, please|, I think|.|]",)
THAT_ZH = ("[是|应该是|就是|]{x}[吧|。|]",)


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


def asked_back(d: Draw) -> Example | Case:
    """Somebody wants something and does not say of what; asked for it, the answer is the value alone."""
    while True:
        made, *others = offer(d, d.pick((1, 1, 2)))
        needed = [slot for slot in made.scene.slots if not slot.optional]
        if len(needed) == 1 and needed[0].type not in ("bool", "list"):
            break
    slot = needed[0]
    shown, found = scene.value(d, slot, made.choices.get(slot.name))
    does = made.scene.does[d.zh]
    clause = does.split()[0].lower() in CLAUSES
    wish = expand(d, d.say(KNOW_EN if clause else WANT_EN, WANT_ZH))
    about = scene.chinese_keys().get(slot.name, slot.name) if d.zh else slot.name.replace("_", " ")
    call: ToolCall = {"name": made.name, "arguments": {made.keys[slot.name]: found}}
    messages = [
        *opening(d),
        user(fill(wish, {"d": does if d.zh else does[:1].lower() + does[1:]})),
        assistant(fill(expand(d, d.say(WHICH_EN, WHICH_ZH)), {"k": about})),
        user(fill(expand(d, d.say(THAT_EN, THAT_ZH)), {"x": shown})),
        calling([call]),
    ]
    tools = definitions(d, [made, *others])
    return finish(d.split, messages, "scene/back", check="tool_calls", expected=[call], tools=tools)


def talked(d: Draw) -> Example | Case:
    """Two messages that only together say all that a call needs, with a reply between them."""
    while True:
        made, *others = offer(d, d.pick((1, 1, 2, 3)))
        talks = [talk for talk in made.scene.said(d.zh).talks if talk.slots <= made.keys.keys()]
        if talks:
            break
    talk = d.pick(talks)
    before, request = (ask(d, replace(made, sentence=said)) for said in (talk.before, talk.request))
    reply = fill(talk.reply, {name: shown for name, (shown, _) in before.said.items()})
    call = called(made, {**before.said, **request.said})
    messages = [*opening(d), user(before.text), assistant(reply), user(request.text), calling([call])]
    tools = definitions(d, [made, *others])
    return finish(d.split, messages, "scene/talk", check="tool_calls", expected=[call], tools=tools)


MAKERS: Makers = ((0.6, session), (0.15, asked_back), (0.25, talked))


def generate(rng: random.Random, split: Split) -> Iterator[Example | Case]:
    """Endless conversations, half of them Chinese."""
    return endless(rng, split, MAKERS)
