"""Words for questions that cria cannot answer; those of test are never used in training."""

import random

from cria.data.knowledge.topics import Language
from cria.examples import Split

EN_TRAIN = {
    "thing": (
        "osmosis|a carburettor|the loom|a sextant|inflation|the stock market|a sewing machine|the Roman Empire|jazz|chess openings|"
        "the steam engine|a laser|a violin|glass blowing|the Silk Road|a mortgage|bitcoin|the French Revolution|opera|a submarine|"
        "a jet engine|the Byzantine Empire|impressionism|the periodic table|radioactivity|plastic|cement|the Ottoman Empire|beekeeping|"
        "an elevator|democracy|the United Nations|the Olympic Games|a camera|a microscope|the microwave oven|the liver|the kidney|"
        "photography|ballet|the Cold War|game theory|topology|a telescope|string theory|dark matter|a particle accelerator|sonar|radar|"
        "a hydraulic pump|the Vikings|the Aztecs|a lighthouse|gunpowder|porcelain|silk|surfing|cricket|golf|rugby|an abacus|a quasar|"
        "an enzyme|insulin|cholesterol|a tsunami|a tornado|coral reefs|penguins|whales|bats|honey|cheese|chocolate|wine|bread baking|"
        "Kubernetes|Rust|JavaScript|Bluetooth|GPS|a transistor|a blockchain|a virtual machine|regular expressions|WebAssembly|PostgreSQL|"
        "Haskell|a B-tree|TCP congestion control|quantum computing|gradient descent|backpropagation|a Kalman filter|Bayes' theorem|"
        "the Fourier transform|a vaccine passport|tax law|the Bible|Buddhism|philosophy|psychology|existentialism|stoicism|"
        "a symphony|the guitar|the piano|skiing|sailing|diamonds|gold mining|steel|a nuclear reactor|solar panels|wind turbines"
    ),
    "country": (
        "Bhutan|Chad|Peru|Chile|Kenya|Ghana|Nepal|Cuba|Iceland|Finland|Estonia|Hungary|Croatia|Mongolia|Laos|Malta|Fiji|Bolivia|"
        "Zambia|Uganda|Qatar|Oman|Jordan|Belize|Panama|Togo|Angola|Georgia|Moldova|Albania|Samoa|Rwanda|Senegal|Paraguay"
    ),
    "city": (
        "London|Beijing|Paris|Madrid|Tokyo|Chicago|Sydney|Rome|Oslo|Lima|Boston|Toronto|Shanghai|Dublin|Prague|Vienna|Mumbai|Lagos|"
        "Seattle|Munich|Zurich|Seoul|Dubai|Cairo|Athens|my town"
    ),
    "goods": (
        "a bicycle|a new phone|gold|a litre of milk|a flight to Rome|a used car|a laptop|an apartment|a ticket|a sofa|a kilo of rice|"
        "a camera|a guitar|petrol|a graphics card|a pair of shoes"
    ),
    "sport": "football|tennis|basketball|baseball|hockey|volleyball|chess|cycling|boxing",
    "organ": "knee|stomach|back|ear|foot|shoulder|throat|chest|hand|hip",
    "other": "landlord|boss|neighbour|brother|customer|bank|doctor|tenant",
}
EN_TEST = {
    "thing": (
        "a dishwasher|the Inca Empire|origami|a parachute|the spleen|a comet|ice hockey|a bassoon|the barometer|Kotlin|Redis|"
        "a hovercraft|sushi|the Hundred Years' War|cubism|a zeppelin|mushrooms|an accordion|Lagrange multipliers|a heat pump"
    ),
    "country": "Slovenia|Tonga|Ecuador|Namibia|Bahrain|Latvia|Cambodia|Tunisia",
    "city": "Helsinki|Osaka|Denver|Lyon|Perth|Krakow",
    "goods": "a washing machine|silver|a train ticket|a wooden table|a tablet|a cup of coffee",
    "sport": "handball|badminton|rowing",
    "organ": "elbow|wrist|neck",
    "other": "employer|cousin|insurer",
}
ZH_TRAIN = {
    "thing": (
        "渗透作用|化油器|织布机|六分仪|通货膨胀|股票市场|缝纫机|罗马帝国|爵士乐|象棋开局|蒸汽机|激光|小提琴|玻璃工艺|丝绸之路|房贷|比特币|法国大革命|歌剧|潜艇|"
        "喷气发动机|拜占庭帝国|印象派|元素周期表|放射性衰变|塑料|水泥|奥斯曼帝国|养蜂|电梯|民主|联合国|奥运会|照相机|显微镜|微波炉|肝脏|肾脏|摄影|芭蕾|冷战|博弈论|"
        "拓扑学|望远镜|弦理论|暗物质|粒子加速器|声呐|雷达|液压泵|维京人|阿兹特克人|灯塔|瓷器|丝绸|冲浪|板球|高尔夫|橄榄球|算盘|类星体|酶|胰岛素|胆固醇|海啸|龙卷风|"
        "珊瑚礁|企鹅|鲸鱼|蝙蝠|蜂蜜|奶酪|巧克力|葡萄酒|烘焙|Kubernetes|Rust|JavaScript|蓝牙|GPS|晶体管|区块链|虚拟机|正则表达式|量子计算|梯度下降|反向传播|"
        "卡尔曼滤波|贝叶斯定理|傅里叶变换|税法|圣经|佛教|哲学|心理学|存在主义|交响乐|吉他|钢琴|滑雪|帆船|钻石|采矿|钢铁|核反应堆|太阳能板|风力发电|京剧|太极拳|"
        "针灸|书法|红楼梦|三国演义|水浒传|科举制度|郑和下西洋|端午节|清明节|麻将|围棋|豆腐|火锅"
    ),
    "country": (
        "不丹|乍得|秘鲁|智利|肯尼亚|加纳|尼泊尔|古巴|冰岛|芬兰|爱沙尼亚|匈牙利|克罗地亚|蒙古|老挝|马耳他|斐济|玻利维亚|赞比亚|乌干达|卡塔尔|阿曼|约旦|巴拿马|多哥|"
        "安哥拉|格鲁吉亚|摩尔多瓦|阿尔巴尼亚|卢旺达|塞内加尔|巴拉圭"
    ),
    "city": "伦敦|北京|巴黎|马德里|东京|芝加哥|悉尼|罗马|上海|广州|成都|武汉|都柏林|布拉格|维也纳|孟买|西雅图|慕尼黑|首尔|迪拜|开罗|我这里|杭州|西安",
    "goods": "自行车|新手机|黄金|一升牛奶|去罗马的机票|二手车|笔记本电脑|一套房子|门票|沙发|一公斤大米|相机|吉他|汽油|显卡|一双鞋",
    "sport": "足球|网球|篮球|棒球|冰球|排球|象棋|自行车|拳击",
    "organ": "膝盖|肚子|背|耳朵|脚|肩膀|喉咙|胸口|手|腰",
    "other": "房东|老板|邻居|哥哥|客户|银行|医生|租客",
}
ZH_TEST = {
    "thing": "洗碗机|印加帝国|折纸|降落伞|脾脏|彗星|冰壶|巴松管|气压计|Kotlin|Redis|气垫船|寿司|百年战争|立体主义|飞艇|蘑菇|手风琴|拉格朗日乘数|热泵",
    "country": "斯洛文尼亚|汤加|厄瓜多尔|纳米比亚|巴林|拉脱维亚|柬埔寨|突尼斯",
    "city": "赫尔辛基|大阪|丹佛|里昂|南京|青岛",
    "goods": "洗衣机|白银|火车票|木桌|平板电脑|一杯咖啡",
    "sport": "手球|羽毛球|赛艇",
    "organ": "手肘|手腕|脖子",
    "other": "雇主|表弟|保险公司",
}


