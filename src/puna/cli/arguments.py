"""Arguments as scripts for Ollama's command line write them, which click would not take."""

from collections.abc import Iterator, Mapping
from typing import Any

from typer.core import TyperCommand

_TRUE, _FALSE = ("true", "t", "1"), ("false", "f", "0")
OPTIONAL: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "--think": ("true", ("true", "false", "low", "medium", "high", "max")),
}
"""Options that may go without a value: the value that they have then, and all that they may have."""


class Command(TyperCommand):
    """A command that takes ``--flag=false``, and options whose value may be left out."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Write the arguments in click's form and read them."""
        flags = {
            name: (option.opts[0], option.secondary_opts[:1])
            for option in self.params
            if getattr(option, "is_flag", False)
            for name in option.opts
        }
        return super().parse_args(ctx, list(_rewritten(args, flags)))


def _rewritten(args: list[str], flags: Mapping[str, tuple[str, list[str]]]) -> Iterator[str]:
    for index, argument in enumerate(args):
        if argument == "--":
            yield from args[index:]
            return
        name, equals, value = argument.partition("=")
        if name in flags and equals and value.lower() in (*_TRUE, *_FALSE):
            yes, no = flags[name]
            yield from [yes] if value.lower() in _TRUE else no
        elif argument in OPTIONAL:
            default, values = OPTIONAL[argument]
            yield argument if args[index + 1 : index + 2] and args[index + 1] in values else f"{argument}={default}"
        else:
            yield argument
