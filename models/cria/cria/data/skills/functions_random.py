"""Functions that nobody has seen: names, arguments and questions built from word lists and invented words.

The question repeats the words of the name, of the description or of the arguments, so copying is what solves it.
"""

from __future__ import annotations

from collections.abc import Callable

from cria.data.skills.functions import Fn, Param, camel
from cria.data.skills.words import NOUNS_EN, NOUNS_ZH, Draw, part

VERBS = (
    ("open", "打开"), ("close", "关闭"), ("start", "启动"), ("stop", "停止"), ("create", "创建"), ("remove", "移除"),
    ("update", "更新"), ("check", "检查"), ("count", "统计"), ("measure", "测量"), ("send", "发送"), ("load", "加载"),
    ("save", "保存"), ("move", "移动"), ("copy", "复制"), ("lock", "锁定"), ("unlock", "解锁"), ("paint", "涂刷"),
    ("clean", "清洗"), ("repair", "修理"), ("build", "建造"), ("find", "查找"), ("mark", "标记"), ("share", "分享"),
    ("rent", "租用"), ("book", "预订"), ("scan", "扫描"), ("test", "测试"), ("mix", "混合"), ("heat", "加热"),
    ("cool", "冷却"), ("fill", "装满"), ("empty", "清空"), ("rotate", "旋转"), ("resize", "缩放"), ("print", "打印"),
    ("register", "登记"), ("archive", "归档"), ("restore", "恢复"), ("schedule", "安排"), ("inspect", "查看"),
    ("order", "订购"), ("ship", "运送"), ("track", "跟踪"), ("rate", "评价"), ("sort", "整理"), ("merge", "合并"),
    ("split", "拆分"), ("connect", "连接"), ("activate", "激活"), ("deploy", "部署"), ("reset", "重置"),
)  # fmt: skip
ATTRS = (
    ("color", "颜色"), ("size", "大小"), ("weight", "重量"), ("height", "高度"), ("width", "宽度"), ("depth", "深度"),
    ("speed", "速度"), ("level", "级别"), ("mode", "模式"), ("label", "标签"), ("owner", "主人"), ("status", "状态"),
    ("price", "价格"), ("age", "年龄"), ("priority", "优先级"), ("limit", "上限"), ("count", "数量"), ("length", "长度"),
    ("angle", "角度"), ("power", "功率"), ("pressure", "压力"), ("volume", "容量"), ("code", "代码"), ("target", "目标"),
    ("source", "来源"), ("region", "地区"), ("category", "类别"), ("title", "标题"), ("comment", "备注"), ("delay", "延迟"),
    ("rate", "比率"), ("score", "分数"), ("rank", "名次"), ("version", "版本"), ("group", "分组"), ("channel", "频道"),
    ("port", "端口"), ("host", "主机"), ("key", "键"), ("token", "令牌"), ("place", "地点"), ("shape", "形状"),
    ("style", "风格"), ("format", "格式"), ("quality", "质量"), ("radius", "半径"), ("duration", "时长"), ("budget", "预算"),
    ("seat", "座位"), ("floor", "楼层"), ("zone", "区域"), ("route", "路线"), ("brand", "品牌"), ("material", "材料"),
    ("author", "作者"), ("capacity", "载量"), ("tempo", "节拍"), ("phase", "阶段"), ("offset", "偏移"), ("margin", "边距"),
    ("ratio", "比例"), ("tag", "标记"), ("note", "说明"), ("room_number", "房间号"), ("start_date", "开始日期"),
    ("end_date", "结束日期"), ("max_items", "最多条数"), ("first_name", "名字"), ("phone_number", "电话号码"),
    ("file_name", "文件名"), ("user_id", "用户编号"), ("account_number", "账号"), ("street", "街道"), ("country", "国家"),
    ("water_level", "水位"), ("batch_size", "批量"), ("step", "步长"), ("engine_type", "发动机类型"), ("gate", "登机口"),
)  # fmt: skip
ADJECTIVES = [
    "red",
    "old",
    "main",
    "new",
    "local",
    "remote",
    "daily",
    "small",
    "big",
    "quick",
    "active",
    "public",
    "private",
    "empty",
    "north",
    "south",
]
FREE = [
    "city",
    "person",
    "product",
    "noun",
    "id",
    "file",
    "email",
    "date",
    "time",
    "pseudo",
    "title",
    "phrase",
    "small",
    "int",
    "amount",
    "percent",
    "names",
    "numbers",
]
NUMERIC = ["small", "int", "amount", "percent", "big", "minutes"]
SETTERS = ("set", "change", "update", "adjust")
GETTERS = ("get", "read", "show", "fetch", "check", "find")
YES_NO = (("yes", "是", True), ("no", "否", False), ("true", "真", True), ("false", "假", False))

