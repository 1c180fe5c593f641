"""``puna completion``: what makes the shell's Tab key know commands, options and models."""

import shlex
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import typer

from puna.cli.client import Client
from puna.cli.errors import CommandError
from puna.errors import PunaError
from puna.models.library import Library
from puna.settings import Settings

_BASH = r"""
_puna() {
    local IFS=$'\n' line="${COMP_LINE:0:COMP_POINT}"
    COMPREPLY=($("${COMP_WORDS[0]}" complete-line -- "$line" 2>/dev/null | cut -f1))
    # bash takes what follows a colon, or an equals sign, for a word of its own
    local word="${line##*[[:space:]]}"
    local before="${word%"${word##*[:=]}"}"
    COMPREPLY=("${COMPREPLY[@]#"$before"}")
}
complete -o default -F _puna puna ollama
"""
_ZSH = r"""
#compdef puna ollama
_puna() {
    local -a lines items
    local line
    lines=("${(@f)$("${words[1]}" complete-line -- "${(j: :)words[1,CURRENT]}" 2>/dev/null)}")
    for line in $lines; do
        items+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
    done
    if (( $#items )); then _describe 'puna' items; else _files; fi
}
compdef _puna puna ollama
"""
_FISH = r"""
function __puna_complete
    set -l lines ($argv[1] complete-line -- (commandline -cp) 2>/dev/null)
    if test (count $lines) -gt 0
        printf '%s\n' $lines
    else
        __fish_complete_path (commandline -ct)
    end
end
complete --command puna --no-files --arguments '(__puna_complete puna)'
complete --command ollama --no-files --arguments '(__puna_complete ollama)'
"""
_SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
_VALUES = {
    "--think": ("true", "false", "low", "medium", "high", "max"),
    "--format": ("json",),
    "--quantize": ("q8_0", "q4_K_M", "q4_K_S", "f16"),
    "--keepalive": ("5m", "1h", "-1", "0"),
}
_SECONDS = 1.0


def completion(
    shell: Annotated[str, typer.Argument(metavar="SHELL", help="bash, zsh or fish", show_default=False)],
) -> None:
    """Print what a shell needs for its Tab key.

    bash: eval "$(puna completion bash)" in ~/.bashrc; zsh the same in ~/.zshrc, after compinit; fish: puna completion
    fish > ~/.config/fish/completions/puna.fish
    """
    if shell not in _SCRIPTS:
        raise CommandError(f"a shell is one of {', '.join(_SCRIPTS)}; not {shell!r}")
    typer.echo(_SCRIPTS[shell].strip())


def complete_line(line: Annotated[str, typer.Argument()], context: typer.Context) -> None:
    """Print what the last word of a command line may become, each with its meaning behind a tab."""
    for value, meaning in candidates(context.find_root().command, line):
        typer.echo(f"{value}\t{meaning}")


def candidates(group: Any, line: str) -> Iterator[tuple[str, str]]:
    """Yield what the last word of a line may become, each with its meaning; ``group`` has the commands."""
    words, last = split_line(line)
    command: Any = group
    given = 0
    for index, word in enumerate(words[1:], 1):
        inner = getattr(command, "commands", {}).get(word)
        if inner:
            command = inner
        elif not word.startswith("-") and not _takes_value(command, words[index - 1]):
            given += 1
    found: Iterator[tuple[str, str]]
    if last.startswith("-"):
        name, equals, _ = last.partition("=")
        found = _options(command) if not equals else ((f"{name}={value}", "") for value in _VALUES.get(name, ()))
    elif words[1:] and words[-1] in _VALUES:
        found = ((value, "") for value in _VALUES[words[-1]])
    elif hasattr(command, "commands"):
        visible = {name: inner for name, inner in command.commands.items() if not inner.hidden}
        found = ((name, inner.get_short_help_str()) for name, inner in visible.items())
    else:
        found = _arguments(command, given)
    return ((value, meaning) for value, meaning in found if value.startswith(last))


def split_line(line: str) -> tuple[list[str], str]:
    """Return the words of a command line before the last one, and the last, "" behind a blank."""
    try:
        words = shlex.split(line)
    except ValueError:
        words = line.split()
    last = "" if not words or line[-1].isspace() else words.pop()
    return words, last


def _takes_value(command: Any, option: str) -> bool:
    return any(option in param.opts and not getattr(param, "is_flag", False) for param in command.params)


def _options(command: Any) -> Iterator[tuple[str, str]]:
    for param in command.params:
        if not getattr(param, "hidden", False):
            yield from ((name, getattr(param, "help", "") or "") for name in param.opts if name.startswith("--"))
    yield "--help", "Show the help of the command"


def _arguments(command: Any, given: int) -> Iterator[tuple[str, str]]:
    """Yield what the argument may be that follows on the ``given`` ones."""
    arguments = [param for param in command.params if param.param_type_name == "argument"]
    if not arguments or (given >= len(arguments) and arguments[-1].nargs != -1):
        return
    wanted = str(arguments[min(given, len(arguments) - 1)].metavar).strip("[]").removesuffix("...")
    if wanted == "SHELL":
        yield from ((shell, "") for shell in _SCRIPTS)
    elif wanted in ("MODEL", "SOURCE", "PREFIX"):
        yield from ((name, "model") for name in _models(loaded=command.name in ("stop", "ps")))


def _models(*, loaded: bool) -> Sequence[str]:
    """Return the names of the models here, or of those in memory."""
    settings = Settings.from_env()
    try:
        with Client(settings, timeout=_SECONDS) as client:
            return [str(entry["name"]) for entry in client.get("/api/ps" if loaded else "/api/tags")["models"]]
    except (PunaError, KeyError, TypeError):
        pass
    return [] if loaded else [str(model.name) for model in Library(settings.models).list().models]
