"""Short Python functions of random names, cut into a prefix, a middle and a suffix."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cache

from cria.data.skills.words import NOUNS_EN, Draw, part
from cria.examples import Case, Fim, Split, Text

# Templates: {f} function, {a} {b} {c} names of values, {n} {m} numbers, {x} a noun, {K} a class. After `##` the
# expressions that are true of the function, for the test.
TEMPLATES = (
    "def {f}({a}, {b}):\n    return {a} + {b}\n## {f}(2, 3) == 5",
    "def {f}({a}, {b}):\n    return {a} - {b}\n## {f}(7, 3) == 4",
    "def {f}({a}, {b}):\n    return {a} * {b}\n## {f}(4, 3) == 12",
    "def {f}({a}, {b}):\n    return {a} / {b}\n## {f}(6, 3) == 2",
    "def {f}({a}: int, {b}: int) -> int:\n    return {a} + {b}\n## {f}(2, 3) == 5",
    "def {f}({a}):\n    return {a} * {n}\n## {f}(2) == 2 * {n}",
    "def {f}({a}):\n    return {a} + {n}\n## {f}(2) == 2 + {n}",
    "def {f}({a}):\n    return {a} % 2 == 0\n## {f}(4)|not {f}(5)",
    "def {f}({a}):\n    return {a} % 2 == 1\n## {f}(5)|not {f}(4)",
    "def {f}({a}: int) -> bool:\n    return {a} % 2 == 0\n## {f}(4)|not {f}(5)",
    "def {f}({a}):\n    return {a} % {n} == 0\n## {f}({n})|not {f}({n} + 1) or {n} == 1",
    "def {f}({a}):\n    return {a} ** 2\n## {f}(3) == 9",
    "def {f}({a}):\n    return {a} > {n}\n## {f}({n} + 1)|not {f}({n})",
    "def {f}({a}, {b}, {c}):\n    return {a} + {b} + {c}\n## {f}(1, 2, 3) == 6",
    "def {f}({a}, {b}):\n    if {a} > {b}:\n        return {a}\n    return {b}\n## {f}(2, 3) == 3|{f}(4, 1) == 4",
    "def {f}({a}, {b}):\n    if {a} < {b}:\n        return {a}\n    return {b}\n## {f}(2, 3) == 2|{f}(4, 1) == 1",
    "def {f}({a}, {b}):\n    return max({a}, {b})\n## {f}(2, 3) == 3",
    "def {f}({a}, {b}):\n    return min({a}, {b})\n## {f}(2, 3) == 2",
    "def {f}({a}, low, high):\n    if {a} < low:\n        return low\n    if {a} > high:\n        return high\n    return {a}\n## {f}(5, 1, 3) == 3|{f}(0, 1, 3) == 1|{f}(2, 1, 3) == 2",
    "def {f}({a}, low, high):\n    return max(low, min({a}, high))\n## {f}(5, 1, 3) == 3|{f}(0, 1, 3) == 1",
    "def {f}({a}):\n    if {a} < 0:\n        return -{a}\n    return {a}\n## {f}(-3) == 3|{f}(3) == 3",
    "def {f}({a}):\n    return abs({a})\n## {f}(-3) == 3",
    "def {f}({a}):\n    if {a} <= 1:\n        return 1\n    return {a} * {f}({a} - 1)\n## {f}(4) == 24",
    "def {f}({a}):\n    {b} = 1\n    for i in range(1, {a} + 1):\n        {b} *= i\n    return {b}\n## {f}(4) == 24",
    "def {f}({a}):\n    {b} = 0\n    for {c} in {a}:\n        {b} += {c}\n    return {b}\n## {f}([1, 2, 3]) == 6",
    "def {f}({a}):\n    {b} = 0\n    for {c} in {a}:\n        if {c} > {n}:\n            {b} += 1\n    return {b}\n## {f}([{n}, {n} + 1]) == 1",
    "def {f}({a}):\n    {b} = []\n    for {c} in {a}:\n        {b}.append({c} * {n})\n    return {b}\n## {f}([1, 2]) == [{n}, 2 * {n}]",
    "def {f}({a}):\n    {b} = []\n    for {c} in {a}:\n        if {c} % 2 == 0:\n            {b}.append({c})\n    return {b}\n## {f}([1, 2, 4]) == [2, 4]",
    "def {f}({a}):\n    return [{c} * {n} for {c} in {a}]\n## {f}([1, 2]) == [{n}, 2 * {n}]",
    "def {f}({a}):\n    return [{c} + {n} for {c} in {a}]\n## {f}([1, 2]) == [1 + {n}, 2 + {n}]",
    "def {f}({a}):\n    return [{c} for {c} in {a} if {c} > {n}]\n## {f}([{n}, {n} + 1]) == [{n} + 1]",
    "def {f}({a}):\n    return [{c}.upper() for {c} in {a}]\n## {f}(['a']) == ['A']",
    "def {f}({a}):\n    return [{c}.lower() for {c} in {a}]\n## {f}(['A']) == ['a']",
    "def {f}({a}):\n    return [len({c}) for {c} in {a}]\n## {f}(['ab']) == [2]",
    "def {f}({a}):\n    return sum({a}) / len({a})\n## {f}([1, 3]) == 2",
    "def {f}({a}):\n    {b} = sum({a})\n    return {b} / len({a})\n## {f}([1, 3]) == 2",
    "def {f}({a}):\n    return sum({c} ** 2 for {c} in {a})\n## {f}([1, 2]) == 5",
    "def {f}({a}):\n    return {a}[::-1]\n## {f}('abc') == 'cba'",
    "def {f}({a}):\n    return {a} == {a}[::-1]\n## {f}('aba')|not {f}('ab')",
    "def {f}({a}):\n    return {a}.upper()\n## {f}('a') == 'A'",
    "def {f}({a}):\n    return {a}.strip().lower()\n## {f}(' A ') == 'a'",
    "def {f}({a}):\n    return len({a}.split())\n## {f}('a b') == 2",
    "def {f}({a}):\n    return ' '.join({a})\n## {f}(['a', 'b']) == 'a b'",
    "def {f}({a}):\n    return {a}.replace(' ', '_')\n## {f}('a b') == 'a_b'",
    "def {f}({a}, {b}):\n    return {a}.count({b})\n## {f}('aab', 'a') == 2",
    "def {f}({a}):\n    return {a}[0]\n## {f}([1, 2]) == 1",
    "def {f}({a}):\n    return {a}[-1]\n## {f}([1, 2]) == 2",
    "def {f}({a}):\n    if not {a}:\n        return None\n    return {a}[0]\n## {f}([1]) == 1|{f}([]) is None",
    "def {f}({a}):\n    return sorted({a})\n## {f}([2, 1]) == [1, 2]",
    "def {f}({a}):\n    return sorted({a}, reverse=True)\n## {f}([1, 2]) == [2, 1]",
    "def {f}({a}):\n    return list(set({a}))\n## {f}([1, 1]) == [1]",
    "def {f}({a}, {b}):\n    return {b} in {a}\n## {f}([1], 1)",
    "def {f}({a}, {b}):\n    for {c} in {a}:\n        if {c} == {b}:\n            return True\n    return False\n## {f}([1, 2], 2)|not {f}([1], 2)",
    "def {f}({a}):\n    {b} = {{}}\n    for {c} in {a}:\n        {b}[{c}] = {b}.get({c}, 0) + 1\n    return {b}\n## {f}('aab') == {{'a': 2, 'b': 1}}",
    "def {f}({a}):\n    return {{{c}: len({c}) for {c} in {a}}}\n## {f}(['ab']) == {{'ab': 2}}",
    "def {f}({a}, {b}):\n    return dict(zip({a}, {b}))\n## {f}(['a'], [1]) == {{'a': 1}}",
    "def {f}({a}):\n    {b}, {c} = 0, 1\n    for _ in range({a}):\n        {b}, {c} = {c}, {b} + {c}\n    return {b}\n## {f}(6) == 8",
    "def {f}({a}):\n    while {a} > {n}:\n        {a} -= 1\n    return {a}\n## {f}({n} + 3) == {n}",
    "def {f}({a}):\n    {b} = 0\n    while {a} > 0:\n        {b} += {a} % 10\n        {a} //= 10\n    return {b}\n## {f}(123) == 6",
    "def {f}({a}):\n    return f'Hello, {{{a}}}!'\n## {f}('Bo') == 'Hello, Bo!'",
    "def {f}({a}='{x}'):\n    return 'Hello ' + {a}\n## {f}() == 'Hello {x}'",
    "def {f}():\n    return '{x}'\n## {f}() == '{x}'",
    "def {f}():\n    return {n}\n## {f}() == {n}",
    "def {f}({a}):\n    return ({a} - 32) * 5 / 9\n## {f}(212) == 100",
    "def {f}({a}):\n    return {a} * 9 / 5 + 32\n## {f}(100) == 212",
    'def {f}({a}, {b}):\n    """Return the sum of {a} and {b}."""\n    return {a} + {b}\n## {f}(2, 3) == 5',
    'def {f}({a}):\n    """Return the square of {a}."""\n    return {a} * {a}\n## {f}(3) == 9',
    'def {f}({a}):\n    """Return whether {a} is even."""\n    return {a} % 2 == 0\n## {f}(2)',
    "def {f}({a}):\n    try:\n        return int({a})\n    except ValueError:\n        return {n}\n## {f}('7') == 7|{f}('x') == {n}",
    "def {f}({a}, {b}):\n    if {b} == 0:\n        return None\n    return {a} / {b}\n## {f}(4, 2) == 2|{f}(1, 0) is None",
    "def {f}({a}):\n    with open({a}) as file:\n        return file.read()\n## callable({f})",
    "def {f}({a}):\n    for {c} in {a}:\n        print({c})\n## callable({f})",
    "def {f}({a}):\n    for i, {c} in enumerate({a}):\n        print(i, {c})\n## callable({f})",
    "class {K}:\n    def __init__(self, {a}):\n        self.{a} = {a}\n\n    def get_{a}(self):\n        return self.{a}\n## {K}(3).get_{a}() == 3",
    "class {K}:\n    def __init__(self, {a}, {b}):\n        self.{a} = {a}\n        self.{b} = {b}\n\n    def {f}(self):\n        return self.{a} + self.{b}\n## {K}(3, 4).{f}() == 7",
    "class {K}:\n    def __init__(self):\n        self.{a} = 0\n\n    def {f}(self):\n        self.{a} += {n}\n        return self.{a}\n## {K}().{f}() == {n}",
    "class {K}:\n    def __init__(self):\n        self.{a} = []\n\n    def add(self, {b}):\n        self.{a}.append({b})\n\n    def size(self):\n        return len(self.{a})\n## {K}().size() == 0",
    "class {K}:\n    def __init__(self, {a}):\n        self.{a} = {a}\n\n    def set_{a}(self, {a}):\n        self.{a} = {a}\n## {K}(3).set_{a}(4) is None",
)
# What a function that does one thing may be called, so that its name tells what is missing: template index by first words.
NAMED = {
    "return {a} + {b}\n": ("add", "add_numbers", "plus", "sum_two"),
    "return {a} - {b}\n": ("subtract", "minus", "difference"),
    "return {a} * {b}\n": ("multiply", "product", "times"),
    "return {a} / {b}\n": ("divide", "ratio", "quotient"),
    "return {a} % 2 == 0\n": ("is_even", "even", "check_even"),
    "return {a} % 2 == 1\n": ("is_odd", "odd"),
    "return {a} ** 2\n": ("square", "squared"),
    "return max({a}, {b})\n": ("larger", "maximum", "max_of_two"),
    "return min({a}, {b})\n": ("smaller", "minimum", "min_of_two"),
    "{a} * {f}({a} - 1)\n": ("factorial", "fact"),
    "return {a}[::-1]\n": ("reverse", "reverse_text", "backwards"),
    "return {a} == {a}[::-1]\n": ("is_palindrome", "palindrome"),
    "return sum({a}) / len({a})\n": ("average", "mean"),
    "{a}, high))\n": ("clamp", "limit"),
    "return abs({a})\n": ("absolute", "abs_value"),
    "return {a}.upper()\n": ("to_upper", "shout", "upper_case"),
    "return len({a}.split())\n": ("count_words", "word_count"),
    "{b}, {c} = {c}, {b} + {c}\n": ("fibonacci", "fib"),
    "return {a}[0]\n": ("first", "first_item", "head"),
    "return {a}[-1]\n": ("last", "last_item"),
    "return sorted({a})\n": ("sort_items", "ordered"),
}
PLAIN = (
    "a",
    "b",
    "c",
    "x",
    "y",
    "z",
    "n",
    "m",
    "k",
    "value",
    "item",
    "number",
    "text",
    "name",
    "first",
    "second",
    "left",
    "right",
    "data",
    "result",
    "total",
    "words",
    "list1",
)
ACTS = ("get", "compute", "make", "find", "check", "do", "run", "count", "show", "build")


def _identifier(d: Draw) -> str:
    if d.chance(0.4):
        return d.pick(PLAIN)
    if d.chance(0.4):
        return d.pick(part(NOUNS_EN, d.split))
    if d.chance(0.3):
        return f"{d.pick(part(NOUNS_EN, d.split))}_{d.pseudo(2)}"
    return d.pseudo(2)


def _function_name(d: Draw, template: str) -> str:
    for ending, names in NAMED.items():
        if ending in template and d.chance(0.85):
            name = d.pick(names)
            return name if d.chance(0.6) else f"{name}_{d.pick(part(NOUNS_EN, d.split))}"
    return f"{d.pick(ACTS)}_{d.pick((d.pseudo, lambda: d.pick(part(NOUNS_EN, d.split))))()}"


@cache
def _named() -> tuple[str, ...]:
    """The templates whose function has a name that says what it does."""
    return tuple(template for template in TEMPLATES if any(ending in template for ending in NAMED))


def source(d: Draw) -> tuple[str, list[str]]:
    """A function or class, and expressions that are true of it."""
    template = d.pick(_named() if d.chance(0.5) else TEMPLATES)
    names = d.several(lambda: _identifier(d), 3, 3)
    reserved = {"is", "in", "and", "or", "not", "if", "def", "for"}
    while len(names) < 3 or reserved & set(names):
        names = d.several(lambda: d.pseudo(2), 3, 3)
    values = {
        "f": _function_name(d, template),
        "a": names[0],
        "b": names[1],
        "c": names[2],
        "n": d.rng.randint(2, 99),
        "x": d.pick(part(NOUNS_EN, d.split)),
        "K": d.pick((d.pseudo, lambda: d.pick(part(NOUNS_EN, d.split))))().capitalize(),
    }
    text, _, checks = template.format(**values).partition("## ")
    return text, checks.split("|")


def cut(d: Draw, text: str) -> tuple[str, str, str]:
    """Prefix, middle and suffix: whole lines mostly, else the rest of a line, else anything."""
    lines = text.splitlines(keepends=True)
    if "    return " in text and d.chance(0.3):  # what is returned, with or without the word
        at = text.index("    return ") + 4
        at += len("return ") if d.chance(0.5) else 0
        stop = text.index("\n", at) if "\n" in text[at:] else len(text)
        return text[:at], text[at:stop], text[stop:]
    roll = d.rng.random()
    if roll < 0.6 and len(lines) > 1:
        start = d.rng.randint(1, len(lines) - 1)
        end = min(len(lines), start + d.pick((1, 1, 1, 2, 3)))
        first, last = sum(map(len, lines[:start])), sum(map(len, lines[:end]))
        indent = len(text[first:last]) - len(text[first:last].lstrip(" "))
        if d.chance(0.6):  # an editor stands behind the indentation, and before the line's end
            first, last = first + indent, last - 1
        return text[:first], text[first:last], text[last:]
    if roll < 0.97:
        index = d.rng.randrange(min(1, len(lines) - 1), len(lines))
        at = sum(map(len, lines[:index]))
        stop = at + len(lines[index]) - 1
        first = (
            d.rng.randint(at + (len(lines[index]) - len(lines[index].lstrip(" "))), max(at, stop - 1))
            if stop > at
            else at
        )
        return text[:first], text[first:stop], text[stop:]
    first, last = sorted(d.rng.sample(range(len(text) + 1), 2))
    return text[:first], text[first:last], text[last:]


def _testable(d: Draw) -> Case:
    """The body of a function, held back: the name says what it does or a constant is of no weight to the check."""
    while True:
        text, checks = source(d)
        head, _, body = text.partition("\n")
        names = tuple(name for group in NAMED.values() for name in group)
        if not head.removeprefix("def ").startswith(names) or body.count("\n") != 1 or "callable" in checks[0]:
            continue
        at = len(head) + 1 + body.index("return ")
        at += len("return ") if d.chance(0.5) else 0
        middle = text[at:-1]
        return Case(Fim(text[:at], "\n", middle, "fim/python"), checks, "python", "fim/python")


def generate(rng: random.Random, split: Split) -> Iterator[Fim | Case | Text]:
    """Endless functions with a hole; one in twenty in training is the whole text."""
    while True:
        d = Draw(rng, split, "en")
        if split == "test":
            yield _testable(d)
            continue
        text, _ = source(d)
        if d.chance(0.4):
            other, _ = source(d)
            text = f"{text}\n\n{other}" if d.chance(0.5) else f"{other}\n\n{text}"
        if d.chance(0.05):
            yield Text(text, "fim/text")
            continue
        prefix, middle, suffix = cut(d, text)
        while not middle.strip():
            prefix, middle, suffix = cut(d, text)
        yield Fim(prefix, suffix, middle, "fim/python")
