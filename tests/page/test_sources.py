"""The page's sources: what they say in both languages, what they say of options, and where libraries come from."""

import json
import re
from pathlib import Path

from puna.inference.options import OPTION_NAMES

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "src/puna/api/web/static"
FIELDS = ("think", "truncate", "shift")
"""Options that are fields of a request as well, and are offered as such."""


def words(language: str) -> dict[str, str]:
    """Return the page's texts in a language by their keys."""
    text = (STATIC / f"app/text/{language}.js").read_text(encoding="utf-8")
    return {key: json.loads(value) for key, value in re.findall(r'^  (\w+): ("(?:[^"\\]|\\.)*"),$', text, re.MULTILINE)}


def test_both_languages_say_the_same_things() -> None:
    english, chinese = words("english"), words("chinese")
    assert list(english) == list(chinese)
    for key, text in english.items():
        assert sorted(re.findall(r"\{\w+\}", text)) == sorted(re.findall(r"\{\w+\}", chinese[key])), key


def test_every_text_that_is_used_is_there() -> None:
    used, prefixes = set(), set()
    for path in (STATIC / "app").rglob("*.js"):
        text = path.read_text(encoding="utf-8")
        used |= set(re.findall(r'\bt\("(\w+)"', text))
        for first, second in re.findall(r'\bt\([^"()]+\? "(\w+)" : "(\w+)"', text):
            used |= {first, second}
        prefixes |= set(re.findall(r"\bt\(`(\w+_)\$", text))
    known = set(words("english"))
    assert used - known == set()
    assert {prefix for prefix in prefixes if not any(key.startswith(prefix) for key in known)} == set()
    assert {key for key in known - used if not any(key.startswith(prefix) for prefix in prefixes)} == set()


def test_options_are_those_of_the_documentation() -> None:
    text = (STATIC / "app/text/options.js").read_text(encoding="utf-8")
    listed = json.loads(
        "[" + re.sub(r",(\s*[\]}])", r"\1", text.partition("= [")[2].partition("\n];")[0]).rstrip(", \n") + "]"
    )
    assert [option[0] for option in listed] == [name for name in OPTION_NAMES if name not in FIELDS]
    documented = (ROOT / "docs/api.md").read_text(encoding="utf-8").replace("`", "")
    for name, _, default, english, chinese in listed:
        assert f"| {name} | {default} | {english} |" in documented
        assert re.search(r"[\u4e00-\u9fff]", chinese)


def test_modules_are_small() -> None:
    modules = [path for path in STATIC.rglob("*.js") if not {"vendor", "text"} & set(path.parts)]  # texts are data
    sizes = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in modules}
    assert len(sizes) > 30
    assert {name: size for name, size in sizes.items() if size >= 300} == {}


def test_nothing_reads_html() -> None:
    pattern = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|dangerouslySet|\beval\(")
    own = [path for path in STATIC.rglob("*.js") if "vendor" not in path.parts]
    assert [path.name for path in own if pattern.search(path.read_text())] == []


def test_every_library_has_its_licence_and_is_thanked() -> None:
    script = (ROOT / "scripts/vendor_page.py").read_text()
    packages = re.findall(r'Package\(\s+"([^"]+)",\s+"([^"]+)"', script)
    assert len(packages) == 9
    thanks = (ROOT / "THIRD_PARTY.md").read_text()
    for name, version in packages:
        folder = ROOT / "tests/page/vendor" if name == "axe-core" else STATIC / "vendor"
        assert (folder / f"LICENSE-{name.strip('@').replace('/', '-')}").is_file()
        assert f"{name} {version}" in thanks
