"""Conversations in which functions are offered: called once, twice, not at all, with thought, and after their result."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence

from cria.data.skills import functions_random, tool_results
from cria.data.skills.common import assistant, finish, user
from cria.data.skills.functions import Fn, Offer, Request, compact, offer
from cria.data.skills.functions_known import KNOWN
from cria.data.skills.tools_asking import (
    calling,
    casual,
    definitions,
    known_offers,
    offers_for,
    opening,
    random_offers,
    thought,
    wrap,
)
from cria.data.skills.tools_none import none
from cria.data.skills.words import Draw, draw
from cria.examples import Case, Example, Message, Split

AND_EN = (" Also: ", " And then: ", " After that: ", " And also: ", " ")
AND_ZH = ("另外，", "还有，", "然后", "同时，", "再")
ONE_CITY = ("get_weather", "get_time", "get_population", "get_air_quality")
BOTH_EN = ("Please do two things. {0} {1}", "{0} {1}", "First: {0} Second: {1}", "{0} And {1}")
BOTH_ZH = ("请做两件事：{0}；{1}", "{0}，{1}", "先{0}，再{1}", "第一：{0} 第二：{1}")


def _told(d: Draw, item: Offer) -> list[Message]:
    """An earlier question that a function has answered; nothing for functions whose results are not known here."""
    fn = item.fn
    if fn.names[0] not in tool_results.RESULTS and not (fn.made and " of a " in fn.en and len(fn.params) == 1):
        return []
    request = item.ask(d)
    found = tool_results.result(d, request)
    reply: Message = {"role": "tool", "content": found.content, "name": request.call["name"]}
    return [user(casual(d, request)), calling([request.call]), reply, assistant(found.answer)]


def one(d: Draw, *, made: bool, thinking: bool = False) -> Example | Case:
    """A question that one of the functions answers."""
    offers = offers_for(d, made=made)
    request = offers[0].ask(d)
    kind = "tools/think" if thinking else "tools/new" if made else "tools/known"
    answer = calling([request.call], thought(d, request) if thinking else "")
    earlier = _told(d, d.pick(offers)) if d.chance(0.12) else []
    messages = [*opening(d), *earlier, user(wrap(d, casual(d, request))), answer]
    tools = definitions(d, offers)
    return finish(d.split, messages, kind, check="tool_calls", expected=[request.call], tools=tools, thinking=thinking)


def two(d: Draw) -> Example | Case:
    """Two calls at once: the same function for two values, or two functions."""
    made = d.chance(0.45)
    offers = offers_for(d, made=made)
    if not made and d.chance(0.15):  # one question that names two places
        simple = [fn for fn in KNOWN if fn.names[0] in ONE_CITY]
        offers = [
            offer(d.pick(simple), d),
            *known_offers(d, d.pick((0, 1, 2)), apart=("weather", "time", "population")),
        ]
        first, second = offers[0].ask(d), offers[0].ask(d)
        return _two(d, offers, first, second) if first.call != second.call else two(d)
    if len(offers) == 1:
        offers = (random_offers if made else known_offers)(d, 2)
    first = offers[0].ask(d)
    twice = made or bool(offers[0].keys)
    second = offers[0].ask(d) if d.chance(0.45) and twice else offers[1].ask(d)
    if second.call == first.call:
        second = offers[1].ask(d)
    return _two(d, offers, first, second)


def _two(d: Draw, offers: Sequence[Offer], first: Request, second: Request) -> Example | Case:
    question = _join(d, first, second)
    if d.split == "train":
        question = wrap(d, question)
    calls = [first.call, second.call]
    tools = definitions(d, offers)
    thinking = d.chance(0.15)
    answer = calling(calls, _both(d, first, second) if thinking else "")
    messages = [*opening(d), user(question), answer]
    return finish(d.split, messages, "tools/two", check="tool_calls", expected=calls, tools=tools, thinking=thinking)


def _both(d: Draw, first: Request, second: Request) -> str:
    """The thought before two calls."""
    one, other = (f"{request.call['name']} {compact(request.call['arguments'])}" for request in (first, second))
    return d.say(
        (f"Two calls: {one} and {other}.", f"First {one}, then {other}."),
        (f"要调用两次：{one} 和 {other}。", f"先 {one}，再 {other}。"),
    )


def _join(d: Draw, first: Request, second: Request) -> str:
    fn = first.offer.fn
    arguments = [list(request.call["arguments"].values()) for request in (first, second)]
    if first.offer is second.offer and fn.names[0] in ONE_CITY and all(len(found) == 1 for found in arguments):
        both = d.joined([str(found[0]) for found in arguments])
        template = d.say(fn.ask_en, fn.ask_zh)
        if "{1}" not in template:
            return template.format(both)
    left, right = first.question, second.question
    ended = left if left[-1] in ".?!。？！" else left + ("，" if d.zh else ".")
    if d.chance(0.4):
        return d.say(BOTH_EN, BOTH_ZH).format(left.rstrip("。") if d.zh else ended, right)
    return ended + d.say(AND_EN, AND_ZH) + right


def result(d: Draw) -> Example | Case:
    """A call, the tool's result, and the answer that says what it found."""
    if d.chance(0.4):
        fn: Fn = functions_random.getter(d, functions_random.noun(d), functions_random.attribute(d))
        offers = [offer(fn, d), *known_offers(d, d.pick((0, 0, 1, 2)))]
    else:
        fn = d.pick([known for known in KNOWN if known.names[0] in tool_results.RESULTS])
        offers = [offer(fn, d), *known_offers(d, d.pick((0, 0, 1, 2)), apart=(fn.group,))]
    request = offers[0].ask(d)
    found = tool_results.result(d, request)
    thinking = d.chance(0.1)
    reply: Message = {"role": "tool", "content": found.content, "name": request.call["name"]}
    question = user(wrap(d, casual(d, request)))
    tools = definitions(d, offers)
    thoughts = (
        (thought(d, request), d.say(("The result has the answer.",), ("结果里有答案。",))) if thinking else ("", "")
    )
    messages = [
        *opening(d),
        question,
        calling([request.call], thoughts[0]),
        reply,
        assistant(found.answer, thoughts[1]),
    ]
    return finish(
        d.split,
        messages,
        "tools/result",
        check="contains",
        expected=found.values,
        tools=tools,
        thinking=thinking,
    )


MAKERS: tuple[Callable[[Draw], Example | Case], ...] = (
    lambda d: one(d, made=False),
    lambda d: one(d, made=True),
    two,
    none,
    result,
    lambda d: one(d, made=d.chance(0.5), thinking=True),
)
SHARES: Mapping[Split, tuple[float, ...]] = {
    "train": (0.17, 0.25, 0.18, 0.26, 0.05, 0.09),
    "test": (0.20, 0.26, 0.15, 0.25, 0.07, 0.07),
}
"""How often each maker's turn comes; those of the test stay as they are, so that its cases do."""


def generate(rng: random.Random, split: Split) -> Iterator[Example | Case]:
    """Endless conversations with functions."""
    while True:
        yield rng.choices(MAKERS, SHARES[split])[0](draw(rng, split, 0.35))
