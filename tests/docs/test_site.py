"""The site is built strictly, and no page of it requests anything from another host.

With the reference a build takes a quarter of a minute of the processor: every night. Without it, every time; and each name that the
reference is to show is looked up.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pkgutil import resolve_name

import pytest

import audit
from docs.tools import screenshots, terminal
from tests.support.accessibility import SCHEMES, faults
from tests.support.house import ROOT

pytest.importorskip("mkdocs", reason="mkdocs is not installed (pip install mkdocs-material mkdocstrings)")
FETCHED = re.compile(r"<(?:script|img|iframe|source|link(?! rel=\"canonical\"))[^>]+(?:src|href)=\"?(?:https?:)?//[^\">]+")


RECIPE = re.search(r"^docs:.*\n(?:\t.*\n)*\t.*\$\(BIN\)/python (-m mkdocs .*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]
REFERENCE = tuple(path.stem for path in sorted((ROOT / "docs" / "reference").glob("*.md")))
NOTEBOOKS = tuple(path.stem for path in sorted((ROOT / "notebooks").glob("*.ipynb")))


def build(root, folder):
    """What `make docs` does in a checkout, without executing notebooks."""
    words = [sys.executable, *shlex.split(RECIPE), "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(words, cwd=root, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built site: a warning is an error."""
    folder = tmp_path_factory.mktemp("site")
    built = build(ROOT, folder)
    assert built.returncode == 0, built.stderr
    return folder


@pytest.mark.slow
def test_a_broken_link_and_a_page_outside_the_navigation_fail_the_build(tmp_path):
    """In a copy without the reference, which takes most of the time."""
    copy = tmp_path / "copy"
    shutil.copytree(ROOT / "docs", copy / "docs")
    for path in ROOT.iterdir():
        if path.name not in ("docs", "site", ".git"):
            (copy / path.name).symlink_to(path)
    for page in (*(copy / "docs" / "reference").glob("*.md"), copy / "docs" / "training.md"):
        page.write_text(re.sub(r"^::: .*\n(?:    .*\n)*", "", page.read_text("utf-8"), flags=re.MULTILINE), "utf-8")
    (copy / "docs" / "orphan.md").write_text("# An orphan\n", "utf-8")
    with (copy / "docs" / "faq.md").open("a", encoding="utf-8") as page:
        page.write("\n[A page](nope.md), [a heading](glossary.md#nope)\n")
    built = build(copy, tmp_path / "built")
    assert built.returncode != 0
    assert "orphan.md" in built.stderr
    assert "'nope.md'" in built.stderr
    assert "'glossary.md#nope'" in built.stderr
    assert "Aborted with 3 warnings in strict mode" in built.stdout


def test_every_name_that_the_reference_is_to_show_exists():
    pages = (path.read_text("utf-8") for path in (ROOT / "docs").rglob("*.md"))
    names = [name for page in pages for name in re.findall(r"^::: (\S+)", page, re.MULTILINE)]
    assert len(names) > 20
    assert all(map(resolve_name, names))  # raises for an unknown one


@pytest.mark.slow
def test_no_page_asks_another_host_for_anything(site):
    pages = {path.relative_to(site).as_posix(): path.read_text("utf-8") for path in site.rglob("*.html")}
    assert {"index.html", "command-line.html", "reference.html", "extensions/endpoint.html", "404.html"} <= set(pages)
    assert {f"reference/{name}.html" for name in REFERENCE} | {f"notebooks/{name}.html" for name in NOTEBOOKS} <= set(pages)
    assert {name: found for name, text in pages.items() if (found := FETCHED.findall(text))} == {}


@pytest.mark.slow
def test_what_is_made_from_the_code_is_there(site):
    assert "--require-conclusive" in (site / "command-line.html").read_text("utf-8")
    reference = "".join((site / "reference" / f"{name}.html").read_text("utf-8") for name in REFERENCE)
    for name in (
        "audit.api.audits.Audit",
        "audit.types.Encoder",
        "strictio.errors.DataError",
        "audit.testing.FakeEncoder",
        "audit.data.schema.Column",
    ):
        assert f'id="{name}"' in reference
    assert 'id="contrastive.settings.OptimConfig.lr"' in (site / "training.html").read_text("utf-8")


_CUT = """[...document.querySelectorAll(".highlight:not(.language-text) pre > code")]
  .filter(code => code.scrollWidth > code.clientWidth).map(code => code.textContent)"""
"""The blocks of code, other than output, that are cut off at the right."""


