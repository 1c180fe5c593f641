"""Plain text: public-domain Chinese classics typed in by this project, and short stories from templates."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from cria.data.knowledge.asking import assistant, user, wrap
from cria.data.knowledge.topics import Language
from cria.examples import Case, Example, Split, Text


@dataclass(frozen=True)
class Classic:
    """A public-domain text: its lines are sentences, of which one asks for the next."""

    title: str
    author: str
    lines: tuple[str, ...]

    def text(self) -> str:
        """The whole text, one sentence per line."""
        return "\n".join(self.lines)


POEMS = (
    Classic("静夜思", "李白", ("床前明月光，疑是地上霜。", "举头望明月，低头思故乡。")),
    Classic("登鹳雀楼", "王之涣", ("白日依山尽，黄河入海流。", "欲穷千里目，更上一层楼。")),
    Classic("春晓", "孟浩然", ("春眠不觉晓，处处闻啼鸟。", "夜来风雨声，花落知多少。")),
    Classic("相思", "王维", ("红豆生南国，春来发几枝。", "愿君多采撷，此物最相思。")),
    Classic("鹿柴", "王维", ("空山不见人，但闻人语响。", "返景入深林，复照青苔上。")),
    Classic("江雪", "柳宗元", ("千山鸟飞绝，万径人踪灭。", "孤舟蓑笠翁，独钓寒江雪。")),
    Classic("悯农", "李绅", ("锄禾日当午，汗滴禾下土。", "谁知盘中餐，粒粒皆辛苦。")),
    Classic("绝句", "杜甫", ("两个黄鹂鸣翠柳，一行白鹭上青天。", "窗含西岭千秋雪，门泊东吴万里船。")),
    Classic("望庐山瀑布", "李白", ("日照香炉生紫烟，遥看瀑布挂前川。", "飞流直下三千尺，疑是银河落九天。")),
    Classic("早发白帝城", "李白", ("朝辞白帝彩云间，千里江陵一日还。", "两岸猿声啼不住，轻舟已过万重山。")),
)

DAODEJING = Classic(
    "道德经第一章",
    "老子",
    (
        "道可道，非常道；名可名，非常名。",
        "无名，天地之始；有名，万物之母。",
        "故常无欲，以观其妙；常有欲，以观其徼。",
        "此两者，同出而异名，同谓之玄。",
        "玄之又玄，众妙之门。",
    ),
)

CLASSICS = (*POEMS, DAODEJING)

RECITE: dict[Language, dict[Split, tuple[str, ...]]] = {
    "zh": {
        "train": (
            "背诵{t}",
            "背诵《{t}》",
            "{t}",
            "《{t}》全文",
            "{a}的{t}",
            "{a}的《{t}》怎么背",
            "请背诵{a}的《{t}》",
            "你会背{t}吗",
            "背一下{t}",
            "给我念一下《{t}》",
        ),
        "test": ("请把《{t}》背给我听", "能背诵{a}写的{t}吗"),
    },
    "en": {
        "train": (
            "recite the Chinese text {t}",
            "recite {t} by {a}",
            "what is the text of {t}",
            "please recite {t}",
        ),
        "test": ("can you recite the Chinese poem {t}", "I would like to read {t} by {a}"),
    },
}

NEXT_LINE: dict[Split, tuple[str, ...]] = {
    "train": ("{h}，下一句是什么", "{h}的下一句是什么", "{h}的下一句", "{h}，请接下一句", "“{h}”后面是什么"),
    "test": ("请问“{h}”的下句是什么", "{h}，后面一句怎么说"),
}

EN_WORDS: dict[Split, dict[str, tuple[str, ...]]] = {
    "train": {
        "who": (
            "girl",
            "boy",
            "farmer",
            "fisherman",
            "baker",
            "teacher",
            "traveller",
            "potter",
            "painter",
            "shepherd",
        ),
        "name": ("Mia", "Tom", "Anna", "Ben", "Lily", "Sam", "Nora", "Leo", "Ella", "Max", "Ruth", "Paul"),
        "place": ("village", "small town", "harbour", "valley", "forest", "mountain hut", "city", "island"),
        "thing": ("key", "letter", "lamp", "boat", "clock", "map", "basket", "bell", "kite", "stone"),
        "adj": (
            "old",
            "small",
            "bright",
            "strange",
            "golden",
            "broken",
            "heavy",
            "blue",
            "quiet",
            "beautiful",
        ),
        "animal": ("dog", "cat", "llama", "bird", "fox", "horse", "goat", "owl", "duck", "mouse"),
        "time": (
            "One morning",
            "One evening",
            "On a rainy day",
            "In spring",
            "Late at night",
            "In winter",
            "One Sunday",
        ),
        "feel": ("happy", "tired", "surprised", "glad", "proud", "calm", "hungry", "curious"),
    },
    "test": {
        "who": ("sailor", "gardener"),
        "name": ("Clara", "Hugo"),
        "place": ("castle", "desert camp"),
        "thing": ("mirror", "violin"),
        "adj": ("silver", "dusty"),
        "animal": ("rabbit", "swan"),
        "time": ("One afternoon", "In autumn"),
        "feel": ("thankful", "nervous"),
    },
}

EN_OPENINGS = (
    "{time} a {who} called {name} found a {adj} {thing} in the {place}.",
    "There was once a {who} in a {place}. The name was {name}, and everybody knew the {adj} {thing}.",
    "{name} lived in a {place} with a {animal} and a {adj} {thing}.",
    "{time} {name} went to the {place} to look for a {adj} {thing}.",
)
EN_MIDDLES = (
    "A {animal} came along and looked at the {thing} for a long time.",
    "“Whose {thing} is this?” asked {name}, but nobody in the {place} knew the answer.",
    "It was {adj}, and it shone in the light like new.",
    "{name} carried it home and showed it to a friend.",
    "A {animal} followed {name} all the way, and they shared some bread.",
    "Then it began to rain, so they waited under a tree and told each other stories.",
    "The way was long, and soon {name} was {feel}.",
)
EN_ENDS = (
    "In the end {name} was {feel} and slept by the fire.",
    "From that day on the {thing} stood by the window, and {name} was {feel}.",
    "When the sun went down, {name} gave the {thing} back and went home {feel}.",
    "And if you go to the {place} today, you can still see the {thing}.",
)

ZH_WORDS: dict[Split, dict[str, tuple[str, ...]]] = {
    "train": {
        "who": ("女孩", "男孩", "农夫", "渔夫", "老师", "画家", "木匠", "牧羊人", "旅人", "面包师"),
        "name": ("小明", "小红", "阿福", "小兰", "大山", "小雨", "阿宝", "小月", "小川", "阿青"),
        "place": ("小村庄", "山谷", "森林", "海边", "小镇", "高原", "小岛", "城市"),
        "thing": ("钥匙", "信", "灯", "小船", "钟", "地图", "篮子", "铃铛", "风筝", "石头"),
        "adj": ("旧旧的", "小小的", "发亮的", "奇怪的", "金色的", "沉沉的", "蓝色的", "漂亮的"),
        "animal": ("小狗", "小猫", "羊驼", "小鸟", "狐狸", "小马", "山羊", "猫头鹰", "鸭子", "老鼠"),
        "time": ("一天早上", "一天傍晚", "下雨的时候", "春天", "夜里", "冬天", "星期天"),
        "feel": ("高兴", "累", "惊讶", "自豪", "安心", "开心", "好奇"),
    },
    "test": {
        "who": ("水手", "园丁"),
        "name": ("小舟", "阿兰"),
        "place": ("城堡", "沙漠"),
        "thing": ("镜子", "小提琴"),
        "adj": ("银色的", "落满灰的"),
        "animal": ("兔子", "天鹅"),
        "time": ("一天下午", "秋天"),
        "feel": ("感激", "紧张"),
    },
}

ZH_OPENINGS = (
    "{time}，一个叫{name}的{who}在{place}发现了一个{adj}{thing}。",
    "从前，{place}有一个{who}，名字叫{name}，大家都知道那个{adj}{thing}。",
    "{name}住在{place}，养了一只{animal}，还有一个{adj}{thing}。",
    "{time}，{name}到{place}去找一个{adj}{thing}。",
)
ZH_MIDDLES = (
    "一只{animal}走过来，看了{thing}很久。",
    "“这是谁的{thing}？”{name}问，可是{place}没有人知道。",
    "它是{adj}，在光里闪闪的。",
    "{name}把它带回家，给朋友看。",
    "一只{animal}一路跟着{name}，他们一起吃了面包。",
    "后来下起了雨，他们在树下等着，互相讲故事。",
    "路很长，{name}觉得很{feel}。",
)
ZH_ENDS = (
    "最后{name}觉得很{feel}，在火边睡着了。",
    "从那天起，{thing}就放在窗边，{name}觉得很{feel}。",
    "太阳下山的时候，{name}把{thing}还了回去，回家了。",
    "如果你今天去{place}，还能看到那个{thing}。",
)


def story(rng: random.Random, language: Language, split: Split) -> str:
    """A story of four to six sentences; the words of the two splits differ, the sentences do not."""
    bank = (EN_WORDS if language == "en" else ZH_WORDS)[split]
    words = {key: rng.choice(values) for key, values in bank.items()}
    openings, middles, ends = (
        (EN_OPENINGS, EN_MIDDLES, EN_ENDS) if language == "en" else (ZH_OPENINGS, ZH_MIDDLES, ZH_ENDS)
    )
    parts = [rng.choice(openings), *rng.sample(middles, rng.randint(2, 4)), rng.choice(ends)]
    text = (" " if language == "en" else "").join(parts).format_map(words)
    for vowel in "aeiou":
        text = text.replace(f" a {vowel}", f" an {vowel}")
    return text


def _title_of(classic: Classic, rng: random.Random) -> str:
    return rng.choice(("道德经第一章", "道德经的第一章")) if classic is DAODEJING else classic.title


def recital(rng: random.Random, split: Split) -> Example | Case:
    """A request for one of the classics; the answer is its text."""
    language: Language = "zh" if rng.random() < 0.8 else "en"
    classic = rng.choice(CLASSICS)
    wording = rng.choice(RECITE[language][split]).format(t=_title_of(classic, rng), a=classic.author)
    question = user(wrap(rng, wording, language, split))
    if split == "test":
        return Case(Example((question,), kind="recite"), list(classic.lines), "contains", "recite")
    return Example((question, assistant(classic.text())), kind="recite")


def next_line(rng: random.Random, split: Split) -> Example | Case:
    """A half sentence or a sentence of a classic is given; the answer is what follows."""
    classic = rng.choice(CLASSICS)
    halves = [half for line in classic.lines for half in line.replace("；", "，").rstrip("。").split("，")]
    index = rng.randrange(len(halves) - 1)
    wording = rng.choice(NEXT_LINE[split]).format(h=halves[index])
    answer = halves[index + 1]
    question = user(wrap(rng, wording, "zh", split))
    if split == "test":
        return Case(Example((question,), kind="recite/next"), [answer], "contains", "recite/next")
    return Example((question, assistant(answer + "。")), kind="recite/next")


def classic_text(rng: random.Random) -> Text:
    """A classic as plain text, with or without its title."""
    classic = rng.choice(CLASSICS)
    headings = ("", "", f"{classic.title}\n", f"《{classic.title}》 {classic.author}\n")
    return Text(rng.choice(headings) + classic.text(), "text/classic")


def generate(rng: random.Random, split: Split) -> Iterator[Example | Case | Text]:
    """Classics to continue and to recite, and stories; test has questions only."""
    while True:
        draw = rng.random()
        if draw < 0.3:
            yield recital(rng, split)
        elif draw < 0.45:
            yield next_line(rng, split)
        elif split == "train":
            language: Language = rng.choice(("en", "zh"))
            yield classic_text(rng) if draw < 0.55 else Text(story(rng, language, split), f"text/{language}")
