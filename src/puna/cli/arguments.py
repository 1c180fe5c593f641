"""Arguments as scripts for Ollama's command line write them, and the words for those that are wrong."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, cast

import typer
from typer.core import TyperCommand, TyperGroup

from puna.cli.errors import CommandError

_TRUE, _FALSE = ("true", "t", "1"), ("false", "f", "0")
OPTIONAL: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "--think": ("true", ("true", "false", "low", "medium", "high", "max")),
}
"""Options that may go without a value: the value that they have then, and all that they may have."""


_UsageError = cast("type[Exception]", typer.BadParameter.__bases__[0])
"""What click, or typer's own copy of it, raises for arguments that it cannot read."""


class Group(TyperGroup):
    """Commands whose wrong use is an error like any other: one line, and the status that Ollama's has."""

    def main(self, *args: Any, **more: Any) -> Any:
        """Run a command and return the status to end with."""
        try:
            return super().main(*args, **more | {"standalone_mode": False})
        except _UsageError as error:
            raise CommandError(_explained(error)) from error

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command that the first argument names."""
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            near = get_close_matches(name, self.list_commands(ctx), 1)
            more = f"; did you mean {near[0]}?" if near else ""
            raise CommandError(f'unknown command "{name}" for "{ctx.command_path}"{more} ({ctx.command_path} help)')
        return super().resolve_command(ctx, args)


def _explained(error: Any) -> str:
    """Return what is wrong with the arguments, and where their help is."""
    context = error.ctx
    text = str(error.format_message()).rstrip(".")
    if name := getattr(error, "option_name", ""):
        text = {"NoSuchOption": f"unknown flag: {name}"}.get(type(error).__name__, text)
        near = getattr(error, "possibilities", None)
        text += f"; did you mean {near[0]}?" if near else ""
    return f"{text[:1].lower()}{text[1:]}" + (f" ({context.command_path} -h)" if context else "")


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
