"""Short exercises in copying and choosing: repeat, look up, pick by place, reverse, spell, name the function that fits."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from cria.data.skills.common import assistant, finish, user
from cria.data.skills.tools_asking import random_offers
from cria.data.skills.words import Draw, draw
from cria.examples import Case, Example, Message, Split

Pair = tuple[str, str]
ORDINALS = (("first", "第一"), ("second", "第二"), ("third", "第三"), ("fourth", "第四"), ("last", "最后一"))


def _thing(d: Draw) -> str:
    """Any short value."""
    return d.one_of(
        d.pseudo,
        d.ident,
        d.name,
        d.city,
        d.noun,
        d.phrase,
        d.email,
        d.date,
        d.file,
        d.pseudo,
        lambda: str(d.integer(0, 99999)),
    )


def repeat(d: Draw) -> Pair:
    text = " ".join(d.several(lambda: _thing(d), 1, 4)) if d.chance(0.6) else d.phrase()
    ask = d.say(
        (
            "Repeat: {}",
            "Say {}",
            "Repeat after me: {}",
            "Copy this: {}",
            'Say "{}".',
            "Write exactly: {}",
            "Echo {}",
        ),
        ("重复：{}", "跟我说：{}", "请说“{}”。", "照抄：{}", "请原样重复：{}", "说{}"),
    )
    return ask.format(text), text


def lookup(d: Draw) -> Pair:
    """Keys with values, one of which is asked for."""
    count = d.rng.randint(2, 6)
    make_key = d.pick((d.pseudo, d.noun, d.first, d.color, d.ident))
    make_value = d.pick((d.pseudo, d.ident, d.city, lambda: str(d.integer(10, 9999)), d.food, d.name))
    keys = d.several(make_key, count, count)
    values = [make_value() for _ in keys]
    index = d.rng.randrange(len(keys))
    sign, joint = (
        d.pick((": ", " = ", " -> ", " is ")) if not d.zh else d.pick(("：", "=", "是", " -> ")),
        d.pick(("; ", ", ", "\n")),
    )
    table = joint.join(f"{key}{sign}{value}" for key, value in zip(keys, values, strict=True))
    ask = d.say(
        (
            "{t}. {k}?",
            "{t}\nWhat is {k}?",
            "{t}\nWhich value belongs to {k}?",
            "Given {t}, what is {k}?",
            "{t}\n{k}{s}?",
        ),
        ("{t}。{k}？", "{t}\n{k}是什么？", "{t}\n{k}对应什么？", "已知{t}，那么{k}是什么？"),
    )
    return ask.format(t=table, k=keys[index], s=sign), values[index]


def place(d: Draw) -> Pair:
    """The n-th word of a list."""
    words = d.several(d.pick((d.pseudo, d.noun, d.first, d.city, d.color, d.food)), 3, 6)
    en, zh = d.pick(ORDINALS[: min(len(words), 4)] + ORDINALS[4:])
    index = -1 if en == "last" else [name for name, _ in ORDINALS].index(en)
    listed = ("、" if d.zh else ", ").join(words)
    ask = d.say(
        (
            "{w}. What is the {o} word?",
            "What is the {o} of these: {w}?",
            "{w}\nWhich one is {o}?",
            "Give me the {o} entry: {w}",
        ),
        ("{w}。{o}个词是什么？", "这些词里{o}个是什么：{w}", "{w}\n{o}个是哪个？"),
    )
    return ask.format(w=listed, o=zh if d.zh else en), words[index]


def reverse(d: Draw) -> Pair:
    words = d.several(d.pick((d.pseudo, d.noun, d.first, d.color)), 2, 5)
    joint = "、" if d.zh else ", "
    ask = d.say(
        (
            "Reverse the order: {}",
            "Write these words backwards, last one first: {}",
            "Turn the list around: {}",
        ),
        ("把顺序反过来：{}", "倒着写这些词：{}", "把列表倒过来：{}"),
    )
    return ask.format(joint.join(words)), joint.join(reversed(words))


def spell(d: Draw) -> Pair:
    word = d.pseudo() if not d.zh or d.chance(0.5) else d.name()
    ask = d.say(
        ("Spell {}.", "Spell the word {}", "How do you spell {}?"),
        ("拼出{}", "把{}一个字一个字写出来", "{}怎么拼？"),
    )
    return ask.format(word), "-".join(word)


def member(d: Draw) -> Pair:
    """Whether a word is in the list."""
    words = d.several(d.pick((d.pseudo, d.noun, d.first, d.city, d.food)), 2, 6)
    inside = d.chance(0.5)
    word = words.pop(d.rng.randrange(len(words)))
    if inside or not words:
        words.insert(d.rng.randint(0, len(words)), word)
        inside = True
    ask = d.say(
        ("Is {k} in this list: {w}?", "{w}. Does the list contain {k}?"),
        ("{w}里有{k}吗？", "这个列表里有{k}吗：{w}"),
    )
    answer = ("有。" if inside else "没有。") if d.zh else ("Yes." if inside else "No.")
    return ask.format(k=word, w=("、" if d.zh else ", ").join(words)), answer


def statement(d: Draw) -> Pair:
    """Who did what: two or three sentences of one form, and a question about one of them."""
    people = d.several(d.first, 2, 4)
    forms = (
        (d.city, "{a} lives in {b}.", "Where does {a} live?", "Who lives in {b}?", "{a}住在{b}。", "{a}住在哪里？", "谁住在{b}？"),
        (d.food, "{a} likes {b}.", "What does {a} like?", "Who likes {b}?", "{a}喜欢{b}。", "{a}喜欢什么？", "谁喜欢{b}？"),
        (d.animal, "{a} has a {b}.", "Which animal does {a} have?", "Who has a {b}?", "{a}养了{b}。", "{a}养了什么？", "谁养了{b}？"),
        (d.product, "{a} bought a {b}.", "What did {a} buy?", "Who bought a {b}?", "{a}买了{b}。", "{a}买了什么？", "谁买了{b}？"),
        (d.job, "{a} works as a {b}.", "What is the job of {a}?", "Who works as a {b}?", "{a}是{b}。", "{a}做什么工作？", "谁是{b}？"),
        (d.ident, "The code of {a} is {b}.", "What is the code of {a}?", "Whose code is {b}?", "{a}的代码是{b}。", "{a}的代码是什么？", "{b}是谁的代码？"),
    )  # fmt: skip
    make, *texts = d.pick(forms)
    say, ask, who = texts[3:] if d.zh else texts[:3]
    values = d.several(make, len(people), len(people))
    people = people[: len(values)]
    index = d.rng.randrange(len(people))
    told = ("" if d.zh else " ").join(say.format(a=a, b=b) for a, b in zip(people, values, strict=True))
    of_value = d.chance(0.4)
    question = (who if of_value else ask).format(a=people[index], b=values[index])
    return told + ("" if d.zh else " ") + question, people[index] if of_value else values[index]


def swap(d: Draw) -> Pair:
    """A sentence with a word replaced."""
    old, new = d.several(d.pick((d.noun, d.pseudo)), 2, 2)
    frame = d.say(
        ("the {} is on the table", "I saw a {} today", "{} and {} are here", "we need one {} more"),
        ("桌上有{}", "我今天看到了{}", "{}和{}都在这里", "还需要一个{}"),
    )
    ask = d.say(
        ("Replace {o} with {n}: {t}", "{t}\nWrite {n} instead of {o}."),
        ("把{o}换成{n}：{t}", "{t}\n用{n}代替{o}。"),
    )
    return ask.format(o=old, n=new, t=frame.format(old, old)), frame.format(new, new)


def choose(d: Draw) -> Pair:
    """A question and functions, of which one fits or none; the names alone or with what they do."""
    offers = random_offers(d, d.pick((2, 3, 3, 4, 5)))
    asked = offers[0] if d.chance(0.72) else offers.pop(0)
    question = asked.ask(d).question
    answer = asked.name if asked in offers else d.say(("none",), ("都不合适",))
    d.rng.shuffle(offers)
    described = d.zh or d.chance(0.5)  # Chinese words cannot be found in the names
    listed = [f"{item.name}: {item.fn.zh if d.zh else item.fn.en}" if described else item.name for item in offers]
    ask = d.say(
        ("Which function fits?\n{}\n{}", "Functions:\n{}\nWhich of them fits this: {}"),
        ("哪个函数合适？\n{}\n{}", "函数：\n{}\n下面的话该用哪个：{}"),
    )
    return ask.format("\n".join(listed), question), answer


MAKERS: tuple[tuple[float, str, Callable[[Draw], Pair]], ...] = (
    (0.14, "repeat", repeat),
    (0.22, "lookup", lookup),
    (0.07, "place", place),
    (0.06, "reverse", reverse),
    (0.04, "spell", spell),
    (0.04, "member", member),
    (0.16, "statement", statement),
    (0.2, "choose", choose),
    (0.07, "swap", swap),
)


def generate(rng: random.Random, split: Split) -> Iterator[Example | Case]:
    """Endless exercises; in training one to three of them in one conversation."""
    weights = [weight for weight, _, _ in MAKERS]
    while True:
        d = draw(rng, split)
        messages: list[Message] = []
        kind = ""
        for _ in range(d.pick((1, 1, 1, 2, 3)) if split == "train" else 1):
            _, kind, make = rng.choices(MAKERS, weights)[0]
            question, answer = make(d)
            messages += [user(question), assistant(answer)]
        yield finish(split, messages, f"drills/{kind}")
