"""Conversations about scenes: one call, the same for something else, none, two, an answer after a result."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from cria.data.composed import scene
from cria.data.composed.calls import REFUSALS_EN, REFUSALS_ZH, THINKING_SHARE, opening, thought
from cria.data.composed.dress import dressed
from cria.data.composed.grammar import LOWER_SHARE, SLOT, expand, fill, with_articles
from cria.data.composed.scene import Choices, Scene, Sentence, Slot
from cria.data.composed.several import BETWEEN_EN, BETWEEN_ZH
from cria.data.composed.values import Said
from cria.data.skills.common import Makers, assistant, endless, finish, user
from cria.data.skills.functions import camel, compact
from cria.data.skills.smalltalk import chat
from cria.data.skills.tools_asking import calling
from cria.data.skills.words import Draw
from cria.examples import Case, Example, Message, Split, ToolCall

PLAIN_SHARE = 0.55
"""Of the requests: those without anything before or after."""
SIBLINGS_SHARE = 0.4
"""Of the offers of several functions: those with some about the same object."""
BESIDE_SHARE = 0.5
"""Of the requests that no function is for: those about the subject of one that is on offer, where its scene has any."""
BEFORE_EN = (
    "[Hi|Hello|Hey|Good morning|Sorry to disturb you|Excuse me|One more thing|Okay|Right|So|Listen|Quick question]"
    "[, |. |! ]",
    "[I'm in a hurry|It's late|My hands are full|I have a problem|You won't believe it|Just between us"
    "|My phone is dead|I can't do that myself|It is urgent|No rush|As I said before|We talked about that]. ",
    "[Please|Do me a favour|Here is what I want|My request|Task|To do]: ",
)
BEFORE_ZH = (
    "[你好|您好|嗨|早上好|打扰一下|不好意思|对了|好|那个|请问|听着]，",
    "[我赶时间|太晚了|腾不出手|有个麻烦|手机没电了|我自己弄不了|挺急的|不急|刚才说过的]。",
    "[请|麻烦你|帮个忙|我要的是|任务|待办]：",
)
AFTER_EN = (
    "[ Thanks| Thank you| Cheers| Please| Can you do that| Would you]",
    "[ It's for my mother| I've been waiting for it| That's all| Be quick| My boss wants it| You're a star]",
)
AFTER_ZH = (
    "[ 谢谢|，谢了| 拜托了|，麻烦了| 行吗| 好不好]",
    "[ 是给我妈的| 等好久了| 就这些| 快点| 老板要的| 辛苦了]",
)
AGAIN_EN = ("[And |What about |How about |Now |Then |The same for |Also for |And what about ]{x}[?|.|]",)
AGAIN_ZH = ("[那|那么|再|还有|换成|]{x}[呢？|呢|吧|也要|一样]",)
TOLD_EN = ("[Done|All right|OK|Good news|I looked]: {x}", "{x}", "{x}", "[It says: |The answer: |Here it is: ]{x}")
TOLD_ZH = ("[好了|查到了|完成了]：{x}", "{x}", "{x}", "[结果是：|回答是：]{x}")


@dataclass(frozen=True)
class Offered:
    """A scene's function in one example: a sentence that asks for it, its name, its keys by slot, and its choices."""

    scene: Scene
    sentence: Sentence
    name: str
    keys: Mapping[str, str]
    choices: Mapping[str, Choices]

    def definition(self, d: Draw) -> dict[str, Any]:
        """As clients offer it; a Chinese conversation mostly has Chinese descriptions."""
        described = d.chance(0.35)
        properties: dict[str, Any] = {}
        required = []
        for slot in self.scene.slots:
            if (key := self.keys.get(slot.name)) is None:
                continue
            properties[key] = schema(slot, self.choices.get(slot.name))
            if described:
                properties[key]["description"] = described_as(d, slot)
            if not slot.optional:
                required.append(key)
        parameters: dict[str, Any] = {"type": "object", "required": required, "properties": properties}
        if d.chance(0.1):
            parameters["additionalProperties"] = False
        does = self.scene.does[d.zh and d.chance(0.85)]
        does += d.pick((".", "", "", "")) if does.isascii() else ""
        return {"type": "function", "function": {"name": self.name, "description": does, "parameters": parameters}}


def schema(slot: Slot, chosen: Choices | None) -> dict[str, Any]:
    """The JSON schema of a slot."""
    if chosen is not None:
        return {"type": "string", "enum": list(chosen.written)}
    if slot.type == "list":
        return {"type": "array", "items": schema(scene.inner(slot), None)}
    kind = "integer" if slot.type.startswith("int") else {"num": "number", "bool": "boolean"}.get(slot.type, "string")
    return {"type": kind}


