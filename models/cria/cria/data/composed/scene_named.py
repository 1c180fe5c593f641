"""Functions that tell nothing of themselves, called by their names, as the tests of frameworks do."""

import random
from collections.abc import Iterator
from dataclasses import replace

from cria.data.composed import scene, values
from cria.data.composed.calls import opening
from cria.data.composed.grammar import expand, fill, with_articles
from cria.data.composed.scene import Slot
from cria.data.composed.scene_calls import definitions, offer, replied, schema
from cria.data.skills.common import assistant, finish, user
from cria.data.skills.functions import compact
from cria.data.skills.tools_asking import calling
from cria.data.skills.words import Draw, draw
from cria.examples import Case, Example, Split, ToolCall

NAMED_EN = (
    "[What is|Show me|Tell me|I need] [the value of |the result of |]{f}{a}",
    "What [does {f}{a} give|is {f}{a}|comes out of {f}{a}]?",
    "[Call|Use|Run|Try|Invoke] {f} [with|on|for] {v}[. Use the function|, please|]",
    "[Apply {f} to|Please pass to {f}:|Give {f} the value] {v}",
    "{f}{a}",
)
NAMED_ZH = (
    "{f}{a}[是多少|等于什么|的值|得什么]？",
    "[用|调用|请用|运行]{f}[，参数|算一下|处理]{v}",
    "[把]{v}[交给|传给]{f}",
    "{f}{a}",
)
BARE_EN = ("[Call|Run|Use|Please call|What does] {f}[ give|, please| now|]", "{f}()[?|]")
BARE_ZH = ("[调用|运行|请用]{f}[一下|，谢谢|]", "{f}()[是多少？|]")
NAMED_KINDS = ("int1-999", "int1-99", "num", "thing", "person", "code")
NAMED_KEYS = ("input", "x", "value", "n", "arg", "data", "number", "text", "key", "y", "argument", "subject", "z")
VALUE_EN = ("[The result is|It is|That gives|The function returned|{f} gives] {x}.", "{x}")
VALUE_ZH = ("[结果是|返回|得到|是]{x}。", "{x}")


def named(d: Draw) -> Example | Case:
    """A function that tells nothing of itself, called by its name, as tests of frameworks do."""
    stem = replace(d, lang="en")
    name = "_".join(d.pick((values.word(stem, "adjective"), values.word(stem, "noun"), d.pseudo())) for _ in "ab")
    kinds = d.several(lambda: d.pick(NAMED_KINDS), 0, 2) if d.chance(0.3) else [d.pick(NAMED_KINDS)]
    keys = d.several(lambda: d.pick(NAMED_KEYS), len(kinds), len(kinds))
    said = [scene.value(d, Slot((key,), False, kind, ""), None) for key, kind in zip(keys, kinds, strict=True)]
    shown = ", ".join(text for text, _ in said)
    text = expand(d, d.say(NAMED_EN, NAMED_ZH) if kinds else d.say(BARE_EN, BARE_ZH))
    text = fill(text, {"f": name, "a": f"({shown})", "v": d.joined([entry for entry, _ in said]) if said else ""})
    call: ToolCall = {"name": name, "arguments": {key: found for key, (_, found) in zip(keys, said, strict=True)}}
    properties = {key: schema(Slot((key,), False, kind, ""), None) for key, kind in zip(keys, kinds, strict=True)}
    parameters = {"type": "object", "required": keys, "properties": properties}
    about = d.say(
        ("[Apply|Compute|Run|Work out] [the|a] {n}[ function| of an input|][.|]",), ("[计算|应用|执行]{n}[函数|]",)
    )
    description = fill(expand(d, about), {"n": values.thing(d)})
    function = {
        "name": name,
        "description": description if d.zh else with_articles(description),
        "parameters": parameters,
    }
    tools = [{"type": "function", "function": function}, *definitions(d, offer(d, d.pick((0, 0, 0, 1, 2))))]
    d.rng.shuffle(tools)
    messages = [*opening(d), user(text), calling([call])]
    if d.chance(0.3):
        found = str(d.integer(1, 999))
        reply = d.pick((found, compact({"result": int(found)}), compact({"value": int(found)})))
        answer = fill(expand(d, d.say(VALUE_EN, VALUE_ZH)), {"f": name, "x": found})
        messages += [replied(reply, name), assistant(answer)]
        return finish(d.split, messages, "scene/named-result", check="contains", expected=[found], tools=tools)
    return finish(d.split, messages, "scene/named", check="tool_calls", expected=[call], tools=tools)


def generate(rng: random.Random, split: Split) -> Iterator[Example | Case]:
    """Endless calls by name, half of them Chinese."""
    while True:
        yield named(draw(rng, split, 0.5))
