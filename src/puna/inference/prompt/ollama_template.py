"""A model's TEMPLATE as Ollama renders it: Go's language, Ollama's functions, and its rules for messages.

Source of the rules: ``template/template.go`` of Ollama.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from puna.gotemplate import Template, TemplateSyntaxError, nodes
from puna.gotemplate.functions import Builtin
from puna.gotemplate.gojson import marshal
from puna.inference.prompt.ollama_nodes import cut_at_response, thinking_texts, tool_call_text, variables
from puna.inference.prompt.ollama_values import (
    TemplateMessage,
    TemplateToolCall,
    TemplateValues,
    message_to_go,
    tools_to_go,
    typescript_type,
)

__all__ = [
    "OllamaTemplate",
    "TemplateMessage",
    "TemplateToolCall",
    "TemplateValues",
    "opens_thinking",
    "thinking_tags",
    "tool_call_prefix",
]

_ANY_NUMBER = 1 << 30


def _current_date(*_formats: str) -> str:
    return f"{datetime.now().astimezone():%Y-%m-%d}"


def _yesterday_date(*_formats: str) -> str:
    return f"{datetime.now().astimezone() - timedelta(days=1):%Y-%m-%d}"


_FUNCTIONS = {
    "json": Builtin(marshal, 1, bulk=True),
    "currentDate": Builtin(_current_date, 0, variadic=True, strings=_ANY_NUMBER),
    "yesterdayDate": Builtin(_yesterday_date, 0, variadic=True, strings=_ANY_NUMBER),
    "toTypeScriptType": Builtin(typescript_type, 1),
}


@dataclass(frozen=True, slots=True)
class OllamaTemplate:
    """A parsed TEMPLATE. ``variables`` are the names it mentions in lower case, such as ``messages``."""

    text: str
    variables: frozenset[str]
    root: nodes.Block
    _template: Template
    _cut: Template

    @classmethod
    def parse(cls, text: str) -> "OllamaTemplate":
        """Parses ``text``; one that never says where the answer goes ends with it.

        Raises ``TemplateSyntaxError`` (400), whose text names the line and the reason.
        """
        try:
            return cls._parse(text)
        except RecursionError as error:
            raise TemplateSyntaxError("", 1, "template is nested too deeply") from error

    @classmethod
    def _parse(cls, text: str) -> "OllamaTemplate":
        template = Template.parse(text, functions=_FUNCTIONS)
        names = variables(template.trees)
        tree = template.trees[""]
        if not names & {"messages", "response"}:
            end = len(text)
            field = nodes.Command(end, [nodes.Field(end, ("Response",))])
            tree.root.nodes.append(nodes.Action(end, nodes.Pipe(end, commands=[field])))
            template = Template("", text, template.trees, _FUNCTIONS)
        short = nodes.Tree("", cut_at_response(tree.root), tree.slots)
        cut = Template("", text, {**template.trees, "": short}, _FUNCTIONS)
        return cls(text, names, tree.root, template, cut)

    def render(self, values: TemplateValues) -> str:
        """The prompt. Raises ``TemplateExecutionError`` (400) where the values do not fit."""
        if values.prompt and values.suffix:
            data = {**_common(values), "Prompt": values.prompt, "Suffix": values.suffix}
            return self._template.render({**data, "Response": values.response})
        messages = _messages(values)
        if "messages" in self.variables:
            return self._template.render(_modern(values, messages))
        return self._render_turns(values, _collate(messages))

    def _render_turns(self, values: TemplateValues, messages: Sequence[TemplateMessage]) -> str:
        """The older form: the template is one turn, rendered for each; the last one up to the answer."""
        common = _common(values)
        parts: list[str] = []
        turn = {"System": "", "Prompt": "", "Response": ""}

        def flush() -> None:
            parts.append(self._template.render({**common, **turn}))
            turn.update(System="", Prompt="", Response="")

        for message in messages:
            if message.role == "system":
                if turn["Prompt"] or turn["Response"]:
                    flush()
                turn["System"] = message.content
            elif message.role == "user":
                if turn["Response"]:
                    flush()
                turn["Prompt"] = message.content
            elif message.role == "assistant":
                turn["Response"] = message.content
        turn["Response"] = turn["Response"] or values.response
        parts.append(self._cut.render({**common, **turn}))
        return "".join(parts)


def _common(values: TemplateValues) -> dict[str, Any]:
    return {
        "Think": bool(values.think),
        "ThinkLevel": values.think_level,
        "IsThinkSet": values.think is not None,
    }


def _modern(values: TemplateValues, messages: Sequence[TemplateMessage]) -> dict[str, Any]:
    return {
        **_common(values),
        "System": "\n\n".join(message.content for message in messages if message.role == "system"),
        "Messages": [message_to_go(message) for message in _collate(messages)],
        "Tools": tools_to_go(values.tools),
        "Response": values.response,
    }


def _messages(values: TemplateValues) -> Sequence[TemplateMessage]:
    if not values.messages and values.prompt:
        return (TemplateMessage("user", values.prompt),)
    return values.messages


def _collate(messages: Iterable[TemplateMessage]) -> list[TemplateMessage]:
    """Joins neighbours of one role by an empty line; results of tools stay apart."""
    collated: list[TemplateMessage] = []
    for message in messages:
        if not collated or collated[-1].role != message.role or message.role == "tool":
            collated.append(message)
            continue
        last = collated[-1]
        collated[-1] = replace(
            last,
            content=f"{last.content}\n\n{message.content}",
            thinking="\n\n".join(filter(None, (last.thinking, message.thinking))),
            tool_calls=last.tool_calls + message.tool_calls,
            image_count=last.image_count + message.image_count,
        )
    return collated


def tool_call_prefix(template: OllamaTemplate) -> str:
    """The text that announces a tool call, such as ``<tool_call>``; ``{`` where nothing does."""
    text = tool_call_text(template.root)
    tag = "" if text is None else text.replace("\r\n", "\n").strip().split("{")[0].strip()
    # "[TOOL_CALLS] [" opens a list after the tag; a bare "[" is the tag itself.
    return tag.rstrip("[ \n") or tag or "{"


def thinking_tags(template: OllamaTemplate) -> tuple[str, str] | None:
    """The tags around the model's thinking, where the template shows them."""
    return thinking_texts(template.root)


def opens_thinking(prompt: str, tags: tuple[str, str]) -> bool:
    """Whether the prompt ends inside the thinking, so that the answer begins with it."""
    return prompt.rstrip().endswith(tags[0])
