"""Screenshots for the site: of the report on the docs' example (``make pictures``), and of the sample reports (``make gallery``).

Needs Chromium. No person is in them; a report with photographs of people is never photographed.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

ROOT = Path(__file__).parents[2]
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WIDTH, HEIGHT = 1280, 800
MARGIN = 44
PARTS = (
    ".verdict-line", ".headline", ".tiles > :nth-child(1)", ".tiles > :nth-child(2)", ".tiles > :nth-child(3)", "figure.groups",
    ".next", "table.questions", "section:has(> .signals)",
)  # fmt: skip
"""CSS selectors of the parts that `docs/reading.md` explains, in the same order."""
_NUMBER = """parts => {
  for (const [place, part] of parts.entries()) {
    const found = document.querySelector(part);
    if (!found) return part;
    const box = found.getBoundingClientRect(), mark = document.createElement("b");
    mark.textContent = place + 1;
    Object.assign(mark.style, {
      position: "absolute", left: `${box.left + scrollX - 34}px`, top: `${box.top + scrollY + 2}px`, width: "26px", height: "26px",
      borderRadius: "13px", background: "#1d4ed8", color: "#fff", font: "700 15px/26px sans-serif", textAlign: "center",
    });
    document.body.append(mark);
  }
}"""


@contextmanager
def opened(report: Path) -> Iterator[Page]:
    """Open a report in the system's Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as running:
        path = next(filter(None, map(shutil.which, BROWSERS)))
        browser = running.chromium.launch(executable_path=path, headless=True, args=FLAGS)
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        page.goto(report.resolve().as_uri())
        yield page
        browser.close()


def first_screen(report: Path, picture: Path) -> bool:
    """Save the first screen; without Chromium, save nothing and return False."""
    if not any(map(shutil.which, BROWSERS)):
        return False
    with opened(report) as page:
        page.screenshot(path=picture)
    return True


def annotated(report: Path, picture: Path) -> None:
    """Save the first parts of a report, each numbered as in `PARTS`; LookupError if the page lacks one."""
    with opened(report) as page:
        if missing := page.evaluate(_NUMBER, list(PARTS)):
            raise LookupError(f"the report has no {missing}; docs/tools/screenshots.py and docs/reading.md are about another page")
        box = page.locator(PARTS[-1]).bounding_box()
        assert box is not None
        width, height = box["width"] + 2 * MARGIN, box["y"] + box["height"] + MARGIN
        page.screenshot(path=picture, full_page=True, clip={"x": box["x"] - MARGIN, "y": 0, "width": width, "height": height})


def main() -> int:
    """Audit the docs' example and take its screenshot."""
    from docs.tools.terminal import EXAMPLE, audit_example

    if not any(map(shutil.which, BROWSERS)):
        print("Chromium was not found; install it (apt-get install chromium)", file=sys.stderr)
        return 5
    with tempfile.TemporaryDirectory() as folder:
        report = audit_example(EXAMPLE, Path(folder))
        annotated(report, ROOT / "docs" / "reading.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
