"""The page of a comparison in a real browser: it asks for nothing, is accessible, fits a phone, and prints whole."""

import re
import shutil
import subprocess

import pytest

from reports.render import render_comparisons
from tests.support import comparison_samples as samples

pytestmark = pytest.mark.browser
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture(scope="module")
def addresses(tmp_path_factory):
    folder = tmp_path_factory.mktemp("comparison")
    made = {"two": samples.skewed_and_plain(), "series": samples.four_steps()}
    for name, facts in made.items():
        (folder / f"{name}.html").write_text(render_comparisons(facts), "utf-8")
    return {name: (folder / f"{name}.html").as_uri() for name in made}


@pytest.fixture
def visit(browser, addresses):
    contexts = []

    def opened(which, width=1280, **settings):
        context = browser.new_context(viewport={"width": width, "height": 800}, **settings)
        contexts.append(context)
        page = context.new_page()
        page.asked, page.logged = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("console", lambda message: page.logged.append(message.text))
        page.on("pageerror", lambda error: page.logged.append(str(error)))
        page.goto(addresses[which])
        page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true; })")
        return page

    yield opened
    for context in contexts:
        context.close()


@pytest.mark.parametrize("which", ["two", "series"])
def test_the_page_asks_for_nothing_and_logs_nothing(visit, addresses, which):
    page = visit(which)
    page.wait_for_timeout(100)

    assert page.asked == [addresses[which]]
    assert page.logged == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("which", ["two", "series"])
def test_axe_finds_nothing(visit, which, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    # The same elements in either scheme: only their colours differ.
    found = axe.Axe().run(visit(which, color_scheme=scheme), options={"runOnly": WCAG if scheme == "light" else ["color-contrast"]})

    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("which", ["two", "series"])
def test_a_phone_scrolls_tables_and_never_the_page(visit, which):
    page = visit(which, 390)

    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate("[...document.querySelectorAll('.scroll')].some(region => region.scrollWidth > region.clientWidth)")


def test_the_charts_are_drawn(visit):
    page = visit("series")
    drawn = "[...document.querySelectorAll('svg[role=img]')].map(chart => chart.getBoundingClientRect().height)"
    ribbon = "getComputedStyle(document.querySelector('.ribbon')).fill"

    assert min(page.evaluate(drawn)) > 50
    assert page.evaluate(ribbon) != "none"


@pytest.mark.parametrize("which", ["two", "series"])
def test_the_printed_pages_hold_every_heading(visit, tmp_path, which):
    pdftotext = shutil.which("pdftotext")
    if pdftotext is None:
        pytest.skip("no pdftotext on this machine (apt-get install poppler-utils)")
    page = visit(which, color_scheme="dark")
    page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = false; })")
    headings = page.eval_on_selector_all("h1, h2, h3, h4", "found => found.map(heading => heading.textContent)")
    page.pdf(path=str(tmp_path / "page.pdf"), prefer_css_page_size=True)
    done = subprocess.run([pdftotext, "-layout", str(tmp_path / "page.pdf"), "-"], capture_output=True, text=True, check=True)
    printed = re.sub(r"\s+", "", done.stdout)

    assert [heading for heading in headings if re.sub(r"\s+", "", heading) not in printed] == []
