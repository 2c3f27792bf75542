"""Every page in a real browser: it asks for nothing, says nothing on the console, is accessible, fits a phone, and prints whole."""

import re
import shutil
import subprocess
from dataclasses import replace

import pytest

from reports.render import render
from tests.support import report_samples as samples
from tests.support.accessibility import SCHEMES, faults

pytestmark = pytest.mark.browser
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.mark.slow_except("report", "comparison")
def test_the_page_asks_for_nothing_and_logs_nothing(unfolded, addresses, every_name):
    page = unfolded(every_name)
    page.mouse.wheel(0, 20_000)
    page.wait_for_timeout(200)

    assert page.asked == [addresses[every_name]]
    assert page.logged == []


SCROLLING = """[...document.querySelectorAll(".scroll, .contents ol")]
    .filter(box => box.checkVisibility({ contentVisibilityAuto: true }) && box.scrollWidth > box.clientWidth + 4)
    .map(box => `${box.getAttribute("aria-label")} ${box.scrollWidth}`)"""
"""What scrolls sideways; a chart may draw its marks over the edge."""


@pytest.mark.parametrize("width", [390, 1024])
def test_nothing_of_the_main_part_is_cut_at_the_right(visit, name, width):
    page = visit(name, width)

    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(SCROLLING) == []


def test_on_a_phone_no_opened_table_or_chart_scrolls_sideways(unfolded, name):
    assert unfolded(name, 390).evaluate(SCROLLING) == []


def test_the_policy_stops_a_script_that_somebody_might_smuggle_in(visit):
    page = visit("report")
    page.evaluate(
        "const script = document.createElement('script'); script.textContent = 'document.title = \"run\"'; document.body.append(script);"
    )

    assert page.title() != "run"
    assert any("Content Security Policy" in line for line in page.logged)


@pytest.mark.slow_except("report")
def test_axe_finds_nothing_in_light_or_dark(unfolded, every_name):
    page = unfolded(every_name)
    for scheme in SCHEMES:
        assert (scheme, faults(page, scheme, WCAG)) == (scheme, [])


@pytest.mark.slow
def test_axe_finds_captions_and_cells_that_are_too_faint(visit):
    page = visit("comparison")
    for scheme, faint in (("light", "#999"), ("dark", "#555")):
        page.add_style_tag(content=f"caption, td:last-child {{ color: {faint} !important; }}")
        (fault,) = faults(page, scheme, WCAG)
        assert fault["id"] == "color-contrast"
        assert {"caption", "td"} <= {re.match(r"<(\w+)", element)[1] for element in fault["elements"]}


@pytest.mark.slow_except("report-320", "comparison-320", "watch-320")
@pytest.mark.parametrize("width", [pytest.param(390, marks=pytest.mark.slow), 320])
def test_a_phone_never_scrolls_the_page_even_with_every_part_open(unfolded, every_name, width):
    page = unfolded(every_name, width)

    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_dark_and_light_are_different_pages_with_the_same_words(visit):
    light, dark = (visit("report", color_scheme=scheme) for scheme in ("light", "dark"))
    background = "getComputedStyle(document.body).backgroundColor"

    assert light.evaluate(background) != dark.evaluate(background)
    assert light.inner_text("main") == dark.inner_text("main")


def test_a_link_opens_the_details_it_leads_into(visit):
    page = visit("report")
    hidden = page.locator("details.finding > div[id]").first
    assert not hidden.is_visible()

    page.evaluate("name => { location.hash = name; }", hidden.get_attribute("id"))
    page.wait_for_timeout(300)

    assert hidden.is_visible()


MARKS = """[...document.querySelectorAll("svg.curve-chart")].map(chart => {
    const edge = chart.getBoundingClientRect();
    const seen = mark => {
        const box = mark.getBoundingClientRect(), style = getComputedStyle(mark);
        const inside = box.left >= edge.left && box.right <= edge.right && box.top >= edge.top && box.bottom <= edge.bottom;
        const painted = [style.fill, style.stroke].some(color => color !== "none" && color !== "rgba(0, 0, 0, 0)");
        return inside && painted && box.width + box.height > 0;
    };
    return [edge.width / edge.height, ...["ribbon", "interval", "dot", "leader", "onset"].map(
        kind => [...chart.querySelectorAll("." + kind)].filter(seen).length)];
})"""
"""Of each chart its shape, and how many marks of each kind are painted inside it."""


def test_the_charts_of_a_series_are_drawn(unfolded):
    """Of each trajectory a band with its line, dots and onset, and a line, dots and the name's leader for each of three groups."""
    gap, groups = [1, 1, 1, 0], [0, 3, 3, 3]
    drawn = unfolded("series").evaluate(MARKS)

    assert [chart[1:5] for chart in drawn] == [gap, groups, gap, groups, gap]
    assert [chart[5] for chart in drawn] == [1] * 5
    assert [chart[0] for chart in drawn] == pytest.approx([470 / 250] * 5, rel=1e-3)


@pytest.mark.slow
def test_the_printed_pages_hold_every_heading_and_every_table_of_what_is_open(visit, tmp_path, name):
    pdftotext = shutil.which("pdftotext")
    if pdftotext is None:
        pytest.skip("no pdftotext on this machine (apt-get install poppler-utils)")
    page = visit(name, color_scheme="dark")
    page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true; })")
    headings = page.eval_on_selector_all("h1, h2, h3, h4, h5", "found => found.map(heading => heading.textContent)")
    page.pdf(path=str(tmp_path / "page.pdf"), prefer_css_page_size=True)
    done = subprocess.run([pdftotext, "-raw", str(tmp_path / "page.pdf"), "-"], capture_output=True, text=True, check=True)
    printed, unprinted = re.sub(r"\s+", "", done.stdout), "[\\s\u2060]+"  # what keeps a range on one line leaves no mark

    assert [heading for heading in headings if re.sub(unprinted, "", heading) not in printed] == []
    if name == "report":
        assert "Pairsofgroups,mostsignificantfirst" in printed
        assert "9c41d2aa7e03" in printed


@pytest.mark.slow
def test_a_right_to_left_name_does_not_move_the_number_behind_it(visit, everything, tmp_path):
    name = "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd"
    renamed = samples.mapped(replace(everything, audits=everything.audits[:1]), lambda text: name if text == "woman" else text)
    (tmp_path / "report.html").write_text(render(renamed), "utf-8")
    text, end_of_name, number = visit((tmp_path / "report.html").as_uri()).evaluate(
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

    assert text.index(name) < text.index("%")
    assert end_of_name <= number + 1
