"""Short problems with one to three sentences of thought before the answer, and the same without."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

from cria.data.skills.common import assistant, finish, user
from cria.data.skills.smalltalk import chat, fact_forms
from cria.data.skills.words import Draw, draw
from cria.examples import Case, Check, Example, Message, Split

# (question, thought, answer, strings that the answer must contain, or lists of which one is)
Problem = tuple[str, str, str, list[str | list[str]]]


def _pair(d: Draw, high: int) -> tuple[int, int]:
    """Two numbers whose sum of products belongs to the split, so that no problem is in both."""
    left, right = d.rng.randint(1, high), d.rng.randint(1, high)
    while ((left * 31 + right) % 6 == 0) != (d.split == "test"):
        left, right = d.rng.randint(1, high), d.rng.randint(1, high)
    return left, right


def add(d: Draw) -> Problem:
    a, b = _pair(d, d.pick((9, 20, 99, 99)))
    question = d.say(
        (
            "What is {a} + {b}?",
            "{a} + {b} = ?",
            "What is {a} plus {b}?",
            "Add {a} and {b}.",
            "How much is {a} + {b}?",
        ),
        ("{a} + {b} = ?", "{a}加{b}等于多少？", "{a}+{b}是多少？", "计算{a}加{b}。"),
    ).format(a=a, b=b)
    if a > 9 and b > 9:
        tens, ones = a // 10 * 10 + b // 10 * 10, a % 10 + b % 10
        work = f"{a // 10 * 10} + {b // 10 * 10} = {tens}, {a % 10} + {b % 10} = {ones}, {tens} + {ones} = {a + b}"
    else:
        work = f"{a} + {b} = {a + b}"
    return (
        question,
        work + ("。" if d.zh else "."),
        d.say(("{a} + {b} = {c}.",), ("{a} + {b} = {c}。",)).format(a=a, b=b, c=a + b),
        [str(a + b)],
    )


def subtract(d: Draw) -> Problem:
    a, b = _pair(d, d.pick((10, 20, 99)))
    a, b = max(a, b), min(a, b)
    question = d.say(
        ("What is {a} - {b}?", "{a} - {b} = ?", "What is {a} minus {b}?", "Subtract {b} from {a}."),
        ("{a} - {b} = ?", "{a}减{b}等于多少？", "{a}减去{b}是多少？"),
    ).format(a=a, b=b)
    work = f"{a} - {b} = {a - b}"
    if a > 19 and b > 9:
        middle = a - b // 10 * 10
        work = f"{a} - {b // 10 * 10} = {middle}, {middle} - {b % 10} = {a - b}"
    end = "。" if d.zh else "."
    return question, work + end, f"{a} - {b} = {a - b}{end}", [str(a - b)]


def multiply(d: Draw) -> Problem:
    a, b = _pair(d, 10)
    question = d.say(
        ("What is {a} * {b}?", "{a} x {b} = ?", "What is {a} times {b}?", "Multiply {a} by {b}."),
        ("{a} × {b} = ?", "{a}乘{b}等于多少？", "{a}乘以{b}是多少？"),
    ).format(a=a, b=b)
    end = "。" if d.zh else "."
    steps = (
        ", ".join(str(a * k) for k in range(1, b + 1)) if b < 6 else f"{a} * 5 = {a * 5}, {a} * {b - 5} = {a * (b - 5)}"
    )
    return question, f"{steps}{end}", f"{a} * {b} = {a * b}{end}", [str(a * b)]


def compare(d: Draw) -> Problem:
    a, b = d.integer(1, 9999), d.integer(1, 9999)
    while a == b:
        b = d.integer(1, 9999)
    larger = d.chance(0.5)
    found, other = (max(a, b), min(a, b)) if larger else (min(a, b), max(a, b))
    word = ("larger" if larger else "smaller", "更大" if larger else "更小")
    question = d.say(
        ("Which is {w}, {a} or {b}?", "Which number is {w}: {a} or {b}?", "{a} or {b}: which one is {w}?"),
        ("{a}和{b}哪个{w}？", "哪个数{w}：{a}还是{b}？"),
    ).format(a=a, b=b, w=word[1 if d.zh else 0])
    digits = (
        f"{a} has {len(str(a))} digits, {b} has {len(str(b))}."
        if not d.zh
        else f"{a}有{len(str(a))}位，{b}有{len(str(b))}位。"
    )
    sign = ">" if found > other else "<"
    thought = f"{digits} {found} {sign} {other}."
    return question, thought, (f"{found}{word[1]}。" if d.zh else f"{found} is {word[0]}."), [str(found)]


def count_words(d: Draw) -> Problem:
    words = d.several(d.pick((d.noun, d.pseudo, d.first, d.food, d.city)), 2, 7)
    listed = ("、" if d.zh else ", ").join(words)
    question = d.say(
        ("How many words are in this list: {}?", "Count the words: {}", "How many entries has the list {}?"),
        ("这个列表有几个词：{}？", "数一数有几个词：{}", "{}一共有几个词？"),
    ).format(listed)
    count = len(words)
    thought = ", ".join(f"{index} {word}" for index, word in enumerate(words, 1)) + ("。" if d.zh else ".")
    return question, thought, f"一共{count}个词。" if d.zh else f"There are {count} words.", [str(count)]


def letters(d: Draw) -> Problem:
    word = d.fresh(lambda: d.pseudo())
    letter = d.pick(word)
    count = word.count(letter)
    question = d.say(
        ('How many times does the letter "{l}" occur in "{w}"?', 'How many {l} are in "{w}"?'),
        ("“{w}”里有几个字母{l}？", "字母{l}在“{w}”里出现几次？"),
    ).format(l=letter, w=word)
    thought = " ".join(word) + (f"。{letter}出现{count}次。" if d.zh else f": {letter} occurs {count} times.")
    return question, thought, str(count), [str(count)]


def first_of(d: Draw) -> Problem:
    """Which of two years came first."""
    a, b = d.several(lambda: d.noun() if d.zh else f"the {d.noun()}", 2, 2)
    x, y = d.rng.sample(range(1500, 2030), 2)
    first, year = (a, x) if x < y else (b, y)
    question = d.say(
        (
            "{a} was built in {x}, {b} in {y}. Which came first?",
            "{a} is from {x} and {b} is from {y}. Which is older?",
        ),
        ("{a}建于{x}年，{b}建于{y}年，哪个更早？", "{a}是{x}年的，{b}是{y}年的，哪个更早？"),
    ).format(a=a, b=b, x=x, y=y)
    question = question[:1].upper() + question[1:]
    low, high = min(x, y), max(x, y)
    thought = f"{low} < {high}。{year}年是{first}。" if d.zh else f"{low} < {high}. {year} is the year of {first}."
    return (
        question,
        thought,
        f"{first}更早。" if d.zh else f"{first[:1].upper()}{first[1:]}.",
        [first[4:] if not d.zh else first],
    )


def age(d: Draw) -> Problem:
    """Someone's age in some years."""
    name, (years, more) = d.name(), _pair(d, 40)
    question = d.say(
        (
            "{n} is {a} years old. How old will {n} be in {b} years?",
            "In {b} years, how old is {n}, who is {a} now?",
        ),
        ("{n}今年{a}岁，{b}年后几岁？", "{n}现在{a}岁，再过{b}年多少岁？"),
    ).format(n=name, a=years, b=more)
    total = years + more
    thought = f"{years} + {more} = {total}" + ("。" if d.zh else ".")
    return (
        question,
        thought,
        f"{name}{total}岁。" if d.zh else f"{name} will be {total} years old.",
        [str(total)],
    )