def described_as(d: Draw, slot: Slot) -> str:
    """A few words about an argument."""
    if d.zh and slot.name in scene.chinese_keys():
        return scene.chinese_keys()[slot.name]
    return d.pick(("The {k}", "{k}", "Which {k}", "the {k} that is meant")).format(k=slot.name.replace("_", " "))


def sentence(d: Draw, made: Scene) -> Sentence:
    """A request of a scene that names all that it must."""
    needed = {slot.name for slot in made.slots if not slot.optional}
    while True:
        chosen = d.pick(made.said(d.zh).requests)
        found = Sentence(expand(d, chosen.text), chosen.implied)
        if needed <= found.slots:
            return found


def offer(d: Draw, number: int) -> list[Offered]:
    """Functions of as many scenes, each with a request; of several now and then some that are siblings."""
    chosen = d.rng.sample(scene.scenes(), number)
    if number > 1 and scene.siblings() and d.chance(SIBLINGS_SHARE):
        group = d.pick(scene.siblings())
        picked = d.rng.sample(group, min(len(group), number))
        chosen = [*picked, *(made for made in chosen if made not in picked)][:number]
    return [_offered(d, made) for made in chosen]


def _offered(d: Draw, made: Scene) -> Offered:
    said = sentence(d, made)
    kept = [slot for slot in made.slots if not slot.optional or slot.name in said.slots or d.chance(0.5)]
    keys = {slot.name: slot.name if d.chance(0.5) else d.pick(slot.names) for slot in kept}
    if len(set(keys.values())) < len(keys):
        keys = {slot.name: slot.name for slot in kept}
    picked = {slot.name: found for slot in kept if (found := scene.choices(d, slot))}
    return Offered(made, said, camel(made.name) if d.chance(0.12) else made.name, keys, picked)


def definitions(d: Draw, offered: list[Offered]) -> list[dict[str, Any]]:
    """What is offered, in any order, now and then as frameworks write it."""
    made = [entry.definition(d) for entry in offered]
    d.rng.shuffle(made)
    made = dressed(d, made)
    for tool in made:
        parameters = tool["function"]["parameters"]
        if not parameters.get("required", True) and d.chance(0.7):
            del parameters["required"]
    return made


@dataclass(frozen=True)
class Asked:
    """A request, its call, and what it says of each slot."""

    text: str
    call: ToolCall
    said: Mapping[str, Said]


def ask(d: Draw, made: Offered, known: Mapping[str, Said] | None = None) -> Asked:
    """The request for a function, with new values for what is not ``known``."""
    said: dict[str, Said] = {}
    for slot in made.scene.slots:
        if slot.name in made.sentence.implied:
            said[slot.name] = scene.implied(made.sentence.implied[slot.name], made.choices.get(slot.name))
        elif slot.name in made.sentence.slots:
            said[slot.name] = (known or {}).get(slot.name) or scene.value(d, slot, made.choices.get(slot.name))
    text = spoken(d, made.sentence.text, {name: shown for name, (shown, _) in said.items()})
    return Asked(text, called(made, said), said)


def called(made: Offered, said: Mapping[str, Said]) -> ToolCall:
    """The call for what has been said, in the order of the function's arguments."""
    named = [slot.name for slot in made.scene.slots if slot.name in said]
    return {"name": made.name, "arguments": {made.keys[name]: said[name][1] for name in named}}


def spoken(d: Draw, text: str, slots: Mapping[str, str]) -> str:
    """A sentence as people type it, with its slots filled."""
    before = after = ""
    if not d.chance(PLAIN_SHARE):
        roll = d.rng.random()
        before = expand(d, d.say(BEFORE_EN, BEFORE_ZH)) if roll < 0.7 else ""
        after = expand(d, d.say(AFTER_EN, AFTER_ZH)) if roll > 0.55 else ""
    text = before + text
    if not d.zh:
        text = with_articles(text)
        if not d.chance(LOWER_SHARE) and not text.startswith("{"):
            text = text[:1].upper() + text[1:]
    mark = "" if text[-1] in "?？.。!！" or d.chance(0.35) else d.say((".", "!", "."), ("。", "。", "！"))
    if after.startswith(" ") and not mark and text[-1] not in "?？.。!！":
        mark = d.say((".", ","), ("，",))
    return fill(text + mark + after, slots)


def one(d: Draw) -> Example | Case:
    """Exactly one call."""
    offered = offer(d, d.pick((1, 1, 1, 1, 2, 2, 3, 4)))
    made = ask(d, offered[0])
    return _called(d, opening(d), made.text, [made.call], offered, "scene/one")


def _called(
    d: Draw, before: list[Message], text: str, calls: list[ToolCall], offered: list[Offered], kind: str
) -> Example | Case:
    thinking = d.chance(THINKING_SHARE)
    last = calling(calls, thought(d, calls[0]) if thinking else "")
    messages = [*before, user(text), last]
    return finish(
        d.split,
        messages,
        kind,
        check="tool_calls",
        expected=calls,
        tools=definitions(d, offered),
        thinking=thinking,
    )


