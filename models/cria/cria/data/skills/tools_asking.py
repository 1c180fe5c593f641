"""What conversations with functions are made of: what is offered, how it is asked for, and what is thought."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cria.data.skills import functions_random, remarks
from cria.data.skills.common import assistant, system, user
from cria.data.skills.functions import Offer, Request, compact, offer
from cria.data.skills.functions_known import KNOWN
from cria.data.skills.smalltalk import chat
from cria.data.skills.words import Draw
from cria.examples import Message, Split, ToolCall

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
REMARK_SHARE = 0.25  # of the questions of training: those with a remark before, and those with one after
# Of the random functions offered together: those that differ in one word; of the known ones: those near to the first.
SIBLING_SHARE: Mapping[Split, float] = {"train": 0.5, "test": 0.35}
NEAR_SHARE: Mapping[Split, float] = {"train": 0.35, "test": 0.2}
UNDESCRIBED_SHARE = 0.08
CLOSE = ("math", "search", "time")  # groups whose functions answer each other's questions


def known_offers(d: Draw, count: int, *, apart: Sequence[str] = ()) -> list[Offer]:
    """Different known functions, of groups that are not in `apart`."""
    offers: list[Offer] = []
    taken: set[str] = set()
    while len(offers) < count:
        fn = d.pick(KNOWN)
        if offers and d.chance(NEAR_SHARE[d.split]):  # one that is near to the first
            fn = d.pick([known for known in KNOWN if known.group == offers[0].fn.group])
        item = offer(fn, d)
        near = fn.group in CLOSE and any(other.fn.group == fn.group for other in offers)
        if fn.group in apart or near or item.name in taken or any(other.fn is fn for other in offers):
            continue
        taken.add(item.name)
        offers.append(item)
    return offers


def random_offers(d: Draw, count: int) -> list[Offer]:
    """Different random functions, some of them near to each other in name."""
    near = count > 1 and d.chance(SIBLING_SHARE[d.split])
    made = functions_random.siblings(d, count) if near else functions_random.family(d, count)
    return [offer(fn, d) for fn in made]


def offers_for(d: Draw, *, made: bool) -> list[Offer]:
    """One to six functions; the first is the one that is asked for (the caller mixes them)."""
    count = d.pick((1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 5, 6))
    if not made:
        return known_offers(d, count)
    if d.chance(0.15) and count > 1:
        return [*random_offers(d, 1), *known_offers(d, count - 1)]
    return random_offers(d, min(count, 5))


def definitions(d: Draw, offers: Sequence[Offer]) -> list[dict[str, Any]]:
    """The definitions in any order; in English now and then without saying what the functions do."""
    mixed = [item.definition(d) for item in offers]
    if not d.zh and d.chance(UNDESCRIBED_SHARE):
        for item in mixed:
            item["function"].pop("description")
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
    training = d.split == "train"
    if d.chance(REMARK_SHARE if training else 0.15):
        question = (remarks.before(d) if training and d.chance(0.7) else d.pick(before)) + question
    if d.chance(REMARK_SHARE if training else 0.12):
        said = remarks.after(d) if training and d.chance(0.7) else d.pick(after)
        question += ("" if question[-1] in ".?!:。？！" else "。" if d.zh else ".") + said
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


def thought(d: Draw, request: Request) -> str:
    name, arguments = request.call["name"], compact(request.call["arguments"])
    return d.say(
        (f"{name} fits this question, with {arguments}.", f"I should call {name} with {arguments}."),
        (f"这个问题适合用 {name}，参数是 {arguments}。", f"应该调用 {name}，参数 {arguments}。"),
    )
