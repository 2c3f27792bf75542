"""How long pages are: words and screens of the main part, printed pages of it and of the opened appendix, bytes.

``python -m tests.support.page_length report.html …`` prints a table. The main part is all that stands before ``#appendix``, or the whole
page where there is no appendix; what is folded away is not seen and does not count.
"""

from __future__ import annotations

import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

SCREENS = {"wide": (1440, 900), "phone": (390, 844)}
_READ = """() => {
    const appendix = document.getElementById("appendix");
    const seen = node => node.parentElement.checkVisibility({ contentVisibilityAuto: true, visibilityProperty: true })
        && !node.parentElement.closest(".unseen, .skip, title, desc, script, style, nav.contents");
    const before = node => !appendix || appendix.compareDocumentPosition(node) & Node.DOCUMENT_POSITION_PRECEDING;
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), said = [];
    for (let node = walker.nextNode(); node; node = walker.nextNode()) if (before(node) && seen(node)) said.push(node.data);
    const end = appendix ? appendix.getBoundingClientRect().top + scrollY : document.documentElement.scrollHeight;
    return [said.join(" "), end];
}"""
_MAIN_ONLY = "#appendix { display: none !important; }"
_APPENDIX_ONLY = "header, .skip, nav, footer, main > :not(#appendix) { display: none !important; }"
_OPEN = "document.querySelectorAll('#appendix details.part').forEach(part => { part.open = true; })"


@dataclass(frozen=True)
class Length:
    """The length of one page."""

    words: int
    wide: float
    """Screens of 1440 × 900."""
    phone: float
    """Screens of 390 × 844."""
    main_pages: int
    appendix_pages: int
    """With every part of the appendix open, and what is folded inside a part closed; 0 without an appendix."""
    pages: int
    """As the page prints when nothing is opened."""
    kilobytes: float


def page_length(browser: object, path: Path) -> Length:
    """Measure a page in an open Chromium of playwright."""
    screens, said = {}, ""
    page = browser.new_page(reduced_motion="reduce")
    for name, (width, height) in SCREENS.items():
        page.set_viewport_size({"width": width, "height": height})
        page.goto(path.resolve().as_uri())
        text, end = page.evaluate(_READ)
        said = said or text
        screens[name] = end / height
    printed = _printed(page)
    has_appendix = page.locator("#appendix").count() > 0
    main = _printed(page, _MAIN_ONLY) if has_appendix else printed
    page.evaluate(_OPEN)
    appendix = _printed(page, _APPENDIX_ONLY) if has_appendix else 0
    page.close()
    return Length(
        len(re.findall(r"\w[\w.,’'-]*", said)), screens["wide"], screens["phone"], main, appendix, printed, path.stat().st_size / 1000
    )


def _printed(page, style: str = "") -> int:
    """Return the sheets of paper, with a style of this print only: Chromium writes one page object for each."""
    added = page.add_style_tag(content=style) if style else None
    sheets = len(re.findall(rb"/Type\s*/Page\b(?!s)", page.pdf(prefer_css_page_size=True)))
    if added:
        added.evaluate("style => style.remove()")
    return sheets


def main(paths: list[str]) -> int:
    """Print a table of the lengths of pages."""
    from playwright.sync_api import sync_playwright

    print(f"{'page':44} {'words':>6} {'1440':>5} {'390':>5} {'main p.':>7} {'app. p.':>7} {'print':>5} {'kB':>6}")
    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for path in map(Path, paths):
            found = page_length(browser, path)
            name = f"{path.parent.name}/{path.name}"[-44:]
            print(
                f"{name:44} {found.words:6,} {found.wide:5.1f} {found.phone:5.1f} {found.main_pages:7} {found.appendix_pages:7} "
                f"{found.pages:5} {found.kilobytes:6.0f}",
                flush=True,
            )
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
