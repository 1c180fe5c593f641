"""A list of words in a file, which is there as it was or as it is, whatever happens while it is written."""

import json
import logging
from collections.abc import Iterable
from pathlib import Path

from puna.models.atomic import AtomicFile

_log = logging.getLogger(__name__)


def read_words(path: Path) -> list[str]:
    """Return the words of a file, none where there is no such file, or it holds something else, which the log tells.

    Raises ``OSError`` where it cannot be read: what is there must not be taken for nothing, and written over.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except ValueError as error:
        _log.warning("%s holds no list of words: %s", path, error)
        return []
    return [word for word in found if isinstance(word, str)] if isinstance(found, list) else []


def write_words(path: Path, words: Iterable[str]) -> None:
    """Have a file hold these words. Raises ``OSError``."""
    with AtomicFile(path.parent) as file:
        file.file.write(json.dumps(list(words)).encode())
        file.publish(path)
