"""What functions give back, and answers that say it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cria.data.skills.functions import Request, compact
from cria.data.skills.words import Draw


@dataclass(frozen=True)
class Result:
    """The tool's text, the answer, and the values that the answer must contain."""

    content: str
    answer: str
    values: list[str]


SKIES = (
    ("sunny", "晴"), ("cloudy", "多云"), ("rainy", "下雨"), ("windy", "大风"), ("foggy", "有雾"), ("snowy", "下雪"),
    ("clear", "晴朗"), ("stormy", "暴风雨"),
)  # fmt: skip
STATES = (
    ("shipped", "已发货"),
    ("delivered", "已送达"),
    ("pending", "待处理"),
    ("cancelled", "已取消"),
    ("packed", "已打包"),
)

Maker = Callable[[Draw, list[Any]], tuple[dict[str, Any], str, str]]


def _weather(d: Draw, a: list[Any]) -> tuple[dict[str, Any], str, str]:
    en, zh = d.pick(SKIES)
    sky = zh if d.zh else en
    data = {"temperature": d.rng.randint(-20, 42), "condition": sky}
    return (
        data,
        f"In {a[0]} it is {sky} with {{temperature}} degrees.",
        f"{a[0]}现在{{condition}}，{{temperature}}度。",
    )


def _time(d: Draw, a: list[Any]) -> tuple[dict[str, Any], str, str]:
    return {"time": d.time()}, f"In {a[0]} it is {{time}}.", f"{a[0]}现在是{{time}}。"


def _value(d: Draw, a: list[Any]) -> tuple[dict[str, Any], str, str]:
    return {"result": d.integer(10, 99999)}, "The result is {result}.", "结果是{result}。"


def _money(d: Draw, a: list[Any]) -> tuple[dict[str, Any], str, str]:
    data = {"result": float(d.amount()), "currency": a[2]}
    return data, f"{a[0]} {a[1]} are {{result}} {a[2]}.", f"{a[0]} {a[1]}等于{{result}} {a[2]}。"


def _price(d: Draw, a: list[Any]) -> tuple[dict[str, Any], str, str]:
    return {"price": float(d.amount())}, f"The price of {a[0]} is {{price}}.", f"{a[0]}的价格是{{price}}。"


def _distance(d: Draw, a: list[Any]) -> tuple[dict[str, Any], str, str]:
    return (
        {"km": d.integer(100, 9999)},
        f"It is {{km}} km from {a[0]} to {a[1]}.",
        f"{a[0]}到{a[1]}有{{km}}公里。",
    )


def _order(d: Draw, a: list[Any]) -> tuple[dict[str, Any], str, str]:
    en, zh = d.pick(STATES)
    return {"status": zh if d.zh else en}, f"Order {a[0]} is {{status}}.", f"订单{a[0]}{{status}}。"


def _population(d: Draw, a: list[Any]) -> tuple[dict[str, Any], str, str]:
    return (
        {"population": d.integer(1000, 9999999)},
        f"{a[0]} has {{population}} people.",
        f"{a[0]}有{{population}}人。",
    )


def _contact(d: Draw, a: list[Any]) -> tuple[dict[str, Any], str, str]:
    return {"phone": d.phone()}, f"The phone number of {a[0]} is {{phone}}.", f"{a[0]}的电话是{{phone}}。"


def _person(d: Draw, a: list[Any]) -> tuple[dict[str, Any], str, str]:
    return {"name": d.name()}, f"User {a[0]} is {{name}}.", f"用户{a[0]}是{{name}}。"


def _balance(d: Draw, a: list[Any]) -> tuple[dict[str, Any], str, str]:
    return (
        {"balance": float(d.amount())},
        f"The balance of {a[0]} is {{balance}}.",
        f"账户{a[0]}的余额是{{balance}}。",
    )


def _rows(d: Draw, a: list[Any]) -> tuple[dict[str, Any], str, str]:
    return {"rows": d.integer(100, 9999)}, f"The table {a[0]} has {{rows}} rows.", f"表{a[0]}有{{rows}}行。"


def _ok(d: Draw, a: list[Any]) -> tuple[dict[str, Any], str, str]:
    return {"status": "ok"}, f"Done: {a[0]}.", f"好了：{a[0]}。"


def _model(d: Draw, a: list[Any]) -> tuple[dict[str, Any], str, str]:
    return {"size": f"{d.amount()} GB"}, f"The model {a[0]} has {{size}}.", f"模型{a[0]}大小是{{size}}。"


RESULTS: dict[str, Maker] = {
    "get_weather": _weather,
    "get_time": _time,
    "calculate": _value,
    "add_numbers": _value,
    "multiply": _value,
    "average": _value,
    "convert_currency": _money,
    "get_price": _price,
    "get_stock_price": _price,
    "get_distance": _distance,
    "get_order": _order,
    "get_population": _population,
    "get_contact": _contact,
    "get_user": _person,
    "get_balance": _balance,
    "query_database": _rows,
    "play_music": _ok,
    "read_file": _ok,
    "set_alarm": _ok,
    "delete_file": _ok,
    "open_app": _ok,
    "pull_model": _ok,
    "show_model": _model,
}


def _made(d: Draw, request: Request) -> tuple[dict[str, Any], str, str]:
    """For a random getter: 'the attribute of the noun x is ...'."""
    en = request.offer.fn.en.split(" the ", 1)[1].split(" of a ")
    zh = request.offer.fn.zh[2:].split("的")
    value: Any = d.one_of(d.pseudo, d.ident, d.name, lambda: d.integer(1, 9999), lambda: float(d.amount()))
    argument = next(iter(request.call["arguments"].values()))
    key = d.pick((en[0].replace(" ", "_"), "value", "result"))
    return (
        {key: value},
        f"The {en[0]} of {en[1]} {argument} is {{{key}}}.",
        f"{zh[0]}{argument}的{zh[-1]}是{{{key}}}。",
    )


def result(d: Draw, request: Request) -> Result:
    """A result of the function that the request calls; as JSON, or as plain text when it is one value."""
    values = list(request.call["arguments"].values())
    maker = RESULTS.get(request.offer.fn.names[0])
    data, en, zh = maker(d, values) if maker else _made(d, request)
    answer = (zh if d.zh else en).format(**data)
    bare = len(data) == 1 and d.chance(0.35)
    more: dict[str, Any] = {}
    if not bare and values and d.chance(0.3):  # what the answer need not repeat
        more = d.pick(({"ok": True}, {"id": d.ident()}, {"query": values[0]}, {"source": d.pseudo()}))
        data = {**more, **data} if d.chance(0.5) else {**data, **more}
    content = str(next(iter(data.values()))) if bare else compact(data)
    told = [str(value) for key, value in data.items() if key not in more and str(value) in answer]
    return Result(content, answer, told or [str(values[0])])
