"""Write down what an agent asked, for tests that need no agent: ``python -m tests.agents.record AGENT < CONVERSATION``.

Takes what ``tests.agents.conversation`` prints. Shapes, names and our own words are kept; texts of the agent's authors
become words without a meaning, the same for the same text, and long ones become shorter.
"""

import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any

from tests.agents.conversation import LAST, LONG, NOTE, QUESTIONS, SUMMARY

FOLDER = Path(__file__).parent / "recorded"
_OWN = (*QUESTIONS, NOTE, SUMMARY, LONG, LAST, "It says that the llama sings.", "You asked me to write a note.")
_WORDS = ("river", "stone", "lamp", "bread", "winter", "boat", "paper", "garden", "clock", "silver", "hill", "music")
_KEPT = re.compile(r"[\w./:*$-]{0,64}")
"""Names, ids, types and paths."""
_LONGEST = 400


def shape(value: Any) -> Any:
    """Return a value of JSON without its authors' texts."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value]
    return _text(value) if isinstance(value, str) else value


def _text(text: str) -> str:
    if text.strip('"') in _OWN or _KEPT.fullmatch(text):
        return text
    if text.startswith("{"):
        try:
            return json.dumps(shape(json.loads(text)))
        except ValueError:
            pass
    words, length = [], min(len(text), _LONGEST)
    for byte in hashlib.shake_256(text.encode()).digest(length // 3 + 1):
        words.append(_WORDS[byte % len(_WORDS)])
    return " ".join(words)[:length] + "".join(f" {own}" for own in _OWN if own in text)


def main(name: str) -> None:
    """Write the requests that standard input tells of."""
    found = json.load(sys.stdin)
    requests = json.loads(json.dumps(found["requests"]).replace(found["folder"], "/home/ada"))
    kept = [{"path": request["path"], "body": shape(request["body"])} for request in requests]
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{name}.json"
    path.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
