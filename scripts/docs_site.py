"""Make the site of the documentation: ``python scripts/docs_site.py OUT``, with the extra ``docs``.

The guide is in two languages (``docs/guide/en``, ``docs/guide/zh``); the references (``docs/*.md`` and the README) are
in English and belong to both. The pages, their search too, work from a disk without a server.
"""

import argparse
import re
import shutil
import sys
import tempfile
from pathlib import Path

from sphinx.cmd.build import build_main

ROOT = Path(__file__).parents[1]
LANGUAGES = {"en": "English", "zh": "中文"}
_CONFIGURATION = """\
project = "Puna"
html_title = "Puna"
language = {language!r}
extensions = ["myst_parser"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 4
html_theme = "furo"
html_show_sphinx = False
html_copy_source = False
html_theme_options = {{"announcement": {switch!r}}}


def setup(app):
    from sphinx.search.zh import SearchChinese

    class Search(SearchChinese):
        language_name = "English"  # after its stemmer: without it, Sphinx 9.0 writes the name of one that is not there

    app.add_search_language(Search)
"""
_REFERENCE = {"en": "Reference", "zh": "参考（英文）"}
_FIRST_PAGE = """\
<!doctype html>
<meta charset="utf-8">
<title>Puna</title>
<script>location.replace(navigator.language.startsWith("zh") ? "zh/index.html" : "en/index.html")</script>
<a href="en/index.html">English</a> · <a href="zh/index.html" lang="zh">中文</a>
"""


def build(out: Path) -> None:
    """Write the site into the directory ``out``; raise ``SystemExit`` for a page that refers to what is not there."""
    with tempfile.TemporaryDirectory() as temporary:
        for language in LANGUAGES:
            source = Path(temporary, language)
            _collect(source, language)
            warnings = ["--fail-on-warning", "--keep-going", "--quiet"]
            if build_main([*warnings, "-d", str(Path(temporary, "cache", language)), str(source), str(out / language)]):
                sys.exit(f"the site in {LANGUAGES[language]} could not be made")
    (out / "index.html").write_text(_FIRST_PAGE, encoding="utf-8")


def _collect(source: Path, language: str) -> None:
    """Put the pages of a language and all references into one directory, with their pictures and a configuration."""
    shutil.copytree(ROOT / "docs/guide" / language, source)
    shutil.copytree(ROOT / "docs/guide/images", source.parent / "images", dirs_exist_ok=True)
    reference = source / "reference"
    reference.mkdir()
    pages = {path.name: path for path in sorted((ROOT / "docs").glob("*.md"))} | {"readme.md": ROOT / "README.md"}
    for name, path in pages.items():
        (reference / name).write_text(_linked(path.read_text(encoding="utf-8"), set(pages)), encoding="utf-8")
    for picture in (ROOT / "docs").glob("*.png"):
        shutil.copy(picture, reference)
    names = "\n".join(f"reference/{name.removesuffix('.md')}" for name in pages)
    with (source / "index.md").open("a", encoding="utf-8") as index:
        index.write(f"\n```{{toctree}}\n:maxdepth: 1\n:caption: {_REFERENCE[language]}\n\n{names}\n```\n")
    other = next(code for code in LANGUAGES if code != language)
    switch = f'<a href="../{other}/index.html" lang="{other}">{LANGUAGES[other]}</a>'
    (source / "conf.py").write_text(_CONFIGURATION.format(language=language, switch=switch), encoding="utf-8")


def _linked(text: str, pages: set[str]) -> str:
    """Return a reference with its links to other references as they are in the site; others lead to no page there."""

    def link(match: re.Match[str]) -> str:
        words, target, anchor = match[1], match[2], match[3] or ""
        name = target.rpartition("/")[2].lower()
        if name in pages:
            return f"[{words}]({name}{anchor})"
        return match[0] if name.endswith(".png") else words

    return re.sub(r"\[([^\]]*)\]\(((?!https?:)[^)#:\s]+)(#[^)\s]*)?\)", link, text)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Make the site of the documentation.")
    parser.add_argument("out", type=Path, help="the directory to write it into")
    build(parser.parse_args().out)
