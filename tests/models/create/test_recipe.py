"""What a request for a model may say."""

from typing import Any

import pytest

from puna.errors import BadRequestError
from puna.models.create.recipe import MAX_TEXT, Recipe
from puna.names import parse_name

DIGEST = "sha256:" + "0" * 64
BASE = parse_name("cria")


@pytest.mark.parametrize(
    "name", ["../x", "/etc/passwd", "a/../b", "a//b", "./a", "", "a\\b", "c:x", "a\0b", "x" * 256, "a/", "a\nb"]
)
@pytest.mark.parametrize("field", ["files", "adapters", "drafts"])
def test_names_stay_in_their_directory(field: str, name: str) -> None:
    with pytest.raises(BadRequestError, match="file path must be relative"):
        Recipe(base=BASE, **{field: {name: DIGEST}})


def test_a_name_is_a_file_or_a_directory() -> None:
    Recipe(files={"a/b/c.json": DIGEST, "a/d": DIGEST})
    with pytest.raises(BadRequestError, match="a is a file and a directory"):
        Recipe(files={"a": DIGEST, "a/b": DIGEST})


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"base": None}, 'neither "from" nor "files" was specified'),
        ({"template": "x" * (MAX_TEXT + 1)}, "template is larger than 4 MiB"),
        ({"licenses": ("MIT", "x" * (MAX_TEXT + 1))}, "license 2 is larger"),
        ({"licenses": ("MIT",) * 65}, "more than 64 licenses"),
        ({"messages": ({"role": "user", "content": "x" * MAX_TEXT},)}, "messages is larger"),
        ({"parameters": {"stop": ["x" * (2 << 20)]}}, "parameters are larger than 1 MiB"),
        ({"files": {str(number): DIGEST for number in range(1025)}}, "too many files: 1025"),
        ({"requires": "soon"}, "requires must be a version"),
    ],
)
def test_limits(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadRequestError, match=reason):
        Recipe(**{"base": BASE, **fields})