# A thing that a name is made of: (English word of the name, words in an English and in a Chinese sentence).
Thing = tuple[str, str, str]


def noun(d: Draw) -> Thing:
    """A noun of the split; one in four is invented and the same in both languages."""
    if d.chance(0.3):
        word = d.pseudo()
        return word, word, word
    en = d.listed(NOUNS_EN)
    if d.chance(0.2):
        en2 = d.pick(ADJECTIVES)
        zh = d.listed(NOUNS_ZH)
        return f"{en2}_{en}", f"{en2} {en}", zh
    return en, en, d.listed(NOUNS_ZH)


def attribute(d: Draw) -> Thing:
    """The name of an argument."""
    roll = d.rng.random()
    if roll < 0.2:
        word = d.pseudo()
        return word, word, word
    names = part(tuple(en for en, _ in ATTRS), d.split)
    en = d.pick(names)
    zh = dict(ATTRS)[en]
    if roll < 0.35:
        extra = noun(d)
        return f"{extra[0]}_{en}", f"{extra[1]} {en}".replace("_", " "), f"{extra[2]}{zh}"
    return en, en.replace("_", " "), zh


def verb(d: Draw) -> Thing:
    if d.chance(0.15):
        word = d.pseudo()
        return word, word, word
    en, zh = d.pick(VERBS)
    return en, en, zh


def _param(d: Draw, thing: Thing, kind: str = "", *, optional: bool = False, as_camel: bool = False) -> Param:
    choices: tuple[tuple[str, str, object], ...] = ()
    if not kind:
        roll = d.rng.random()
        if roll < 0.1:
            choices = YES_NO
        elif roll < 0.22:
            words = d.several(d.pick((d.pseudo, lambda: d.listed(NOUNS_EN))), 2, 4)
            choices = tuple((word, word, word) for word in words)
        kind = d.pick(FREE)
    name = camel(thing[0]) if as_camel else thing[0]
    return Param((name,), kind, optional, choices, en=f"The {thing[1]}", zh=thing[2])


def _distinct(d: Draw, make: Callable[[Draw], Thing], count: int) -> list[Thing]:
    found: list[Thing] = []
    while len(found) < count:
        thing = make(d)
        if all(thing[0] != other[0] and thing[2] != other[2] for other in found):
            found.append(thing)
    return found


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _glued(*words: str) -> str:
    """Words of a Chinese sentence, with a space where invented words or a value would run into each other."""
    text = words[0]
    for word in words[1:]:
        text += (" " if text[-1].isascii() and word[0].isascii() else "") + word
    return text


def _listed(params: list[Param], things: list[Thing], keep: list[int], d: Draw, *, zh: bool) -> str:
    """The arguments that are kept, named one by one: 'depth {0} and color {1}'."""
    style = (
        d.pick(("{} {}", "{} {}", "{}: {}", "{} = {}")) if not zh else d.pick(("{}是{}", "{}为{}", "{} {}", "{}：{}"))
    )
    raw = zh and d.chance(0.25)
    parts = [style.format(params[i].names[0] if raw else things[i][2 if zh else 1], "{" + str(i) + "}") for i in keep]
    if zh:
        return "，".join(parts)
    return ", ".join(parts) if len(parts) > 2 or d.chance(0.3) else " and ".join(parts)


