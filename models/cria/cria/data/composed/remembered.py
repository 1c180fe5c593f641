"""Conversations over thousands of tokens in which people tell of themselves, talk of other things, and ask again.

Between what is told and what is asked stand questions and answers of every kind that the model knows, so that they are
practised by the way.
"""

import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from cria.data.composed import company, forms, scene, told, values
from cria.data.composed.grammar import expand, fill, with_articles
from cria.data.composed.values import word
from cria.data.knowledge import common, puna
from cria.data.knowledge.asking import ask
from cria.data.skills.common import assistant, finish, user
from cria.data.skills.smalltalk import chat
from cria.data.skills.words import Draw, draw
from cria.examples import Case, Example, Message, Split


@dataclass(frozen=True)
class Told:
    """Something to remember: ``{n}`` is what it is about, ``{x}`` what is asked for; told, asked and answered, in both languages."""

    about: Callable[[Draw], str]
    value: Callable[[Draw], str]
    tell: tuple[str, str]
    ask: tuple[str, str]
    answer: tuple[str, str]


def _noun(d: Draw) -> str:
    return word(d, "noun")


def _number(d: Draw) -> str:
    return str(d.rng.randint(2, 9999))


TOLD: tuple[Told, ...] = (
    Told(
        _noun, values.person,
        ("[Our|My|The] {n} [goes by the name of|has the name|was given the name] {x}.", "[我的|我们的|那个]{n}[叫|名字是]{x}。"),
        ("[What do we call the {n}?|What was the name of the {n}?|What is the {n} called?]", "{n}叫什么[来着|名字]？"),
        ("[It is called {x}.|{x}.|The {n} is called {x}.]", "[叫{x}。|{x}。]"),
    ),
    Told(
        _noun, Draw.ident,
        ("[The number|The code|The secret] of the {n} is {x}[, keep it|, don't forget|].", "{n}的[密码|编号|号码]是{x}[，记好|]。"),
        ("[Which number|What code] [has the {n}|did I give you for the {n}|belongs to the {n}]?", "{n}的[密码|编号|号码][是多少|是什么来着]？"),
        ("[It is {x}.|{x}.|The {n} has {x}.]", "[是{x}。|{x}。]"),
    ),
    Told(
        values.person, values.place,
        ("{n} [lives in|has moved to|is from|works in] {x}.", "{n}[住在|搬到了|老家在|在]{x}。"),
        ("[Where is {n}?|In which place is {n}?|Where did I say {n} is?]", "{n}在[哪里|什么地方]？"),
        ("[In {x}.|{n} is in {x}.|{x}.]", "[在{x}。|{n}在{x}。]"),
    ),
    Told(
        _noun, Draw.amount,
        ("I [paid|gave|spent] {x} for the {n}.", "[买|修]{n}花了{x}元。"),
        ("[What did the {n} cost?|How much was the {n} again?]", "{n}花了多少？"),
        ("[It cost {x}.|{x}.|You paid {x} for the {n}.]", "[花了{x}元。|{x}元。]"),
    ),
    Told(
        _noun, Draw.date,
        ("[The|Our] {n} [begins|is due|is planned|comes] on {x}.", "{n}[定在|安排在|是]{x}。"),
        ("[When is the {n}?|For which date is the {n}?]", "{n}是[什么时候|哪天]？"),
        ("[On {x}.|The {n} is on {x}.]", "[{x}。|{n}是{x}。]"),
    ),
    Told(
        _noun, values.person,
        ("[I lent the {n} to {x}.|{x} has my {n}.|The {n} is with {x} now.]", "[{n}借给了{x}。|我的{n}在{x}那儿。]"),
        ("[Who has my {n}?|Where did the {n} go, who has it?]", "{n}在谁那儿？"),
        ("[{x} has it.|{x}.|The {n} is with {x}.]", "[在{x}那儿。|{x}。]"),
    ),
    Told(
        _noun, values.thing,
        ("[I hid the {n} behind the {x}.|You find the {n} under the {x}.]", "[{n}放在{x}后面。|{n}在{x}下面。]"),
        ("[Where did I put the {n}?|Do you know where my {n} is?]", "[{n}放哪儿了？|我的{n}在哪儿？]"),
        ("[At the {x}.|By the {x}.|It is near the {x}.]", "[在{x}那里。]"),
    ),
    Told(
        lambda d: d.say(("name", "name", "nickname"), ("名字", "名字", "外号")), values.person,
        ("[By the way, call me {x}.|People call me {x}.|I am {x}, nice to meet you.|You can say {x} to me.]", "[叫我{x}就行。|大家叫我{x}。|我是{x}，很高兴认识你。]"),
        ("[Do you know who I am?|What do people call me?|Can you tell me my own {n}?]", "[你知道我是谁吗？|大家叫我什么？|我的{n}是什么？]"),
        ("[You are {x}.|{x}.|People call you {x}.]", "[你是{x}。|{x}。]"),
    ),
    Told(
        lambda d: d.say(("animal", "dish", "colour", "song", "book", "drink", "city", "sport"), ("动物", "菜", "颜色", "歌", "书", "饮料", "城市", "运动")),
        values.thing,
        ("[I like {x} more than any other {n}.|As a {n} I prefer {x}.|No {n} is better than {x}.]", "[{n}我最喜欢{x}。|什么{n}都比不上{x}。]"),
        ("[Which {n} do I prefer?|What {n} did I say I like?]", "[我喜欢什么{n}？|我最爱的{n}是哪个？]"),
        ("[You prefer {x}.|{x}.|You like {x}.]", "[你喜欢{x}。|{x}。]"),
    ),
    Told(
        _noun, _number,
        ("[We have|There are|I counted] {x} {n}s.", "[我们有|一共有|我数了]{x}个{n}。"),
        ("[How many {n}s are there?|How many {n}s did I mention?]", "[有几个{n}？|{n}一共多少个？]"),
        ("[{x}.|There are {x}.|You said {x}.]", "[{x}个。|有{x}个。]"),
    ),
)  # fmt: skip
NOTED_EN = ("[Noted.|I will remember that.|All right, I keep it in mind.|Good to know.|Got it.]",)
NOTED_ZH = ("[记住了。|好的，我记下了。|知道了。|好的。]",)
FACTS_SHARE = 0.75
"""Of what is told: that which is read from ``told``."""
LENGTHS = (4, 8, 16, 30, 60, 100)
"""How many turns of other talk there are; a turn has about forty tokens."""
MOST_TOLD = 16
ASKED_BETWEEN = 0.4
"""Of what was told: that which is asked for before the end."""


