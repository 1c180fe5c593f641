"""Small changes to a wording that keep its meaning: synonyms, dropped words, key words alone, a typing slip.

They make the answer hang on the words that matter, so that unseen wordings are understood too.
"""

import random
import re

from cria.data.knowledge.topics import Language

SYNONYMS: dict[Language, tuple[tuple[str, ...], ...]] = {
    "en": (
        ("how do I", "how can I", "how to", "how would I", "how does one", "how should I", "how might I"),
        ("what is", "what's", "whats"),
        ("tell me about", "talk about", "say something about", "inform me about"),
        ("explain", "describe", "please explain", "could you explain"),
        ("which", "what"),
        ("why is", "why's", "how come", "what is the reason why"),
        ("in what way", "how"),
        ("show me", "give me", "let me see"),
        ("write", "compose", "make up", "please write"),
        ("how big", "how large"),
        ("made", "created", "built"),
        ("begin", "start"),
        ("use", "make use of", "work with"),
        ("tips for", "advice on", "hints for"),
        ("download", "fetch", "get"),
        ("change", "set", "modify"),
        ("need", "require"),
    ),
    "zh": (
        ("怎么", "怎样", "如何", "要怎么", "该怎么"),
        ("为什么", "为何", "为啥", "怎么会"),
        ("什么是", "啥是"),
        ("是什么", "是啥", "是什么东西"),
        ("介绍一下", "介绍", "简单介绍一下", "说一说", "谈谈"),
        ("解释一下", "说明一下", "解释", "讲解一下"),
        ("讲讲", "说说", "讲一讲"),
        ("有什么用", "用来做什么", "有什么作用", "是干什么用的"),
        ("怎么办", "该怎么办", "怎么做"),
        ("有什么", "有哪些"),
        ("哪个", "哪一个"),
        ("告诉我", "请告诉我", "跟我说说"),
        ("给我", "帮我", "为我"),
        ("写", "作", "创作"),
        ("下载", "拉取", "获取"),
        ("更改", "修改", "改变"),
        ("查看", "看看", "看"),
        ("区别", "不同", "差别"),
        ("多大", "有多大"),
        ("需要", "要"),
    ),
}

STOP_WORDS = frozenset(
    [
        "a",
        "an",
        "the",
        "is",
        "are",
        "was",
        "were",
        "do",
        "does",
        "did",
        "can",
        "could",
        "may",
        "must",
        "should",
        "would",
        "will",
        "i",
        "you",
        "we",
        "me",
        "my",
        "your",
        "our",
        "it",
        "its",
        "to",
        "of",
        "in",
        "on",
        "at",
        "for",
        "with",
        "by",
        "from",
        "and",
        "or",
        "that",
        "this",
        "there",
        "what",
        "what's",
        "how",
        "who",
        "which",
        "when",
        "where",
        "why",
        "please",
        "tell",
        "about",
        "explain",
        "be",
        "have",
        "has",
        "had",
        "so",
    ]
)
ZH_FILLERS = ("的", "了", "一下", "请", "吧", "呢", "个")


def synonym(rng: random.Random, text: str, language: Language) -> str:
    """One phrase replaced by another of the same meaning, where the wording has one."""
    groups = list(SYNONYMS[language])
    rng.shuffle(groups)
    for group in groups:
        for phrase in sorted(group, key=len, reverse=True):
            found = re.search(rf"\b{re.escape(phrase)}\b" if language == "en" else re.escape(phrase), text)
            if found:
                return text[: found.start()] + rng.choice(group) + text[found.end() :]
    return text


def without_filler(rng: random.Random, text: str, language: Language) -> str:
    """One word that carries no meaning left out."""
    if language == "zh":
        present = [filler for filler in ZH_FILLERS if filler in text]
        return text.replace(rng.choice(present), "", 1) if present else text
    words = text.split()
    places = [index for index, word in enumerate(words) if word.lower() in STOP_WORDS]
    if len(words) < 4 or not places:
        return text
    dropped = rng.choice(places)
    return " ".join(word for index, word in enumerate(words) if index != dropped)


def key_words(text: str) -> str:
    """The words of an English wording that carry its meaning; the wording itself where fewer than two are left."""
    kept = [word for word in text.split() if word.lower() not in STOP_WORDS]
    return " ".join(kept) if len(kept) > 1 else text


def slip(rng: random.Random, text: str) -> str:
    """Two neighbouring letters of one longer English word swapped."""
    places = [found.start() for found in re.finditer(r"(?<=[a-z])[a-z]{2}(?=[a-z]{2})", text)]
    if not places:
        return text
    at = rng.choice(places)
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]


def vary(rng: random.Random, text: str, language: Language) -> str:
    """The wording, in about half of the cases changed in one or two of these ways."""
    draw = rng.random()
    if draw < 0.25:
        return synonym(rng, text, language)
    if draw < 0.35:
        return without_filler(rng, synonym(rng, text, language), language)
    if draw < 0.45:
        return without_filler(rng, text, language)
    if language == "en" and draw < 0.57:
        return key_words(synonym(rng, text, language))
    if language == "en" and draw < 0.62:
        return slip(rng, text)
    return text
