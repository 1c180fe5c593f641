"""Sentences and the JSON object that holds what they say: asked for in words, or forced by a schema alone."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cria.data.composed import values
from cria.data.composed.grammar import expand, fill
from cria.data.composed.values import KINDS, schema, word
from cria.data.skills.common import assistant, finish, system, user
from cria.data.skills.functions import compact
from cria.data.skills.json_fill import SYSTEM_EN, SYSTEM_ZH
from cria.data.skills.words import Draw, draw
from cria.examples import Case, Example, Message, Split

ALONE_SHARE = 0.45
"""Of the forms: those that only a schema asks for, which the prompt does not show."""
SCHEMA_SHARE = 0.2
"""Of the others: those whose schema stands in the prompt."""
HAPPENED_EN = (
    "[was seen|was sold|is kept|waits|has arrived|was repaired|is expected|was made|stands|begins|ended|went missing"
    "|is for sale|turned up|was ordered|goes out]",
)
HAPPENED_ZH = ("[到了|卖掉了|修好了|放着|不见了|开始|结束了|做好了|等着|出现了|被订走了|出发]",)
YES_EN, NO_EN = "[|really |quite ]", "[not |not really |no longer |hardly ]"
YES_ZH, NO_ZH = "[是|很|确实]", "[不|一点也不|不再]"
OPENING_EN = ("[|||Note: |As you know, |Yesterday I heard that |They say |For the record: |Oh, ]",)
OPENING_ZH = ("[|||备注：|听说|记一下，|昨天得知|刚收到消息，]",)
AGED_EN = (
    "{x} is {a} [years of age|now|today].",
    "{x} [has just turned|turned|will soon be] {a}.",
    "{x}, [aged |]{a}",
    "[At|Aged] {a}, {x} [is the youngest|still works|sings well|came first].",
    "[Our neighbour|My friend|A certain] {x} is {a}.",
)
AGED_ZH = (
    "{x}的[岁数|年纪]是{a}岁。",
    "{x}[快到|才|已经|下个月就]{a}岁[了|]。",
    "{a}岁的{x}[来了|还在上班|唱得好|得了第一]。",
    "[邻居|朋友|有个叫]{x}[，|的]{a}岁。",
)
ASK_EN = (
    "[Put|Write|Give me|Return|Extract|Note down|Collect] {f} [as|in] JSON[, please|]: {t}",
    "{t} [Please give|Give me|I want|Now write|Tell me] {f} [as|in] JSON.",
    "{t}[ JSON with the keys {f}, please.| As JSON with {f}.|\n{f}: JSON, please]",
    "[JSON|A JSON object|One JSON record] [with|of|for] {f}[, please|]: {t}",
    "[The fields are|Keys:|Fields:] {f}. {t} [Answer|Reply] in JSON.",
    "[Turn|Convert|Make] this [line|note|sentence|message] into JSON ({f}): {t}",
)
ASK_ZH = (
    "[把|请把]{f}[写成|放进|整理成]JSON：{t}",
    "{t}[用JSON写出{f}。|{f}，要JSON。|请给出{f}的JSON。|把{f}放进JSON。]",
    "[提取|整理|记下]{f}，[JSON格式|用JSON]：{t}",
    "[字段|键]是{f}。{t}[用JSON回答|转成JSON]",
    "[转成|变成]JSON（{f}）：{t}",
)


@dataclass(frozen=True)
class Fact:
    """A sentence, its values by key, and the schemas of the keys."""

    text: str
    data: dict[str, Any]
    properties: dict[str, Any]


def fact(d: Draw, *, telling: bool) -> Fact:
    """Something that happened, somebody's age, or a yes or no; with ``telling`` the keys alone say what belongs there."""
    roll = d.rng.random()
    return aged(d) if roll < 0.22 else whether(d) if roll < 0.36 else event(d, telling=telling)


def aged(d: Draw) -> Fact:
    """Somebody and an age, under one of the usual keys."""
    who, years = values.person(d), d.rng.randint(1, 99)
    text = expand(d, d.say(AGED_EN, AGED_ZH))
    name, age = d.pick(
        (("name", "age"), ("name", "age"), ("person", "years"), ("姓名", "年龄") if d.zh else ("who", "age"))
    )
    said = fill(text, {"x": who, "a": str(years)})
    return Fact(said, {name: who, age: years}, {name: {"type": "string"}, age: {"type": "integer"}})