def action(d: Draw, act: Thing, what: Thing) -> Fn:
    """'Verb the noun' with one to three arguments that the question names."""
    as_camel = d.chance(0.35)
    things = _distinct(d, attribute, d.pick((1, 1, 2, 2, 3)))
    params = [
        _param(d, thing, optional=index > 0 and d.chance(0.35), as_camel=as_camel) for index, thing in enumerate(things)
    ]
    ask_en: list[str] = []
    ask_zh: list[str] = []
    for _ in range(3):
        keep = [i for i, param in enumerate(params) if not param.optional or d.chance(0.5)]
        en, zh = _listed(params, things, keep, d, zh=False), _listed(params, things, keep, d, zh=True)
        ask_en += [
            f"{_capital(act[1])} the {what[1]} with {en}.",
            f"Please {act[1]} the {what[1]}, {en}.",
            f"Can you {act[1]} the {what[1]}? {_capital(en)}.",
            f"I want to {act[1]} a {what[1]}: {en}",
            f"With {en}, {act[1]} the {what[1]}.",
            f"I have some {what[1]}s. {_capital(act[1])} one of them with {en}.",
        ]
        ask_zh += [
            f"{_glued(act[2], what[2])}，{zh}",
            f"请{_glued(act[2], what[2])}：{zh}。",
            f"帮我{act[2]}一下{what[2]}，{zh}。",
            f"{zh}，{_glued(act[2], what[2])}",
        ]
    if len(params) == 1 and not params[0].choices and params[0].kind not in ("names", "numbers"):
        ask_en += [f"{_capital(act[1])} {what[1]} {{0}}.", f"{_capital(act[1])} the {what[1]} {{0}}, please."]
        ask_zh += [f"{_glued(act[2], what[2], '{0}')}", f"请{_glued(act[2], what[2])} {{0}}"]
    name = f"{act[0]}_{what[0]}"
    return _finish(name, as_camel, f"{_capital(act[1])} the {what[1]}", f"{act[2]}{what[2]}", params, ask_en, ask_zh)


def setter(d: Draw, what: Thing, attr: Thing) -> Fn:
    """'Set the attribute of a noun': the thing first, then the value."""
    as_camel = d.chance(0.35)
    key = d.pick((what[0], f"{what[0]}_id", f"{what[0]}_name", "name", "id", "target"))
    value = d.pick((attr[0], attr[0], "value", f"new_{attr[0]}"))
    if value == key:
        value = "value"
    params = [
        _param(
            d,
            (key, key.replace("_", " "), f"{what[2]}"),
            d.pick(("id", "pseudo", "title", "small", "person")),
            as_camel=as_camel,
        ),
        _param(
            d,
            (value, value.replace("_", " "), attr[2]),
            d.pick((*NUMERIC, "noun", "pseudo", "title")),
            as_camel=as_camel,
        ),
    ]
    act = d.pick((("set", "设置"), ("change", "更改"), ("update", "更新"), ("adjust", "调整")))
    ask_en = [
        f"{_capital(act[0])} the {attr[1]} of the {what[1]} {{0}} to {{1}}.",
        f"{_capital(act[0])} the {attr[1]} of {what[1]} {{0}} to {{1}}",
        f"Make the {attr[1]} of the {what[1]} {{0}} equal to {{1}}.",
        f"I want the {what[1]} {{0}} to have the {attr[1]} {{1}}.",
        f"Use {{1}} as the {attr[1]} of the {what[1]} {{0}}.",
        f"The {attr[1]} of {what[1]} {{0}} should be {{1}}.",
        f"For the {what[1]} {{0}}, {act[0]} the {attr[1]} to {{1}}.",
    ]
    ask_zh = [
        f"把{_glued(what[2], '{0}')}的{attr[2]}设为{{1}}",
        f"{_glued(what[2], '{0}')}的{attr[2]}应该是{{1}}",
        f"用{{1}}作为{_glued(what[2], '{0}')}的{attr[2]}",
        f"把{what[2]} {{0}} 的{attr[2]}{act[1]}为 {{1}}。",
        f"{_glued(what[2], '{0}')}的{attr[2]}改成{{1}}",
    ]
    return _finish(
        f"{act[0]}_{what[0]}_{attr[0]}",
        as_camel,
        f"{_capital(act[0])} the {attr[1]} of a {what[1]}",
        f"{act[1]}{what[2]}的{attr[2]}",
        params,
        ask_en,
        ask_zh,
    )


