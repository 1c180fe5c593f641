"""Short exchanges that fill conversations, and short questions with short answers."""

from __future__ import annotations

import re

from cria.data.skills.words import Draw

# (what the user says, what the answer is)
CHAT_EN = (
    ("Hi!", "Hello! How can I help you?"),
    ("Hello", "Hello! How can I help you?"),
    ("Good morning!", "Good morning! What can I do for you?"),
    ("Good evening.", "Good evening! What can I do for you?"),
    ("Hey there", "Hey! What can I do for you?"),
    ("How are you?", "I'm doing well, thank you. How are you?"),
    ("How are you today?", "I'm doing well, thank you. How are you?"),
    ("Thanks!", "You're welcome!"),
    ("Thank you very much.", "You're welcome!"),
    ("That's great.", "I'm glad to hear that."),
    ("Nice.", "I'm glad you like it."),
    ("Okay.", "Okay! What else can I do for you?"),
    ("I see.", "Is there anything else you would like to know?"),
    ("It's a lovely day.", "That sounds nice. Enjoy it!"),
    ("I'm a bit tired.", "Then take a short break and drink some water."),
    ("I'm bored.", "How about a walk, a book or a small puzzle?"),
    ("I'm happy today.", "That's wonderful to hear!"),
    ("I had a long day.", "Then I hope you can rest a little now."),
    ("Can you help me?", "Of course. What do you need?"),
    ("It is raining here.", "A good day to stay inside with a cup of tea."),
    ("I like music.", "Music is a fine thing. What do you like to hear?"),
    ("I just had lunch.", "I hope it was tasty!"),
    ("Do you like tea?", "I can't drink it, but many people love it."),
    ("Wait a moment.", "Of course, take your time."),
    ("I'm back.", "Welcome back!"),
    ("You are funny.", "Thank you, I do my best."),
    ("Let's talk.", "Gladly! What would you like to talk about?"),
    ("I am learning to cook.", "That's a useful skill. Start with simple dishes."),
)
CHAT_ZH = (
    ("你好！", "你好！有什么可以帮你的吗？"),
    ("你好", "你好！有什么可以帮你的吗？"),
    ("早上好！", "早上好！有什么可以帮你的吗？"),
    ("晚上好。", "晚上好！有什么可以帮你的吗？"),
    ("嗨", "嗨！有什么可以帮你的吗？"),
    ("你好吗？", "我很好，谢谢。你呢？"),
    ("最近怎么样？", "我很好，谢谢。你呢？"),
    ("谢谢！", "不客气！"),
    ("非常感谢。", "不客气！"),
    ("太好了。", "很高兴听到这个。"),
    ("不错。", "你喜欢就好。"),
    ("好的。", "好的！还需要什么吗？"),
    ("我明白了。", "还想知道别的吗？"),
    ("今天天气真好。", "听起来不错，好好享受吧！"),
    ("我有点累。", "那就休息一下，喝点水吧。"),
    ("我很无聊。", "去散散步，或者看看书怎么样？"),
    ("我今天很开心。", "真为你高兴！"),
    ("今天好忙啊。", "辛苦了，记得休息一下。"),
    ("你能帮我吗？", "当然可以，你需要什么？"),
    ("这里在下雨。", "正好在家里喝杯热茶。"),
    ("我喜欢音乐。", "音乐很美好。你喜欢听什么？"),
    ("我刚吃完午饭。", "希望很好吃！"),
    ("你喜欢喝茶吗？", "我不能喝茶，不过很多人都喜欢。"),
    ("等一下。", "好的，不着急。"),
    ("我回来了。", "欢迎回来！"),
    ("你真有趣。", "谢谢，我会继续努力。"),
    ("我们聊聊吧。", "好啊！你想聊什么？"),
    ("我在学做饭。", "这很实用，可以从简单的菜开始。"),
)

