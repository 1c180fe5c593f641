"""Paths of pictures and sounds in what somebody types, or drops on the terminal."""

import base64
import re
from collections.abc import Collection
from pathlib import Path

from puna.cli.errors import CommandError
from puna.config.home import expanded

_PICTURES = ("jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "avif", "heic")
_SOUNDS = ("wav", "mp3", "flac")
_LONGEST = 1024  # characters of a path; a long text may begin many
_ENDING = re.compile(rf"""\.(?:{"|".join(_PICTURES + _SOUNDS)})\b""", re.IGNORECASE)
_PATH = re.compile(
    rf"""(?:~?/|\./|\.\./)(?:\\.|[^\s'"\\]|(?<=\S) (?=\S)){{0,{_LONGEST}}}?{_ENDING.pattern}""", re.IGNORECASE
)
_NAME = re.compile(rf"""(?<![^\s'"(])[^\s'"()]+{_ENDING.pattern}""", re.IGNORECASE)
_PATH_START = ("/", "./", "../", "~/")
_ESCAPED = re.compile(r"\\(.)")
_MOST_BYTES = 100 << 20


def find_pictures(text: str) -> dict[str, Path]:
    """Return the pictures and sounds that ``text`` names and that are there, by the words that name them.

    A path begins with ``/``, ``./``, ``../`` or ``~/``; blanks in it may be escaped, as terminals do, or not.
    """
    found: dict[str, Path] = {}
    for words in _PATH.findall(text) if _ENDING.search(text) else ():
        path = expanded(Path(_ESCAPED.sub(r"\1", words)))
        try:
            if path.is_file():
                found[words] = path
        except (OSError, ValueError):
            continue  # no name that a file can have
    return found


def lost_pictures(text: str) -> list[str]:
    """Return for each word that names a picture or a sound and sends none, why not."""
    found = find_pictures(text)
    for words in found:
        text = text.replace(words, "")
    lost = []
    for words in _NAME.findall(text):
        try:
            here = Path(words).is_file()
        except (OSError, ValueError):
            continue  # no name that a file can have
        if words.startswith(_PATH_START):
            lost.append(f"there is no {words}")
        elif here:
            lost.append(f"./{words} would send the file {words}")
    return lost


def is_picture(path: Path) -> bool:
    """Return whether a file is a picture or a sound, by its name."""
    return path.suffix[1:].lower() in _PICTURES + _SOUNDS


def needed_sense(path: Path) -> str:
    """Return the capability that a model needs for the file of this name."""
    return "audio" if path.suffix[1:].lower() in _SOUNDS else "vision"


def take_pictures(text: str, senses: Collection[str]) -> tuple[str, list[str], list[Path]]:
    """Return ``text`` without the paths of what ``senses`` perceive, its bytes in base64, and the paths.

    Raises ``CommandError`` for what cannot be read.
    """
    images = []
    pictures = {words: path for words, path in find_pictures(text).items() if needed_sense(path) in senses}
    for words, path in pictures.items():
        try:
            if path.stat().st_size > _MOST_BYTES:
                raise CommandError(f"{path} has more than {_MOST_BYTES >> 20} MiB")
            images.append(base64.b64encode(path.read_bytes()).decode())
        except OSError as error:
            raise CommandError(f"{path} cannot be read: {error.strerror}") from error
        for quoted in (f"'{words}'", f'"{words}"', words):
            text = text.replace(quoted, "")
    return text.strip() if pictures else text, images, list(pictures.values())
