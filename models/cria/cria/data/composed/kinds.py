"""What belongs to which kind: a word tells which function is meant, or whether any, and which word of several is asked for."""

import random
from collections.abc import Iterator
from typing import Any

from cria.data.composed import scene, wordlists
from cria.data.composed.calls import REFUSALS_EN, REFUSALS_ZH, opening
from cria.data.composed.dress import dressed
from cria.data.composed.grammar import expand, fill, with_articles
from cria.data.composed.scene_calls import spoken
from cria.data.skills.common import Makers, assistant, endless, finish, user
from cria.data.skills.tools_asking import calling
from cria.data.skills.words import Draw
from cria.examples import Case, Example, Split, ToolCall

VERBS = {
    "find": ("Find {k}", "查找{k}"),
    "order": ("Order {k}", "订购{k}"),
    "show": ("Show {k}", "展示{k}"),
    "describe": ("Describe {k}", "介绍{k}"),
    "look_up": ("Look up {k}", "查询{k}"),
    "check": ("Check {k}", "检查{k}"),
    "rate": ("Rate {k}", "给{k}打分"),
    "choose": ("Choose {k}", "选择{k}"),
    "picture_of": ("A picture of {k}", "{k}的图片"),
    "story_of": ("The story of {k}", "{k}的来历"),
}
"""How functions for any kind of thing begin, and what they do."""
KEYS = ("name", "which", "value", "what")
"""What the argument may be called, if not after the kind."""
WANT_EN = (
    "[{x}, please|{x}|Let it be {x}|What about {x}?|Anything on {x}?|I keep thinking of {x}|Do you have {x}?]",
    "[My [brother|boss|teacher|girlfriend] talks about {x} all day|Somebody mentioned {x}|I read of {x} yesterday]",
    "[I'm after|I want|I'd go for|I'm curious about|This time it should be|Today I feel like] {x}",
)
WANT_ZH = (
    "[就{x}吧|{x}|{x}怎么样|有{x}吗|想着{x}呢|来点{x}的]",
    "[我[哥|老板|同事|女朋友]老说{x}|听人提到{x}|昨天看到{x}]",
    "[这次要|我要|想了解|对{x}感兴趣，就是|今天就想]{x}",
)
WHICH_EN = (
    "Which [of these|one] is a {k}: {w}?",
    "[Pick|Find] the {k}: {w}",
    "{w}: [which is the {k}|where is the {k}]?",
)
WHICH_ZH = ("[下面|这里面]哪个是{k}：{w}？", "[挑出|找出]{k}：{w}", "{w}，哪个是{k}？")
IS_EN = ("Is {x} a {k}?", "{x} is a {k}, [isn't it|right]?", "[Does|Would] {x} count as a {k}?")
IS_ZH = ("{x}是{k}吗？", "{x}算不算{k}？", "{x}是一种{k}，对吗？")
YES_EN, YES_ZH = ("[Yes|Yes, it is], {x} is a {k}.",), ("是的，{x}是{k}。",)
NO_EN, NO_ZH = ("[No|No, it isn't], {x} is a {k}.",), ("不是，{x}是{k}。",)


def drawn(d: Draw, number: int) -> list[tuple[str, str]]:
    """Some different kinds, each with a word of it."""
    names = d.rng.sample(sorted(wordlists.lists()), number)
    found = [(name, wordlists.words(name, zh=d.zh, split=d.split)) for name in names]
    chosen = [(name, d.pick(words)) for name, words in found if words]
    apart = len({word for _, word in chosen}) == number
    return chosen if apart else drawn(d, number)


def called(d: Draw, kind: str) -> str:
    """What a kind is called in the language of the example."""
    return scene.chinese_keys()[kind] if d.zh else kind.replace("_", " ")


def belongs(kind: str, word: str) -> bool:
    """Whether a word is on the list of a kind, in either language."""
    return any(word in side for side in wordlists.lists()[kind])


def function(d: Draw, kind: str) -> dict[str, Any]:
    """The definition of a function for a kind of thing."""
    verb = d.pick(list(VERBS))
    does = fill(VERBS[verb][d.zh], {"k": called(d, kind) if d.zh else f"a {called(d, kind)}"})
    key = kind if d.chance(0.6) else d.pick(KEYS)
    parameters = {"type": "object", "required": [key], "properties": {key: {"type": "string"}}}
    description = does if d.zh else with_articles(does)
    return {
        "type": "function",
        "function": {"name": f"{verb}_{kind}", "description": description, "parameters": parameters},
    }


def one(d: Draw) -> Example | Case:
    """The function that the word is for; or none, if it is for another kind than any."""
    (kind, word), *others = drawn(d, d.pick((2, 2, 3, 4)))
    others = [other for other in others if not belongs(other[0], word)]
    wanted = function(d, kind)
    text = spoken(d, expand(d, d.say(WANT_EN, WANT_ZH)), {"x": word})
    tools = [function(d, name) for name, _ in others]
    if tools and d.chance(0.3):
        refusal = assistant(expand(d, d.say(REFUSALS_EN, REFUSALS_ZH)))
        messages = [*opening(d), user(text), refusal]
        return finish(d.split, messages, "kinds/none", check="none-called", tools=dressed(d, tools))
    key = wanted["function"]["parameters"]["required"][0]
    call: ToolCall = {"name": wanted["function"]["name"], "arguments": {key: word}}
    tools.append(wanted)
    d.rng.shuffle(tools)
    messages = [*opening(d), user(text), calling([call])]
    return finish(d.split, messages, "kinds/call", check="tool_calls", expected=[call], tools=dressed(d, tools))


def which(d: Draw) -> Example | Case:
    """The one word of a kind among others."""
    (kind, word), *others = drawn(d, d.pick((3, 4, 5)))
    words = [word, *(other for _, other in others if not belongs(kind, other))]
    d.rng.shuffle(words)
    slots = {"k": called(d, kind), "w": ("、" if d.zh else ", ").join(words)}
    text = fill(with_articles(expand(d, d.say(WHICH_EN, WHICH_ZH))), slots)
    return finish(d.split, [user(text), assistant(word + ("。" if d.zh else "."))], "kinds/which")


def whether(d: Draw) -> Example | Case:
    """Whether a word is of a kind, and if not, of which it is."""
    (kind, word), (other, _) = drawn(d, 2)
    yes = d.chance(0.5) or belongs(other, word)
    asked, answer = (kind, d.say(YES_EN, YES_ZH)) if yes else (other, d.say(NO_EN, NO_ZH))
    question = fill(expand(d, d.say(IS_EN, IS_ZH)), {"x": word, "k": called(d, asked)})
    told = fill(expand(d, answer), {"x": word, "k": called(d, kind)})
    if not d.zh:
        question, told = with_articles(question), with_articles(told)
    return finish(d.split, [user(question), assistant(told)], "kinds/whether")


MAKERS: Makers = ((0.7, one), (0.2, which), (0.1, whether))


def generate(rng: random.Random, split: Split) -> Iterator[Example | Case]:
    """Endless exercises about kinds, half of them Chinese."""
    return endless(rng, split, MAKERS)
