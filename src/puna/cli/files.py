"""Text files that somebody names in a message, or drops on the terminal: their contents go along with it."""

import re
from pathlib import Path

import typer

from puna.cli.pictures import is_picture
from puna.config.home import expanded

_PATH = re.compile(r"""'((?:~?/|\.\.?/)[^']+)'|"((?:~?/|\.\.?/)[^"]+)"|(?<![^\s(])((?:~?/|\.\.?/)(?:\\.|[^\s'"\\])+)""")
_ESCAPED = re.compile(r"\\(.)")
_END = ".,;:!?)"
_MOST_BYTES = 1 << 20
_FENCE = re.compile(r"^\s*(`{3,})", re.MULTILINE)


def take_files(text: str) -> tuple[str, list[Path]]:
    """Return ``text`` followed by the text files that it names, and their paths; it says why others are left out."""
    taken: list[Path] = []
    parts = [text]
    for path in _named(text):
        reason, content = _read(path)
        if reason:
            typer.echo(f"({path} {reason}: only its name is sent)", err=True)
        else:
            taken.append(path)
            parts.append(_fenced(path, content))
    return "\n\n".join(parts), taken


def _named(text: str) -> list[Path]:
    found = []
    for match in _PATH.finditer(text):
        quoted = match[1] or match[2]
        words = quoted or _ESCAPED.sub(r"\1", match[3])
        for name in (words, words.rstrip(_END)):
            path = expanded(Path(name))
            try:
                if path.is_file() and not is_picture(path) and path not in found:
                    found.append(path)
                    break
            except (OSError, ValueError):
                continue  # no name that a file can have
    return found


def _read(path: Path) -> tuple[str, str]:
    """Return why a file is not sent, or "" and its text."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            return f"has more than {_MOST_BYTES >> 20} MiB", ""
        content = path.read_bytes()
        return ("is not text", "") if b"\0" in content else ("", content.decode())
    except UnicodeDecodeError:
        return "is not text", ""
    except OSError as error:
        return f"cannot be read ({error.strerror})", ""


def _fenced(path: Path, content: str) -> str:
    """Return a file as a block of code whose fence none in the file can close."""
    longest = max((len(fence) for fence in _FENCE.findall(content)), default=2)
    fence = "`" * (longest + 1)
    return f"{path}:\n{fence}\n{content.rstrip()}\n{fence}"
