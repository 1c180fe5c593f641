"""Conversations in which functions are offered and none of them fits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from cria.data.knowledge.asking import ask
from cria.data.knowledge.common import pick
from cria.data.knowledge.topics import Language
from cria.data.skills.common import assistant, finish, user
from cria.data.skills.functions import Offer, offer
from cria.data.skills.functions_known import KNOWN
from cria.data.skills.smalltalk import chat, fact
from cria.data.skills.tools_asking import casual, definitions, known_offers, opening, random_offers, wrap
from cria.data.skills.words import Draw
from cria.examples import Case, Example, Split

REFUSE_EN = (
    "None of my functions can do that.",
    "Sorry, none of the functions I have can do that.",
    "I have no function for that.",
)
REFUSE_ZH = ("我的函数都做不到这件事。", "抱歉，我没有能做这件事的函数。", "没有合适的函数可以做这件事。")
# Groups in which no function can do what another one is asked for, however near they are; the second for training alone.
DISTINCT = ("file", "stock", "order", "model", "bank", "restaurant", "music", "git")
DISTINCT_TOO = ("message", "light", "user", "app", "maps")
# Groups that may answer a question about the world, or take a remark for a wish.
CURIOUS = ("search", "time", "math", "weather", "population", "maps", "translate", "joke", "model", "currency")

# What is offered, the question, and the answer; no answer where the functions are to be refused.
Asked = tuple[Sequence[Offer], str, str]


def _missing(d: Draw) -> Asked:
    """A random function is asked for, and the others of its family are offered."""
    asked, *offers = random_offers(d, d.pick((2, 2, 3, 3, 4, 5)))
    return offers, wrap(d, casual(d, asked.ask(d))), ""


def _neighbour(d: Draw) -> Asked:
    """A known function is asked for, and another one for the same things is offered."""
    groups = DISTINCT + DISTINCT_TOO if d.split == "train" else DISTINCT
    asked = offer(d.pick([fn for fn in KNOWN if fn.group in groups]), d)
    near = [fn for fn in KNOWN if fn.group == asked.fn.group and fn is not asked.fn]
    offers = [offer(d.pick(near), d), *known_offers(d, d.pick((0, 0, 1, 2)), apart=(asked.fn.group, "search"))]
    return offers, wrap(d, casual(d, asked.ask(d))), ""


def _elsewhere(d: Draw) -> Asked:
    """Functions for something else altogether."""
    asked = random_offers(d, 1)[0] if d.chance(0.4) else known_offers(d, 1, apart=("search",))[0]
    count = d.pick((1, 1, 2, 2, 3, 4, 5))
    if d.chance(0.4):
        offers = [item for item in random_offers(d, count) if item.fn.group != asked.fn.group]
    else:
        offers = known_offers(d, count, apart=(asked.fn.group, "search"))
    return offers, wrap(d, casual(d, asked.ask(d))), ""


def _offered(d: Draw) -> Sequence[Offer]:
    count = d.pick((1, 2, 3, 4))
    return random_offers(d, count) if d.chance(0.4) else known_offers(d, count, apart=CURIOUS)


def _common(d: Draw) -> Asked:
    """A common question in any of its wordings, which needs no function."""
    language: Language = "zh" if d.zh else "en"
    side = pick(d.rng).side(language)
    return _offered(d), ask(d.rng, side, language, d.split)["content"], side.answer


def _small(d: Draw) -> Asked:
    """Small talk, or a short question."""
    question, answer = chat(d) if d.chance(0.65) else fact(d)
    return _offered(d), question, answer


MAKERS: tuple[Callable[[Draw], Asked], ...] = (_missing, _neighbour, _elsewhere, _common, _small)
SHARES: Mapping[Split, tuple[float, ...]] = {
    "train": (0.36, 0.24, 0.2, 0.1, 0.1),
    "test": (0.36, 0.12, 0.2, 0.14, 0.18),
}
"""How often each maker's turn comes; those of the test stay as they are, so that its cases do."""


def _thought(d: Draw, offers: Sequence[Offer], answer: str) -> str:
    """What is offered and that it does not help; `{}` stands for the names, where they are few."""
    if answer:
        return d.say(("I can answer this without a function.",), ("这个不需要函数。",))
    if not offers or len(offers) > 3:
        return d.say(("No function fits this.",), ("没有合适的函数。",))
    return d.say(("I have {}. No function fits this.",), ("这里只有 {}，没有合适的函数。",))


def none(d: Draw) -> Example | Case:
    """No function fits: say so plainly, or answer what needs none."""
    thinking = d.chance(0.2)
    make = d.rng.choices(MAKERS, SHARES[d.split])[0]
    offers, question, answer = make(d)
    reasoning = _thought(d, offers, answer) if thinking else ""
    before = opening(d)
    said = answer or d.say(REFUSE_EN, REFUSE_ZH)
    tools = definitions(d, offers)
    names = ("、" if d.zh else ", ").join(tool["function"]["name"] for tool in tools)
    messages = [*before, user(question), assistant(said, reasoning.format(names))]
    return finish(d.split, messages, "tools/none", check="none-called", tools=tools, thinking=thinking)