def _split_bank(bank: dict[str, str]) -> dict[str, tuple[str, ...]]:
    return {key: tuple(text.split("|")) for key, text in bank.items()}


BANKS: dict[Language, dict[Split, dict[str, tuple[str, ...]]]] = {
    "en": {"train": _split_bank(EN_TRAIN), "test": _split_bank(EN_TEST)},
    "zh": {"train": _split_bank(ZH_TRAIN), "test": _split_bank(ZH_TEST)},
}


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FIRST_NAMES: dict[Split, tuple[str, ...]] = {
    "train": _words(
        "Harold Edith Oswald Beatrix Leopold Agnes Rupert Mabel Cyril Doris Ignatius Petra Walter Hilda Anton Greta Felix Ursula "
        "Otto Selma Viktor Irma Konrad Elsa Rafael Lucia Pedro Carmen Diego Rosa Hassan Leila Omar Amina Ivan Olga Sergei Nadia "
        "Kenji Yuki Hiro Sakura Ravi Priya Arjun Meera John Mary Peter Susan Michael Linda David Barbara"
    ),
    "test": _words("Gilbert Winifred Casper Matilda Bruno Fatima Akira Deepak Stephen Laura"),
}
LAST_NAMES: dict[Split, tuple[str, ...]] = {
    "train": _words(
        "Fenwick Harrow Blackwood Penrose Ashby Thornton Kessler Brandt Vogel Lindqvist Sorensen Halvorsen Novak Kowalski Petrov "
        "Volkov Marchetti Rossini Delgado Herrera Okafor Mensah Abebe Tanaka Watanabe Sharma Banerjee Haddad Nasser Aydin Varga "
        "Smith Johnson Brown Taylor Wilson Walker Wright Green Hall Clark"
    ),
    "test": _words("Pemberton Grimshaw Zimmer Castellan Obi Suzuki Mehta Karlsson Baker Cooper"),
}
ZH_SURNAMES: dict[Split, str] = {"train": "王李张刘陈杨赵黄周吴徐孙马朱胡郭何林高罗", "test": "郑梁谢宋唐许"}
ZH_GIVEN: dict[Split, str] = {
    "train": "伟芳娜敏静丽强磊军洋勇艳杰涛明超秀霞平刚桂英华玉兰建国文辉",
    "test": "斌倩浩琳凯雪峰岚",
}

