"""What a function that is offered to the model looks like, and how a question that wants it called is made."""

from __future__ import annotations

import json
import string
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cria.data.skills.words import Draw
from cria.examples import ToolCall

BY_NAME_SHARE = 0.04  # of the questions: those that call the function by its name

# An argument's value: as it stands in the question, and as it stands in the call.
Value = tuple[str, Any]


def _text(make: Callable[[Draw], str]) -> Callable[[Draw], Value]:
    def value(d: Draw) -> Value:
        text = make(d)
        return text, text

    return value


def _integer(low: int, high: int) -> Callable[[Draw], Value]:
    def value(d: Draw) -> Value:
        number = d.integer(low, high)
        return str(number), number

    return value


WORDS_EN = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
WORDS_ZH = ("两", "三", "四", "五", "六", "七", "八", "九", "十", "十一", "十二")


def _count(d: Draw) -> Value:
    """A small number, now and then as a word."""
    number = d.integer(2, 30)
    if number <= 12 and d.chance(0.15):
        return (WORDS_ZH if d.zh else WORDS_EN)[number - 2], number
    return str(number), number


def number(text: str) -> int | float:
    """A number as JSON: whole numbers without a point."""
    return float(text) if "." in text else int(text)


def _amount(d: Draw) -> Value:
    text = d.amount()
    return text, number(text)


def _quoted(make: Callable[[Draw], str]) -> Callable[[Draw], Value]:
    def value(d: Draw) -> Value:
        text = make(d)
        return d.pick(
            (f'"{text}"', f'"{text}"', f"'{text}'") if not d.zh else (f"“{text}”", f"「{text}」", f'"{text}"')
        ), text

    return value


def _names(d: Draw) -> Value:
    items = d.names()
    return d.joined(items), items


def _goods(d: Draw) -> Value:
    items = d.several(d.pick((d.product, d.food)), 2, 4)
    return d.joined(items), items


def _numbers(d: Draw) -> Value:
    items = [d.rng.randint(1, 200) for _ in range(d.rng.randint(2, 5))]
    return d.joined([str(x) for x in items]), items


def _expression(d: Draw) -> Value:
    def make() -> str:
        text = f"{d.rng.randint(2, 999)} {d.pick('+-*/')} {d.rng.randint(2, 999)}"
        return text + (f" {d.pick('+-*')} {d.rng.randint(2, 99)}" if d.chance(0.3) else "")

    text = d.fresh(make)
    return text, text


def _room(d: Draw) -> Value:
    en, zh = d.pick(ROOMS)
    if d.chance(0.3):
        word = f"{d.pseudo()} room"
        return (word, word) if not d.zh else (f"{d.name()}的房间",) * 2
    return (zh, zh) if d.zh else (en, en)


def _app(d: Draw) -> Value:
    text = d.pseudo().capitalize()
    return text, text


def _model(d: Draw) -> Value:
    text = d.pick(("cria", "qwen3", "llama3.2", "gemma3", "phi4", "mistral", d.pseudo(), d.pseudo()))
    text += d.pick(("", "", f":{d.pick(('0.5b', '1b', '3b', '4b', '7b', '8b', '14b', 'latest'))}"))
    return text, text


ROOMS = (
    ("living room", "客厅"),
    ("bedroom", "卧室"),
    ("kitchen", "厨房"),
    ("bathroom", "浴室"),
    ("office", "办公室"),
    ("garage", "车库"),
    ("hallway", "走廊"),
    ("garden", "花园"),
    ("attic", "阁楼"),
    ("study", "书房"),
)
CURRENCIES = (
    ("US dollars", "美元", "USD"),
    ("euros", "欧元", "EUR"),
    ("yen", "日元", "JPY"),
    ("yuan", "人民币", "CNY"),
    ("pounds", "英镑", "GBP"),
    ("Swiss francs", "瑞士法郎", "CHF"),
    ("rupees", "卢比", "INR"),
    ("won", "韩元", "KRW"),
    ("Canadian dollars", "加元", "CAD"),
    ("Hong Kong dollars", "港币", "HKD"),
)
LANGUAGES = (
    ("French", "法语"),
    ("German", "德语"),
    ("Spanish", "西班牙语"),
    ("Italian", "意大利语"),
    ("Japanese", "日语"),
    ("Korean", "韩语"),
    ("Chinese", "中文"),
    ("English", "英语"),
    ("Russian", "俄语"),
    ("Portuguese", "葡萄牙语"),
    ("Arabic", "阿拉伯语"),
    ("Dutch", "荷兰语"),
    ("Swedish", "瑞典语"),
    ("Polish", "波兰语"),
)


