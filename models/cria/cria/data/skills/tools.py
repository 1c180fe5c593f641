"""Conversations in which functions are offered: called once, twice, not at all, with thought, and after their result."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from cria.data.skills import functions_random, tool_results
from cria.data.skills.common import assistant, finish, system, user
from cria.data.skills.functions import Fn, Offer, Request, compact, offer
from cria.data.skills.functions_known import KNOWN
from cria.data.skills.smalltalk import chat, fact
from cria.data.skills.words import Draw, draw
from cria.examples import Case, Example, Message, Split, ToolCall

SYSTEMS_EN = (
    "You are a helpful assistant.",
    "Use the functions when they help.",
    "You are a helpful assistant with access to functions.",
    "Answer briefly. Call a function when one fits.",
    "You are an assistant that can call functions.",
)
SYSTEMS_ZH = (
    "你是一个有用的助手。",
    "需要时请调用函数。",
    "你是一个可以调用函数的助手。",
    "回答要简短，合适时调用函数。",
)
REFUSE_EN = (
    "None of my functions can do that.",
    "Sorry, none of the functions I have can do that.",
    "I have no function for that.",
)
REFUSE_ZH = ("我的函数都做不到这件事。", "抱歉，我没有能做这件事的函数。", "没有合适的函数可以做这件事。")
BEFORE_EN = (
    "Please: ",
    "Hi! ",
    "Hello, ",
    "Quick question: ",
    "Hey, ",
    "One thing: ",
    "Listen, ",
    "Help me: ",
)
BEFORE_ZH = ("请问，", "你好，", "麻烦一下，", "帮个忙，", "问一下，", "嗨，", "拜托，")
AFTER_EN = (
    " Thanks!",
    " Thank you.",
    " It's urgent.",
    " I need it for work.",
    " Please be quick.",
    " Thanks a lot!",
)
AFTER_ZH = (" 谢谢！", " 多谢。", " 我很着急。", " 麻烦你了。", " 快一点。")
AND_EN = (" Also: ", " And then: ", " After that: ", " And also: ", " ")
AND_ZH = ("另外，", "还有，", "然后", "同时，", "再")
ONE_CITY = ("get_weather", "get_time", "get_population", "get_air_quality")
BOTH_EN = ("Please do two things. {0} {1}", "{0} {1}", "First: {0} Second: {1}", "{0} And {1}")
BOTH_ZH = ("请做两件事：{0}；{1}", "{0}，{1}", "先{0}，再{1}", "第一：{0} 第二：{1}")


def known_offers(d: Draw, count: int, *, apart: Sequence[str] = ()) -> list[Offer]:
    """Different known functions, of groups that are not in `apart`."""
    offers: list[Offer] = []
    taken: set[str] = set()
    while len(offers) < count:
        fn = d.pick(KNOWN)
        item = offer(fn, d)
        near = fn.group in ("math", "search", "time") and any(other.fn.group == fn.group for other in offers)
        if fn.group in apart or near or item.name in taken or any(other.fn is fn for other in offers):
            continue
        taken.add(item.name)
        offers.append(item)
    return offers


def random_offers(d: Draw, count: int) -> list[Offer]:
    """Different random functions, some of them near to each other in name."""
    return [offer(fn, d) for fn in functions_random.family(d, count)]


def offers_for(d: Draw, *, made: bool) -> list[Offer]:
    """One to five functions; the first is the one that is asked for (the caller mixes them)."""
    count = d.pick((1, 1, 2, 2, 3, 3, 4, 5))
    if not made:
        return known_offers(d, count)
    if d.chance(0.15) and count > 1:
        return [*random_offers(d, 1), *known_offers(d, count - 1)]
    return random_offers(d, min(count, 4))


def definitions(d: Draw, offers: Sequence[Offer]) -> list[dict[str, Any]]:
    """The definitions in any order."""
    mixed = [item.definition(d) for item in offers]
    d.rng.shuffle(mixed)
    return mixed


def casual(d: Draw, request: Request) -> str:
    """The question, now and then typed without its capital or its full stop."""
    question = request.question
    first = question.split()[0].strip(".,:?!")
    said = [str(value) for value in request.call["arguments"].values()]
    if d.chance(0.12) and not d.zh and not any(first in value for value in said):
        question = question[:1].lower() + question[1:]
    if d.chance(0.15) and question[-1] in ".?。？":
        question = question[:-1]
    return question


def wrap(d: Draw, question: str) -> str:
    """The question with a word before or after it now and then; the words of the test are others than in training."""
    before = [
        text for index, text in enumerate(BEFORE_ZH if d.zh else BEFORE_EN) if (index % 3 == 2) == (d.split == "test")
    ]
    after = [
        text for index, text in enumerate(AFTER_ZH if d.zh else AFTER_EN) if (index % 3 == 2) == (d.split == "test")
    ]
    if d.chance(0.15):
        question = d.pick(before) + question
    if d.chance(0.12):
        question += d.pick(after)
    return question


def opening(d: Draw) -> list[Message]:
    """What stands before the question: mostly nothing, a system prompt or a remark."""
    messages: list[Message] = []
    if d.chance(0.15):
        messages.append(system(d.say(SYSTEMS_EN, SYSTEMS_ZH)))
    if d.chance(0.08):
        said, answer = chat(d)
        messages += [user(said), assistant(answer)]
    return messages


def calling(calls: Sequence[ToolCall], reasoning: str = "") -> Message:
    message = assistant("", reasoning)
    message["tool_calls"] = list(calls)
    return message


def _thought(d: Draw, request: Request) -> str:
    name, arguments = request.call["name"], compact(request.call["arguments"])
    return d.say(
        (f"{name} fits this question, with {arguments}.", f"I should call {name} with {arguments}."),
        (f"这个问题适合用 {name}，参数是 {arguments}。", f"应该调用 {name}，参数 {arguments}。"),
    )


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
    answer = calling([request.call], _thought(d, request) if thinking else "")
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
    calls = [first.call, second.call]
    tools = definitions(d, offers)
    messages = [*opening(d), user(question), calling(calls)]
    return finish(d.split, messages, "tools/two", check="tool_calls", expected=calls, tools=tools)


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


def none(d: Draw) -> Example | Case:
    """No function fits: say so plainly, or answer what needs none."""
    thinking = d.chance(0.12)
    roll = d.rng.random()
    made = d.chance(0.4)
    if roll < 0.6:
        asked = random_offers(d, 1)[0] if d.chance(0.4) else known_offers(d, 1, apart=("search",))[0]
        count = d.pick((1, 1, 2, 2, 3, 4))
        if made:
            offers = [item for item in random_offers(d, count) if item.fn.group != asked.fn.group]
        else:
            offers = known_offers(d, count, apart=(asked.fn.group, "search"))
        question, answer = casual(d, asked.ask(d)), d.say(REFUSE_EN, REFUSE_ZH)
        thought = d.say(("No function fits this.",), ("没有合适的函数。",))
    else:
        offers = random_offers(d, d.pick((1, 2, 3))) if made else known_offers(d, d.pick((1, 2, 3)), apart=("search",))
        question, answer = chat(d) if roll < 0.8 else fact(d)
        thought = d.say(("I can answer this without a function.",), ("这个不需要函数。",))
    messages = [*opening(d), user(question), assistant(answer, thought if thinking else "")]
    tools = definitions(d, offers)
    return finish(d.split, messages, "tools/none", check="none-called", tools=tools, thinking=thinking)


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
        (_thought(d, request), d.say(("The result has the answer.",), ("结果里有答案。",))) if thinking else ("", "")
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


MAKERS: tuple[tuple[float, Callable[[Draw], Example | Case]], ...] = (
    (0.25, lambda d: one(d, made=False)),
    (0.34, lambda d: one(d, made=True)),
    (0.12, two),
    (0.13, none),
    (0.09, result),
    (0.07, lambda d: one(d, made=d.chance(0.5), thinking=True)),
)


def generate(rng: random.Random, split: Split) -> Iterator[Example | Case]:
    """Endless conversations with functions."""
    weights = [weight for weight, _ in MAKERS]
    makers = [maker for _, maker in MAKERS]
    while True:
        yield rng.choices(makers, weights)[0](draw(rng, split, 0.35))
