"""A model's text, however hostile, does nothing: it runs no script, asks no host, and makes only known elements."""

import json
import re
import time
from typing import Any

from tests.page.steps import take_in

ALLOWED = frozenset(
    re.findall(
        r"\w+",
        "div p span h3 h4 h5 h6 ul ol li strong em del code pre a blockquote hr br table thead tbody tr th td figure "
        "figcaption button math semantics annotation mrow mi mn mo msup msub mfrac mtext mstyle mspace merror msubsup "
        "msqrt mpadded",
    )
)
ATTRIBUTES = frozenset(
    re.findall(
        r"[\w-]+",
        "class href target rel title tabindex role aria-label type start style mathvariant lspace rspace encoding "
        "width height mathbackground",
    )
)
HOSTILE = [
    "<script>window.hit = 1</script>",
    "<img src=x onerror='window.hit = 1'>",
    "<svg onload=window.hit=1><animate onbegin=window.hit=1 attributeName=x></svg>",
    "<iframe src='https://evil.example/'></iframe><object data='https://evil.example/'></object>",
    "<style>@import 'https://evil.example/x.css'; * { background: url(https://evil.example/y) }</style>",
    "<meta http-equiv=refresh content='0;url=https://evil.example/'>",
    "<form action='https://evil.example/'><input name=x autofocus onfocus=window.hit=1></form>",
    "<base href='https://evil.example/'><link rel=stylesheet href='https://evil.example/z.css'>",
    "<details open ontoggle=window.hit=1>x</details><video><source onerror=window.hit=1></video>",
    "<math><mtext><table><mglyph><style><img src=x onerror=window.hit=1></style></mglyph></table></mtext></math>",
    "![picture](https://evil.example/pixel.png)",
    "![picture][ref]\n\n[ref]: https://evil.example/other.png",
    "[link](javascript:window.hit=1) [link]( javascript:window.hit=1 ) [link](JaVaScRiPt&colon;window.hit=1)",
    "[link](data:text/html,<script>window.hit=1</script>) [link](vbscript:x) [link](blob:x) <javascript:window.hit=1>",
    "[link](//evil.example/) [link](\\\\evil.example)",
    '[link](/api/tags) [link](https://good.example/ "title") [link](https://good.example/ "t" onclick=x)',
    '[a](https://good.example/" onmouseover="window.hit=1)',
    "`` <img src=x onerror=window.hit=1> ``",
    "```html\n<script>window.hit = 1</script>\n```",
    "```<img src=x onerror=window.hit=1>\ncode\n```",
    "```js\nconst x = `</code><script>window.hit=1</script>`;\n```",
    "$\\href{javascript:window.hit=1}{x}$ $\\url{https://evil.example/}$ $\\includegraphics{https://evil.example/a.png}$",
    "$\\htmlData{onclick=x}{y}$ $\\style{background:url(https://evil.example/)}{x}$",
    "$\\text{<img src=x onerror=window.hit=1>}$",
    "$$\\def\\a{\\a\\a}\\a$$ $\\rule{999999em}{999999em}$",
    "| <img src=x onerror=window.hit=1> | b |\n|---|---|\n| <script>hit=1</script> | ![](https://evil.example/t.png) |",
    "> " * 2000 + "deep",
    "- " * 2000 + "deep",
    "[" * 6000,
    "*a _b " * 2500,
    "<" * 6000,
    "![" * 3000 + "](" * 3000,
    "&lt;script&gt;window.hit=1&lt;/script&gt; &#60;img src=x onerror=window.hit=1&#62;",
    "\u202e\u0000\ufeff<\u200bscript>window.hit=1</script>",
]
LOOK = """() => {
    const elements = [...document.querySelectorAll('.prose *')];
    const names = new Set(elements.map((element) => element.localName));
    const attributes = new Set(elements.flatMap((element) => element.getAttributeNames()));
    const anchors = elements.filter((element) => element.localName === 'a');
    const links = anchors.map((link) => [link.href, link.rel, link.target]);
    return { hit: window.hit ?? null, names: [...names], attributes: [...attributes], links };
}"""


def test_hostile_text_does_nothing(open_page: Any) -> None:
    page = open_page()
    messages: list[dict[str, str]] = []
    for text in HOSTILE:
        messages += [{"role": "user", "content": text}, {"role": "assistant", "content": text, "thinking": text}]
    began = time.monotonic()
    take_in(page, "hostile.json", json.dumps({"model": "cria:latest", "messages": messages}))
    page.locator(".answer .prose:not(:empty)").nth(len(HOSTILE) - 1).wait_for(state="attached")
    page.locator("math").first.wait_for(state="attached")
    page.locator(".hljs-keyword").first.wait_for(state="attached")
    for summary in page.locator("details.thoughts summary").all()[:3]:
        summary.click()
    page.wait_for_timeout(500)
    seen = page.evaluate(LOOK)
    assert seen["hit"] is None
    assert set(seen["names"]) - ALLOWED == set()
    assert set(seen["attributes"]) - ATTRIBUTES == set()
    assert seen["links"]
    for href, rel, target in seen["links"]:
        assert href.startswith(("https://", "http://", "mailto:"))
        assert {"noopener", "noreferrer"} <= set(rel.split())
        assert target == "_blank"
    assert page.locator(".prose img, .bubble img").count() == 0
    assert time.monotonic() - began < 30
