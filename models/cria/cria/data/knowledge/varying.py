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
        ("show", "display", "see"),
        ("delete", "remove", "erase"),
        ("answer", "reply", "response"),
        ("computer", "machine", "PC"),
        ("big", "large"),
        ("biggest", "largest"),
        ("fast", "quick"),
        ("invented", "discovered", "made"),
        ("known", "famous", "well known"),
        ("colour", "color"),
        ("short", "brief", "small"),
        ("good", "nice", "proper", "great"),
        ("cause", "reason"),
        ("happens", "takes place"),
        ("does it mean", "is meant"),
        ("error", "problem", "error message"),
        ("function", "procedure"),
        ("program", "application", "software"),
        ("folder", "directory", "path"),
        ("files", "data"),
        ("chat", "talk", "speak"),
        ("which command", "what command", "the command that"),
        ("variable", "setting", "environment variable"),
        ("earth", "our planet", "world"),
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
        ("删除", "删掉", "移除"),
        ("设置", "设定", "配置"),
        ("启动", "开启", "打开"),
        ("回答", "答案", "回复"),
        ("电脑", "计算机", "机器"),
        ("提高", "提升", "改善"),
        ("最大的", "最大的那个"),
        ("发明", "造出", "创造"),
        ("为什么会", "怎么会", "为什么"),
        ("原因", "理由", "缘故"),
        ("有名", "出名", "著名"),
        ("目录", "文件夹", "路径"),
        ("孩子", "小孩", "小朋友"),
        ("简单", "简短", "简要"),
        ("方法", "办法", "方式"),
        ("建议", "技巧", "窍门"),
        ("使用", "用", "运用"),
        ("聊天", "对话", "交谈"),
        ("停止", "停掉", "结束"),
        ("命令", "指令"),
        ("报错", "出错", "错误"),
        ("地球", "我们的星球"),
        ("多久", "多长时间", "多少时间"),
        ("什么时候", "何时", "哪年", "啥时候"),
        ("谁", "什么人", "哪个人"),
        ("哪里", "哪儿", "什么地方"),
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


RECAST: dict[Language, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "en": (
        (
            r"how (?:do I|can I|to) (.+)",
            (
                "I want to {}",
                "I'd like to {}",
                "I need to {}",
                "help me {}",
                "is there a way to {}",
                "I don't know how to {}",
                "I am trying to {}",
                "show me how to {}",
                "the way to {}",
                "a method to {}",
                "steps to {}",
                "{}, how",
            ),
        ),
        (
            r"(?:what is|what's|what are) (.+)",
            (
                "{}",
                "{} please",
                "I want to know {}",
                "do you know {}",
                "I would like to hear about {}",
                "what about {}",
                "say what {} is",
                "{}: what is that",
            ),
        ),
        (
            r"(?!(?:I|my|you|we|is|are|do|does|did|can|could|who|when|where|which|why|how|what|what's|tell|explain|give|say|show|write|teach|name) )(.+)",
            (
                "tell me about {}",
                "what about {}",
                "I have a question about {}",
                "can you help me with {}",
                "do you know about {}",
                "what do you know about {}",
                "what can you say about {}",
                "{}, what do you say about it",
            ),
        ),
        (
            r"((?:who|when|where|which|why|how|what) .+)",
            (
                "do you know {}",
                "I don't know {}",
                "I want to know {}",
                "can you say {}",
                "I don't get {}",
                "I never understood {}",
                "not sure {}",
                "explain please {}",
                "any idea {}",
            ),
        ),
    ),
    "zh": (
        (
            r"(?:怎么|怎样|如何)([^样做办].+)",
            (
                "{}的方法",
                "{}的步骤",
                "我想{}",
                "我要{}",
                "教我{}",
                "{}要怎么弄",
                "不会{}",
                "{}，怎么做",
                "有办法{}吗",
                "想要{}",
            ),
        ),
        (
            r"(?:为什么|为何)(.+)",
            ("{}，为什么", "{}的原因", "{}是因为什么", "{}是什么道理", "搞不懂为什么{}", "{}是怎么一回事"),
        ),
        (r"(?:什么是)(.+)", ("{}", "{}的意思", "{}的定义", "{}怎么理解", "没听说过{}", "{}是指什么")),
        (r"(.+)是什么", ("{}", "{}是指什么", "说一下{}", "想了解{}", "{}是啥呀")),
        (r"(.{2,6}[^的])是谁", ("{}", "{}这个人", "{}的生平", "{}是什么人", "说说{}这个人")),
        (
            r"(.*(?:什么|怎么|怎样|如何|谁|哪|多少|多久|几).*[^吗])",
            ("你知道{}吗", "我不知道{}", "我不明白{}", "能告诉我{}吗", "{}，说一下", "到底{}", "究竟{}", "有谁知道{}"),
        ),
        (
            r"((?!.*(?:什么|怎么|怎样|如何|谁|哪|多少|多久|几|吗|我|你|讲|说|谈|介绍|解释)).+)",
            ("关于{}", "{}是怎么回事", "说说{}", "想了解{}", "{}呢", "问一下{}的事", "{}方面你知道什么", "想问{}"),
        ),
    ),
}
"""Patterns of whole wordings, each with the same said by other grammar."""


def recast(rng: random.Random, text: str, language: Language) -> str:
    """The wording in other grammar, by one of the patterns that fit it."""
    fitting = [(found, forms) for pattern, forms in RECAST[language] if (found := re.fullmatch(pattern, text))]
    if not fitting:
        return text
    found, forms = rng.choice(fitting)
    return rng.choice(forms).format(found.group(1))


def vary(rng: random.Random, text: str, language: Language) -> str:
    """The wording, in about two thirds of the cases changed in one or two of these ways."""
    draw = rng.random()
    if draw < 0.15:
        return synonym(rng, text, language)
    if draw < 0.22:
        return synonym(rng, synonym(rng, text, language), language)
    if draw < 0.29:
        return without_filler(rng, synonym(rng, text, language), language)
    if draw < 0.35:
        return without_filler(rng, text, language)
    if draw < 0.47:
        return recast(rng, text, language)
    if draw < 0.52:
        return synonym(rng, recast(rng, text, language), language)
    if language == "en" and draw < 0.62:
        return key_words(synonym(rng, text, language))
    if language == "en" and draw < 0.66:
        return slip(rng, text)
    return text
