"""Composition: brackets of alternatives, expanded at random, and the voices that a request is said in.

``[could|can] you [please |]{do}`` expands to one alternative of each bracket, brackets inside first. A voice takes the
core of a request in one of its moods: ``do`` (a command without subject), ``ask`` (a direct question without its mark) or
``tell`` (a clause that follows "tell me").
"""

import re
from collections.abc import Mapping

from cria.data.skills.words import Draw

INNERMOST = re.compile(r"\[([^\[\]]*)\]")
SLOT = re.compile(r"\{(\w+)\}")
ARTICLE = re.compile(r"\b([Aa]) (?=[aeio])()")
LOWER_SHARE = 0.15
BARE_SHARE = 0.2


def expand(d: Draw, text: str) -> str:
    """The text with one alternative for each bracket."""
    while True:
        text, count = INNERMOST.subn(lambda found: d.pick(found[1].split("|")), text, count=1)
        if not count:
            return text


def fill(text: str, values: Mapping[str, str]) -> str:
    """The text with its slots filled; what the values contain stays as it is."""
    return SLOT.sub(lambda found: values[found[1]], text)


DO_EN = (
    "[please |]{do}[ please|, please|]",
    "[could|can|would|will] you [please |kindly |quickly |]{do}[ for me|]?",
    "[I'd like|I want|I need|I would love] you to {do}",
    "[ok|hey|right|so|well|now then], {do}[, will you|, would you| then|]",
    "[time to|let's|we should|we had better] {do}",
    "[my boss|my wife|my brother|the neighbour|a customer|grandma] [says we must|wants us to|asked me to] {do}"
    "[, go ahead|, can you|. Do it|]",
    "[would you mind|is it possible for you] to {do}?",
    "[if you have a moment|when you can|before I forget|first of all|as promised], {do}",
    "[it is late|I'm busy|my hands are full|we're in a hurry|I can't do it myself], [so |]{do}",
    "I [forgot|have no time|am not able] to {do}, [do it for me|can you|please help]",
    "{do} [now|today|right away|as soon as you can|again]",
    "[what I want is simple|one job for you|here is a task|todo|next]: {do}",
)
ASK_EN = (
    "{ask}?",
    "[hey|hi|hello|sorry|excuse me|one question], {ask}?",
    "{ask}, [do you know|any idea|please|I wonder]?",
    "[tell me|show me|find out|look up|check|I'd like to know|I need to know|I wonder] {tell}",
    "[do you know|can you tell me|could you find out|any idea|may I know] {tell}?",
    "[everybody asks|my son asked me|we were just discussing|it says nowhere] {tell}[. Please check|. Help|]",
    "I [forgot|have no idea|can't remember|never know] {tell}",
    "[I'm curious|Quick one|Question]: {ask}?",
    "[it is for a friend|before we go|while I'm here|out of interest], {ask}?",
)
DO_ZH = (
    "[请|麻烦|劳驾|]{do}[吧|一下吧|，谢谢|]",
    "[你|]能[不能|]{do}[吗|么|呢]？",
    "[我想|我要|我得|我需要|咱们该|是时候]{do}[了|]",
    "[喂|嗨|好了|那个|哎|对了]，{do}[呗|吧|]",
    "[老板|我媳妇|我哥|邻居|客户|奶奶][说要|让我|叫咱们]{do}[，你来弄|，帮个忙|]",
    "[有空的话|趁没忘|首先|照说好的|方便的话]，{do}",
    "[太晚了|我正忙|腾不出手|赶时间|我自己弄不了]，{do}[吧|]",
    "[忘了|来不及|没法]{do}了，[你来|帮我一下|拜托]",
    "[现在|今天|马上|这就|再]{do}",
    "[就一件事|待办|下一件|任务]：{do}",
    "帮[我|忙|我们]{do}[好吗|行不|]",
)
ASK_ZH = (
    "{ask}[？|啊？|呢？|]",
    "[请问|你好|问一下|打听一下|不好意思]，{ask}？",
    "[告诉我|查一下|看看|我想知道|想了解|帮我查查]{ask}",
    "[你知道|知不知道|能不能告诉我]{ask}[吗|]？",
    "[大家都在问|孩子问我|刚才还在聊|哪儿都没写]，{ask}？",
    "我[忘了|不清楚|记不得|老是搞不清]{ask}了",
    "[替朋友问的|出门前|顺便|好奇]，{ask}？",
)


def say(d: Draw, moods: Mapping[str, str]) -> str:
    """The request in a voice that its moods allow; now and then without capital or mark, as people type.

    Other slots stay as they are, so that values are filled in last and never taken for brackets.
    """
    voices = (DO_ZH if d.zh else DO_EN) if "do" in moods else (ASK_ZH if d.zh else ASK_EN)
    voice = d.pick([voice for voice in voices if set(SLOT.findall(voice)) <= moods.keys()])
    text = fill(expand(d, voice), {mood: expand(d, core) for mood, core in moods.items()})
    if not d.zh:
        text = with_articles(text)
        if not d.chance(LOWER_SHARE):
            text = text[:1].upper() + text[1:]
    if text[-1] not in "?？.。" and not d.chance(BARE_SHARE):
        text += "。" if d.zh else "."
    return text


def with_articles(text: str) -> str:
    """English with "an" before vowels."""
    return ARTICLE.sub(r"\1n \2", text)
