"""Every page on paper: nothing runs off the sheet, short tables stay whole, sums are printed once, pages are numbered."""

import math
import re

import pytest

from tests.reports.conftest import NOTHING_FOLDED, PAGES

pytestmark = pytest.mark.browser
SHEET = 680
"""CSS pixels between the margins: 180 mm of A4."""
SHEET_HEIGHT = 1_001
"""265 mm."""


@pytest.fixture
def sheet(visit, name):
    page = visit(name, SHEET, color_scheme="dark")
    page.emulate_media(media="print")
    page.evaluate("document.querySelectorAll('details.part').forEach(part => { part.open = true; })")
    return page


@pytest.mark.slow_except("report")
def test_nothing_runs_off_the_sheet(sheet):
    beyond = sheet.evaluate(
        """width => {
            const right = each => Math.round(each.getBoundingClientRect().right);
            return [...document.querySelectorAll("main *, header *, footer *")]
                .filter(each => each.checkVisibility() && !each.closest(".unseen, .symbols, .skip") && right(each) > width)
                .map(each => `${each.tagName} ${each.className} ${right(each)} ${each.textContent.slice(0, 40)}`);
        }""",
        SHEET + 1,
    )

    assert beyond == []


@pytest.mark.parametrize("name", ["report"])
def test_heads_are_repeated_sums_are_not_and_short_tables_stay_whole(sheet):
    kinds = sheet.evaluate(
        """() => [...document.querySelectorAll("table")].map(table => [table.offsetHeight, getComputedStyle(table).breakInside,
            table.tHead && !table.tHead.matches(".unseen") && getComputedStyle(table.tHead).display,
            table.tFoot && getComputedStyle(table.tFoot).display])"""
    )

    assert {kind[2] for kind in kinds if kind[2]} == {"table-header-group"}
    assert {kind[3] for kind in kinds if kind[3]} == {"table-row-group"}
    assert {inside for height, inside, *_ in kinds if height < SHEET_HEIGHT / 3} == {"avoid"}


@pytest.mark.parametrize("name", ["report"])
def test_pages_are_numbered_and_what_is_folded_on_the_screen_stays_folded(sheet):
    shown = (
        "[...document.querySelectorAll('details:not([open]) > :not(summary)')].filter(inside => inside.checkVisibility("
        "{ contentVisibilityAuto: true })).length"
    )

    assert "counter(page)" in sheet.content()
    assert sheet.locator("details:not([open])").count() > 10
    assert sheet.evaluate(shown) == 0
    assert sheet.locator("#appendix summary").first.is_visible()  # the parts are open here
    assert not sheet.locator("nav").first.is_visible()


FOLDED = """[...document.querySelectorAll("main details:not(.fold, .foot > details) > :not(summary)")]
    .filter(inside => !inside.checkVisibility({ contentVisibilityAuto: true })).map(inside => inside.textContent.trim().slice(0, 40))"""
"""What folded parts hold and is not visible; the slicer and the statistics below a finding are for the screen."""


@pytest.mark.slow_except("report")
def test_the_button_opens_every_part_to_print_it_and_folds_it_again(visit, folded_name):
    page = visit(folded_name)
    folded = page.locator("details:not([open])").count()
    page.evaluate(
        """() => { window.print = () => {
            window.closed = document.querySelectorAll("main details:not([open], .fold, .foot > details)").length;
            dispatchEvent(new Event("afterprint"));
        }; }"""
    )
    page.get_by_role("button", name="Print with evidence").click()

    assert page.evaluate("window.closed") == 0
    assert page.locator("details:not([open])").count() == folded > 1
    assert page.logged == []


@pytest.mark.slow_except("report")
def test_without_scripts_a_tick_prints_every_part(visit, folded_name):
    page = visit(folded_name, SHEET, java_script_enabled=False)
    assert not page.locator("#print-all").is_visible()
    closed = len(re.findall(rb"/Type\s*/Page\b(?!s)", page.pdf(prefer_css_page_size=True)))
    page.get_by_label("Print every part of this page opened").check()
    opened = len(re.findall(rb"/Type\s*/Page\b(?!s)", page.pdf(prefer_css_page_size=True)))

    assert opened > closed


@pytest.mark.slow_except("report")
def test_opened_parts_fill_their_sheets(visit, folded_name):
    """The height of all parts, laid out as wide as a sheet, against the sheets that they take: at most a quarter of them is empty."""
    page = visit(folded_name, SHEET)
    page.get_by_label("Print every part of this page opened").check()
    sheets = len(re.findall(rb"/Type\s*/Page\b(?!s)", page.pdf(prefer_css_page_size=True)))
    page.emulate_media(media="print")
    height = page.evaluate("document.documentElement.scrollHeight")

    assert page.evaluate(FOLDED) == []
    assert sheets <= math.ceil(height / SHEET_HEIGHT / 0.75)


@pytest.mark.slow_except("report")
def test_headings_of_folded_parts_are_not_printed(visit, folded_name):
    """A sheet of nothing but headings says nothing; the note above them says how to print what they hold."""
    page = visit(folded_name, SHEET)
    page.emulate_media(media="print")

    assert page.locator("#appendix summary:visible").count() == 0
    assert page.get_by_text("Collapsed sections are not printed").is_visible()
    page.evaluate("document.querySelector('#appendix details').open = true")
    assert page.locator("#appendix summary:visible").count() > 0


@pytest.mark.extension("words")
def test_a_page_without_an_appendix_has_nothing_that_is_folded():
    for name in NOTHING_FOLDED:
        assert "<details" not in PAGES[name]()
