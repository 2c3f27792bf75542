"""Names of 3,000 characters: no page scrolls sideways, and each name is there whole."""

from functools import partial

import pytest

from reports.index.page import FoundAudit, index_page
from reports.render import render, render_comparisons
from tests.support import comparison_samples, whole_page
from tests.support.made_once import made_once
from tests.support.report_samples import mapped

pytestmark = pytest.mark.browser
MORE = "W" * 3000


def names_of(facts):
    """Return every name that a person gave to something in an audit."""
    found = set()
    for audit in facts.audits:
        for attribute, levels in audit.data.groups.items():
            found |= {attribute, *levels}
        found |= {audit.model.name, audit.probe.name, audit.data.name}
        for measurement in audit.measurements:
            found |= {measurement.name, *measurement.labels, *measurement.answers}
    return found


ZOO = {"a", "b", "c", "group", "size", "small", "large", "animal", "zoo", "the zoo", "cat", "dog", "bird"}


def longer(facts, names):
    return mapped(facts, lambda text: text + MORE if text in names else text)


def of_audits(made):
    facts = made()
    return render(longer(facts, names_of(facts)))


def of_comparisons(made):
    facts = made()
    return render_comparisons(longer(facts, ZOO | {side.model.name for side in facts.sides}))


def of_index(folder):
    facts = comparison_samples.two_models()
    return index_page(
        [FoundAudit(folder / ("x" * 200), longer(facts, names_of(facts))), FoundAudit(folder / ("y" * 200), None, MORE)], folder
    )


PAGES = {
    "report": partial(of_audits, whole_page.whole),
    "models": partial(of_audits, comparison_samples.two_models),
    "comparison": partial(of_comparisons, comparison_samples.skewed_and_plain),
    "series": partial(of_comparisons, comparison_samples.four_steps),
}


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Name of a page -> its address."""

    def make(folder):
        for name, draw in {**PAGES, "index": partial(of_index, folder)}.items():
            (folder / f"{name}.html").write_text(draw(), "utf-8")

    folder = made_once(tmp_path_factory, "pages-of-long-names", make)
    return {name: (folder / f"{name}.html").as_uri() for name in (*PAGES, "index")}


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, pytest.param(1440, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", [*PAGES, "index"])
def test_a_name_of_3000_characters_breaks_and_the_page_does_not_scroll_sideways(unfolded, pages, name, width):
    page = unfolded(pages[name], width)

    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("Math.max(0, ...[...document.querySelectorAll('.scroll')].map(region => region.scrollWidth))") < 4000
    assert page.evaluate("Math.max(0, ...[...document.querySelectorAll('svg text')].map(text => text.textContent.length))") <= 60
    assert page.evaluate("more => document.querySelector('main').textContent.includes(more)", MORE)
    assert page.logged == []


@pytest.mark.slow
def test_names_of_usual_length_stay_as_they_were_and_a_long_one_can_be_copied(unfolded, addresses, pages):
    assert unfolded(addresses["comparison"]).locator("td .long, th .long").count() == 0
    texts = unfolded(pages["comparison"]).locator("td .long, th .long").all_text_contents()
    assert 3000 in [text.count("W") for text in texts]  # others are titles, which shorten a name
