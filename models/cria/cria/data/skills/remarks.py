"""What people say before and after a request that is no request itself; all of it for training alone."""

from __future__ import annotations

from cria.data.skills.words import Draw

BEFORE_EN = (
    "Good morning. ", "Good evening! ", "Hi there, ", "Dear assistant, ", "Okay, ", "So, ", "Well, ", "Excuse me, ", "Sorry to bother you. ",
    "I have a question. ", "Next one: ", "Could you help me? ", "I need your help. ", "Just this: ", "Now: ", "My next wish: ", "Another thing. ",
    "I'm back. ", "It's me again. ", "I'm in a hurry. ", "No rush, but: ", "If you don't mind: ", "When you have a moment: ", "For my project: ",
    "My boss asks: ", "My {n} broke. ", "I like my {n}. ", "I was talking to {p}. ", "{p} wants to know this. ", "I just came home. ",
    "We are almost done. ", "Last question: ", "Task: ", "Request: ", "Today I feel good. ", "It is late. ", "I forgot something. ",
)  # fmt: skip
AFTER_EN = (
    " Thanks in advance!", " That's all.", " That would be great.", " I'm waiting.", " Take your time.", " No hurry.", " It is important.", " This is important to me.",
    " Be careful.", " I appreciate it.", " You are the best!", " Please hurry.", " I have little time.", " It can't wait.", " My boss is waiting.",
    " {p} asked me.", " It's for {p}.", " It's for a friend.", " I need it today.", " I need it for school.", " I'm curious.", " I really want to know.",
    " Just that, nothing else.", " Nothing more.", " Let me know.", " Tell me when it's done.", " Sorry for the trouble.", " Hope that's okay.",
    " I'll be back soon.", " My {n} is too old.", " I like my {n}.", " We leave soon.", " It's late.", " Good night!", " Bye!", " Cheers.", " Many thanks.",
    " If you can.", " Do it now.", " As fast as you can.", " I promised it to {p}.", " Can you do that?", " Okay?", " Right away, please.",
)  # fmt: skip
BEFORE_ZH = (
    "早上好。", "晚上好！", "您好，", "那个，", "好的，", "嗯，", "不好意思，", "打扰了，", "我有个问题：", "下一个：", "能帮我吗？", "我需要帮助。", "就一件事：",
    "现在，", "还有一件事。", "我回来了。", "又是我。", "我赶时间。", "不着急，", "有空的话，", "为了我的项目，", "老板问：", "我的{n}坏了。", "我喜欢我的{n}。",
    "我刚和{p}聊过。", "{p}想知道。", "我刚到家。", "快结束了。", "最后一个问题：", "任务：", "请求：", "今天心情不错。", "已经很晚了。", "我忘了一件事。",
)  # fmt: skip
AFTER_ZH = (
    " 先谢谢了！", " 就这些。", " 那太好了。", " 我等着。", " 慢慢来。", " 不急。", " 这很重要。", " 请小心。", " 感谢！", " 你最棒了！", " 请尽快。", " 我时间不多。",
    " 不能再等了。", " 老板在等。", " 是{p}让我问的。", " 是给{p}的。", " 帮朋友问的。", " 今天就要。", " 上学要用。", " 我很好奇。", " 我真的想知道。", " 就这个，没别的。",
    " 没有别的了。", " 告诉我结果。", " 打扰了。", " 希望可以。", " 我马上回来。", " 我的{n}太旧了。", " 我喜欢我的{n}。", " 我们快出发了。", " 很晚了。", " 晚安！", " 再见！",
    " 非常感谢。", " 可以的话。", " 现在就做。", " 越快越好。", " 我答应过{p}。", " 可以吗？", " 好吗？", " 请马上。",
)  # fmt: skip


def before(d: Draw) -> str:
    """Something said before a request, with its space."""
    return d.say(BEFORE_EN, BEFORE_ZH).format(n=d.noun(), p=d.first())


def after(d: Draw) -> str:
    """Something said after a request, with its space."""
    return d.say(AFTER_EN, AFTER_ZH).format(n=d.noun(), p=d.first())
