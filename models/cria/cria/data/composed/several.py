"""Two calls at once: two requests in one message, or one request for two things."""

from collections.abc import Iterator
from dataclasses import replace
from random import Random

from cria.data.composed.calls import Function, ask, definitions, offer, opening
from cria.data.composed.grammar import expand
from cria.data.skills.common import finish, user
from cria.data.skills.tools_asking import calling
from cria.data.skills.words import Draw, draw
from cria.examples import Case, Example, Split, ToolCall

BETWEEN_EN = ("[ And | Also: | Then | One more: | After that, | Besides, |\n]",)
BETWEEN_ZH = ("[，还有，|；另外，|，然后|。再就是，|\n|，顺便]",)
SAME_SHARE = 0.45
"""Of the pairs: those that are one function for two things."""


def both(d: Draw, made: Function) -> tuple[str, list[ToolCall]] | None:
    """One request that names two things, and the two calls; nothing where two things cannot be named at once.

    The function has nothing more to be said.
    """
    first, second = made.kind.make(d), made.kind.make(d)
    if first[1] == second[1] or made.kind.type != "string":
        return None
    pair = replace(made.kind, make=lambda d: (d.joined([first[0], second[0]]), None))
    text = ask(d, replace(made, kind=pair)).text
    return text, [ToolCall(name=made.name, arguments={made.key: value}) for _, value in (first, second)]


def two(d: Draw) -> Example | Case:
    """A message that wants two calls, and these in its order."""
    functions = offer(d, d.pick((2, 2, 3)))
    if d.chance(SAME_SHARE):
        functions[0] = replace(functions[0], more=())
        if asked := both(d, functions[0]):
            return _finished(d, functions, *asked)
    one, other = ask(d, functions[0]), ask(d, functions[1])
    joint = expand(d, d.say(BETWEEN_EN, BETWEEN_ZH))
    first = one.text.rstrip("。") if d.zh and not joint.startswith("\n") else one.text
    return _finished(d, functions, first + joint + other.text, [one.call, other.call])


def _finished(d: Draw, functions: list[Function], text: str, calls: list[ToolCall]) -> Example | Case:
    messages = [*opening(d), user(text), calling(calls)]
    tools = definitions(d, functions)
    return finish(d.split, messages, "composed/two", check="tool_calls", expected=calls, tools=tools)


def generate(rng: Random, split: Split) -> Iterator[Example | Case]:
    """Endless messages that want two calls, half of them Chinese."""
    while True:
        yield two(draw(rng, split, 0.5))
