"""The page in a real browser: it asks for nothing, says nothing on the console, is accessible, fits a phone, and prints whole."""

import re
import shutil
import subprocess
from dataclasses import replace

import pytest

from reports.render import render
from tests.support import report_samples as samples
from tests.support import whole_page as whole_page

pytestmark = pytest.mark.browser
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    file = tmp_path_factory.mktemp("report") / "report.html"
    file.write_text(render(whole_page.whole()), "utf-8")
    return file.as_uri()


@pytest.fixture
def visit(browser, address):
    """Return a function that opens the page and says what it asked for and what it logged."""
    contexts = []

    def opened(width=1280, **settings):
        context = browser.new_context(viewport={"width": width, "height": 800}, **settings)
        contexts.append(context)
        page = context.new_page()
        page.asked, page.logged = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("console", lambda message: page.logged.append(message.text))
        page.on("pageerror", lambda error: page.logged.append(str(error)))
        page.goto(address)
        return page

    yield opened
    for context in contexts:
        context.close()


def open_details(page):
    page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true; })")


def test_the_page_asks_for_nothing_and_logs_nothing(visit, address):
    page = visit()
    open_details(page)
    page.mouse.wheel(0, 20_000)
    page.wait_for_timeout(200)

    assert page.asked == [address]
    assert page.logged == []


def test_the_policy_stops_a_script_that_somebody_might_smuggle_in(visit):
    page = visit()
    page.evaluate(
        "const script = document.createElement('script'); script.textContent = 'document.title = \"run\"'; document.body.append(script);"
    )

    assert page.title() != "run"
    assert any("Content Security Policy" in line for line in page.logged)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(visit, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    page = visit(color_scheme=scheme)
    open_details(page)
    # The same elements in either scheme: only their colours differ.
    found = axe.Axe().run(page, options={"runOnly": WCAG if scheme == "light" else ["color-contrast"]})

    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("width", [390, 320])
def test_a_phone_scrolls_tables_and_never_the_page(visit, width):
    page = visit(width)
    open_details(page)

    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("[...document.querySelectorAll('.scroll')].some(region => region.scrollWidth > region.clientWidth)")


def test_dark_and_light_are_different_pages_with_the_same_words(visit):
    light, dark = (visit(color_scheme=scheme) for scheme in ("light", "dark"))
    background = "getComputedStyle(document.body).backgroundColor"

    assert light.evaluate(background) != dark.evaluate(background)
    assert light.inner_text("main") == dark.inner_text("main")


def test_a_link_opens_the_details_it_leads_into(visit):
    page = visit()
    hidden = page.locator("details.context h5").first
    assert not hidden.is_visible()

    page.evaluate("name => { location.hash = name; }", hidden.get_attribute("id"))
    page.wait_for_timeout(300)

    assert hidden.is_visible()


def test_print_shows_what_is_folded_on_the_screen(visit):
    page = visit(color_scheme="dark")
    page.emulate_media(media="print")
    folded = (
        "[...document.querySelectorAll('details > :not(summary)')].filter(inside => inside.getBoundingClientRect().height === 0).length"
    )

    assert page.locator("details").count() > 10
    assert page.evaluate(folded) == 0
    assert not page.locator("nav").first.is_visible()


def test_the_printed_pages_hold_every_heading_and_every_table(visit, tmp_path):
    pdftotext = shutil.which("pdftotext")
    if pdftotext is None:
        pytest.skip("no pdftotext on this machine (apt-get install poppler-utils)")
    page = visit(color_scheme="dark")
    headings = page.eval_on_selector_all("h1, h2, h3, h4, h5", "found => found.map(heading => heading.textContent)")
    page.pdf(path=str(tmp_path / "report.pdf"), prefer_css_page_size=True)
    done = subprocess.run([pdftotext, "-layout", str(tmp_path / "report.pdf"), "-"], capture_output=True, text=True, check=True)
    printed = re.sub(r"\s+", "", done.stdout)

    assert [heading for heading in headings if re.sub(r"\s+", "", heading) not in printed] == []
    assert "PairsofgroupsmostsignificantfirstFirstSecond" in printed.replace(",", "")
    assert "9c41d2aa7e03" in printed


def test_a_right_to_left_name_does_not_move_the_number_behind_it(browser, tmp_path):
    everything = samples.everything()
    audit = everything.audits[0]
    name = "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd"
    renamed = samples.mapped(replace(everything, audits=(audit,)), lambda text: name if text == "woman" else text)
    (tmp_path / "report.html").write_text(render(renamed), "utf-8")
    page = browser.new_page()
    page.goto((tmp_path / "report.html").as_uri())
    places = page.evaluate(
        """name => {
            const cell = [...document.querySelectorAll("table.findings td")].find(found => found.textContent.includes(name));
            const walker = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT), text = walker.nextNode();
            const at = (from, to) => { const range = document.createRange(); range.setStart(text, from); range.setEnd(text, to);
                                       return range.getBoundingClientRect(); };
            const start = text.data.indexOf(name), digit = text.data.search(/[0-9]/);
            return [text.data, at(start, start + name.length).right, at(digit, digit + 1).left];
        }""",
        name,
    )
    page.close()

    assert places[0].index(name) < places[0].index("%")
    assert places[1] <= places[2] + 1
