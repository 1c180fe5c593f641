"""Capitals of well-known countries, as topics."""

from functools import cache

from cria.data.knowledge.topics import Topic, make_side

CAPITALS = (
    ("France", "Paris", "法国", "巴黎"),
    ("Germany", "Berlin", "德国", "柏林"),
    ("Italy", "Rome", "意大利", "罗马"),
    ("Spain", "Madrid", "西班牙", "马德里"),
    ("Portugal", "Lisbon", "葡萄牙", "里斯本"),
    ("Greece", "Athens", "希腊", "雅典"),
    ("Austria", "Vienna", "奥地利", "维也纳"),
    ("Switzerland", "Bern", "瑞士", "伯尔尼"),
    ("Poland", "Warsaw", "波兰", "华沙"),
    ("Russia", "Moscow", "俄罗斯", "莫斯科"),
    ("Sweden", "Stockholm", "瑞典", "斯德哥尔摩"),
    ("Norway", "Oslo", "挪威", "奥斯陆"),
    ("Turkey", "Ankara", "土耳其", "安卡拉"),
    ("Egypt", "Cairo", "埃及", "开罗"),
    ("India", "New Delhi", "印度", "新德里"),
    ("China", "Beijing", "中国", "北京"),
    ("Japan", "Tokyo", "日本", "东京"),
    ("South Korea", "Seoul", "韩国", "首尔"),
    ("Thailand", "Bangkok", "泰国", "曼谷"),
    ("Vietnam", "Hanoi", "越南", "河内"),
    ("Australia", "Canberra", "澳大利亚", "堪培拉"),
    ("Canada", "Ottawa", "加拿大", "渥太华"),
    ("Mexico", "Mexico City", "墨西哥", "墨西哥城"),
    ("Brazil", "Brasília", "巴西", "巴西利亚"),
    ("Argentina", "Buenos Aires", "阿根廷", "布宜诺斯艾利斯"),
    ("the United Kingdom", "London", "英国", "伦敦"),
    ("the United States", "Washington, D.C.", "美国", "华盛顿"),
)

EN_QUESTIONS = (
    "what is the capital of {0} | what's the capital of {0} | capital of {0} | which city is the capital of {0} | "
    "tell me the capital of {0} | name the capital of {0} | do you know the capital of {0} | {0} capital | {0}'s capital | "
    "what is {0}'s capital | the capital city of {0} | what is the capital city of {0} | tell me {0}'s capital city | "
    "where is the government of {0} | the city that is the capital of {0} | in {0}, which city is the capital | "
    "I need the capital of {0} | {0}: what is its capital | which place is the capital of {0} || "
    "what city is {0}'s capital | which town is the capital city of {0}"
)
ZH_QUESTIONS = (
    "{0}的首都是哪里 | {0}的首都是什么 | {0}首都 | {0}的首都在哪里 | 哪个城市是{0}的首都 | 告诉我{0}的首都 | 你知道{0}的首都吗 | "
    "{0}的首都 | {0}首都是哪个城市 | {0}首都是哪儿 | 首都 {0} | {0}的首都是哪个城市 | {0}的首都名字 | 说出{0}的首都 | {0}以哪座城市为首都 | "
    "{0}的首都城市 | 哪座城市是{0}首都 | {0}的政府在哪个城市 || "
    "{0}的首都叫什么 | {0}的首都是哪座城市"
)


@cache
def capitals() -> tuple[Topic, ...]:
    """One topic for each country."""
    topics = []
    for country, city, country_zh, city_zh in CAPITALS:
        name = country.removeprefix("the ").lower().replace(" ", "-")
        en_answer = f"The capital of {country} is {city}".removesuffix(".") + "."
        en_thought = f"The user asks for the capital of {country}; it is {city}".removesuffix(".") + "."
        en_key = city.partition(",")[0]
        en = make_side("en", EN_QUESTIONS.format(country), en_answer, en_key, thought=en_thought)
        zh_thought = f"用户问{country_zh}的首都，是{city_zh}。"
        zh = make_side(
            "zh",
            ZH_QUESTIONS.format(country_zh),
            f"{country_zh}的首都是{city_zh}。",
            city_zh,
            thought=zh_thought,
        )
        topics.append(Topic(f"capital-{name}", "capitals", en, zh))
    return tuple(topics)