# Questions in one or two wordings in each language, and the short answers: (en, zh, answer en, answer zh).
FACTS = (
    ("What is the capital of France?", "法国的首都是哪里？", "Paris", "巴黎"),
    ("What is the capital of Japan?", "日本的首都是哪里？", "Tokyo", "东京"),
    ("What is the capital of China?", "中国的首都是哪里？", "Beijing", "北京"),
    ("What is the capital of Germany?", "德国的首都是哪里？", "Berlin", "柏林"),
    ("What is the capital of Italy?", "意大利的首都是哪里？", "Rome", "罗马"),
    ("What is the capital of Spain?", "西班牙的首都是哪里？", "Madrid", "马德里"),
    ("What is the capital of Russia?", "俄罗斯的首都是哪里？", "Moscow", "莫斯科"),
    ("What is the capital of Egypt?", "埃及的首都是哪里？", "Cairo", "开罗"),
    ("What is the capital of England?", "英国的首都是哪里？", "London", "伦敦"),
    ("What color is the sky?", "天空是什么颜色？", "Blue", "蓝色"),
    ("What color is grass?", "草是什么颜色？", "Green", "绿色"),
    ("What color is snow?", "雪是什么颜色？", "White", "白色"),
    ("What color is blood?", "血是什么颜色？", "Red", "红色"),
    ("What color is a ripe banana?", "成熟的香蕉是什么颜色？", "Yellow", "黄色"),
    ("How many days are in a week?", "一周有几天？", "Seven", "七天"),
    ("How many months are in a year?", "一年有几个月？", "Twelve", "十二个月"),
    ("How many hours are in a day?", "一天有多少小时？", "Twenty-four", "二十四小时"),
    ("How many minutes are in an hour?", "一小时有多少分钟？", "Sixty", "六十分钟"),
    ("How many legs does a spider have?", "蜘蛛有几条腿？", "Eight", "八条"),
    ("How many legs does a dog have?", "狗有几条腿？", "Four", "四条"),
    ("How many continents are there?", "世界上有几个大洲？", "Seven", "七个"),
    ("Which planet do we live on?", "我们住在哪颗行星上？", "Earth", "地球"),
    ("Which planet is the largest?", "最大的行星是哪一颗？", "Jupiter", "木星"),
    ("Which planet is closest to the Sun?", "离太阳最近的行星是哪一颗？", "Mercury", "水星"),
    ("What is the largest ocean?", "最大的海洋是哪个？", "The Pacific", "太平洋"),
    ("What is the highest mountain?", "世界最高峰是哪座？", "Mount Everest", "珠穆朗玛峰"),
    ("What is frozen water called?", "水结冰后叫什么？", "Ice", "冰"),
    ("What do bees make?", "蜜蜂酿什么？", "Honey", "蜂蜜"),
    ("What do cows give us to drink?", "奶牛给我们喝什么？", "Milk", "牛奶"),
    ("What is a young llama called?", "小羊驼用英语怎么叫？", "A cria", "cria"),
    ("Who wrote Romeo and Juliet?", "《罗密欧与朱丽叶》是谁写的？", "Shakespeare", "莎士比亚"),
    ("Who painted the Mona Lisa?", "《蒙娜丽莎》是谁画的？", "Leonardo da Vinci", "达·芬奇"),
    ("What is the opposite of hot?", "热的反义词是什么？", "Cold", "冷"),
    ("What is the opposite of big?", "大的反义词是什么？", "Small", "小"),
    ("What is the opposite of day?", "白天的反义词是什么？", "Night", "黑夜"),
    ("What is the opposite of open?", "打开的反义词是什么？", "Closed", "关闭"),
    ("What is the first month of the year?", "一年的第一个月是几月？", "January", "一月"),
    ("What is the last month of the year?", "一年的最后一个月是几月？", "December", "十二月"),
    ("What is the chemical formula of water?", "水的化学式是什么？", "H2O", "H2O"),
    ("Which animal says meow?", "什么动物喵喵叫？", "The cat", "猫"),
    ("Which animal barks?", "什么动物汪汪叫？", "The dog", "狗"),
    ("What gas do we need to breathe?", "我们呼吸需要什么气体？", "Oxygen", "氧气"),
    ("What is the fastest land animal?", "陆地上跑得最快的动物是什么？", "The cheetah", "猎豹"),
    ("What is the largest animal?", "最大的动物是什么？", "The blue whale", "蓝鲸"),
    ("In which direction does the Sun rise?", "太阳从哪个方向升起？", "East", "东方"),
    ("What season comes after winter?", "冬天之后是什么季节？", "Spring", "春天"),
    ("What season comes after summer?", "夏天之后是什么季节？", "Autumn", "秋天"),
    ("How many sides does a triangle have?", "三角形有几条边？", "Three", "三条"),
    ("What is the currency of Japan?", "日本的货币是什么？", "The yen", "日元"),
    ("What is the currency of China?", "中国的货币是什么？", "The yuan", "人民币"),
)


