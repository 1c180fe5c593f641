"""What people say in scenes as JSON: asked for in words, or forced by a schema alone."""

import random
from collections.abc import Iterator
from typing import Any

from cria.data.composed import scene
from cria.data.composed.forms import ALONE_SHARE, ASK_EN, ASK_ZH, SCHEMA_SHARE, spaced
from cria.data.composed.grammar import expand, fill, with_articles
from cria.data.composed.scene import Sentence, Slot
from cria.data.composed.scene_calls import schema
from cria.data.skills.common import assistant, finish, system, user
from cria.data.skills.functions import compact
from cria.data.skills.json_fill import SYSTEM_EN, SYSTEM_ZH
from cria.data.skills.words import Draw, draw
from cria.examples import Case, Example, Message, Split

KEY_ZH_SHARE = 0.5
LEFT_OUT_SHARE = 0.15
"""Of the values that a sentence says: those that nobody asks for, if another is left."""


def statement(d: Draw) -> tuple[Sentence, tuple[Slot, ...]]:
    """A sentence of a scene, a request or what a result says, with the slots that it fills."""
    while True:
        made = d.pick(scene.scenes())
        if made.result and d.chance(0.5):
            told = made.result.zh if d.zh else made.result.en
            if told.slots <= {slot.name for slot in made.result.fields}:
                return told, made.result.fields
            continue
        chosen = d.pick(made.said(d.zh).requests)
        if chosen.slots:
            return Sentence(expand(d, chosen.text), chosen.implied), made.slots


def form(d: Draw) -> Example | Case:
    """One sentence with its object; of a form that nobody asks for in words the opening is not learned."""
    made, fields = statement(d)
    slots = [slot for slot in fields if slot.name in made.slots]
    if not slots:
        return form(d)
    picked = {slot.name: scene.choices(d, slot) for slot in slots}
    said = {
        slot.name: scene.implied(made.implied[slot.name], picked[slot.name])
        if slot.name in made.implied
        else scene.value(d, slot, picked[slot.name])
        for slot in slots
    }
    text = fill(made.text if d.zh else with_articles(made.text), {name: shown for name, (shown, _) in said.items()})
    text = (text[:1].upper() + text[1:]) if not d.zh else text
    if text[-1] not in "?？.。!！":
        text += "。" if d.zh else "."
    kept = [slot for slot in slots if not d.chance(LEFT_OUT_SHARE)] or slots
    if d.chance(0.3):
        d.rng.shuffle(kept)
    keys = {slot.name: _key(d, slot) for slot in kept}
    if len(set(keys.values())) < len(keys):
        keys = {name: name for name in keys}
    data = {keys[slot.name]: said[slot.name][1] for slot in kept}
    return _asked(d, text, data, {keys[slot.name]: schema(slot, picked[slot.name]) for slot in kept})


def _asked(d: Draw, text: str, data: dict[str, Any], properties: dict[str, Any]) -> Example | Case:
    messages: list[Message] = [system(d.say(SYSTEM_EN, SYSTEM_ZH))] if d.chance(0.1) else []
    if d.chance(ALONE_SHARE):
        answer: Message = {"role": "assistant", "content": spaced(d, data), "forced": True}
        return finish(d.split, [*messages, user(text), answer], "scene/alone", check="json", expected=data)
    keys = list(data)
    asked = d.joined(keys) if d.chance(0.7) else ("、" if d.zh else ", ").join(keys)
    if d.chance(SCHEMA_SHARE):
        asked = compact({"type": "object", "properties": properties, "required": keys})
    text = fill(expand(d, d.say(ASK_EN, ASK_ZH)), {"f": asked.replace("_", d.pick(("_", " "))), "t": text})
    return finish(
        d.split, [*messages, user(text), assistant(spaced(d, data))], "scene/form", check="json", expected=data
    )


def _key(d: Draw, slot: Slot) -> str:
    if d.zh and slot.name in scene.chinese_keys() and d.chance(KEY_ZH_SHARE):
        return scene.chinese_keys()[slot.name]
    return slot.name if d.chance(0.5) else d.pick(slot.names)


def generate(rng: random.Random, split: Split) -> Iterator[Example | Case]:
    """Endless forms of scenes, half of them Chinese."""
    while True:
        yield form(draw(rng, split, 0.5))
