"""What the engine says, made fit for a log and for users: bounded, without control characters, without C++."""

import re
from collections.abc import Sequence

_LONGEST = 300
_LONGEST_LINE = 2000
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]+")
_LIBRARY = re.compile(
    r"map\w*::at|_M_\w+|vector::|basic_string|\barray::at|\bdeque::|std::|\bsto(?:i|l|ll|ul|ull|f|d|ld)\b"
    r"|\bbad_(?:alloc|cast|variant_access|optional_access|function_call|array_new_length)\b"
    r"|\[json\.exception|terminate called|invalid map<",
    re.IGNORECASE,
)
"""Words of the C++ library: they name a place in it, and nothing that a user has done."""
_ABORT = re.compile(r"^(?:\S*[/\\])?([\w.-]+\.\w+:\d+): (.+)$")
"""ggml's last words, with the path of a source file: ``/…/ggml.c:3355: GGML_ASSERT(…) failed``."""
_LINE = re.compile(
    r"\d+(?:\.\d+)+ [A-Z] |(?:\([^)]*\) )?(?:INFO|WARNING|ERROR) \d\d-\d\d |(?:\S*/)?[\w.-]+\.(?:c|cpp|cu|m):\d+: "
)
"""How engines begin a line: llama.cpp with the time and a letter, vLLM with a word and the date, ggml with a place."""
_QUOTES = re.compile(r"""["'`{\[<]|exception:|pars(?:e|ing)[^:]*:""")
"""Where a line may begin to repeat a request: llama.cpp tells exceptions whole, with the words of a schema in them."""
UNEXPLAINED = "the engine met with something that it was not made for"


def clean(text: str) -> str:
    """Return a line of the engine as it may stand in a log: printable, on one line, of a bounded length."""
    text = _CONTROL.sub(" ", text[: _LONGEST_LINE + 1]).rstrip()
    return text if len(text) <= _LONGEST_LINE else f"{text[:_LONGEST_LINE]}…"


def without_content(text: str) -> str:
    """Return what of a line may stand in a log while requests are answered, "" if nothing: no word that was said.

    A line without an engine's beginning goes on with what the one before told.
    """
    return before_content(text) if _LINE.match(text) else ""


def before_content(text: str) -> str:
    """Return the beginning of what an engine says, up to where it may repeat a request."""
    found = _QUOTES.search(text, 1)
    if not found:
        return text
    end = found.end() if found[0][-1] == ":" else found.start()
    return f"{text[:end].rstrip()} …"


def is_library(text: str) -> bool:
    """Return whether a text is the C++ library's and says nothing to a user."""
    return bool(_LIBRARY.search(text))


def told(text: str) -> str:
    """Return an error of the engine as a user may read it; ``UNEXPLAINED`` if only its library speaks."""
    text = " ".join(clean(text).split())
    if not text or is_library(text):
        return UNEXPLAINED
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def last_words(lines: Sequence[str]) -> str:
    """Return why the engine aborted, out of its last lines (oldest first), or "" if it did not say."""
    for line in reversed(lines):
        found = _ABORT.match(line)
        if found:
            return f"{told(found[2])} ({found[1]})"
    return ""