ONSETS: dict[Split, tuple[str, ...]] = {
    "train": _words("b br d dr f fl g gr k kl m n p pl r s sk t tr v z sh th"),
    "test": _words("bl dw gl kr l pr sn st w zh"),
}
VOWELS = ("a", "e", "i", "o", "u", "oo", "ai")
CODAS = ("", "", "n", "r", "l", "x", "m", "sk", "nt")

EN_TITLE: dict[Split, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "train": (
        (
            "Silent",
            "Crimson",
            "Forgotten",
            "Burning",
            "Hidden",
            "Broken",
            "Endless",
            "Frozen",
            "Golden",
            "Lonely",
        ),
        (
            "Harbour",
            "Garden",
            "Winter",
            "Letters",
            "Mountain",
            "Orchard",
            "Bridge",
            "Empire",
            "Promise",
            "Night",
        ),
    ),
    "test": (("Scarlet", "Wandering", "Hollow"), ("Lantern", "Meadow", "Voyage")),
}
ZH_TITLE: dict[Split, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "train": (
        ("沉默的", "红色", "被遗忘的", "燃烧的", "隐藏的", "破碎的", "无尽的", "冰冻的", "孤独的", "遥远的"),
        ("港口", "花园", "冬天", "来信", "山谷", "果园", "大桥", "王国", "诺言", "夜晚"),
    ),
    "test": (("猩红的", "流浪的", "空心的"), ("灯笼", "草地", "航程")),
}


def person(rng: random.Random, language: Language, split: Split) -> str:
    """The name of somebody who is not known."""
    if language == "zh" and rng.random() < 0.8:
        return rng.choice(ZH_SURNAMES[split]) + "".join(rng.sample(ZH_GIVEN[split], rng.randint(1, 2)))
    return f"{rng.choice(FIRST_NAMES[split])} {rng.choice(LAST_NAMES[split])}"


def pseudo_word(rng: random.Random, split: Split) -> str:
    """A word that does not exist, of two or three syllables."""
    syllables = [rng.choice(ONSETS[split]) + rng.choice(VOWELS) + rng.choice(CODAS) for _ in range(rng.randint(2, 3))]
    word = "".join(syllables)
    return word.capitalize() if rng.random() < 0.3 else word


def title(rng: random.Random, language: Language, split: Split) -> str:
    """The title of a book that does not exist."""
    first, second = (EN_TITLE if language == "en" else ZH_TITLE)[split]
    name = rng.choice(first) + (" " if language == "en" else "") + rng.choice(second)
    return f"The {name}" if language == "en" and rng.random() < 0.7 else name


def numbers(rng: random.Random, split: Split) -> dict[str, str]:
    """Numbers for sums; odd ones belong to training, even ones to test."""
    parity = 1 if split == "train" else 0

    def pick(low: int, high: int) -> str:
        return str(rng.randrange(low, high, 2) + parity)

    return {
        "a": pick(120, 90000),
        "b": pick(14, 9000),
        "m": pick(4, 60),
        "n": pick(2, 10),
        "year": pick(1400, 2020),
    }
