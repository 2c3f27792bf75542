"""Every page without a mouse: the tabulator reaches whatever can be used, the focus is seen, and folded parts open by key."""

import itertools

import pytest

pytestmark = pytest.mark.browser
WATCHED = """what => {
    const all = [...document.querySelectorAll(what)].filter(each => each.checkVisibility());
    Object.assign(window, { reached: [], unseen: [] });
    document.addEventListener("focusin", event => {
        window.reached.push(all.indexOf(event.target));
        if (getComputedStyle(event.target).outlineStyle === "none") window.unseen.push(event.target.outerHTML.slice(0, 80));
    });
    return all.length;
}"""
CAN_BE_USED = "a[href], summary, select, input, button, [tabindex='0']"


@pytest.mark.slow_except("report")
def test_the_tabulator_reaches_everything_that_can_be_used_and_the_focus_is_seen(unfolded, name):
    page = unfolded(name, reduced_motion="reduce")
    page.set_viewport_size({"width": 1280, "height": 120})  # each key scrolls: what is not seen is not painted
    wanted = page.evaluate(WATCHED, CAN_BE_USED)
    for _ in range(wanted):
        page.keyboard.press("Tab")
    reached, unseen = page.evaluate("[window.reached, window.unseen]")

    assert wanted > (5 if name == "words" else 15)  # links alone, or buttons and folded parts as well
    assert sorted(set(reached)) == list(range(wanted))
    assert unseen == []


@pytest.mark.slow_except("report")
def test_the_first_key_leads_past_the_contents(visit, name):
    page = visit(name, reduced_motion="reduce")
    page.keyboard.press("Tab")
    assert page.locator(".skip").bounding_box()["x"] >= 0

    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.querySelector('main').contains(document.activeElement)")


@pytest.mark.slow_except("report")
def test_a_folded_part_opens_and_closes_by_key(visit, folded_name):
    page = visit(folded_name, reduced_motion="reduce")
    summary = page.locator("summary:visible").first
    opened = "document.activeElement.parentElement.open"
    summary.focus()
    before = page.evaluate(opened)
    page.keyboard.press("Enter")
    after = page.evaluate(opened)
    page.keyboard.press("Space")

    assert after is not before
    assert page.evaluate(opened) is before


@pytest.mark.slow_except("report")
def test_whatever_can_be_used_says_what_it_is_and_headings_go_down_one_step_at_a_time(visit, name):
    """Each has a name for a screen reader: its text, its label, or what it is labelled by."""
    page = visit(name, reduced_motion="reduce")
    nameless = page.evaluate(
        "what => [...document.querySelectorAll(what)].filter(each => !(each.textContent.trim() || each.ariaLabel || each.labels?.length))"
        ".map(each => each.outerHTML)",
        CAN_BE_USED,
    )

    assert nameless == []

    levels = page.eval_on_selector_all("h1, h2, h3, h4, h5, h6", "found => found.map(heading => Number(heading.tagName[1]))")

    assert levels.count(1) == 1
    assert levels[0] == 1
    assert [pair for pair in itertools.pairwise(levels) if pair[1] > pair[0] + 1] == []
    assert page.locator("main").count() == page.locator("nav").count() == page.locator("header.masthead").count() == 1