def whether(d: Draw) -> Fact:
    """A thing that is so or not."""
    what, how, yes = values.thing(d), word(d, "adjective"), d.chance(0.5)
    core = d.say(
        (f"the {{x}} is {YES_EN if yes else NO_EN}{{a}}.",),
        (f"{{x}}{YES_ZH if yes else NO_ZH}{{a}}[的|]。",),
    )
    said = fill(_opened(d, core), {"x": what, "a": how})
    key = "物品" if d.zh and d.chance(0.5) else d.pick(("thing", "item", "what", "name"))
    return Fact(said, {key: what, how: yes}, {key: {"type": "string"}, how: {"type": "boolean"}})


def event(d: Draw, *, telling: bool) -> Fact:
    """What happened to a thing or a person, and where, when, how much."""
    person = d.chance(0.3)
    what = values.person(d) if person else values.thing(d)
    subject = word(d, "noun") if not telling and d.chance(0.4) else _subject(d, person)
    slots, data, properties = {"x": what}, {subject: what}, {subject: {"type": "string"}}
    said = []
    for index in range(d.pick((1, 1, 2, 2, 3))):
        name = d.pick(list(KINDS)) if d.chance(0.9) else ""
        kind = KINDS[name] if name else values.choice(d)
        key = word(d, "noun") if not telling and d.chance(0.3) else values.field_name(d, name, kind)
        if properties.keys() & {key, *kind.names}:
            continue
        slots[f"v{index}"], data[key] = kind.make(d)
        properties[key] = schema(kind)
        said.append(
            fill(expand(d, kind.zh if d.zh else kind.en), {"v": f"{{v{index}}}"}).removeprefix("，").removeprefix(", ")
        )
    d.rng.shuffle(said)
    happened = d.say(HAPPENED_EN, HAPPENED_ZH)
    if d.zh:
        core = "{x}" + d.pick(("，", "，", "")).join(said) + d.pick(("，", "")) + happened + "。"
    else:
        core = ("" if person else "[the|a|our|the old] ") + "{x} " + happened + " " + " ".join(said) + "."
    return Fact(fill(_opened(d, core), slots), data, properties)


def _subject(d: Draw, person: bool) -> str:
    """The key of what the sentence is about."""
    if d.zh and d.chance(0.5):
        return d.pick(("姓名", "名字")) if person else d.pick(("物品", "名称", "东西"))
    return d.pick(("name", "name", "person")) if person else d.pick(("item", "what", "name", "thing"))


def _opened(d: Draw, core: str) -> str:
    """The sentence with something before it now and then, and a capital."""
    text = expand(d, d.say(OPENING_EN, OPENING_ZH) + core)
    return text[:1].upper() + text[1:]


def form(d: Draw) -> Example | Case:
    """One sentence with its object; of a form that nobody asks for in words the opening is not learned."""
    alone = d.chance(ALONE_SHARE)
    made = fact(d, telling=alone)
    keys = list(made.data)
    if d.chance(0.3):
        d.rng.shuffle(keys)
    data = {key: made.data[key] for key in keys}
    wanted = {"type": "object", "properties": {key: made.properties[key] for key in keys}, "required": keys}
    messages: list[Message] = [system(d.say(SYSTEM_EN, SYSTEM_ZH))] if d.chance(0.1) else []
    if alone:
        answer: Message = {"role": "assistant", "content": spaced(d, data), "forced": True}
        return finish(d.split, [*messages, user(made.text), answer], "composed/alone", check="json", expected=data)
    asked = d.joined(keys) if d.chance(0.7) else ("、" if d.zh else ", ").join(keys)
    if d.chance(SCHEMA_SHARE):
        asked = compact(wanted)
    text = fill(expand(d, d.say(ASK_EN, ASK_ZH)), {"f": asked, "t": made.text})
    answer = assistant(spaced(d, data))
    return finish(d.split, [*messages, user(text), answer], "composed/form", check="json", expected=data)


def spaced(d: Draw, data: dict[str, Any]) -> str:
    """The object as JSON: mostly without spaces, sometimes as grammars of schemas also allow."""
    if d.chance(0.8):
        return compact(data)
    pairs = (f"{compact(key)}: {compact(value)}" for key, value in data.items())
    return "{" + ", ".join(pairs) + "}"


def generate(rng: random.Random, split: Split) -> Iterator[Example | Case]:
    """Endless forms, half of them Chinese."""
    while True:
        yield form(draw(rng, split, 0.5))
