"""Conversations with functions that are composed: one call, none, an answer after a result, a value from before."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from cria.data.composed import values
from cria.data.composed.act import Act
from cria.data.composed.acts import ACTS
from cria.data.composed.dress import dressed
from cria.data.composed.grammar import expand, fill, say, with_articles
from cria.data.composed.values import KINDS, Kind, schema, word
from cria.data.skills.common import Makers, assistant, endless, finish, system, user
from cria.data.skills.functions import camel, compact
from cria.data.skills.smalltalk import chat
from cria.data.skills.tools_asking import SYSTEMS_EN, SYSTEMS_ZH, calling
from cria.data.skills.words import Draw
from cria.examples import Case, Example, Message, Split, ToolCall

REFUSALS_EN = (
    "[I have no function for that.|Sorry, none of the functions I have can do that.|None of my functions fits.]",
)
REFUSALS_ZH = ("[抱歉，我没有能做这件事的函数。|我的函数都做不到这件事。|没有合适的函数。]",)
ABOUT_EN = (
    "[It is about|I am thinking of|We were talking about|My subject today is|Let me tell you about] {x}.",
    "[My favourite is|On my list there is|Everybody here knows|I have just come across] {x}.",
)
ABOUT_ZH = ("[说的是|我在想|刚才聊到|今天要说|先说说]{x}。", "[我喜欢的是|清单上有|这里都知道|刚看到]{x}。")
GOT_EN = ("[I see.|All right, go on.|Good. What shall I do?|Understood.|Nice!]",)
GOT_ZH = ("[明白了。|好的，请说。|好，要我做什么？|知道了。]",)


THINKING_SHARE = 0.1


@dataclass(frozen=True)
class Argument:
    """An argument beside the first: its key, its kind, and whether it may be left out."""

    key: str
    kind: Kind
    optional: bool


@dataclass(frozen=True)
class Function:
    """A function as offered: ``key`` is the argument of the one that is meant, in ``kind``."""

    act: Act
    noun: str
    name: str
    key: str
    kind: Kind
    more: tuple[Argument, ...]

    def definition(self, d: Draw) -> dict[str, Any]:
        """The definition; a Chinese conversation has Chinese descriptions."""
        side = self.act.zh if d.zh else self.act.en
        described = d.chance(0.4)
        properties: dict[str, Any] = {}
        for key, kind in [(self.key, self.kind), *((entry.key, entry.kind) for entry in self.more)]:
            properties[key] = schema(kind)
            if described:
                properties[key]["description"] = key.replace("_", " ")
        required = [self.key, *(entry.key for entry in self.more if not entry.optional)]
        description = fill(expand(d, side.does), {"n": self.noun})
        description = description if d.zh else with_articles(description)
        if not d.zh and d.chance(0.2):
            description += "."
        parameters: dict[str, Any] = {"type": "object", "properties": properties, "required": required}
        if d.chance(0.15):
            parameters["additionalProperties"] = False
        return {
            "type": "function",
            "function": {"name": self.name, "description": description, "parameters": parameters},
        }


@dataclass(frozen=True)
class Asked:
    """A request and its call; ``before`` says the value that the request leaves out."""

    text: str
    call: ToolCall
    before: str = ""


def function(d: Draw, taken: set[str]) -> Function:
    """A function whose name and thing no other of the example has."""
    while True:
        act, noun = d.pick(ACTS), word(d, "noun")
        stem = noun if not d.zh else _latin(d)
        name = fill(d.pick(act.names), {"n": stem})
        if noun in taken or name in taken:
            continue
        taken |= {noun, name}
        if d.chance(0.15):
            name = camel(name)
        kind = KINDS[act.about] if act.about in KINDS else _thing_kind()
        key = d.pick(kind.names) if (not d.zh and act.about != "thing") or d.chance(0.5) else stem
        return Function(act, noun, name, key, kind, tuple(_more(d, key)))


def _thing_kind() -> Kind:
    """A thing that is named by a noun of its own."""

    def make(d: Draw) -> values.Said:
        text = values.thing(d)
        return text, text

    return Kind(("name", "which", "target", "object"), "string", make, "{v}", "{v}")


def _latin(d: Draw) -> str:
    """The English word that a name has beside a Chinese description."""
    return word(replace(d, lang="en"), "noun")


def _more(d: Draw, first: str) -> Iterator[Argument]:
    used = {first}
    for _ in range(d.pick((0, 0, 1, 1, 1, 2))):
        kind = values.choice(d) if d.chance(0.25) else d.pick(list(KINDS.values()))
        key = d.pick(kind.names)
        if not used & set(kind.names) and key not in used:
            used |= set(kind.names)
            yield Argument(key, kind, d.chance(0.35))


def ask(d: Draw, made: Function, *, earlier: bool = False) -> Asked:
    """A request for the function; with ``earlier`` the one that is meant is said before and only pointed at."""
    shown, value = made.kind.make(d)
    arguments: dict[str, Any] = {made.key: value}
    slots = {"x": d.say(("it", "that one", "this one"), ("它", "那个", "这个")) if earlier else shown}
    said = []
    for entry in made.more:
        if entry.optional and d.chance(0.5):
            continue
        slots[entry.key], arguments[entry.key] = entry.kind.make(d)
        said.append(fill(expand(d, entry.kind.zh if d.zh else entry.kind.en), {"v": f"{{{entry.key}}}"}))
    side = made.act.zh if d.zh else made.act.en
    moods = {
        mood: fill(expand(d, core), {"n": made.noun, "x": "{x}"}) + _tail(d, said) for mood, core in side.moods.items()
    }
    before = fill(expand(d, d.say(ABOUT_EN, ABOUT_ZH)), {"x": shown}) if earlier else ""
    return Asked(fill(say(d, moods), slots), {"name": made.name, "arguments": arguments}, before)


def _tail(d: Draw, said: list[str]) -> str:
    """The other arguments, after the core of the request."""
    if not said:
        return ""
    if d.zh:
        return "，" + "，".join(text.lstrip("，") for text in said)
    joined = " ".join(said) if d.chance(0.6) else ", ".join(said)
    return joined if joined.startswith(",") else f" {joined}"


def offer(d: Draw, number: int) -> list[Function]:
    taken: set[str] = set()
    return [function(d, taken) for _ in range(number)]


def opening(d: Draw) -> list[Message]:
    return [system(d.say(SYSTEMS_EN, SYSTEMS_ZH))] if d.chance(0.15) else []


def definitions(d: Draw, offered: list[Function]) -> list[dict[str, Any]]:
    made = [entry.definition(d) for entry in offered]
    d.rng.shuffle(made)
    return dressed(d, made)


def one(d: Draw, *, earlier: bool = False) -> Example | Case:
    """Exactly one call."""
    offered = offer(d, d.pick((1, 1, 1, 1, 2, 2, 3, 4)))
    asked = ask(d, offered[0], earlier=earlier)
    messages = opening(d)
    if asked.before:
        messages += [user(asked.before), assistant(expand(d, d.say(GOT_EN, GOT_ZH)))]
    thinking = d.chance(THINKING_SHARE)
    messages += [user(asked.text), calling([asked.call], thought(d, asked.call) if thinking else "")]
    return finish(
        d.split,
        messages,
        "composed/context" if earlier else "composed/one",
        check="tool_calls",
        expected=[asked.call],
        tools=definitions(d, offered),
        thinking=thinking,
    )


def thought(d: Draw, call: ToolCall) -> str:
    """What is thought before a call."""
    core = d.say(
        ("[{f} does this|I need {f}|This is for {f}|{f} fits], with {a}.",),
        ("[{f}可以做这件事|要用{f}|该调用{f}]，参数是{a}。",),
    )
    return fill(expand(d, core), {"f": call["name"], "a": compact(call["arguments"])})


def none(d: Draw) -> Example | Case:
    """A request for something that no function on offer is about, or small talk: no call."""
    wanted, *offered = offer(d, d.pick((2, 2, 2, 3, 4)))
    if d.chance(0.35):
        text, answer = chat(d)
    else:
        text, answer = ask(d, wanted).text, expand(d, d.say(REFUSALS_EN, REFUSALS_ZH))
    messages = [*opening(d), user(text), assistant(answer)]
    return finish(d.split, messages, "composed/none", check="none-called", tools=definitions(d, offered))


def result(d: Draw) -> Example | Case:
    """The answer after a function's result, which says what it found; what is not asked for stands beside it."""
    offered = offer(d, d.pick((1, 1, 2)))
    asked = ask(d, offered[0])
    fields: dict[str, tuple[str, Any]] = {}
    for _ in range(d.pick((1, 1, 2, 3))):
        kind = KINDS[d.pick(("person", "place", "title", "code", "minutes", "money", "degrees", "time", "date"))]
        fields.setdefault(d.pick(kind.names) if not d.zh or d.chance(0.5) else word(d, "noun"), kind.make(d))
    bare = len(fields) == 1 and d.chance(0.5)
    data = {key: value for key, (_, value) in fields.items()}
    content = str(next(iter(data.values()))) if bare else compact(data)
    told = [f"{key.replace('_', ' ')}{'是' if d.zh else ': '}{text}" for key, (text, _) in fields.items()]
    answer = ("，".join(told) + "。") if d.zh else "; ".join(told)[:1].upper() + "; ".join(told)[1:] + "."
    if bare:
        text = next(iter(fields.values()))[0]
        answer = fill(
            expand(d, d.say(("[It is|The answer is|That gives|I found] {x}.",), ("[是|结果是|查到了，]{x}。",))),
            {"x": text},
        )
    reply: Message = {"role": "tool", "content": content, "name": asked.call["name"]}
    messages = [*opening(d), user(asked.text), calling([asked.call]), reply, assistant(answer)]
    return finish(
        d.split,
        messages,
        "composed/result",
        check="contains",
        expected=[text for text, _ in fields.values()],
        tools=definitions(d, offered),
    )


MAKERS: Makers = (
    (0.5, one),
    (0.12, lambda d: one(d, earlier=True)),
    (0.23, none),
    (0.15, result),
)


def generate(rng: random.Random, split: Split) -> Iterator[Example | Case]:
    """Endless conversations with composed functions, half of them Chinese."""
    return endless(rng, split, MAKERS)