def _currency(d: Draw) -> Value:
    en, zh, code = d.pick(CURRENCIES)
    return (code if d.chance(0.6) else zh if d.zh else en), code


def _language(d: Draw) -> Value:
    en, zh = d.pick(LANGUAGES)
    return (zh, zh) if d.zh else (en, en)


def _date(d: Draw) -> Value:
    text = d.date()
    return text, text


KINDS: dict[str, tuple[str, Callable[[Draw], Value]]] = {
    "city": ("string", _text(Draw.city)),
    "person": ("string", _text(Draw.name)),
    "product": ("string", _text(Draw.product)),
    "food": ("string", _text(Draw.food)),
    "noun": ("string", _text(Draw.noun)),
    "topic": ("string", _text(Draw.topic)),
    "phrase": ("string", _quoted(Draw.phrase)),
    "id": ("string", _text(Draw.ident)),
    "email": ("string", _text(Draw.email)),
    "phone": ("string", _text(Draw.phone)),
    "file": ("string", _text(Draw.file)),
    "date": ("string", _date),
    "time": ("string", _text(Draw.time)),
    "day": ("string", _text(Draw.day)),
    "pseudo": ("string", _text(Draw.pseudo)),
    "title": ("string", _app),
    "model": ("string", _model),
    "room": ("string", _room),
    "currency": ("string", _currency),
    "language": ("string", _language),
    "expression": ("string", _expression),
    "percent": ("integer", _integer(0, 100)),
    "small": ("integer", _count),
    "minutes": ("integer", _integer(1, 90)),
    "int": ("integer", _integer(100, 9999)),
    "big": ("integer", _integer(1000, 99999)),
    "amount": ("number", _amount),
    "names": ("array:string", _names),
    "goods": ("array:string", _goods),
    "numbers": ("array:number", _numbers),
}


@dataclass(frozen=True)
class Param:
    """One argument: `names` are the names it may have, `kind` an entry of KINDS, or `choices` of (en, zh, value)."""

    names: tuple[str, ...]
    kind: str
    optional: bool = False
    choices: tuple[tuple[str, str, Any], ...] = ()
    en: str = ""
    zh: str = ""

    @property
    def type(self) -> str:
        if self.choices:
            return "boolean" if isinstance(self.choices[0][2], bool) else "string"
        return KINDS[self.kind][0]

    def value(self, d: Draw) -> Value:
        if self.choices:
            en, zh, value = d.pick(self.choices)
            return (zh if d.zh else en), value
        return KINDS[self.kind][1](d)

    def _description(self, d: Draw, name: str, *, zh: bool) -> str:
        plain = split_words(name)
        if zh:
            return self.zh or self.en or plain
        text = self.en or f"The {plain}"
        if self.choices or d.chance(0.6):
            return text
        return d.pick((f"{text} to use", f"{text}, e.g. {self.value(d)[0]}", plain))

    def schema(self, d: Draw, name: str, *, described: bool, zh: bool) -> dict[str, Any]:
        """The JSON schema, keys in the order in which Ollama prints them."""
        kind, _, items = self.type.partition(":")
        schema: dict[str, Any] = {"type": kind}
        if items:
            schema["items"] = {"type": items}
        if described:
            schema["description"] = self._description(d, name, zh=zh)
        if self.choices and kind == "string":
            schema["enum"] = [value for _, _, value in self.choices]
        return schema