@pytest.mark.slow
@pytest.mark.browser
def test_a_page_of_the_reference_has_one_subject(site, browser):
    """All in one page, it was 48,000 pixels tall."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    heights = {}
    for name in REFERENCE:
        page.goto((site / "reference" / f"{name}.html").as_uri())
        heights[name] = page.evaluate("document.documentElement.scrollHeight")
    assert max(heights.values()) < 16_000, heights
    page.close()


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("width", [1440, 390])
def test_pages_open_from_the_disk_without_requests_messages_or_sideways_scroll(site, browser, width):
    seen = []
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.on("request", lambda request: seen.append(request.url) if request.url.startswith("http") else None)
    page.on("console", lambda message: seen.append(message.text))
    page.on("pageerror", lambda error: seen.append(str(error)))
    for name in (
        "index",
        "tutorial",
        "reading",
        "probes",
        "command-line",
        "reference/types",
        "training",
        "guides/gates",
        "notebooks/slicing",
    ):
        page.goto((site / f"{name}.html").as_uri())
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        assert page.evaluate(_CUT) == [], name
    assert seen == []
    page.close()


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("scheme", SCHEMES)
def test_pages_have_no_accessibility_faults(site, browser, scheme):
    page = browser.new_page(viewport={"width": 1440, "height": 900}, color_scheme=scheme)
    for name in ("index", "tutorial", "faq", "reading", "probes", "training", "reference/types", "notebooks/slicing"):
        page.goto((site / f"{name}.html").as_uri())
        assert page.get_attribute("body", "data-md-color-scheme") == {"light": "default", "dark": "slate"}[scheme]
        found = faults(page, scheme)
        # The theme's copy buttons and lists of contents are landmarks without a name each.
        assert [fault["id"] for fault in found if fault["id"] != "landmark-unique"] == [], name
    page.close()


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("require-conclusive", "command-line"),
        ("endpoints", "extensions/endpoint"),
        ("planned", "glossary"),
        ("ragged", "troubleshooting"),
    ],
)
def test_the_search_works_from_the_disk(site, browser, query, wanted):
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto((site / "index.html").as_uri())
    # The index loads once the field has the focus; a query typed before the page listens stays without an answer.
    results = page.locator(".md-search-result__item a")
    for _ in range(20):
        page.fill("input.md-search__input", "")
        page.type("input.md-search__input", query)
        page.wait_for_timeout(1500)
        if results.count():
            break
    assert any(wanted in link.get_attribute("href") for link in results.all()[:12])
    page.close()


READING = (ROOT / "docs" / "reading.md").read_text("utf-8")


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    return terminal.audit_example(terminal.EXAMPLE, tmp_path_factory.mktemp("example"))


@pytest.mark.slow
def test_what_is_said_of_the_picture_is_true_of_its_report(example):
    found = audit.load(example.parent)
    region, light = (found.finding(f"predictions.accuracy by {name}") for name in ("region", "light"))
    rates = {rate.group[0]: f"{rate.value:.1%}".replace("%", " %") for rate in region.by_group}
    assert f"{rates['south']} are right; of those about people in the north, {rates['north']}" in READING
    gap = region.gap
    assert f"= {100 * gap.leading.difference:.0f} points." in READING
    assert f"The interval, {100 * gap.leading.low:.0f} to {100 * gap.leading.high:.0f}," in READING
    assert f"by at most {100 * gap.leading.chance:.0f} points" in READING
    assert f"shown to differ by less than {100 * region.tolerance:.0f} points are called equivalent" in READING
    assert f"at least {gap.ratio_low:.2f} times as frequent" in READING
    assert f"the tolerance is {region.ratio_tolerance:g} times" in READING
    assert region.tolerance - 0.005 < gap.low < region.tolerance  # "begins just below 5 points"
    assert (region.verdict, region.exceeds_tolerance, light.verdict) == ("disparity", True, "inconclusive")
    assert light.gap.equivalence_bound < light.tolerance  # "day and night differ by less than 5 points"
    assert sum(rate.n for rate in region.by_group) == 2_000
    signals = found.metrics.query("verdict == 'signal'")
    assert "south" in str(signals.iloc[0]["lowest"])


@pytest.mark.slow
@pytest.mark.browser
def test_the_picture_shows_every_part_that_the_page_explains(example, browser, tmp_path):
    page = browser.new_page()
    page.goto(example.as_uri())
    assert [part for part in screenshots.PARTS if page.locator(part).count() == 0] == []
    assert [
        name
        for name, tile in zip(("gap", "chance", "tolerance"), page.locator(".tiles > *").all(), strict=True)
        if name not in tile.inner_text()
    ] == []
    assert "Can it be trusted?" in READING
    assert page.get_by_role("heading", name="Can it be trusted?").count() > 0
    assert len(re.findall(r"^\d\. \*\*", READING.split("## Four")[0], re.MULTILINE)) == len(screenshots.PARTS)
    page.close()
