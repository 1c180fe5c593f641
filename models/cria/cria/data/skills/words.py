"""Values that examples are filled with: names, places, numbers, dates, invented words, in English and Chinese.

Training and test never share a value: a stable hash of the written value decides on which side it falls.
"""

from __future__ import annotations

import random
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

from cria.examples import Split

T = TypeVar("T")
TEST_SHARE = 6  # one value in six is kept for the test
STRANGE_SHARE = 0.35  # of the words in training that are none of the lists
LETTERS = "eeeeettttaaaoooiiinnnssshhrrddllcummwfgypbvkxjqz"


def in_split(value: str, split: Split) -> bool:
    """Whether `value` belongs to `split`, by a hash that never changes."""
    return (zlib.crc32(value.encode()) % TEST_SHARE == 0) == (split == "test")


@cache
def part(words: tuple[str, ...], split: Split) -> tuple[str, ...]:
    """The words of the list that belong to `split`; never empty for lists of some twenty words."""
    chosen = tuple(word for word in words if in_split(word, split))
    return chosen or words


@cache
def vocabulary() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The English words and the runs of Chinese characters in the texts about Puna and the world."""
    folder = Path(__file__).parents[1] / "knowledge" / "content"
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.txt")))
    words = sorted(set(re.findall(r"\b[a-z]{3,12}\b", text)))
    runs = sorted(set(re.findall(r"[\u4e00-\u9fff]{2,}", text)))
    return tuple(words), tuple(runs)


def _list(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FIRST = _list(
    "Anna Ben Carla David Elena Felix Grace Henry Irene Jack Karen Leo Maria Noah Olivia Paul Quinn Rosa Sam Tina Umar "
    "Vera Walter Xenia Yusuf Zoe Alice Bob Carol Daniel Emma Frank Gina Hugo Ivy James Kate Liam Mia Nina Oscar Paula "
    "Ravi Sara Tom Ursula Victor Wendy Yara Zack Adam Bella Chloe Diego Eva Finn Gloria Hannah Ian Julia Kevin Laura "
    "Marco Nora Omar Priya Robin Sofia Theo Uma Vince Willa Amir Beth Clara Dylan Ella Fiona George Helen Isaac Jane "
    "Kyle Lily Max Naomi Otto Petra Ruth Simon Tara Vivian Wes Yvonne Aaron Bianca Colin Dora Ethan Flora Gavin Heidi "
    "Igor Joan Klaus Lena Miles Nadia Owen Pia Rhea Stan Thea Ulrich Violet Wade Zara Alex Chris Michael John Mary "
    "Linda Peter Lucy Mark Susan Tim Amy Eric Nancy Tony Rachel Steve Megan Luke Sophie Martin Julie Andrew Diana"
)
LAST = _list(
    "Smith Jones Brown Miller Davis Garcia Wilson Moore Taylor Clark Lewis Walker Hall Young King Wright Scott Green "
    "Baker Adams Nelson Carter Mitchell Perez Roberts Turner Phillips Campbell Parker Evans Edwards Collins Stewart "
    "Morris Rogers Reed Cook Morgan Bell Murphy Bailey Rivera Cooper Cox Howard Ward Torres Peterson Gray Ramirez "
    "Watson Brooks Kelly Sanders Price Bennett Wood Barnes Ross Jenkins Perry Powell Long Patel Hughes Flores Butler "
    "Foster Bryant Russell Griffin Hayes Myers Ford Graham Wallace Woods West Cole Jordan Owens Fisher Harper Keller "
    "Novak Weber Rossi Silva Costa Lopez Tanaka Kim Chen Singh Khan Ali Haddad Larsen Berg Jansen Moreau Dubois"
)
SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文"
GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰红建国志宇浩轩子涵梓萱欣怡雨泽晨思琪佳慧俊峰婷雪梅琳凯鹏飞鑫波斌倩颖莹洁云帆天翔嘉诚安宁乐心妍可文博瑞德昊然一诺海燕春晓冬青松柏月星辰光亮东南北山川江河清源诗语若曦梦瑶家豪振兴永康维新"
CITIES = (
    "London Paris Berlin Rome Madrid Lisbon Vienna Prague Warsaw Budapest Athens Dublin Oslo Stockholm Helsinki "
    "Copenhagen Amsterdam Brussels Zurich Geneva Munich Hamburg Cologne Milan Naples Venice Florence Turin Barcelona "
    "Valencia Seville Porto Lyon Marseille Nice Toulouse Bordeaux Edinburgh Glasgow Manchester Liverpool Bristol Leeds "
    "Oxford Cambridge Moscow Kyiv Minsk Riga Vilnius Tallinn Sofia Bucharest Belgrade Zagreb Sarajevo Istanbul Ankara "
    "Cairo Lagos Nairobi Accra Dakar Tunis Algiers Rabat Casablanca Kampala Lusaka Harare Pretoria Durban Tokyo Osaka "
    "Kyoto Nagoya Sapporo Seoul Busan Beijing Shanghai Shenzhen Guangzhou Chengdu Hangzhou Nanjing Wuhan Xiamen Taipei "
    "Bangkok Hanoi Manila Jakarta Singapore Delhi Mumbai Chennai Kolkata Pune Karachi Lahore Dhaka Kathmandu Colombo "
    "Tehran Baghdad Riyadh Dubai Doha Muscat Amman Beirut Damascus Sydney Melbourne Brisbane Perth Adelaide Auckland "
    "Wellington Toronto Montreal Vancouver Ottawa Calgary Chicago Boston Seattle Denver Dallas Houston Austin Miami "
    "Atlanta Phoenix Portland Detroit Cleveland Memphis Nashville Orlando Tampa Lima Quito Bogota Caracas Santiago "
    "Montevideo Havana Kingston Panama Mexico"
)
CITIES_EN = (
    *_list(CITIES),
    "New York",
    "Los Angeles",
    "San Francisco",
    "Buenos Aires",
    "Cape Town",
    "Hong Kong",
    "Kuala Lumpur",
    "Tel Aviv",
    "Las Vegas",
    "Rio de Janeiro",
    "Abu Dhabi",
    "San Diego",
)
CITIES_ZH = _list(
    "北京 上海 广州 深圳 天津 重庆 成都 杭州 南京 武汉 西安 苏州 长沙 郑州 青岛 大连 宁波 厦门 福州 济南 合肥 昆明 哈尔滨 沈阳 长春 石家庄 太原 "
    "南昌 南宁 贵阳 海口 兰州 西宁 银川 乌鲁木齐 拉萨 呼和浩特 无锡 常州 徐州 温州 绍兴 嘉兴 金华 台州 泉州 珠海 佛山 东莞 中山 惠州 汕头 桂林 "
    "北海 三亚 洛阳 开封 烟台 威海 潍坊 扬州 镇江 南通 盐城 芜湖 黄山 九江 景德镇 宜昌 襄阳 岳阳 株洲 衡阳 绵阳 乐山 遵义 大理 丽江 敦煌 天水 "
    "宝鸡 咸阳 延安 大同 包头 吉林 延边 大庆 齐齐哈尔 香港 澳门 台北 高雄 台南 东京 大阪 京都 首尔 釜山 曼谷 新加坡 吉隆坡 雅加达 马尼拉 河内 "
    "孟买 新德里 迪拜 开罗 内罗毕 伦敦 巴黎 柏林 罗马 马德里 里斯本 维也纳 布拉格 华沙 雅典 莫斯科 纽约 洛杉矶 旧金山 芝加哥 波士顿 西雅图 多伦多 "
    "温哥华 悉尼 墨尔本 奥克兰 利马 圣地亚哥 慕尼黑 汉堡 米兰 威尼斯 日内瓦 苏黎世 布鲁塞尔 阿姆斯特丹 斯德哥尔摩 奥斯陆 赫尔辛基 都柏林"
)
PRODUCTS_EN = _list(
    "lamp chair table desk sofa bed mirror clock phone laptop tablet camera printer keyboard mouse monitor headset "
    "speaker charger cable backpack wallet umbrella jacket shirt sweater scarf hat gloves shoes boots socks bicycle "
    "helmet tent kettle toaster blender oven fridge fan heater vacuum bottle mug plate bowl spoon knife pan pot basket "
    "candle vase carpet curtain pillow blanket towel soap brush comb book notebook pen pencil eraser ruler stapler "
    "guitar violin piano drum flute ball racket skateboard puzzle kite robot drone telescope microscope battery bulb"
)
PRODUCTS_ZH = _list(
    "台灯 椅子 桌子 书桌 沙发 床垫 镜子 闹钟 手机 笔记本 平板 相机 打印机 键盘 鼠标 显示器 耳机 音箱 充电器 数据线 背包 钱包 雨伞 外套 衬衫 毛衣 "
    "围巾 帽子 手套 运动鞋 靴子 袜子 自行车 头盔 帐篷 水壶 面包机 榨汁机 烤箱 冰箱 风扇 暖炉 吸尘器 水杯 盘子 饭碗 勺子 菜刀 炒锅 篮子 蜡烛 花瓶 "
    "地毯 窗帘 枕头 毯子 毛巾 肥皂 牙刷 梳子 词典 钢笔 铅笔 橡皮 尺子 订书机 吉他 小提琴 钢琴 笛子 足球 球拍 滑板 拼图 风筝 机器人 无人机 望远镜 "
    "显微镜 电池 灯泡 茶叶 咖啡 茶壶"
)
COLORS_EN = _list(
    "red blue green yellow orange purple pink brown black white gray gold silver teal navy violet maroon beige ivory "
    "crimson turquoise olive coral indigo lavender"
)
COLORS_ZH = _list(
    "红色 蓝色 绿色 黄色 橙色 紫色 粉色 棕色 黑色 白色 灰色 金色 银色 青色 米色 深蓝色 浅绿色 玫红色 天蓝色 墨绿色 咖啡色 淡黄色 橄榄绿 酒红色 杏色 卡其色 藏青色 湖蓝色 栗色 香槟色 象牙白 珊瑚色 柠檬黄 古铜色 草绿色 宝石蓝 豆沙色 奶白色 深灰色 亮橙色"
)
ANIMALS_EN = _list(
    "cat dog rabbit hamster parrot turtle horse goat llama fish snake lizard frog mouse ferret duck goose pigeon owl "
    "hedgehog donkey sheep pony canary gecko"
)
ANIMALS_ZH = _list(
    "猫 狗 兔子 仓鼠 鹦鹉 乌龟 马 山羊 羊驼 金鱼 蛇 蜥蜴 青蛙 老鼠 鸭子 鹅 鸽子 猫头鹰 刺猬 驴 绵羊 小马 金丝雀 壁虎 狐狸"
)
FOODS_EN = _list(
    "pizza pasta rice soup salad bread cheese sushi curry noodles dumplings tacos pancakes waffles steak chicken tofu "
    "chocolate honey apples bananas cherries grapes mangoes peaches pears plums strawberries tomatoes potatoes carrots "
    "mushrooms beans lentils nuts yogurt cake cookies pie porridge"
)
FOODS_ZH = _list(
    "披萨 面条 米饭 汤 沙拉 面包 奶酪 寿司 咖喱 饺子 包子 馒头 火锅 烤鸭 豆腐 巧克力 蜂蜜 苹果 香蕉 樱桃 葡萄 芒果 桃子 梨 李子 草莓 西红柿 土豆 "
    "胡萝卜 蘑菇 豆角 坚果 酸奶 蛋糕 饼干 馅饼 粥 粽子 月饼 汤圆 馄饨 油条"
)
JOBS_EN = _list(
    "teacher doctor nurse engineer lawyer baker farmer pilot driver painter writer singer actor chef carpenter plumber "
    "electrician designer programmer librarian journalist photographer scientist dentist gardener musician firefighter "
    "accountant architect mechanic translator tailor"
)
JOBS_ZH = _list(
    "老师 医生 护士 工程师 律师 面包师 农民 飞行员 司机 画家 作家 歌手 演员 厨师 木匠 水管工 电工 设计师 程序员 图书管理员 记者 摄影师 科学家 牙医 "
    "园丁 音乐家 消防员 会计 建筑师 机械师 翻译 裁缝"
)
HOBBIES_EN = _list(
    "chess swimming running hiking painting reading cooking gardening fishing cycling dancing singing skiing surfing "
    "knitting sailing climbing yoga tennis football baking archery pottery photography"
)
HOBBIES_ZH = _list(
    "下棋 游泳 跑步 徒步 画画 阅读 做饭 园艺 钓鱼 骑车 跳舞 唱歌 滑雪 冲浪 编织 航海 攀岩 瑜伽 网球 足球 烘焙 射箭 陶艺 摄影 书法 太极"
)
NOUNS_EN = _list(
    "river mountain window garden bridge forest engine market castle island pocket button ladder ticket letter museum "
    "planet rocket shadow silver tunnel valley winter yellow harbor lantern meadow anchor blanket cactus dragon feather "
    "galaxy hammer jungle kitchen lemon magnet needle orchid pebble quartz ribbon saddle temple velvet wagon zipper apple "
    "bottle copper desert ember falcon glacier hollow igloo jacket kernel lagoon mirror nectar oyster parcel rabbit "
    "spider thunder umbrella village whistle canyon barrel candle donkey eagle fountain grape honey ink jar key lamp moon "
    "nest ocean piano queen road snow tree violin water box cup door egg fire glass hat ice leaf milk nose oil pen rain"
)
NOUNS_ZH = _list(
    "河流 高山 窗户 花园 大桥 森林 发动机 市场 城堡 小岛 口袋 按钮 梯子 车票 信件 博物馆 行星 火箭 影子 隧道 山谷 冬天 港口 灯笼 草地 船锚 毛毯 "
    "仙人掌 龙 羽毛 银河 锤子 丛林 厨房 柠檬 磁铁 针线 兰花 石子 水晶 丝带 马鞍 寺庙 天鹅绒 马车 拉链 苹果 瓶子 铜 沙漠 火花 猎鹰 冰川 雨伞 村庄 "
    "口哨 峡谷 木桶 蜡烛 毛驴 老鹰 喷泉 葡萄 蜂蜜 墨水 罐子 钥匙 月亮 鸟巢 海洋 钢琴 女王 道路 雪花 大树 清水 盒子 杯子 大门 鸡蛋 火焰 玻璃 树叶 "
    "牛奶 石油 钢笔 雨水 白云 星星"
)
TOPICS_EN = _list(
    "solar panels|bird migration|the Roman empire|electric cars|green tea|deep sea fish|jazz history|cheap flights|"
    "python tutorials|baby names|healthy breakfast|used bicycles|world records|black holes|garden design|wool prices|"
    "train schedules|film festivals|local elections|sourdough recipes|mountain huts|wind energy|ancient maps|chess "
    "openings|home insurance|space news|coral reefs|knitting patterns|folk songs|coffee machines|rare stamps|bee keeping".replace(
        " ", "_"
    ).replace("|", " ")
)
TOPICS_ZH = _list(
    "太阳能电池 候鸟迁徙 罗马历史 电动汽车 绿茶功效 深海鱼类 爵士乐 便宜机票 编程教程 宝宝起名 健康早餐 二手自行车 世界纪录 黑洞 花园设计 羊毛价格 "
    "火车时刻 电影节 地方新闻 面包做法 登山路线 风力发电 古代地图 象棋开局 房屋保险 航天新闻 珊瑚礁 编织图案 民歌 咖啡机 邮票收藏 养蜂"
)
MONTHS = _list("January February March April May June July August September October November December")
DAYS_EN = _list("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
DAYS_ZH = _list("周一 周二 周三 周四 周五 周六 周日")
ONSETS = _list("b c d f g h j k l m n p r s t v w z br cl dr fl gr kr pl qu sh st th tr vr zw bl sn")
VOWELS = _list("a e i o u ai ea io ou a e i o u")
CODAS = ("", "", "", "n", "r", "l", "s", "t", "k", "m", "x", "nd", "rk", "lt")
PHRASES_EN = (
    "the {n} is ready",
    "see you at the {n}",
    "buy a {c} {n}",
    "meet {p} near the {n}",
    "do not forget the {n}",
    "call {p} back",
    "the {c} {n} is broken",
    "water the plants",
    "thank you {p}",
    "pick up {p}",
    "pay for the {n}",
    "happy birthday {p}",
    "the {n} leaves soon",
    "bring the {c} {n}",
    "{n} and {m}",
    "clean the {n}",
    "where is the {n}",
)
PHRASES_ZH = (
    "{n}准备好了",
    "在{n}旁边见",
    "买一个{n}",
    "和{p}见面",
    "别忘了带{n}",
    "给{p}回电话",
    "{n}坏了",
    "谢谢{p}",
    "去接{p}",
    "打扫{n}",
    "{p}生日快乐",
    "{n}和{m}",
    "把{n}还给{p}",
    "检查{n}",
    "{c}的{n}在哪里",
)


@dataclass(frozen=True)
class Draw:
    """Draws values for one example: everything comes from `rng`, belongs to `split` and is in `lang`."""

    rng: random.Random
    split: Split
    lang: str

    @property
    def zh(self) -> bool:
        return self.lang == "zh"

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def pick(self, items: Sequence[T]) -> T:
        """Any item, whatever the split: for templates."""
        return items[int(self.rng.random() * len(items))]

    def one_of(self, *makers: Callable[[], T]) -> T:
        """What any of the makers makes."""
        return self.pick(makers)()

    def say(self, en: Sequence[str], zh: Sequence[str]) -> str:
        """A template in the language of the example."""
        return self.pick(zh if self.zh else en)

    def word(self, en: tuple[str, ...], zh: tuple[str, ...]) -> str:
        """A word in the language of the example."""
        return self.listed(zh if self.zh else en)

    def listed(self, words: tuple[str, ...]) -> str:
        """A word of the list; in training now and then another one, so that any word can be copied."""
        if self.split == "test" or not self.chance(STRANGE_SHARE):
            return self.pick(part(words, self.split))
        value = self.fresh(lambda: self._strange(chinese=not words[0].isascii()))
        return value.capitalize() if words[0][:1].isupper() else value

    def _strange(self, *, chinese: bool) -> str:
        """A word from anywhere: from the texts of this project, or letters and characters at random."""
        words, runs = vocabulary()
        if chinese and self.chance(0.6):
            run = self.pick(runs)
            start = self.rng.randrange(len(run) - 1)
            return run[start : start + self.pick((2, 2, 3))]
        if chinese:
            return "".join(self._character() for _ in range(self.pick((1, 2, 2, 3))))
        if self.chance(0.7):
            return self.pick(words)
        return "".join(self.pick(LETTERS) for _ in range(self.pick((3, 4, 5, 6, 7))))

    def _character(self) -> str:
        """A Chinese character, mostly one of the 3,755 common ones, which are the first level of GB 2312."""
        if self.chance(0.15):
            return chr(self.rng.randint(0x4E00, 0x9FA5))
        row, cell = divmod(self.rng.randrange(3755), 94)
        return bytes((0xB0 + row, 0xA1 + cell)).decode("gb2312")

    def fresh(self, make: Callable[[], str]) -> str:
        """A made value of this split; values too few to divide are taken as they are after many tries."""
        value = make()
        for _ in range(80):
            if in_split(value, self.split):
                break
            value = make()
        return value

    def pseudo(self, syllables: int = 0) -> str:
        """An invented lower-case word of two or three syllables."""

        def make() -> str:
            count = syllables or self.pick((2, 2, 3))
            return "".join(self.pick(ONSETS) + self.pick(VOWELS) for _ in range(count)) + self.pick(CODAS)

        return self.fresh(make)

    def first(self) -> str:
        if self.zh:
            return self.name()
        return self.pseudo().capitalize() if self.chance(0.3) else self.word(FIRST, FIRST)

    def name(self) -> str:
        """A person: full or first name; an invented one now and then."""
        if self.zh:

            def make() -> str:
                return self.pick(SURNAMES) + "".join(self.pick(GIVEN) for _ in range(self.pick((1, 2, 2))))

            return self.fresh(make)
        if self.chance(0.45):
            return self.first()
        return self.fresh(lambda: f"{self.pick(FIRST)} {self.pick(LAST)}")

    def city(self) -> str:
        if self.chance(0.2):
            return self.pseudo().capitalize()
        return self.word(CITIES_EN, CITIES_ZH)

    def product(self) -> str:
        return self.word(PRODUCTS_EN, PRODUCTS_ZH)

    def noun(self) -> str:
        return self.word(NOUNS_EN, NOUNS_ZH)

    def color(self) -> str:
        return self.word(COLORS_EN, COLORS_ZH)

    def animal(self) -> str:
        return self.word(ANIMALS_EN, ANIMALS_ZH)

    def food(self) -> str:
        return self.word(FOODS_EN, FOODS_ZH)

    def job(self) -> str:
        return self.word(JOBS_EN, JOBS_ZH)

    def hobby(self) -> str:
        return self.word(HOBBIES_EN, HOBBIES_ZH)

    def topic(self) -> str:
        if self.chance(0.4):
            return self.phrase()
        return self.word(TOPICS_EN, TOPICS_ZH).replace("_", " ")

    def phrase(self) -> str:
        """A few words that somebody may want written, sent or translated."""
        return self.fresh(
            lambda: self.say(PHRASES_EN, PHRASES_ZH).format(
                n=self.noun(), m=self.noun(), c=self.color(), p=self.first()
            )
        )

    def integer(self, low: int, high: int) -> int:
        """An integer; those of three and more digits are divided between the splits, smaller ones are too few."""
        if high < 100:
            return self.rng.randint(low, high)
        return int(self.fresh(lambda: str(self.rng.randint(low, high))))

    def amount(self) -> str:
        """A decimal number as written, such as 12.5, 340 or 0.75 (never with a closing zero)."""

        def make() -> str:
            whole = self.rng.randint(1, 10 ** self.pick((1, 2, 3, 4)))
            return f"{whole}.{self.rng.randint(1, 99):02d}".rstrip("0") if self.chance(0.5) else str(whole)

        return self.fresh(make)

    def date(self) -> str:
        """A date as YYYY-MM-DD."""
        return self.fresh(
            lambda: f"{self.rng.randint(1950, 2035)}-{self.rng.randint(1, 12):02d}-{self.rng.randint(1, 28):02d}"
        )

    def time(self) -> str:
        return f"{self.rng.randint(0, 23):02d}:{self.rng.randint(0, 59):02d}"

    def day(self) -> str:
        return self.pick(DAYS_ZH if self.zh else DAYS_EN)

    def ident(self) -> str:
        """An order number, a code, a commit: letters and digits mixed."""

        def make() -> str:
            digits = "".join(self.pick("0123456789") for _ in range(self.pick((3, 4, 5, 6))))
            letters = "".join(self.pick("ABCDEFGHJKLMNPQRSTUVWXYZ") for _ in range(self.pick((1, 2, 3))))
            hexed = "".join(self.pick("0123456789abcdef") for _ in range(7))
            return self.pick((letters + digits, f"{letters}-{digits}", digits, hexed, f"{self.pseudo()}{digits[:2]}"))

        return self.fresh(make)

    def email(self) -> str:
        def make() -> str:
            user = self.pick((self.pick(FIRST).lower(), self.pseudo(), f"{self.pick(FIRST)}.{self.pick(LAST)}".lower()))
            tail = self.pick(("example.com", "example.org", "mail.com", f"{self.pseudo()}.com", f"{self.pseudo()}.org"))
            return f"{user}{self.pick(('', '', str(self.rng.randint(1, 99))))}@{tail}"

        return self.fresh(make)

    def file(self) -> str:
        def make() -> str:
            stem = self.pick((self.pick(NOUNS_EN), self.pseudo(), f"{self.pseudo()}_{self.pick(NOUNS_EN)}"))
            ext = self.pick(("txt", "md", "py", "json", "csv", "pdf", "png", "log", "html", "toml"))
            folder = self.pick(("", "", "", f"{self.pick(NOUNS_EN)}/", f"/{self.pseudo()}/", "docs/", "src/"))
            return f"{folder}{stem}.{ext}"

        return self.fresh(make)

    def phone(self) -> str:
        return self.fresh(lambda: "".join(self.pick("0123456789") for _ in range(self.pick((7, 8, 10)))))

    def names(self, low: int = 2, high: int = 4) -> list[str]:
        """Different first names (English) or full names (Chinese)."""
        return self.several(self.first, low, high)

    def several(self, make: Callable[[], str], low: int, high: int) -> list[str]:
        """`low` to `high` different values of one kind."""
        count = self.rng.randint(low, high)
        found: list[str] = []
        for _ in range(60):
            if len(found) == count:
                break
            value = make()
            if value not in found:
                found.append(value)
        return found

    def joined(self, items: Sequence[str]) -> str:
        """The items as a list in a sentence: 'a, b and c' or 'a、b和c'."""
        if len(items) == 1:
            return items[0]
        if self.zh:
            return "、".join(items[:-1]) + "和" + items[-1]
        return ", ".join(items[:-1]) + " and " + items[-1]


def draw(rng: random.Random, split: Split, zh_share: float = 0.4) -> Draw:
    """A Draw whose language is Chinese in `zh_share` of the cases."""
    return Draw(rng, split, "zh" if rng.random() < zh_share else "en")


def written_date(d: Draw, iso: str) -> str:
    """An ISO date as people write it."""
    year, month, day = (int(x) for x in iso.split("-"))
    if d.zh:
        return d.pick((f"{year}年{month}月{day}日", iso, f"{month}月{day}日"))
    name = MONTHS[month - 1]
    return d.pick((f"{name} {day}, {year}", f"{day} {name} {year}", iso, f"{name} {day}"))
