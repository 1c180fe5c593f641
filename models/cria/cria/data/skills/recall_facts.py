"""What a user says of himself, and how he asks for it later, in both languages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cria.data.skills.words import Draw


@dataclass(frozen=True)
class Fact:
    """Something to remember, in both languages (index 0 English, 1 Chinese); `{}` is the value.

    `tell` what the user says, `reply` the answer to it, `ask` questions later, `answer` the answer, `about` the same as a
    system prompt says it. The last two of each `ask` are for the test alone.
    """

    make: Callable[[Draw], str]
    tell: tuple[tuple[str, ...], tuple[str, ...]]
    reply: tuple[tuple[str, ...], tuple[str, ...]]
    ask: tuple[tuple[str, ...], tuple[str, ...]]
    answer: tuple[str, str]
    about: tuple[str, str]


def _number(d: Draw) -> str:
    return str(d.integer(1, 9999) if d.chance(0.6) else d.integer(10, 99))


GOT = (
    ("Okay, I'll remember that.", "Got it: {}.", "Noted: {}."),
    ("好的，我记住了。", "记住了：{}。", "好的，{}。"),
)
FACTS = (
    Fact(
        Draw.name,
        (
            (
                "My name is {}.",
                "I'm {}.",
                "Hi, I am {}.",
                "Hello! My name is {}.",
                "Call me {}.",
                "You can call me {}.",
                "{} is my name.",
                "This is {} speaking.",
                "Hi, {} here.",
            ),
            (
                "我叫{}。",
                "我的名字是{}。",
                "你好，我是{}。",
                "你好！我叫{}。",
                "叫我{}吧。",
                "你可以叫我{}。",
                "我名叫{}。",
            ),
        ),
        (
            ("Nice to meet you, {}!", "Hello {}! How can I help you?", "Hi {}, nice to meet you."),
            ("很高兴认识你，{}！", "你好，{}！有什么可以帮你的吗？", "{}你好，很高兴认识你。"),
        ),
        (
            (
                "What is my name?",
                "What's my name?",
                "Who am I?",
                "Do you remember my name?",
                "Do you know my name?",
                "Tell me my name.",
                "Can you tell me what my name is?",
                "How am I called?",
            ),
            (
                "我叫什么？",
                "我叫什么名字？",
                "我是谁？",
                "你还记得我的名字吗？",
                "我的名字是什么？",
                "说说我的名字。",
                "你知道我叫什么吗？",
                "你记得我是谁吗？",
            ),
        ),
        ("Your name is {}.", "你叫{}。"),
        ("The user's name is {}.", "用户的名字是{}。"),
    ),
    Fact(
        _number,
        (
            (
                "My favorite number is {}.",
                "Remember the number {}.",
                "Please keep the number {} in mind.",
                "The number is {}.",
                "My lucky number is {}.",
            ),
            ("我最喜欢的数字是{}。", "记住数字{}。", "请记住这个数字：{}。", "我的幸运数字是{}。"),
        ),
        GOT,
        (
            (
                "What was the number?",
                "Which number did I tell you?",
                "What number did I give you?",
                "Do you remember the number?",
                "What is my number?",
                "Tell me the number again.",
                "Which number was it?",
                "Can you repeat the number?",
            ),
            (
                "那个数字是多少？",
                "我告诉你的数字是什么？",
                "你还记得那个数字吗？",
                "我的数字是几？",
                "数字是多少？",
                "再说一遍那个数字。",
                "刚才的数字是多少？",
                "我说的是哪个数字？",
            ),
        ),
        ("The number is {}.", "数字是{}。"),
        ("The number of the user is {}.", "用户的数字是{}。"),
    ),
    Fact(
        Draw.color,
        (
            (
                "My favorite color is {}.",
                "I like the color {} best.",
                "I love {}, it's my favorite color.",
                "The color I like most is {}.",
            ),
            ("我最喜欢的颜色是{}。", "我喜欢{}，这是我最爱的颜色。", "颜色里我最喜欢{}。"),
        ),
        (
            ("A fine color!", "{} is a beautiful color.", "Nice, I'll remember that."),
            ("很好看的颜色！", "{}很漂亮。", "好的，我记住了。"),
        ),
        (
            (
                "What is my favorite color?",
                "Which color do I like best?",
                "What's my favorite color?",
                "Do you remember my favorite color?",
                "Which color is my favorite?",
                "What color do I like most?",
            ),
            (
                "我最喜欢什么颜色？",
                "我最喜欢的颜色是什么？",
                "你记得我喜欢什么颜色吗？",
                "我喜欢的颜色是哪种？",
                "我最爱什么颜色？",
                "哪种颜色是我最喜欢的？",
            ),
        ),
        ("Your favorite color is {}.", "你最喜欢的颜色是{}。"),
        ("The user's favorite color is {}.", "用户最喜欢的颜色是{}。"),
    ),
    Fact(
        Draw.city,
        (
            (
                "I live in {}.",
                "I'm from {}.",
                "My home is in {}.",
                "I am living in {} now.",
                "I moved to {} last year.",
            ),
            ("我住在{}。", "我来自{}。", "我家在{}。", "我现在住在{}。", "我去年搬到了{}。"),
        ),
        (
            ("{} is a nice place.", "I hope you like it in {}.", "How nice! Do you like it there?"),
            ("{}是个好地方。", "希望你喜欢{}。", "真不错！你喜欢那里吗？"),
        ),
        (
            (
                "Where do I live?",
                "In which city do I live?",
                "Which city am I in?",
                "Do you remember where I live?",
                "What city do I live in?",
                "Where is my home?",
            ),
            (
                "我住在哪里？",
                "我住在哪个城市？",
                "你记得我住哪儿吗？",
                "我的家在哪里？",
                "我家在哪个城市？",
                "我在哪儿住？",
            ),
        ),
        ("You live in {}.", "你住在{}。"),
        ("The user lives in {}.", "用户住在{}。"),
    ),
    Fact(
        lambda d: str(d.integer(6, 95)),
        (
            ("I am {} years old.", "I'm {} years old.", "I turned {} last week.", "My age is {}."),
            ("我今年{}岁。", "我{}岁了。", "我的年龄是{}岁。", "我上周满{}岁了。"),
        ),
        (
            ("{} is a good age.", "Thanks for telling me.", "Got it, you are {}."),
            ("{}岁，很好的年纪。", "谢谢你告诉我。", "知道了，你{}岁。"),
        ),
        (
            (
                "How old am I?",
                "What is my age?",
                "Do you remember how old I am?",
                "How old did I say I am?",
                "Do you know my age?",
                "Tell me how old I am.",
            ),
            (
                "我多大了？",
                "我今年几岁？",
                "我的年龄是多少？",
                "你记得我几岁吗？",
                "我多少岁？",
                "你知道我多大吗？",
            ),
        ),
        ("You are {} years old.", "你{}岁。"),
        ("The user is {} years old.", "用户今年{}岁。"),
    ),
    Fact(
        Draw.first,
        (
            ("I have a dog called {}.", "My dog's name is {}.", "My dog is called {}.", "We have a dog, {}."),
            ("我的狗叫{}。", "我养了一只狗，叫{}。", "我家的狗名叫{}。", "我有一只狗，名字是{}。"),
        ),
        (
            ("{} is a lovely name!", "How sweet! Say hello to {}.", "I'm sure {} is a good dog."),
            ("{}真是个好名字！", "真可爱！替我向{}问好。", "{}一定是只好狗。"),
        ),
        (
            (
                "What is my dog's name?",
                "What is the name of my dog?",
                "How is my dog called?",
                "Do you remember my dog's name?",
                "What's my dog called?",
                "Who is my dog?",
            ),
            (
                "我的狗叫什么？",
                "我的狗叫什么名字？",
                "你记得我的狗叫什么吗？",
                "我家狗的名字是什么？",
                "我的狗名字是什么？",
                "我家的狗叫啥？",
            ),
        ),
        ("Your dog is called {}.", "你的狗叫{}。"),
        ("The user's dog is called {}.", "用户的狗叫{}。"),
    ),
    Fact(
        Draw.first,
        (
            (
                "My cat is called {}.",
                "I have a cat named {}.",
                "My cat's name is {}.",
                "At home there is my cat, {}.",
            ),
            ("我的猫叫{}。", "我养了一只猫，叫{}。", "我家的猫名叫{}。", "我有一只猫，名字是{}。"),
        ),
        (
            ("{} is a lovely name!", "How sweet! Say hello to {}.", "Cats are wonderful."),
            ("{}真是个好名字！", "真可爱！替我向{}问好。", "猫很可爱。"),
        ),
        (
            (
                "What is my cat's name?",
                "What is the name of my cat?",
                "How is my cat called?",
                "Do you remember my cat's name?",
                "What's my cat called?",
                "Tell me the name of my cat.",
            ),
            (
                "我的猫叫什么？",
                "我的猫叫什么名字？",
                "你记得我的猫叫什么吗？",
                "我家猫的名字是什么？",
                "我的猫名字是什么？",
                "我家的猫叫啥？",
            ),
        ),
        ("Your cat is called {}.", "你的猫叫{}。"),
        ("The user's cat is called {}.", "用户的猫叫{}。"),
    ),
    Fact(
        Draw.food,
        (
            ("My favorite food is {}.", "I love eating {}.", "I like {} more than any other food."),
            ("我最喜欢吃{}。", "我最爱的食物是{}。", "吃的里面我最喜欢{}。"),
        ),
        (
            ("That sounds tasty!", "Mmm, {}!", "A good choice."),
            ("听起来很好吃！", "{}很好吃！", "不错的选择。"),
        ),
        (
            (
                "What is my favorite food?",
                "What do I like to eat?",
                "Which food do I like best?",
                "Do you remember my favorite food?",
                "What food do I love?",
                "What is the food I like most?",
            ),
            (
                "我最喜欢吃什么？",
                "我喜欢吃什么？",
                "我最爱的食物是什么？",
                "你记得我爱吃什么吗？",
                "我爱吃什么？",
                "我最喜欢的食物是什么？",
            ),
        ),
        ("You like {} best.", "你最喜欢吃{}。"),
        ("The user's favorite food is {}.", "用户最喜欢吃{}。"),
    ),
    Fact(
        Draw.job,
        (
            ("I work as a {}.", "My job: {}.", "I'm a {} by profession.", "I earn my living as a {}."),
            ("我是{}。", "我的职业是{}。", "我的工作是{}。"),
        ),
        (
            ("An interesting job!", "Being a {} must be interesting.", "That is important work."),
            ("很有意思的工作！", "当{}一定很有意思。", "这是很重要的工作。"),
        ),
        (
            (
                "What is my job?",
                "What do I do for a living?",
                "What is my profession?",
                "Do you remember my job?",
                "What do I work as?",
                "Which job do I have?",
            ),
            (
                "我的工作是什么？",
                "我是做什么的？",
                "我的职业是什么？",
                "你记得我的工作吗？",
                "我做什么工作？",
                "我从事什么职业？",
            ),
        ),
        ("You work as a {}.", "你的工作是{}。"),
        ("The user works as a {}.", "用户的工作是{}。"),
    ),
    Fact(
        Draw.hobby,
        (
            ("My hobby is {}.", "In my free time I do {}.", "I enjoy {} a lot."),
            ("我的爱好是{}。", "我空闲时喜欢{}。", "我特别喜欢{}。"),
        ),
        (
            ("{} is a nice hobby.", "That sounds like fun!", "Good for you!"),
            ("{}是个不错的爱好。", "听起来很有趣！", "真好！"),
        ),
        (
            (
                "What is my hobby?",
                "What do I do in my free time?",
                "Which hobby do I have?",
                "Do you remember my hobby?",
                "What do I enjoy?",
                "What is it I like to do?",
            ),
            (
                "我的爱好是什么？",
                "我空闲时做什么？",
                "你记得我的爱好吗？",
                "我有什么爱好？",
                "我喜欢做什么？",
                "我平时的爱好是什么？",
            ),
        ),
        ("Your hobby is {}.", "你的爱好是{}。"),
        ("The user's hobby is {}.", "用户的爱好是{}。"),
    ),
    Fact(
        Draw.ident,
        (
            (
                "My order number is {}.",
                "The code is {}.",
                "Please remember the code {}.",
                "My ticket has the code {}.",
                "Keep this code: {}",
            ),
            ("我的订单号是{}。", "代码是{}。", "请记住代码{}。", "我的票号是{}。", "记下这个代码：{}"),
        ),
        GOT,
        (
            (
                "What was the code?",
                "Which code did I give you?",
                "What is the code?",
                "Do you remember the code?",
                "Tell me the code again.",
                "Can you repeat the code?",
            ),
            (
                "代码是什么？",
                "我给你的代码是什么？",
                "你记得那个代码吗？",
                "再说一遍代码。",
                "刚才的代码是什么？",
                "我说的代码是哪个？",
            ),
        ),
        ("The code is {}.", "代码是{}。"),
        ("The code of the user is {}.", "用户的代码是{}。"),
    ),
    Fact(
        Draw.pseudo,
        (
            (
                "The secret word is {}.",
                "The password is {}.",
                "Remember this word: {}.",
                "Keep the word {} in mind.",
            ),
            ("暗号是{}。", "密码是{}。", "记住这个词：{}。", "请记住{}这个词。"),
        ),
        GOT,
        (
            (
                "What is the secret word?",
                "What was the word?",
                "Which word did I tell you?",
                "Do you remember the word?",
                "What word should you remember?",
                "Say the word again.",
            ),
            (
                "暗号是什么？",
                "那个词是什么？",
                "我告诉你的词是什么？",
                "你记得那个词吗？",
                "刚才是哪个词？",
                "再说一遍那个词。",
            ),
        ),
        ("The word is {}.", "那个词是{}。"),
        ("The secret word is {}.", "暗号是{}。"),
    ),
)
