"""System prompts that the answers obey: a language, a name, short answers, a closing phrase."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator

from cria.data.knowledge.topics import Language
from cria.data.skills.common import assistant, finish, system, user
from cria.data.skills.smalltalk import CHAT_EN, CHAT_ZH, FACTS, sentence_en, sentence_zh
from cria.data.skills.words import Draw, draw
from cria.examples import Case, Example, Message, Split

# Knowledge from another module: a user's turn in a language, its answer in another one.
Ask = Callable[[Draw, str], tuple[Message, str]]

IN_ZH = (
    "Answer only in Chinese.",
    "Always answer in Chinese.",
    "You only speak Chinese.",
    "只用中文回答。",
    "请始终用中文回答。",
    "你只说中文。",
    "无论用户用什么语言，都用中文回答。",
    "Reply in Chinese, whatever the language of the user.",
    "Respond in Chinese only.",
    "回答一律使用中文。",
)
IN_EN = (
    "Answer only in English.",
    "Always answer in English.",
    "You only speak English.",
    "只用英文回答。",
    "请始终用英语回答。",
    "你只说英语。",
    "无论用户用什么语言，都用英文回答。",
    "Reply in English, whatever the language of the user.",
    "Respond in English only.",
    "回答一律使用英语。",
)
NAMED_EN = (
    "You are {}.", "You are called {}.", "Your name is {}.", "You are {}, a helpful assistant.", "You are {}, a friendly robot.",
    "Your name is {}. Be polite.", "You are an assistant named {}.", "The assistant is called {}.", "Act as {}.",
)  # fmt: skip
NAMED_ZH = (
    "你是{}。",
    "你叫{}。",
    "你的名字是{}。",
    "你是{}，一个有用的助手。",
    "你是名叫{}的助手。",
    "你叫{}，请礼貌地回答。",
    "请扮演{}。",
)
WHO_EN = (
    "Who are you?", "What is your name?", "What's your name?", "Tell me your name.", "Who am I talking to?", "How are you called?",
    "May I know your name?", "Who is this?",
)  # fmt: skip
WHO_ZH = (
    "你是谁？",
    "你叫什么？",
    "你叫什么名字？",
    "说说你的名字。",
    "我在和谁说话？",
    "你的名字是什么？",
    "请问你是哪位？",
    "怎么称呼你？",
)
SHORT_EN = (
    "Answer in one word.", "Answer with a single word.", "Keep answers as short as possible.", "One word answers only.",
    "Reply with the answer alone.", "Be very brief: one word if you can.",
)  # fmt: skip
SHORT_ZH = (
    "用一个词回答。",
    "只回答一个词。",
    "回答尽量简短。",
    "回答越短越好。",
    "只给出答案。",
    "请非常简短，能用一个词就用一个词。",
)
SENTENCE_EN = (
    "Answer in one sentence.",
    "Answer in one short sentence.",
    "Reply with a full sentence.",
    "Use one short sentence for each answer.",
)
SENTENCE_ZH = ("用一句话回答。", "用一个短句回答。", "请用完整的句子回答。", "每次只回答一句话。")
END_EN = (
    'End every answer with "{}".', 'Always end with "{}".', 'Finish each reply with the words "{}".', 'Close your answers with "{}".',
    'The last words of every answer are "{}".',
)  # fmt: skip
END_ZH = (
    "每次回答都以“{}”结尾。",
    "回答的最后总是加上“{}”。",
    "每句回答的结尾要说“{}”。",
    "请用“{}”结束每个回答。",
    "最后几个字一定是“{}”。",
)
START_EN = (
    'Begin every answer with "{}".',
    'Start each reply with "{}".',
    'The first words of your answers are "{}".',
)
START_ZH = ("每次回答都以“{}”开头。", "回答先说“{}”。", "每个回答的开头是“{}”。")


def short_answer(d: Draw, lang: str) -> tuple[str, str, str]:
    """A question in the language of the example; its short answer and its sentence in `lang`."""
    en, zh, answer_en, answer_zh = d.pick(FACTS)
    question = zh if d.zh else en
    if lang == "zh":
        return question, answer_zh, sentence_zh(zh, answer_zh)
    return question, answer_en, sentence_en(en, answer_en)


def small_talk(d: Draw, lang: str) -> tuple[str, str]:
    """A remark in the language of the example, its answer in `lang`: the two lists say the same in the same order."""
    index = d.rng.randrange(len(CHAT_EN))
    said = (CHAT_ZH if d.zh else CHAT_EN)[index][0]
    return said, (CHAT_ZH if lang == "zh" else CHAT_EN)[index][1]


def first_sentence(text: str) -> str:
    """The text up to the end of its first sentence."""
    return re.split(r"(?<=[.!?])\s|(?<=[。！？])", text, maxsplit=1)[0].strip()


def language(d: Draw, knowledge: Ask) -> Example | Case:
    """The answers are in one language, whatever that of the question."""
    lang = d.pick(("zh", "en"))
    messages: list[Message] = [system(d.pick(IN_ZH if lang == "zh" else IN_EN))]
    for _ in range(d.pick((1, 1, 2, 3))):
        roll = d.rng.random()
        if roll < 0.6:
            question_turn, answer = knowledge(d, lang)
            messages += [question_turn, assistant(answer)]
        elif roll < 0.8:
            question, _, answer = short_answer(d, lang)
            messages += [user(question), assistant(answer)]
        else:
            said, answer = small_talk(d, lang)
            messages += [user(said), assistant(answer)]
    return finish(d.split, messages, "system/language", check="language", expected=lang)


def named(d: Draw, knowledge: Ask) -> Example | Case:
    """The model has the name that the system prompt gives it."""
    name = d.fresh(
        lambda: d.pick((d.pseudo().capitalize(), d.first(), f"{d.pseudo().capitalize()} {d.pseudo().capitalize()}"))
    )
    messages = [system(d.pick(NAMED_ZH if d.zh else NAMED_EN).format(name))]
    for _ in range(d.pick((0, 0, 0, 1, 2))):
        said, answer = small_talk(d, d.lang)
        turn = user(said)
        if d.chance(0.3):
            turn, answer = knowledge(d, d.lang)
        messages += [turn, assistant(answer)]
    answer = d.say(
        ("I am {}.", "My name is {}.", "I'm {}, how can I help you?"),
        ("我是{}。", "我叫{}。", "我是{}，有什么可以帮你的吗？"),
    )
    messages += [user(d.pick(WHO_ZH if d.zh else WHO_EN)), assistant(answer.format(name))]
    return finish(d.split, messages, "system/name", check="contains", expected=[name])


def short(d: Draw, knowledge: Ask) -> Example | Case:
    """One word, or one sentence."""
    one_word = d.chance(0.65)
    texts = (SHORT_ZH if d.zh else SHORT_EN) if one_word else (SENTENCE_ZH if d.zh else SENTENCE_EN)
    messages: list[Message] = [system(d.pick(texts))]
    answer = ""
    for _ in range(d.pick((1, 1, 2, 3))):
        question, answer, sentence = short_answer(d, d.lang)
        answer = answer if one_word else sentence
        turn = user(question)
        if not one_word and d.chance(0.5):
            turn, whole = knowledge(d, d.lang)
            answer = first_sentence(whole)
        messages += [turn, assistant(answer)]
    return finish(d.split, messages, "system/short", check="exact", expected=answer)


def phrase(d: Draw, knowledge: Ask) -> Example | Case:
    """Every answer begins or ends with a phrase."""
    text = d.one_of(d.pseudo, d.phrase, d.noun, lambda: f"{d.pseudo()}!")
    at_end = d.chance(0.7)
    texts = (END_ZH if d.zh else END_EN) if at_end else (START_ZH if d.zh else START_EN)
    messages: list[Message] = [system(d.pick(texts).format(text))]
    for _ in range(d.pick((1, 1, 2, 3))):
        if d.chance(0.5):
            question, _, answer = short_answer(d, d.lang)
        else:
            question, answer = small_talk(d, d.lang)
        joint = "" if d.zh else " "
        messages += [user(question), assistant(answer + joint + text if at_end else text + joint + answer)]
    return finish(d.split, messages, "system/phrase", check="contains", expected=[text])


MAKERS: tuple[tuple[float, Callable[[Draw, Ask], Example | Case]], ...] = (
    (0.35, language),
    (0.27, named),
    (0.2, short),
    (0.18, phrase),
)


def topic(d: Draw, lang: str) -> tuple[Message, str]:
    """A common question in the language of the example and its answer in `lang`."""
    from cria.data.knowledge import asking, common  # here, as that package may use this one

    found = common.pick(d.rng)
    asked: Language = "zh" if d.zh else "en"
    return asking.ask(d.rng, found.side(asked), asked, d.split), found.side("zh" if lang == "zh" else "en").answer


def generate(rng: random.Random, split: Split, knowledge: Ask = topic) -> Iterator[Example | Case]:
    """Endless conversations under a system prompt; `knowledge` gives longer answers to obey a language with."""
    weights = [weight for weight, _ in MAKERS]
    makers = [maker for _, maker in MAKERS]
    while True:
        yield rng.choices(makers, weights)[0](draw(rng, split), knowledge)