@dataclass(frozen=True)
class Fn:
    """A function: names it may have, what it does in both languages, arguments, and questions for it.

    The slots of a question (`{0}`, `{1}`...) are the arguments by position; those that it does not have are left out of
    the call. Functions of one `group` are too near to each other to say of one that it does not fit the other's question.
    """

    names: tuple[str, ...]
    group: str
    en: str
    zh: str
    params: tuple[Param, ...]
    ask_en: tuple[str, ...]
    ask_zh: tuple[str, ...]
    made: bool = False  # a random one, whose words are known from its description alone


@dataclass(frozen=True)
class Offer:
    """A function as offered in one example: the names chosen for it and its arguments."""

    fn: Fn
    name: str
    keys: tuple[str, ...]
    forced: tuple[int, ...] = ()  # choices that must be given: their first value when the question says nothing

    def ask(self, d: Draw) -> Request:
        """A question for it and the call that answers it."""
        template = d.say(self.fn.ask_en, self.fn.ask_zh)
        used = sorted({int(field) for _, field, _, _ in string.Formatter().parse(template) if field is not None})
        values = {index: self.fn.params[index].value(d) for index in used}
        shown = [values[index][0] if index in values else "" for index in range(len(self.keys))]
        for index in self.forced:
            values.setdefault(index, ("", self.fn.params[index].choices[0][2]))
        arguments = {self.keys[index]: values[index][1] for index in sorted(values)}
        question = self._by_name(d, shown, used) if d.chance(BY_NAME_SHARE) else template.format(*shown)
        return Request(question, {"name": self.name, "arguments": arguments}, self)

    def _by_name(self, d: Draw, shown: list[str], used: list[int]) -> str:
        """A question that says the function's name and those of its arguments."""
        style = d.say(("{} {}", "{} = {}", "{}: {}", "{}={}"), ("{}是{}", "{}={}", "{}：{}"))
        listed = ("，" if d.zh else ", ").join(style.format(self.keys[index], shown[index]) for index in used)
        if not listed:
            return d.say(("Call {}.", "Run {} for me."), ("调用{}。", "请用一下{}")).format(self.name)
        return d.say(
            ("Call {} with {}", "Use {}, {}.", "Run {} with {}."), ("调用{}，{}", "请用{}，{}。", "用{}：{}")
        ).format(self.name, listed)

    def definition(self, d: Draw) -> dict[str, Any]:
        """The OpenAI-style definition; descriptions in the language of the example or in English."""
        zh = d.zh and (self.fn.made or d.chance(0.6))
        described = (zh and self.fn.made) or d.chance(0.75)
        properties = {
            key: param.schema(d, key, described=described, zh=zh)
            for key, param in zip(self.keys, self.fn.params, strict=True)
        }
        required = [
            key
            for index, (key, param) in enumerate(zip(self.keys, self.fn.params, strict=True))
            if not param.optional or index in self.forced
        ]
        parameters = {"type": "object", "required": required, "properties": properties}
        description = self.fn.zh if zh else self.fn.en
        return {
            "type": "function",
            "function": {"name": self.name, "description": description, "parameters": parameters},
        }


@dataclass(frozen=True)
class Request:
    """A question and the one call that it asks for."""

    question: str
    call: ToolCall
    offer: Offer


def split_words(name: str) -> str:
    """The words of a snake_case or camelCase name."""
    spaced = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name.replace("_", " "))
    return " ".join(spaced.split())


def offer(fn: Fn, d: Draw) -> Offer:
    """The function under one of its names; the first name of each is the commonest."""

    def choose(names: tuple[str, ...]) -> str:
        return names[0] if d.chance(0.5) else d.pick(names)

    name = choose(fn.names)
    if d.chance(0.15):
        name = camel(name)
    forced = tuple(
        i for i, param in enumerate(fn.params) if param.optional and param.type == "string" and param.choices
    )
    if fn.made or d.chance(0.6):
        forced = ()
    return Offer(fn, name, tuple(choose(param.names) for param in fn.params), forced)


def camel(name: str) -> str:
    """snake_case as camelCase."""
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def compact(value: Any) -> str:
    """JSON without spaces, as in the chat format."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