def chat(d: Draw) -> tuple[str, str]:
    """A remark and its answer."""
    return d.pick(CHAT_ZH if d.zh else CHAT_EN)


PROPER = re.compile(
    "Paris|Tokyo|Beijing|Berlin|Rome|Madrid|Moscow|Cairo|London|Earth|Jupiter|Mercury|Mount|Shakespeare|Leonardo|January"
    "|December|H2O"
)
SHAPES_EN = (
    (r"What color is (.+)\?", "{0} is {a}."),
    (r"What is (.+) called\?", "{0} is called {a}."),
    (r"What is (.+)\?", "{0} is {a}."),
    (r"How many (\w+) are in (.+)\?", "there are {a} {0} in {1}."),
    (r"How many (\w+) does (.+) have\?", "{1} has {a} {0}."),
    (r"How many (\w+) are there\?", "there are {a} {0}."),
    (r"Which planet do we live on\?", "we live on {a}."),
    (r"Which planet is (.+)\?", "{a} is the planet that is {0}."),
    (r"Who (.+)\?", "{a} {0}."),
    (r"Which animal (.+)\?", "{a} {0}."),
    (r"What do bees make\?", "bees make {a}."),
    (r"What do cows give us to drink\?", "cows give us {a}."),
    (r"What gas (do we need to breathe)\?", "we need {a} to breathe."),
    (r"In which direction does the Sun rise\?", "the Sun rises in the {a}."),
    (r"What season (comes after .+)\?", "{a} {0}."),
)
ASKED_ZH = re.compile(
    "哪里|什么颜色|几天|几个月|多少小时|多少分钟|几条(?=腿|边)|几个(?=大洲)|哪颗行星|哪一颗|哪座|哪个方向|哪个|什么气体|什么动物|什么季节"
    "|几月|怎么叫|什么|谁"
)


def sentence_en(question: str, answer: str) -> str:
    """The short answer as a sentence of its question."""
    said = answer if PROPER.match(answer) else answer[:1].lower() + answer[1:]
    for pattern, shape in SHAPES_EN:
        found = re.fullmatch(pattern, question)
        if found:
            text = shape.format(*found.groups(), a=said)
            return text[:1].upper() + text[1:]
    return f"{answer}."


def sentence_zh(question: str, answer: str) -> str:
    """The same in Chinese: the answer stands where the question word stood."""
    said = "叫" + answer if "怎么叫" in question else answer
    return ASKED_ZH.sub(lambda _: said, question, count=1).rstrip("？") + "。"


def fact(d: Draw) -> tuple[str, str]:
    """A short question and its answer in a short sentence."""
    question, answer, _ = fact_forms(d)
    return question, answer


def fact_forms(d: Draw) -> tuple[str, str, str]:
    """A short question, its answer in a short sentence, and in one word."""
    en, zh, answer_en, answer_zh = d.pick(FACTS)
    if d.zh:
        return zh, sentence_zh(zh, answer_zh), answer_zh
    return en, sentence_en(en, answer_en), answer_en
