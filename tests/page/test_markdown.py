"""Markdown becomes elements, the same whether it comes at once or piece by piece."""

from typing import Any

import pytest

TEXTS = {
    "blocks": "# One\n\ntext *a* **b** ~~c~~ `d`\nsame\n\n> quoted\n> more\n\n---\n\nSetext\n======\n\nlast",
    "lists": "- a\n\n- b\n  - c\n\n    more of c\n- d\n\n3. x\n4. y\n\n- [x] done\n- [ ] open\n",
    "code": "```python\ndef f():\n    return 1\n\n\n# end\n```\n\nafter\n\n    indented\n\n```\nnever closed",
    "table": "| a | b |\n|:-:|--:|\n| 1 | $x$ |\n| `2` | [l](https://example.com) |\n\nafter",
    "mathematics": "It costs $5 and $6. Then $x^2$, \\(y\\) and\n\n$$\nz = \\frac{1}{2}\n$$\n\n\\[ w \\]\n\nafter",
    "marks": "The shell's `$$` is its id, `^\\[a` a pattern,\nand $$5 no price.\n\nA block.\n\n\\[ w \\]\n\nAnother.",
    "long": "\n\n".join(f"Paragraph {n} with *words* of its own.\n\n- item {n}\n- other" for n in range(700)),
    "endless": "word " * 30_000,
    "references": "See [one][1], [two] and [three](https://c.example).\n\n- [one][1]\n\n[1]: https://a.example\n"
    '[two]: https://b.example "Two"\n',
    "breaks": "a\r\nb  \r\nc\r\n\r\nd",
    "words": "天空为什么是**蓝色**的?因为 <b>散射</b> &amp; λ",
}
SHOWN = """async ([text, size]) => {
    const base = document.querySelector('script[type=module]').src.replace('main.js', '');
    const { MarkdownView } = await import(base + 'markdown/view.js');
    const root = document.createElement('div');
    const view = new MarkdownView(root);
    for (let end = size; end < text.length; end += size) {
        view.update(text.slice(0, end), false);
        if (size > 500) await new Promise((next) => setTimeout(next, 5));
    }
    view.update(text, true);
    for (let wait = 0; wait < 500 && view.shown < text.replaceAll('\\r', '').length; wait++)
        await new Promise((next) => setTimeout(next, 20));
    await new Promise((next) => setTimeout(next, 300));
    return new XMLSerializer().serializeToString(root);
}"""


@pytest.fixture(scope="module")
def shown(chromium: Any, shared_server: Any) -> Any:
    """A function that returns the elements which a text becomes, given so many characters at a time."""
    page = chromium.new_page()
    page.goto(shared_server.url)
    page.locator("textarea").wait_for()
    yield lambda text, size: page.evaluate(SHOWN, [text, size])
    page.close()


@pytest.mark.parametrize("name", [name for name in TEXTS if name not in ("long", "endless")])
def test_pieces_show_the_same_as_the_whole(shown: Any, name: str) -> None:
    text = TEXTS[name]
    shown(text, len(text))  # the libraries for code and mathematics are here from now on
    assert shown(text, 1) == shown(text, len(text))


@pytest.mark.parametrize("name", ["long", "endless"])
def test_long_texts_lose_nothing(shown: Any, name: str) -> None:
    text = TEXTS[name]
    pieces, whole = shown(text, 5000), shown(text, len(text))
    if name == "long":
        assert pieces == whole
        assert whole.count("<em>words</em>") == 700
    for result in (pieces, whole):
        assert result.count("word") >= text.count("word")


def test_elements_are_what_the_text_says(shown: Any) -> None:
    blocks = shown(TEXTS["blocks"], 9999)
    for part in (
        "<h3>One</h3>",
        "<em>a</em>",
        "<strong>b</strong>",
        "<del>c</del>",
        "<code>d</code>",
        "<hr",
        "<h3>Setext",
    ):
        assert part in blocks
    lists = shown(TEXTS["lists"], 9999)
    assert lists.count("<ul>") == 3
    assert '<ol start="3">' in lists
    assert "☑" in lists
    code = shown(TEXTS["code"], 9999)
    assert '<span class="hljs-keyword">def</span>' in code
    assert "never closed" in code
    table = shown(TEXTS["table"], 9999)
    assert '<td class="align-center">1</td>' in table
    assert shown(TEXTS["references"], 9999).count('href="https://a.example') == 2
    mathematics = shown(TEXTS["mathematics"], 9999)
    assert "costs $5 and $6." in mathematics
    assert mathematics.count("</math>") == 4
    marks = shown(TEXTS["marks"], 9999)
    assert "<code>$$</code> is its id, <code>^\\[a</code> a pattern,\nand $$5 no price.</p>" in marks
    assert "&lt;b&gt;散射&lt;/b&gt; &amp;amp; λ" in shown(TEXTS["words"], 9999)
