"""Every page on paper: nothing runs off the sheet, short tables stay whole, sums are printed once, pages are numbered."""

import pytest

pytestmark = pytest.mark.browser
SHEET = 680
"""CSS pixels between the margins: 180 mm of A4."""


@pytest.fixture
def sheet(visit, name):
    page = visit(name, SHEET, color_scheme="dark")
    page.emulate_media(media="print")
    page.evaluate("document.querySelectorAll('details.part').forEach(part => { part.open = true; })")
    return page


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
        """() => [...document.querySelectorAll("table")].map(table => [table.rows.length, getComputedStyle(table).breakInside,
            table.tHead && !table.tHead.matches(".unseen") && getComputedStyle(table.tHead).display,
            table.tFoot && getComputedStyle(table.tFoot).display])"""
    )

    assert {kind[2] for kind in kinds if kind[2]} == {"table-header-group"}
    assert {kind[3] for kind in kinds if kind[3]} == {"table-row-group"}
    assert {inside for rows, inside, *_ in kinds if rows < 20} == {"avoid"}


@pytest.mark.parametrize("name", ["report"])
def test_pages_are_numbered_and_what_is_folded_on_the_screen_stays_folded(sheet):
    shown = (
        "[...document.querySelectorAll('details:not([open]) > :not(summary)')].filter(inside => inside.checkVisibility("
        "{ contentVisibilityAuto: true })).length"
    )

    assert "counter(page)" in sheet.content()
    assert sheet.locator("details:not([open])").count() > 10
    assert sheet.evaluate(shown) == 0
    assert sheet.locator("#appendix summary").first.is_visible()
    assert not sheet.locator("nav").first.is_visible()