def shop(d: Draw) -> Problem:
    """Some things at a price each."""
    name, item, (count, price) = d.name(), d.product(), _pair(d, 10)
    question = d.say(
        (
            "{n} buys {c} {i}s at {p} dollars each. How much is that?",
            "One {i} costs {p} dollars. What do {c} cost?",
        ),
        ("{n}买了{c}个{i}，每个{p}元，一共多少钱？", "一个{i}{p}元，{c}个多少钱？"),
    ).format(n=name, i=item, c=count, p=price)
    total = count * price
    thought = f"{count} * {price} = {total}" + ("。" if d.zh else ".")
    return question, thought, f"一共{total}元。" if d.zh else f"That is {total} dollars.", [str(total)]


def even(d: Draw) -> Problem:
    value = d.integer(1, 9999)
    is_even = value % 2 == 0
    asks_even = d.chance(0.5)
    word = ("even" if asks_even else "odd", "偶数" if asks_even else "奇数")
    yes = is_even == asks_even
    question = d.say(("Is {v} {w}?", "Is {v} an {w} number?"), ("{v}是{w}吗？",)).format(
        v=value, w=word[1 if d.zh else 0]
    )
    kind = ("even" if is_even else "odd", "偶数" if is_even else "奇数")
    if d.zh:
        return (
            question,
            f"最后一位是{value % 10}，所以是{kind[1]}。",
            f"{'是' if yes else '不是'}，{value}是{kind[1]}。",
            [kind[1]],
        )
    return (
        question,
        f"The last digit is {value % 10}, so it is {kind[0]}.",
        f"{'Yes' if yes else 'No'}, {value} is {kind[0]}.",
        [f"is {kind[0]}"],
    )


def plain(d: Draw) -> Problem:
    """A remark or a short question: the thought is short as well."""
    if d.chance(0.5):
        said, answer = chat(d)
        return (
            said,
            d.say(
                ("The user is just chatting.", "A friendly answer is enough."),
                ("用户在闲聊。", "友好地回答就好。"),
            ),
            answer,
            [],
        )
    question, answer, short = fact_forms(d)
    thought = d.say(("I know this: {}.", "The answer is {}."), ("我知道：{}。", "答案是{}。")).format(short)
    return question, thought, answer, [[short, short[:1].lower() + short[1:]]]


MAKERS: tuple[tuple[float, str, Callable[[Draw], Problem]], ...] = (
    (0.16, "add", add),
    (0.1, "subtract", subtract),
    (0.1, "multiply", multiply),
    (0.1, "compare", compare),
    (0.1, "count", count_words),
    (0.03, "letters", letters),
    (0.07, "first", first_of),
    (0.08, "age", age),
    (0.06, "shop", shop),
    (0.07, "even", even),
    (0.1, "plain", plain),
)


def generate(rng: random.Random, split: Split) -> Iterator[Example | Case]:
    """Endless problems, most of them with thought."""
    weights = [weight for weight, _, _ in MAKERS]
    while True:
        d = draw(rng, split)
        _, kind, make = rng.choices(MAKERS, weights)[0]
        question, thought, answer, values = make(d)
        thinking = d.chance(0.65)
        messages: list[Message] = []
        if d.chance(0.15):
            said, reply = chat(d)
            messages += [user(said), assistant(reply)]
        messages += [user(question), assistant(answer, thought if thinking else "")]
        check: Check = "contains" if values else "thinking"
        expected: Any = values or thinking
        yield finish(
            split,
            messages,
            f"thinking/{kind}" if thinking else f"direct/{kind}",
            check=check,
            expected=expected,
            thinking=thinking,
        )
