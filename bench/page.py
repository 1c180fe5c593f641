"""How soon the page is painted, and how much it transfers: ``python bench/page.py [URL]`` against a running server.

Needs Playwright (the extra ``test``) and Chromium. Each of the rounds has a browser profile of its own, with nothing
kept; the server is asked once before, so that it is warm.
"""

import shutil
import statistics
import sys

from playwright.sync_api import sync_playwright

_ROUNDS = 7
_FIGURES = """() => ({
    paint: performance.getEntriesByName('first-contentful-paint')[0].startTime,
    ready: performance.now(),
    bytes: [...performance.getEntriesByType('resource'), ...performance.getEntriesByType('navigation')]
        .reduce((sum, entry) => sum + entry.transferSize, 0),
})"""


def main() -> None:
    """Print the median, and the range, of each figure."""
    url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:11434"
    rounds = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        for _ in range(_ROUNDS + 1):
            context = browser.new_context()
            page = context.new_page()
            page.goto(url)
            page.locator("textarea").wait_for()
            rounds.append(page.evaluate(_FIGURES))
            context.close()
        browser.close()
    for name, unit in (("paint", "ms"), ("ready", "ms"), ("bytes", "")):
        values = [figures[name] for figures in rounds[1:]]
        print(f"{name}: {statistics.median(values):,.0f} {unit} ({min(values):,.0f} to {max(values):,.0f})")


if __name__ == "__main__":
    main()
