"""How much of each generator the model reads, as shares of the tokens."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib import import_module
from typing import Any

from cria.examples import Example, Generator, Item, Message, Split

JOINED = "joined"
"""Not a module: whole conversations strung together, so that long contexts occur."""

SHARES: Mapping[str, float] = {
    "skills.tools": 0.35,
    "skills.json_fill": 0.12,
    "skills.drills": 0.08,
    "skills.recall": 0.06,
    "skills.thinking": 0.05,
    "skills.fim": 0.04,
    "skills.system": 0.03,
    "knowledge.common": 0.09,
    "knowledge.puna": 0.06,
    "knowledge.chat": 0.05,
    "knowledge.thinking": 0.03,
    "knowledge.texts": 0.02,
    JOINED: 0.02,
}
"""What the model reads most of the time."""

COPYING: Mapping[str, float] = {**SHARES, "skills.drills": 0.4, "skills.json_fill": 0.25}
"""The beginning: short lessons in copying first, which everything else builds on."""

LATER: Mapping[str, float] = {
    **SHARES,
    "skills.drills": 0.12,
    "skills.recall": 0.07,
    "skills.thinking": 0.06,
    "skills.system": 0.06,
    "skills.fim": 0.025,
    "knowledge.common": 0.075,
    "knowledge.puna": 0.045,
    "knowledge.thinking": 0.035,
    "knowledge.texts": 0.012,
}
"""When answers are known by heart: more of what depends on the question."""

CHOOSING: Mapping[str, float] = {
    "skills.tools": 0.43,
    "skills.json_fill": 0.10,
    "skills.drills": 0.05,
    "skills.recall": 0.04,
    "skills.system": 0.03,
    "skills.thinking": 0.03,
    "skills.fim": 0.03,
    "knowledge.common": 0.11,
    "knowledge.puna": 0.08,
    "knowledge.chat": 0.05,
    "knowledge.thinking": 0.015,
    "knowledge.texts": 0.005,
    JOINED: 0.03,
}
"""When values are copied well: mostly the choice of a function, of none, or of an answer."""

FINAL: Mapping[str, float] = {
    **CHOOSING,
    "skills.tools": 0.45,
    "skills.json_fill": 0.11,
    "skills.drills": 0.03,
    "skills.fim": 0.025,
    "knowledge.common": 0.12,
    "knowledge.puna": 0.09,
    "knowledge.chat": 0.06,
}
"""While the learning rate falls: what fell short in an evaluation before, and enough of the rest to keep it."""

MATCHING: Mapping[str, float] = {
    **CHOOSING,
    "skills.tools": 0.52,
    "skills.json_fill": 0.07,
    "skills.drills": 0.04,
    "knowledge.common": 0.10,
    "knowledge.puna": 0.07,
}
"""Functions above all: which of those that are named after the question is meant, and whether any is."""

SETTLING: Mapping[str, float] = {
    **MATCHING,
    "skills.tools": 0.46,
    "skills.json_fill": 0.09,
    "skills.recall": 0.05,
    "skills.fim": 0.025,
    "knowledge.common": 0.13,
    "knowledge.puna": 0.09,
    "knowledge.chat": 0.06,
}
"""The end: as the one before, and enough of the rest to keep it."""

FAR: Mapping[str, float] = {**LATER, "skills.tools": 0.25, "skills.recall": 0.3, JOINED: 0.3}
"""Long conversations in which something from far back is asked for."""

LONG: Mapping[str, float] = {**LATER, "skills.recall": 0.15, JOINED: 0.3}
"""Long conversations."""

WIDE: Mapping[str, float] = {
    "composed.scene_calls": 0.15,
    "composed.scene_session": 0.11,
    "composed.scene_named": 0.02,
    "composed.scene_forms": 0.09,
    "composed.calls": 0.14,
    "composed.several": 0.02,
    "composed.forms": 0.08,
    "composed.copying": 0.06,
    "composed.remembered": 0.03,
    "skills.tools": 0.07,
    "skills.json_fill": 0.02,
    "skills.drills": 0.02,
    "skills.recall": 0.03,
    "skills.thinking": 0.03,
    "skills.system": 0.03,
    "skills.fim": 0.02,
    "knowledge.common": 0.07,
    "knowledge.puna": 0.04,
    "knowledge.chat": 0.03,
    "knowledge.thinking": 0.01,
    "knowledge.texts": 0.01,
}
"""Composed sentences first, and enough of what was taught before to keep it."""

WIDE_SETTLING: Mapping[str, float] = {**WIDE, "composed.refused": 0.14}
"""The end: as the one before, with more that is not to be called for, which many steps of calls have unlearned."""

GROWN: Mapping[str, float] = {
    **WIDE,
    "composed.scene_calls": 0.22,
    "composed.scene_session": 0.14,
    "composed.scene_forms": 0.12,
    "composed.calls": 0.08,
    "composed.forms": 0.06,
    "composed.kinds": 0.05,
    "composed.refused": 0.14,
    "skills.tools": 0.05,
    "knowledge.common": 0.08,
    "knowledge.puna": 0.05,
}
"""When there are many scenes: these above all, with as much that is not to be called for as keeps the balance."""

GROWN_FAR: Mapping[str, float] = {
    **GROWN,
    "composed.far": 0.2,
    "composed.remembered": 0.4,
    "skills.recall": 0.1,
    JOINED: 0.1,
}
"""The same in long contexts."""

BALANCED: Mapping[str, float] = {
    **GROWN,
    "composed.refused": 0.42,
    "composed.scene_forms": 0.18,
    "composed.forms": 0.1,
}
"""About as much that is not to be called for as that is: whoever has learned to call calls whatever is new to it."""

BALANCED_FAR: Mapping[str, float] = {
    **BALANCED,
    "composed.far": 0.1,
    "composed.remembered": 0.5,
    "skills.recall": 0.1,
}
"""The same in long contexts."""

STEADY: Mapping[str, float] = {
    **GROWN,
    "composed.refused": 0.24,
    "composed.scene_forms": 0.17,
    "composed.forms": 0.08,
    "composed.remembered": 0.05,
    "composed.company": 0.05,
    "knowledge.common": 0.11,
    "knowledge.chat": 0.04,
}
"""Between ``GROWN`` and ``BALANCED``, so that no other end has to follow, with more of what was answered worst."""

STEADY_FAR: Mapping[str, float] = {
    **STEADY,
    "composed.far": 0.1,
    "composed.remembered": 0.5,
    "skills.recall": 0.1,
}
"""The same in long contexts."""

STEADY_SETTLING: Mapping[str, float] = {**STEADY, "composed.refused": 0.36}
"""Its end: as much is refused again as ``BALANCED`` taught, without its loss in calls."""

STEADY_FAR_SETTLING: Mapping[str, float] = {**STEADY_FAR, "composed.refused": 0.36}
"""The same in long contexts."""

POLISHED: Mapping[str, float] = {
    **STEADY,
    "composed.scene_calls": 0.3,
    "composed.scene_forms": 0.2,
    "composed.forms": 0.1,
    "composed.several": 0.04,
    "composed.copying": 0.09,
    "composed.refused": 0.33,
}
"""All that is asked of it, in one balance: calls and refusals in equal parts."""

POLISHED_FAR: Mapping[str, float] = {
    **POLISHED,
    "composed.far": 0.1,
    "composed.remembered": 0.7,
    "skills.recall": 0.12,
}
"""The same in long contexts, most of which is something told long ago."""

WIDE_COPYING: Mapping[str, float] = {
    "composed.copying": 0.5,
    "composed.forms": 0.2,
    "composed.scene_forms": 0.1,
    "composed.calls": 0.1,
    "composed.scene_calls": 0.1,
}
"""The beginning of a wide run: copying above all."""

WIDE_FAR: Mapping[str, float] = {
    **WIDE,
    "composed.far": 0.25,
    "composed.remembered": 0.4,
    "skills.recall": 0.1,
    JOINED: 0.1,
}
"""Contexts of up to 8,192 tokens."""

JOINABLE = (
    "composed.copying",
    "composed.far",
    "skills.drills",
    "skills.json_fill",
    "skills.recall",
    "knowledge.common",
    "knowledge.puna",
    "knowledge.chat",
)

SYSTEM_SHARE = 0.06
SYSTEMS = (
    "You are a helpful assistant.",
    "You are a helpful assistant that can call functions.",
    "You are a friendly assistant.",
    "Be helpful.",
    "You are cria.",
    "Help the user as well as you can.",
    "你是一个乐于助人的助手。",
    "你是一个有用的助手，可以调用函数。",
    "你是友好的助手。",
    "请尽力帮助用户。",
)


def generator(name: str) -> Generator:
    """``generate`` of the module ``cria.data.<name>``."""
    found: Generator = import_module(f"cria.data.{name}").generate
    return found


def items(name: str, seed: str, split: Split = "train") -> Iterator[Item]:
    """The endless items of one generator."""
    rng = random.Random(f"{seed}/{name}")
    for item in generator(name)(rng, split):
        if isinstance(item, Item):
            yield item


THINKING_SHARE = 0.12
THOUGHTS: Mapping[str, tuple[str, str]] = {
    "json": ("The user wants JSON with these values.", "用户要这些值的JSON。"),
    "system": ("I answer as the system prompt says.", "按系统提示的要求回答。"),
    "drills": ("The answer is in the message.", "答案就在消息里。"),
}
"""Thoughts, in English and Chinese, for kinds whose generators know none."""


def _with_thought(item: Example) -> Example:
    """The same conversation with thinking on, where its kind has a thought and its last turn an answer."""
    thoughts = THOUGHTS.get(item.kind.partition("/")[0])
    question, answer = item.messages[-2], item.messages[-1]
    if item.thinking or thoughts is None or question["role"] != "user":
        return item
    chinese = any("\u4e00" <= character <= "\u9fff" for character in question["content"])
    last: Message = {"role": "assistant", "content": answer["content"], "reasoning": thoughts[chinese]}
    return replace(item, messages=(*item.messages[:-1], last), thinking=True)


def _reordered(tool: dict[str, Any]) -> dict[str, Any]:
    """The definition with ``required`` after ``properties``, as OpenAI's clients write it."""
    function = tool["function"]
    parameters = dict(function["parameters"])
    if "required" in parameters:
        parameters["required"] = parameters.pop("required")
    return {**tool, "function": {**function, "parameters": parameters}}


def vary(item: Item, rng: random.Random) -> Item:
    """What clients do differently: the order of keys in definitions, and a system prompt that says little."""
    if not isinstance(item, Example):
        return item
    if item.tools and rng.random() < 0.4:
        item = replace(item, tools=tuple(_reordered(tool) for tool in item.tools))
    if item.messages[0]["role"] != "system" and rng.random() < SYSTEM_SHARE:
        system: Message = {"role": "system", "content": rng.choice(SYSTEMS)}
        item = replace(item, messages=(system, *item.messages))
    return _with_thought(item) if rng.random() < THINKING_SHARE else item


def can_join(item: Item) -> bool:
    """Whether a conversation may follow another in one context: no system prompt, functions or thoughts."""
    return isinstance(item, Example) and not (item.tools or item.thinking or item.messages[0]["role"] != "user")


def join(parts: list[Example]) -> Example:
    """One long conversation made of several."""
    messages: list[Message] = [message for part in parts for message in part.messages]
    return Example(tuple(messages), kind=JOINED)