def getter(d: Draw, what: Thing, attr: Thing) -> Fn:
    """'Get the attribute of a noun' with one argument."""
    as_camel = d.chance(0.35)
    key = d.pick((what[0], f"{what[0]}_id", f"{what[0]}_name", "name", "id"))
    kind = d.pick(("id", "pseudo", "title", "person", "city", "int"))
    params = [_param(d, (key, key.replace("_", " "), what[2]), kind, as_camel=as_camel)]
    act = d.pick((("get", "查询"), ("read", "读取"), ("show", "显示"), ("fetch", "获取")))
    ask_en = [
        f"What is the {attr[1]} of the {what[1]} {{0}}?",
        f"{_capital(act[0])} the {attr[1]} of {what[1]} {{0}}.",
        f"Tell me the {attr[1]} of the {what[1]} {{0}}.",
        f"Which {attr[1]} does the {what[1]} {{0}} have?",
        f"For the {what[1]} {{0}}, what is the {attr[1]}?",
        f"I need the {attr[1]} of {what[1]} {{0}}.",
        f"{_capital(what[1])} {{0}}: which {attr[1]}?",
    ]
    ask_zh = [
        f"{_glued(what[2], '{0}')}的{attr[2]}是多少？",
        f"{what[2]} {{0}} 有什么{attr[2]}？",
        f"{act[1]}{what[2]} {{0}} 的{attr[2]}",
        f"告诉我{_glued(what[2], '{0}')}的{attr[2]}",
        f"{what[2]} {{0}} 的{attr[2]}是什么？",
    ]
    return _finish(
        f"{act[0]}_{what[0]}_{attr[0]}",
        as_camel,
        f"{_capital(act[0])} the {attr[1]} of a {what[1]}",
        f"{act[1]}{what[2]}的{attr[2]}",
        params,
        ask_en,
        ask_zh,
    )


def _finish(
    name: str, as_camel: bool, en: str, zh: str, params: list[Param], ask_en: list[str], ask_zh: list[str]
) -> Fn:
    return Fn(
        (camel(name) if as_camel else name,),
        f"random/{name}",
        en,
        zh,
        tuple(params),
        tuple(ask_en),
        tuple(ask_zh),
        made=True,
    )


def make(d: Draw) -> Fn:
    """One random function."""
    return d.one_of(
        lambda: action(d, verb(d), noun(d)),
        lambda: setter(d, noun(d), attribute(d)),
        lambda: getter(d, noun(d), attribute(d)),
    )


def family(d: Draw, count: int) -> list[Fn]:
    """`count` functions of different names, some near to each other: the same noun or the same verb."""
    what, act, attr = noun(d), verb(d), attribute(d)
    near: tuple[Callable[[], Fn], ...] = (
        lambda: action(d, act, noun(d)),
        lambda: action(d, verb(d), what),
        lambda: setter(d, what, attribute(d)),
        lambda: getter(d, what, attribute(d)),
        lambda: getter(d, noun(d), attr),
        lambda: setter(d, noun(d), attr),
    )
    functions: list[Fn] = []
    while len(functions) < count:
        fn = d.one_of(*near) if d.chance(0.5) else make(d)
        if all(_differ(fn, other) for other in functions):
            functions.append(fn)
    return functions


def siblings(d: Draw, count: int) -> list[Fn]:
    """Functions of one noun that share all words but one: get or set this or that of it."""
    what = noun(d)
    attributes = _distinct(d, attribute, d.pick((2, 2, 3)))
    functions: list[Fn] = []
    while len(functions) < count:
        fn = d.one_of(
            lambda: getter(d, what, d.pick(attributes)),
            lambda: setter(d, what, d.pick(attributes)),
            lambda: getter(d, what, attribute(d)),
            lambda: action(d, verb(d), what),
        )
        if all(_differ(fn, other) for other in functions):
            functions.append(fn)
    return functions


def _differ(one: Fn, other: Fn) -> bool:
    """Whether a question can tell the two apart: not the same words with another verb for setting or getting."""
    heads, tails = zip(*(fn.group.split("/")[1].split("_", 1) for fn in (one, other)), strict=True)
    acts = ["set" if head in SETTERS else "get" if head in GETTERS else head for head in heads]
    return one.zh != other.zh and (tails[0] != tails[1] or acts[0] != acts[1])
