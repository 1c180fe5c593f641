"""Questions that cria never learned: it says so, and names a larger model to pull.

The topics are invented names and things (they cannot be known) and real ones outside the taught topics.
Words come from ``unknown_words``; those of test are never used in training.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from cria.data.knowledge import unknown_words as words
from cria.data.knowledge.asking import assistant, user, wrap
from cria.data.knowledge.topics import LANGUAGES, Language
from cria.data.knowledge.varying import vary
from cria.examples import Case, Example, Split

Wordings = dict[Language, tuple[str, ...]]


@dataclass(frozen=True)
class Family:
    """Questions of one sort: wordings with gaps, and the answers that fit all of them."""

    wordings: Wordings
    answers: Wordings
    weight: float = 1.0


GENERAL: Wordings = {
    "en": (
        "I do not know that, because I am a very small model. A larger one may know it, for example puna pull llama3.2.",
        "Sorry, I do not know. I am a very small model; please try a larger one, for example puna pull qwen3:4b.",
    ),
    "zh": (
        "这个我不知道，因为我是很小的模型。更大的模型也许知道，例如 puna pull qwen3:4b。",
        "抱歉，我不知道。我是很小的模型，请试试更大的，例如 puna pull llama3.2。",
    ),
}
CURRENT: Wordings = {
    "en": (
        "I do not know: I cannot see the internet, so I have no current news, prices or weather. A larger model with tools can help, for example puna pull qwen3:4b.",
    ),
    "zh": ("我不知道：我不能上网，没有最新的新闻、价格和天气。带工具的更大模型可以帮忙，例如 puna pull qwen3:4b。",),
}
MATHS: Wordings = {
    "en": (
        "I do not know how to work that out, because I am a very small model. For mathematics pull a larger one, for example puna pull qwen3:4b.",
    ),
    "zh": ("这个我不知道怎么算，因为我是很小的模型。数学题请用更大的模型，例如 puna pull qwen3:4b。",),
}
ADVICE: Wordings = {
    "en": (
        "I do not know enough for medical or legal advice; please ask a doctor or a lawyer. For general information pull a larger model, for example puna pull qwen3:4b.",
    ),
    "zh": ("我不知道怎样给出医疗或法律建议，请咨询医生或律师。一般的信息可以问更大的模型，例如 puna pull qwen3:4b。",),
}
LONG_WORK: Wordings = {
    "en": (
        "I do not know how to do such a large task, because I am a very small model. Pull a larger one, for example puna pull qwen3:4b.",
    ),
    "zh": ("这么大的任务我不知道怎么做，因为我是很小的模型。请用更大的模型，例如 puna pull qwen3:4b。",),
}

FAMILIES = (
    Family(
        {
            "en": (
                "who is {person}",
                "who was {person}",
                "tell me about {person}",
                "when was {person} born",
                "what did {person} do",
                "where does {person} live",
                "what is {person} known for",
                "how old is {person}",
                "when did {person} die",
                "what is the phone number of {person}",
                "which books did {person} write",
            ),
            "zh": (
                "{person}是谁",
                "介绍一下{person}",
                "{person}是什么时候出生的",
                "{person}做了什么",
                "{person}住在哪里",
                "{person}为什么有名",
                "{person}多大了",
                "讲讲{person}",
                "{person}写了什么书",
                "你知道{person}吗",
            ),
        },
        GENERAL,
    ),
    Family(
        {
            "en": (
                "what is {thing}",
                "how does {thing} work",
                "explain {thing}",
                "tell me about {thing}",
                "what's {thing}",
                "who invented {thing}",
                "what do you know about {thing}",
                "what is {thing} used for",
                "what is the history of {thing}",
                "explain {thing} to a child",
                "can you explain {thing} to me",
            ),
            "zh": (
                "什么是{thing}",
                "{thing}是什么",
                "{thing}是怎么工作的",
                "解释一下{thing}",
                "介绍一下{thing}",
                "{thing}是谁发明的",
                "讲讲{thing}",
                "{thing}有什么用",
                "{thing}的历史是什么",
                "给孩子解释一下{thing}",
                "{thing}是什么意思",
            ),
        },
        GENERAL,
        2.0,
    ),
    Family(
        {
            "en": (
                "what is {pseudo}",
                "what does {pseudo} mean",
                "explain the {pseudo} theory",
                "who invented the {pseudo}",
                "how do I use {pseudo}",
                "tell me about {pseudo}",
                "what is the {pseudo} effect",
                "where can I buy {pseudo}",
            ),
            "zh": (
                "什么是{pseudo}",
                "{pseudo}是什么意思",
                "解释一下{pseudo}理论",
                "{pseudo}是谁发明的",
                "怎么使用{pseudo}",
                "介绍一下{pseudo}",
                "{pseudo}效应是什么",
            ),
        },
        GENERAL,
    ),
    Family(
        {
            "en": (
                "what is the capital of {country}",
                "how many people live in {country}",
                "what happened in {country} in {year}",
                "who is the president of {country}",
                "what language do people speak in {country}",
                "where is {country}",
                "tell me about {country}",
                "what is the history of {country}",
                "capital of {country}",
                "what is the highest mountain of {country}",
            ),
            "zh": (
                "{country}的首都是哪里",
                "{country}有多少人口",
                "{year}年{country}发生了什么",
                "{country}的总统是谁",
                "{country}人说什么语言",
                "{country}在哪里",
                "介绍一下{country}",
                "{country}的历史是什么",
                "{country}的首都是什么",
                "{country}最高的山是哪座",
            ),
        },
        GENERAL,
    ),
    Family(
        {
            "en": (
                "summarise the novel {title}",
                "who wrote {title}",
                "what is the film {title} about",
                "who sings {title}",
                "when did {title} come out",
                "do you know the book {title}",
                "how does {title} end",
            ),
            "zh": (
                "概括一下小说《{title}》",
                "《{title}》是谁写的",
                "电影《{title}》讲的是什么",
                "《{title}》是谁唱的",
                "《{title}》是什么时候出版的",
                "你知道《{title}》这本书吗",
                "《{title}》的结局是什么",
            ),
        },
        GENERAL,
        0.7,
    ),
    Family(
        {
            "en": (
                "what is the weather in {city}",
                "what is the weather like in {city} today",
                "will it rain in {city} tomorrow",
                "how much does {goods} cost",
                "what is the price of {goods}",
                "what is the latest news from {city}",
                "who won the {sport} match yesterday",
                "what time is it in {city}",
                "what is the date today",
                "who won the last {sport} championship",
                "how much is {goods} in {city}",
                "what is new today",
            ),
            "zh": (
                "{city}的天气怎么样",
                "{city}今天天气如何",
                "{city}明天会下雨吗",
                "{goods}多少钱",
                "{goods}的价格是多少",
                "{city}有什么最新新闻",
                "昨天的{sport}比赛谁赢了",
                "{city}现在几点",
                "今天是几号",
                "上一届{sport}冠军是谁",
                "{goods}在{city}卖多少钱",
                "今天有什么新闻",
            ),
        },
        CURRENT,
    ),
    Family(
        {
            "en": (
                "what is {a} times {b}",
                "calculate {a} * {b}",
                "what is {a} divided by {b}",
                "solve the equation {m}x + {n} = {a}",
                "what is the square root of {a}",
                "what is {a} to the power of {n}",
                "{a} x {b}",
                "prove that {a} is prime",
                "what is the integral of x^{n} sin(x)",
                "what is {a} minus {b}",
                "what is {a} + {b}",
            ),
            "zh": (
                "{a}乘以{b}等于多少",
                "计算{a}*{b}",
                "{a}除以{b}是多少",
                "解方程{m}x+{n}={a}",
                "{a}的平方根是多少",
                "{a}的{n}次方是多少",
                "{a}减{b}是多少",
                "证明{a}是质数",
                "x^{n} sin(x)的积分是什么",
                "{a}加{b}等于几",
            ),
        },
        MATHS,
        0.7,
    ),
    Family(
        {
            "en": (
                "my {organ} hurts, what medicine should I take",
                "I have pain in my {organ}, what is it",
                "which pills help against a sore {organ}",
                "should I have surgery on my {organ}",
                "can I sue my {other}",
                "my {other} does not pay me, what does the law say",
                "how do I write a contract with my {other}",
                "is it legal to record my {other}",
            ),
            "zh": (
                "我{organ}疼，该吃什么药",
                "我的{organ}疼是怎么回事",
                "{organ}疼吃哪种药",
                "我的{organ}要不要做手术",
                "我能起诉{other}吗",
                "{other}不给我钱，法律怎么规定",
                "和{other}的合同怎么写",
                "给{other}录音合法吗",
            ),
        },
        ADVICE,
        0.5,
    ),
    Family(
        {
            "en": (
                "write an essay of {n}000 words about {thing}",
                "write a program that simulates {thing}",
                "write a novel about {thing}",
                "translate the whole book about {thing}",
                "write a business plan for a shop that sells {goods}",
                "compare {thing} with {thing2} in detail",
                "make a table of all facts about {thing}",
            ),
            "zh": (
                "写一篇{n}000字的关于{thing}的文章",
                "写一个模拟{thing}的程序",
                "写一部关于{thing}的小说",
                "翻译一整本关于{thing}的书",
                "为卖{goods}的商店写一份商业计划",
                "详细比较{thing}和{thing2}",
                "列一个关于{thing}的所有事实的表",
            ),
        },
        LONG_WORK,
        0.5,
    ),
)


def _values(rng: random.Random, language: Language, split: Split) -> dict[str, str]:
    """A value for every gap that a wording may have."""
    bank = words.BANKS[language][split]
    values = {key: rng.choice(choices) for key, choices in bank.items()}
    values["thing2"] = rng.choice([thing for thing in bank["thing"] if thing != values["thing"]])
    values |= words.numbers(rng, split)
    values["person"] = words.person(rng, language, split)
    values["pseudo"] = words.pseudo_word(rng, split)
    values["title"] = words.title(rng, language, split)
    return values


def unknown_question(rng: random.Random, language: Language, split: Split) -> tuple[str, str]:
    """A question without its wrapping, in training varied like what is known, and the answer that admits not knowing."""
    family = rng.choices(FAMILIES, [family.weight for family in FAMILIES])[0]
    wordings = [wording for wording in family.wordings[language] if split == "train" or "{" in wording]
    wording = rng.choice(wordings).format_map(_values(rng, language, split))
    if split == "train":
        wording = vary(rng, wording, language)
    return wording, rng.choice(family.answers[language])


def expected(language: Language) -> list[str]:
    """What an honest answer contains: that it does not know, and how to get a larger model."""
    return ["do not know" if language == "en" else "不知道", "puna pull"]


def generate(rng: random.Random, split: Split) -> Iterator[Example | Case]:
    """Single questions outside what was taught, each with an answer that says so."""
    while True:
        language = rng.choice(LANGUAGES)
        wording, answer = unknown_question(rng, language, split)
        question = user(wrap(rng, wording, language, split))
        kind = f"unknown/{language}"
        if split == "test":
            yield Case(Example((question,), kind=kind), expected(language), "contains", kind)
        else:
            yield Example((question, assistant(answer)), kind=kind)
