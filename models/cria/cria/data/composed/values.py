"""Values of arguments and fields: how they are named, typed, said in a sentence and written as JSON."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from cria.data.composed import lexicon, wordlists
from cria.data.skills.functions import number
from cria.data.skills.words import Draw

Said = tuple[str, Any]
"""A value as it stands in the sentence, and as JSON."""
FOREIGN_SHARE = 0.1
"""Of the people: those whose names have letters that are rare in the language."""
OTHER_SHARE = 0.06
"""Of the names of people, titles and quotations: those in the other language, as they stand in an address book or a catalogue."""
MARKED_SHARE = 0.08
"""Of the names of people and titles in a sentence: those in quotation marks."""
LIST_SHARE = 0.35
"""Of the things: those out of a list of words that belong together."""


SCRIPT_SHARE = 0.015
"""Of the names of people and titles: those in letters of a language that is not spoken here, which can only be copied."""
SCRIPTS = (
    "あいうえおかきくけこさしすせそたちつてとなにぬねのはひふへほまみむめもやゆよらりるれろわをん",
    "アイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワンー",
    "가나다라마바사아자차카타파하고노도로모보소오조초코호구누두루무부수우주김이박최정한민서준지현은영",
    "абвгдежзиклмнопрстуфхцчшыьэюя",
    "αβγδεζηθικλμνξοπρστυφχψω",
    "ابتثجحخدذرزسشصضطعغفقكلمنهوي",
    "אבגדהוזחטיכלמנסעפצקרשת",
    "กขคงจชซดตถทนบปผพมยรลวสหอ",
    "äöüßéèêçñøåæœłśżźčšžřů",
)
ENDINGS = ("株式会社", "商店", "さん", "회사", "", "", "", "", "", "")
"""Of names in the first three."""


COMPANIES_ZH = ("公司", "集团", "学校", "诊所", "银行", "书店", "剧团")


def word(d: Draw, kind: str) -> str:
    """A word of a kind in the language of the example, of its split."""
    return d.pick(lexicon.words(kind, zh=d.zh, split=d.split))


def listed(d: Draw) -> str:
    """A word of any list."""
    while True:
        name = d.pick(list(wordlists.lists()))
        if words := wordlists.words(name, zh=d.zh, split=d.split):
            return d.pick(words)


def in_other_language(d: Draw) -> Draw:
    """The same, but for words of the language that the example is not in."""
    return replace(d, lang="en" if d.zh else "zh")


def in_letters(d: Draw) -> str:
    """A name in letters of another script, perhaps of two words."""
    letters = d.pick(SCRIPTS)
    words = ["".join(d.pick(letters) for _ in range(d.rng.randint(2, 6))) for _ in range(d.pick((1, 1, 2)))]
    return " ".join(word.capitalize() for word in words) + (d.pick(ENDINGS) if letters in SCRIPTS[:3] else "")


def person(d: Draw) -> str:
    """Somebody: a first name, a full name, or one with a title."""
    if d.chance(SCRIPT_SHARE):
        return in_letters(d)
    if d.chance(OTHER_SHARE):
        d = in_other_language(d)
    if d.chance(FOREIGN_SHARE) and (names := wordlists.words("foreign_name", zh=d.zh, split=d.split)):
        return d.pick(names)
    if d.zh:
        name = word(d, "person") if d.chance(0.6) else d.name()
        return name + d.pick(("", "", "", "老师", "师傅", "医生", "先生"))
    first = d.pick(lexicon.names("first", d.split))
    last = d.pick(lexicon.names("last", d.split))
    return d.pick((first, first, f"{first} {last}", f"Mr {last}", f"Dr {last}", f"Aunt {first}"))


def thing(d: Draw) -> str:
    """A thing: one noun, or with an adjective before it, or a word of a list."""
    if d.chance(LIST_SHARE):
        return listed(d)
    if d.chance(0.75):
        return word(d, "noun")
    return word(d, "adjective") + ("的" if d.zh else " ") + word(d, "noun")


def place(d: Draw) -> str:
    """A place: from the list, or an English one made of a name or a noun."""
    if d.zh:
        return word(d, "place")
    stem = d.pick(lexicon.names("last", d.split)) if d.chance(0.6) else word(d, "noun").capitalize()
    return stem + d.pick(("", "", "", "ville", " Bay", " Hill", " Street", "ton", " Falls", " Park"))


def title(d: Draw) -> str:
    """The name of a song, a book, a company: some words with capitals, or an idiom."""
    if d.chance(SCRIPT_SHARE):
        return in_letters(d)
    if d.chance(OTHER_SHARE):
        d = in_other_language(d)
    if d.zh:
        stem = word(d, "idiom") if d.chance(0.5) else word(d, "noun") + word(d, "noun")
        return stem + (d.pick(COMPANIES_ZH) if d.chance(0.2) else "")
    words = [word(d, d.pick(("noun", "adjective", "noun"))) for _ in range(d.pick((1, 2, 2, 3)))]
    return " ".join(entry.capitalize() for entry in words)


def marked(d: Draw, make: Callable[[Draw], str]) -> Said:
    """A name in quotation marks, perhaps of the other language, and perhaps with another name in brackets behind it.

    The other one is mostly in the language of the sentence, as a translation is; it never belongs to the value.
    """
    name = make(in_other_language(d) if d.chance(0.4) else d)
    quoted = d.pick((f"“{name}”", f"「{name}」", f"'{name}'") if d.zh else (f'"{name}"', f"'{name}'", f"“{name}”"))
    if d.chance(0.5):
        return quoted, name
    aside = title(d if d.chance(0.7) else in_other_language(d))
    return quoted + (f"（{aside}）" if d.zh else f" ({aside})"), name


def _text(make: Callable[[Draw], str]) -> Callable[[Draw], Said]:
    def value(d: Draw) -> Said:
        text = make(d)
        return text, text

    return value


def _whole(low: int, high: int) -> Callable[[Draw], Said]:
    def value(d: Draw) -> Said:
        found = d.rng.randint(low, high)
        return str(found), found

    return value


def _decimal(d: Draw) -> Said:
    text = d.amount()
    return text, number(text)


def _list(make: Callable[[Draw], str]) -> Callable[[Draw], Said]:
    def value(d: Draw) -> Said:
        items = d.several(lambda: make(d), 2, 4)
        return d.joined(items), items

    return value


def _numbers(d: Draw) -> Said:
    items = [d.rng.randint(1, 99) for _ in range(d.rng.randint(2, 5))]
    return d.joined([str(item) for item in items]), items


def quotation(d: Draw) -> str:
    """What is to be written word for word: some words, or a phrase."""
    if d.chance(OTHER_SHARE):
        d = in_other_language(d)
    return " ".join(thing(d) for _ in range(d.pick((1, 2, 3)))) if not d.zh else d.phrase()


def _quoted(d: Draw) -> Said:
    text = quotation(d)
    return (f"“{text}”" if d.zh else f'"{text}"'), text


@dataclass(frozen=True)
class Kind:
    """A kind of value: names that arguments of it have, its JSON type, and phrases with ``{v}`` that say it."""

    names: tuple[str, ...]
    type: str
    make: Callable[[Draw], Said]
    en: str
    zh: str
    items: str = ""
    choices: tuple[str, ...] = field(default=())


KINDS: dict[str, Kind] = {
    "person": Kind(
        ("recipient", "who", "member", "guest", "client", "patient", "driver", "pupil", "owner", "contact"),
        "string", _text(person), "[for|with|by] {v}", "给{v}",
    ),
    "place": Kind(
        ("place", "town", "site", "harbour", "region", "venue", "branch", "stop", "resort"),
        "string", _text(place), "[in|at|near] {v}", "在{v}",
    ),
    "title": Kind(
        ("title", "label", "brand", "project", "album", "headline"), "string", _text(title),
        "[called|named|titled] {v}", "[叫|名为|名字叫]{v}",
    ),
    "code": Kind(
        ("code", "reference", "serial", "ticket", "booking", "batch", "plate"), "string", _text(Draw.ident),
        "[with the number|with the code|number|reference] {v}", "[编号|号码|代码]{v}",
    ),
    "minutes": Kind(("minutes", "duration_minutes"), "integer", _whole(1, 180), "for {v} minutes", "{v}分钟"),
    "hours": Kind(("hours", "length_hours"), "integer", _whole(1, 48), "for {v} hours", "{v}个小时"),
    "grams": Kind(("grams", "weight_grams"), "integer", _whole(5, 900), "[with|of] {v} grams", "{v}克"),
    "kilos": Kind(("kilos", "weight", "load"), "number", _decimal, "of {v} kilos", "{v}公斤"),
    "metres": Kind(("metres", "length", "height"), "number", _decimal, "of {v} metres", "{v}米"),
    "degrees": Kind(("degrees", "celsius", "temperature"), "number", _decimal, "at {v} degrees", "{v}度"),
    "count": Kind(("count", "pieces", "people", "copies", "seats"), "integer", _whole(2, 60), "times {v}", "{v}份"),
    "money": Kind(("amount", "price", "budget", "fee"), "number", _decimal, "for {v} [dollars|euros|in all]", "{v}[元|块钱]"),
    "day": Kind(("day", "weekday", "when"), "string", _text(Draw.day), "on {v}", "{v}"),
    "time": Kind(("time", "start", "at"), "string", _text(Draw.time), "at {v}", "{v}"),
    "date": Kind(("date", "due", "deadline"), "string", _text(Draw.date), "[on|by] {v}", "{v}"),
    "text": Kind(("message", "note", "body", "comment"), "string", _quoted, "[saying|with the words] {v}", "[内容是|写上]{v}"),
    "things": Kind(
        ("items", "extras", "parts", "ingredients"), "array", _list(thing), "with {v}", "[加上|带上|配]{v}", "string"
    ),
    "people": Kind(("people", "guests", "members"), "array", _list(person), "with {v}", "[和|叫上]{v}", "string"),
    "numbers": Kind(("numbers", "values", "marks"), "array", _numbers, "with the values {v}", "数值是{v}", "integer"),
    "path": Kind(("path", "file"), "string", _text(Draw.file), "from {v}", "文件{v}"),
    "email": Kind(("email", "address"), "string", _text(Draw.email), "to {v}", "发到{v}"),
}  # fmt: skip


def choice(d: Draw) -> Kind:
    """A kind of two to four choices, which are words of the language."""
    words = tuple(d.several(lambda: word(d, "adjective"), 2, 4))
    names = ("mode", "style", "level", "size", "quality", "setting", "kind", "variant")

    def make(d: Draw) -> Said:
        chosen = d.pick(words)
        return chosen, chosen

    return Kind(
        names, "string", make, "[, make it {v}|, {v} if possible|, the {v} one]", "[，要{v}的|，{v}那种]", choices=words
    )


def schema(kind: Kind) -> dict[str, Any]:
    """The JSON schema of a value."""
    made: dict[str, Any] = {"type": kind.type}
    if kind.items:
        made["items"] = {"type": kind.items}
    if kind.choices:
        made["enum"] = list(kind.choices)
    return made


CHINESE_NAMES = {
    "person": "姓名 收件人 负责人 客人 司机",
    "place": "地点 城市 车站 港口 分店",
    "title": "标题 名称 品牌 项目",
    "code": "编号 单号 车牌 序列号",
    "minutes": "分钟 时长",
    "hours": "小时",
    "grams": "克 重量",
    "kilos": "公斤 重量",
    "metres": "米 长度 高度",
    "degrees": "温度 度数",
    "count": "份数 数量 人数",
    "money": "金额 价格 费用",
    "day": "星期",
    "time": "时间",
    "date": "日期",
    "text": "内容 备注",
    "things": "物品 配料",
    "people": "人员 成员",
    "numbers": "数值",
    "path": "文件 路径",
    "email": "邮箱",
}
"""Names of fields in Chinese, by kind."""


def field_name(d: Draw, name: str, kind: Kind) -> str:
    """A name that tells what a field of the kind is; in a Chinese text a Chinese one half of the time."""
    if d.zh and name in CHINESE_NAMES and d.chance(0.5):
        return d.pick(CHINESE_NAMES[name].split())
    return d.pick(kind.names)
