"""A sentence and the JSON object that holds what it says."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from cria.data.skills.common import assistant, finish, system, user
from cria.data.skills.functions import compact, number
from cria.data.skills.words import Draw, draw, written_date
from cria.examples import Case, Example, Message, Split

# A value as (text in the sentence, JSON value).
Value = tuple[str, Any]


@dataclass(frozen=True)
class Field:
    """A field: the keys it may have in English and Chinese, its JSON type, and how a value is made."""

    keys_en: tuple[str, ...]
    keys_zh: tuple[str, ...]
    type: str
    make: Callable[[Draw], Value]


def _same(make: Callable[[Draw], str]) -> Callable[[Draw], Value]:
    def value(d: Draw) -> Value:
        text = make(d)
        return text, text

    return value


def _whole(low: int, high: int) -> Callable[[Draw], Value]:
    def value(d: Draw) -> Value:
        found = d.integer(low, high)
        return str(found), found

    return value


def _amount(d: Draw) -> Value:
    text = d.amount()
    return text, number(text)


def _date(d: Draw) -> Value:
    text = written_date(d, d.date())
    return text, text


def _names(d: Draw) -> Value:
    names = d.names(2, 4)
    return d.joined(names), names


def _goods(d: Draw) -> Value:
    goods = d.several(d.pick((d.product, d.food)), 2, 4)
    return d.joined(goods), goods


def _flag(en: tuple[str, str], zh: tuple[str, str]) -> Callable[[Draw], Value]:
    def value(d: Draw) -> Value:
        yes = d.chance(0.5)
        return (zh if d.zh else en)[0 if yes else 1], yes

    return value


FIELDS = {
    "name": Field(("name", "name", "full_name", "person"), ("姓名", "名字"), "string", _same(Draw.name)),
    "age": Field(("age",), ("年龄",), "integer", _whole(5, 98)),
    "city": Field(("city", "city", "town", "location"), ("城市",), "string", _same(Draw.city)),
    "job": Field(("job", "profession", "occupation"), ("职业", "工作"), "string", _same(Draw.job)),
    "hobby": Field(("hobby", "interest"), ("爱好",), "string", _same(Draw.hobby)),
    "email": Field(("email", "mail"), ("邮箱", "电子邮件"), "string", _same(Draw.email)),
    "phone": Field(("phone", "phone_number"), ("电话", "电话号码"), "string", _same(Draw.phone)),
    "date": Field(("date", "day"), ("日期",), "string", _date),
    "time": Field(("time",), ("时间",), "string", _same(Draw.time)),
    "amount": Field(("amount", "total", "sum"), ("金额", "总额"), "number", _amount),
    "price": Field(("price", "cost"), ("价格",), "number", _amount),
    "product": Field(("product", "item"), ("商品", "产品"), "string", _same(Draw.product)),
    "quantity": Field(("quantity", "count"), ("数量",), "integer", _whole(2, 60)),
    "color": Field(("color",), ("颜色",), "string", _same(Draw.color)),
    "order": Field(("order_id", "order", "id"), ("订单号", "编号"), "string", _same(Draw.ident)),
    "names": Field(("names", "people", "attendees", "participants"), ("参加者", "名单"), "array", _names),
    "goods": Field(("items", "products", "goods"), ("物品", "清单"), "array", _goods),
    "stock": Field(("in_stock", "available"), ("有货",), "boolean", _flag(("in stock", "sold out"), ("有货", "没货"))),
    "paid": Field(("paid",), ("已付款",), "boolean", _flag(("already paid", "not paid yet"), ("已付款", "还没付款"))),
    "married": Field(("married",), ("已婚",), "boolean", _flag(("married", "single"), ("已婚", "未婚"))),
    "animal": Field(("animal", "species"), ("动物",), "string", _same(Draw.animal)),
    "pet": Field(("pet_name", "pet"), ("宠物名",), "string", _same(Draw.first)),
    "origin": Field(("origin", "from", "departure"), ("出发地", "起点"), "string", _same(Draw.city)),
    "destination": Field(("destination", "to", "arrival"), ("目的地", "终点"), "string", _same(Draw.city)),
    "company": Field(("company", "employer"), ("公司",), "string", _same(lambda d: d.pseudo().capitalize())),
    "room": Field(("room",), ("房间",), "integer", _whole(100, 999)),
    "language": Field(
        ("language",),
        ("语言",),
        "string",
        _same(lambda d: d.say(("French", "German", "Spanish", "Polish", "Korean"), ("法语", "德语", "英语", "韩语"))),
    ),
    "rating": Field(("rating", "stars"), ("评分",), "integer", _whole(1, 5)),
}

# Sentences with slots named after fields: {field}; one tuple per scene, in English and in Chinese.
SCENES: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (
        (
            "{name} is {age} years old and lives in {city}.",
            "My name is {name}, I'm {age} and I live in {city}.",
            "{name}, {age}, from {city}.",
            "In {city} lives {name}, who is {age} years old.",
            "This is {name} from {city}, aged {age}.",
        ),
        (
            "{name}今年{age}岁，住在{city}。",
            "我叫{name}，{age}岁，来自{city}。",
            "住在{city}的{name}今年{age}岁。",
        ),
    ),
    (
        (
            "{name} is {age} years old.",
            "I am {name} and I am {age}.",
            "{name} just turned {age}.",
            "{name} ({age})",
        ),
        ("{name}今年{age}岁。", "我叫{name}，今年{age}岁。", "{name}刚满{age}岁。"),
    ),
    (
        (
            "{name} works as a {job} in {city}.",
            "{name} is a {job} at {company} in {city} and likes {hobby}.",
            "The {job} {name} works for {company} in {city}.",
        ),
        (
            "{name}在{city}当{job}。",
            "{name}是{company}的{job}，住在{city}，喜欢{hobby}。",
            "{company}的{job}{name}在{city}工作。",
        ),
    ),
    (
        (
            "{name} bought {quantity} {product}s for {amount} dollars on {date}.",
            "On {date} {name} paid {amount} for {quantity} {product}s.",
            "Order {order}: {name} wants {quantity} {product}s, total {amount}.",
            "{name} ordered {quantity} {product}s, order number {order}, {paid}.",
        ),
        (
            "{name}在{date}花{amount}元买了{quantity}个{product}。",
            "{date}，{name}为{quantity}个{product}付了{amount}元。",
            "订单{order}：{name}要{quantity}个{product}，一共{amount}元。",
            "{name}订了{quantity}个{product}，订单号{order}，{paid}。",
        ),
    ),
    (
        (
            "You can reach {name} at {email} or {phone}.",
            "{name}: {email}, phone {phone}",
            "Write to {email} or call {phone} and ask for {name}.",
            "Contact {name} in {city}, email {email}.",
        ),
        (
            "{name}的邮箱是{email}，电话是{phone}。",
            "联系{name}：{email}，{phone}",
            "给{email}写信或打{phone}找{name}。",
        ),
    ),
    (
        (
            "The meeting with {names} is on {date} at {time}.",
            "{names} meet on {date} at {time} in {city}.",
            "On {date} at {time} there is a meeting in room {room} with {names}.",
        ),
        (
            "{date}{time}和{names}开会。",
            "{names}将于{date}{time}在{city}见面。",
            "{date} {time}在{room}房间和{names}开会。",
        ),
    ),
    (
        (
            "The {color} {product} costs {price} dollars and is {stock}.",
            "We sell a {color} {product} for {price}.",
            "A {product} in {color} is {stock}, price {price}.",
        ),
        (
            "{color}的{product}价格{price}元，{stock}。",
            "这个{color}{product}卖{price}元。",
            "{product}，{color}，{stock}，{price}元。",
        ),
    ),
    (
        (
            "{name} has a {color} {animal} called {pet}.",
            "The {animal} {pet} belongs to {name}.",
            "{pet} is the {animal} of {name} from {city}.",
        ),
        (
            "{name}养了一只{color}的{animal}，叫{pet}。",
            "{animal}{pet}是{name}的。",
            "{pet}是{city}的{name}养的{animal}。",
        ),
    ),
    (
        (
            "{name} flies from {origin} to {destination} on {date}.",
            "A ticket from {origin} to {destination} on {date} costs {price}.",
            "The train leaves {origin} at {time} for {destination}.",
        ),
        (
            "{name}{date}从{origin}飞往{destination}。",
            "{date}从{origin}到{destination}的票价是{price}元。",
            "{time}从{origin}开往{destination}。",
        ),
    ),
    (
        (
            "Please bring {goods}.",
            "{name} needs {goods} by {date}.",
            "The list of {name}: {goods}",
            "{name} sold {goods} for {amount}.",
        ),
        (
            "请带上{goods}。",
            "{name}在{date}之前需要{goods}。",
            "{name}的清单：{goods}",
            "{name}卖掉了{goods}，得到{amount}元。",
        ),
    ),
    (
        (
            "{name} sent {amount} dollars on {date}.",
            "Invoice {order} of {date}: {amount} dollars, {paid}.",
            "{name} owes {amount} dollars.",
        ),
        (
            "{name}在{date}转了{amount}元。",
            "{date}的发票{order}：{amount}元，{paid}。",
            "{name}欠{amount}元。",
        ),
    ),
    (
        (
            "{name} gave the {product} {rating} stars.",
            "Rating of {name} from {city} for the {product}: {rating}",
        ),
        ("{name}给{product}打了{rating}分。", "{city}的{name}给{product}的评分：{rating}"),
    ),
    (
        (
            "{name} is {married}, {age} years old and speaks {language}.",
            "{name}, {married}, works as a {job}.",
        ),
        ("{name}{married}，{age}岁，会说{language}。", "{name}，{married}，职业是{job}。"),
    ),
)
ASK_EN = (
    "Extract {f} as JSON: {t}",
    "{t}\nGive me {f} as JSON.",
    "Return {f} as a JSON object.\n{t}",
    "Text: {t}\nJSON with {f}:",
    'Turn this into JSON with the keys {f}: "{t}"',
    "{t} Answer in JSON with {f}.",
    "Fill in {f} as JSON. {t}",
    "From this text take {f}, as JSON: {t}",
    "Find {f} in the sentence below and answer in JSON.\n{t}",
    "I want {f} as JSON: {t}",
    "Please write {f} from this sentence as JSON.\n{t}",
    "What is {f} here? Reply in JSON. {t}",
    "Read this and give {f} in JSON form: {t}",
    "JSON please, only {f}. {t}",
    "Pick out {f}: {t}\nAnswer with JSON.",
    "{t}\nWrite {f} of this text as a JSON object.",
    "Convert to JSON ({f}): {t}",
)
ASK_EN_TEST = (
    "From the sentence below take {f} and write them as JSON.\n{t}",
    "I need {f} in JSON from this: {t}",
)
ASK_ZH = (
    "提取{f}，用JSON表示：{t}",
    "{t}\n请用JSON给出{f}。",
    "以JSON格式返回{f}。\n{t}",
    "文本：{t}\n包含{f}的JSON：",
    "把这句话变成JSON，字段是{f}：“{t}”",
    "{t}用JSON回答，包含{f}。",
    "从这段文字中取出{f}，写成JSON：{t}",
    "在下面的句子里找到{f}，用JSON回答。\n{t}",
    "我想要{f}的JSON：{t}",
    "请把这句话里的{f}写成JSON。\n{t}",
    "读一下这句话，用JSON形式给出{f}：{t}",
    "只要{f}，JSON格式。{t}",
    "{t}\n把其中的{f}写成一个JSON对象。",
    "转换成JSON（{f}）：{t}",
)
ASK_ZH_TEST = ("从下面的句子里找出{f}，写成JSON。\n{t}", "我需要这段话里的{f}，JSON格式：{t}")
SCHEMA_EN = (
    "{t}\nAnswer as JSON with this schema: {s}",
    "Schema: {s}\n{t}",
    "Fill the schema {s} from the text: {t}",
    "Follow the JSON schema {s}. Text: {t}",
    "Text: {t}\nJSON schema: {s}",
    "Write the text as JSON of the schema {s}: {t}",
)
SCHEMA_EN_TEST = ("Use the JSON schema {s} for this text: {t}",)
SCHEMA_ZH = (
    "{t}\n按这个模式用JSON回答：{s}",
    "模式：{s}\n{t}",
    "根据文本填写{s}：{t}",
    "请遵守JSON模式{s}。文本：{t}",
    "文本：{t}\nJSON模式：{s}",
)
SCHEMA_ZH_TEST = ("这段话请用JSON模式{s}表示：{t}",)
FREE_EN = ("{t} As JSON, please.", "Write this as JSON: {t}", "{t}\nAnswer as JSON.", "{t} (JSON)")
FREE_ZH = ("{t}请写成JSON。", "用JSON表示：{t}", "{t}\n用JSON回答。")
SYSTEM_EN = (
    "Answer only with JSON.",
    "You extract data. Reply with JSON.",
    "You reply with one JSON object and nothing else.",
)
SYSTEM_ZH = ("只用JSON回答。", "你负责提取数据，用JSON回答。", "只输出一个JSON对象。")


def _schema(fields: list[str], keys: dict[str, str]) -> str:
    properties: dict[str, Any] = {}
    for field in fields:
        kind = FIELDS[field].type
        properties[keys[field]] = {"type": kind, "items": {"type": "string"}} if kind == "array" else {"type": kind}
    return compact({"type": "object", "properties": properties, "required": list(properties)})


def _listed(d: Draw, keys: list[str], types: list[str]) -> str:
    style = d.rng.random()
    if style < 0.6 or len(keys) == 1:
        return d.joined(keys)
    if style < 0.75:
        return ", ".join(keys)
    if style < 0.9:
        return ", ".join(f"{key} ({kind})" for key, kind in zip(keys, types, strict=True))
    return ", ".join(f'"{key}"' for key in keys)


def fields_of(template: str) -> list[str]:
    """The fields that a sentence mentions, in its order."""
    return [piece.split("}")[0] for piece in template.split("{")[1:]]


def _keys(d: Draw, fields: list[str]) -> dict[str, str]:
    """A key for each field, all different; in a Chinese text now and then Chinese keys."""
    chinese = d.zh and d.chance(0.35)
    keys: dict[str, str] = {}
    for field in fields:
        options = FIELDS[field].keys_zh if chinese else FIELDS[field].keys_en
        key = options[0] if d.chance(0.35) else d.pick(options)
        keys[field] = key if key not in keys.values() else field
    return keys


def fill(d: Draw) -> Example | Case:
    """One sentence with its object."""
    scene = d.pick(SCENES)
    template = d.pick(scene[1] if d.zh else scene[0])
    present = fields_of(template)
    values = {field: FIELDS[field].make(d) for field in present}
    if "{product}s" in template:  # written as it stands in the sentence
        values["product"] = (values["product"][0], f"{values['product'][1]}s")
    text = template.format(**{field: shown for field, (shown, _) in values.items()})
    wanted = list(present)
    roll = d.rng.random()
    if roll < 0.88:
        if d.chance(0.6):
            d.rng.shuffle(wanted)
        wanted = wanted[: d.rng.randint(1, len(wanted))] if d.chance(0.45) else wanted
        keys = _keys(d, wanted)
    else:
        keys = {field: FIELDS[field].keys_en[0] for field in wanted}
        if len(set(keys.values())) < len(keys):
            keys = {field: field for field in wanted}
    names, types = [keys[field] for field in wanted], [FIELDS[field].type for field in wanted]
    held = d.split == "test" and d.chance(0.3)  # these wordings are never seen in training
    wordings: tuple[tuple[str, ...], tuple[str, ...]]
    if roll < 0.55:
        kind = "json/fields"
        listed = _listed(d, names, types)
        wordings = (ASK_EN_TEST, ASK_ZH_TEST) if held else (ASK_EN, ASK_ZH)
        ask = d.say(*wordings).format(f=listed, t=text)
    elif roll < 0.88:
        kind = "json/schema"
        schema = _schema(wanted, keys)
        wordings = (SCHEMA_EN_TEST, SCHEMA_ZH_TEST) if held else (SCHEMA_EN, SCHEMA_ZH)
        ask = d.say(*wordings).format(s=schema, t=text)
    else:
        kind = "json/free"
        held = False
        ask = d.say(FREE_EN, FREE_ZH).format(t=text)
    data = {keys[field]: values[field][1] for field in wanted}
    messages: list[Message] = [system(d.say(SYSTEM_EN, SYSTEM_ZH))] if d.chance(0.15) else []
    messages += [user(ask), assistant(compact(data))]
    kind = "json/wording" if held else kind
    return finish(d.split, messages, kind, check="json", expected=data)


def generate(rng: random.Random, split: Split) -> Iterator[Example | Case]:
    """Endless sentences with their objects."""
    while True:
        yield fill(draw(rng, split))