def again(d: Draw) -> Example | Case:
    """After a call and its answer the same for something else, which alone is named."""
    while True:
        offered = offer(d, d.pick((1, 1, 2)))
        made = offered[0]
        named = [s for s in made.scene.slots if s.name in SLOT.findall(made.sentence.text) and s.type != "list"]
        if named and made.scene.result:
            break
    first = ask(d, made)
    slot = d.pick(named)
    other = scene.value(d, slot, made.choices.get(slot.name))
    call: ToolCall = {"name": made.name, "arguments": {**first.call["arguments"], made.keys[slot.name]: other[1]}}
    reply, answer = answered(d, made.scene, first.said)
    before = [*opening(d), user(first.text), calling([first.call]), replied(reply, made.name), assistant(answer)]
    text = fill(expand(d, d.say(AGAIN_EN, AGAIN_ZH)), {"x": other[0]})
    return _called(d, before, text, [call], offered, "scene/again")


def two(d: Draw) -> Example | Case:
    """Two requests in one message."""
    offered = offer(d, d.pick((2, 2, 3)))
    one, other = ask(d, offered[0]), ask(d, offered[1])
    joint = expand(d, d.say(BETWEEN_EN, BETWEEN_ZH))
    text = one.text.rstrip("。") + joint + other.text
    return _called(d, opening(d), text, [one.call, other.call], offered, "scene/two")


def none(d: Draw) -> Example | Case:
    """A request that no function on offer is for, or small talk: no call."""
    wanted, *offered = offer(d, d.pick((2, 2, 2, 3, 4)))
    answer = expand(d, d.say(REFUSALS_EN, REFUSALS_ZH))
    beside = [replace(made, sentence=said) for made in offered for said in made.scene.said(d.zh).beside]
    beside = [made for made in beside if made.sentence.slots <= made.keys.keys()]
    if d.chance(0.25):
        text, answer = chat(d)
    elif beside and d.chance(BESIDE_SHARE):
        text = ask(d, d.pick(beside)).text
    else:
        text = ask(d, wanted).text
    messages = [*opening(d), user(text), assistant(answer)]
    return finish(d.split, messages, "scene/none", check="none-called", tools=definitions(d, offered))


def answered(d: Draw, made: Scene, asked: Mapping[str, Said]) -> tuple[str, str]:
    """What a scene's function returns, and the answer that tells it, perhaps with something that was ``asked``."""
    found = made.result
    if found is None:
        raise ValueError(f"{made.name} has no result")
    said = {slot.name: scene.value(d, slot, _choices(slot)) for slot in found.fields}
    shown = {name: _shown(*entry) for name, entry in {**asked, **said}.items()}
    answer = fill(with_articles((found.zh if d.zh else found.en).text), shown)
    data = {name: entry for name, (_, entry) in said.items()}
    roll = d.rng.random()
    if roll < 0.65:
        reply = compact(data)
    elif roll < 0.75 and len(data) == 1:
        reply = shown[next(iter(data))]
    elif roll < 0.85:
        reply = "\n".join(f"{name}: {shown[name]}" for name in data)
    else:
        reply = answer
    return reply, fill(expand(d, d.say(TOLD_EN, TOLD_ZH)), {"x": answer})


def _shown(text: str, data: object) -> str:
    """A value in a reply: as it was said, but without marks around it."""
    return text if isinstance(data, str) and data not in text else str(data)


def _choices(slot: Slot) -> Choices | None:
    words = tuple(slot.inner.split(","))
    return Choices(words, words, words) if slot.type == "enum" else None


def replied(content: str, name: str) -> Message:
    return {"role": "tool", "content": content, "name": name}


def result(d: Draw) -> Example | Case:
    """The answer after a function's result."""
    while True:
        offered = offer(d, d.pick((1, 1, 2)))
        if offered[0].scene.result:
            break
    made = ask(d, offered[0])
    reply, answer = answered(d, offered[0].scene, made.said)
    messages = [
        *opening(d),
        user(made.text),
        calling([made.call]),
        replied(reply, made.call["name"]),
        assistant(answer),
    ]
    tools = definitions(d, offered)
    return finish(d.split, messages, "scene/result", check="contains", expected=[answer], tools=tools)


MAKERS: Makers = (
    (0.49, one),
    (0.09, again),
    (0.05, two),
    (0.20, none),
    (0.17, result),
)


def generate(rng: random.Random, split: Split) -> Iterator[Example | Case]:
    """Endless conversations about scenes, half of them Chinese."""
    return endless(rng, split, MAKERS)
