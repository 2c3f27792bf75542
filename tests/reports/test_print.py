"""Every page on paper: nothing runs off the sheet, short tables stay whole, sums are printed once, pages are numbered."""

import pytest

from reports.render import render, render_comparisons
from tests.support import comparison_samples, whole_page

pytestmark = pytest.mark.browser
SHEET = 680
"""CSS pixels between the margins: 180 mm of A4."""
PAGES = ("report", "comparison", "series")


@pytest.fixture(scope="module")
def addresses(tmp_path_factory):
    folder = tmp_path_factory.mktemp("printed")
    texts = {
        "report": render(whole_page.whole()),
        "comparison": render_comparisons(comparison_samples.skewed_and_plain()),
        "series": render_comparisons(comparison_samples.four_steps()),
    }
    for name in PAGES:
        (folder / f"{name}.html").write_text(texts[name], "utf-8")
    return {name: (folder / f"{name}.html").as_uri() for name in PAGES}


@pytest.fixture
def sheet(browser, addresses):
    pages = []

    def opened(name):
        page = browser.new_page(viewport={"width": SHEET, "height": 1000})
        pages.append(page)
        page.goto(addresses[name])
        page.emulate_media(media="print")
        return page

    yield opened
    for page in pages:
        page.close()


@pytest.mark.parametrize("name", PAGES)
def test_nothing_runs_off_the_sheet(sheet, name):
    beyond = sheet(name).evaluate(
        """width => {
            const right = each => Math.round(each.getBoundingClientRect().right);
            return [...document.querySelectorAll("main *, header *, footer *")]
                .filter(each => each.checkVisibility() && !each.closest(".unseen, .symbols, .skip") && right(each) > width)
                .map(each => `${each.tagName} ${each.className} ${right(each)} ${each.textContent.slice(0, 40)}`);
        }""",
        SHEET + 1,
    )

    assert beyond == []


def test_heads_are_repeated_sums_are_not_and_short_tables_stay_whole(sheet):
    page = sheet("report")
    kinds = page.evaluate(
        """() => [...document.querySelectorAll("table")].map(table => [table.rows.length, getComputedStyle(table).breakInside,
            table.tHead && getComputedStyle(table.tHead).display, table.tFoot && getComputedStyle(table.tFoot).display])"""
    )

    assert {kind[2] for kind in kinds if kind[2]} == {"table-header-group"}
    assert {kind[3] for kind in kinds if kind[3]} == {"table-row-group"}
    assert {inside for rows, inside, *_ in kinds if rows < 20} == {"avoid"}


def test_pages_are_numbered(sheet):
    assert "counter(page)" in sheet("report").content()