def _knowledge(d: Draw) -> list[Message]:
    """A question that the model can answer, and its answer."""
    topic = common.pick(d.rng) if d.chance(0.7) else d.rng.choice(puna.topics())
    side = topic.side("zh" if d.zh else "en")
    return [ask(d.rng, side, "zh" if d.zh else "en", d.split), assistant(side.any_answer(d.rng))]


def _other(d: Draw) -> list[Message]:
    roll = d.rng.random()
    if roll < 0.35:
        return _knowledge(d)
    if roll < 0.6:
        return company.remark(d)
    if roll < 0.8:
        text, answer = chat(d)
        return [user(text), assistant(answer)]
    return [user(forms.fact(d, telling=False).text), assistant(expand(d, d.say(NOTED_EN, NOTED_ZH)))]


def _said(d: Draw, texts: tuple[str, str], slots: Mapping[str, str]) -> str:
    text = expand(d, texts[d.zh])
    return fill(text if d.zh else with_articles(text), slots)


@dataclass(frozen=True)
class Kept:
    """What is told in one conversation, with the question for it, its answer, and what the answer must say.

    Of two with the same ``about`` the later would contradict the earlier.
    """

    about: str
    said: str
    question: str
    answer: str
    value: str

    def told(self, d: Draw) -> list[Message]:
        """The turns in which it is said."""
        return [user(self.said), assistant(expand(d, d.say(NOTED_EN, NOTED_ZH)))]

    def asked(self) -> list[Message]:
        """The turns in which it is asked for."""
        return [user(self.question), assistant(self.answer)]


def _by_template(d: Draw) -> Kept:
    item = d.pick(TOLD)
    slots = {"n": item.about(d), "x": item.value(d)}
    return Kept(slots["n"], *(_said(d, texts, slots) for texts in (item.tell, item.ask, item.answer)), slots["x"])


def _by_fact(d: Draw) -> Kept:
    fact = d.pick(told.facts())
    language = "zh" if d.zh else "en"
    slots = {slot.name: scene.value(d, slot, scene.choices(d, slot))[0] for slot in fact.slots}
    question = d.pick(fact.ask[language])
    texts = (d.pick(fact.tell[language]), question.text, d.pick(question.answers))
    return Kept(fact.name, *(_said(d, (text, text), slots) for text in texts), slots[question.slot])


def conversation(d: Draw) -> Example | Case:
    """Things told among other talk, about one in three turns at most; asked for somewhere later, most of them at the end."""
    length = d.pick(LENGTHS)
    number = d.rng.randint(1, max(4, min(length // 3, MOST_TOLD)))
    found = (_by_fact(d) if d.chance(FACTS_SHARE) else _by_template(d) for _ in range(number))
    kept = list({item.about: item for item in found}.values())
    told_at: defaultdict[int, list[Kept]] = defaultdict(list)
    asked_at: defaultdict[int, list[Kept]] = defaultdict(list)
    for item in kept:
        place = d.rng.randrange(length)
        told_at[place].append(item)
        asked_at[d.rng.randint(place + 1, length) if d.chance(ASKED_BETWEEN) else length].append(item)
    messages: list[Message] = []
    for turn in range(length):
        for item in asked_at[turn]:
            messages += item.asked()
        for item in told_at[turn]:
            messages += item.told(d)
        messages += _other(d)
    last = asked_at[length] or [d.pick(kept)]
    d.rng.shuffle(last)
    for item in last:
        messages += item.asked()
    return finish(d.split, messages, "composed/remembered", check="contains", expected=[last[-1].value])


def generate(rng: random.Random, split: Split) -> Iterator[Example | Case]:
    """Endless long conversations, half of them Chinese."""
    while True:
        yield conversation(draw(rng, split, 0.5))
