"""Names of 3,000 characters: no page scrolls sideways, and each name is there whole."""

from functools import partial
from pathlib import Path

import pytest

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


def of_index():
    from audit.extensions.index.page import FoundAudit, index_page

    facts = comparison_samples.two_models()
    return index_page([FoundAudit(Path("x" * 200), longer(facts, names_of(facts))), FoundAudit(Path("y" * 200), None, MORE)], Path())


PAGES = {
    "report": partial(of_audits, whole_page.whole),
    "models": partial(of_audits, comparison_samples.two_models),
    "comparison": partial(of_comparisons, comparison_samples.skewed_and_plain),
    "series": partial(of_comparisons, comparison_samples.four_steps),
    "index": of_index,
}
OF_EXTENSIONS = ("index",)


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Return a function that returns the address of a page."""

    def of(name):
        folder = made_once(tmp_path_factory, f"{name}-of-long-names", lambda made: (made / "page.html").write_text(PAGES[name](), "utf-8"))
        return (folder / "page.html").as_uri()

    return of


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, pytest.param(1440, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.extension(name)] if name in OF_EXTENSIONS else []) for name in PAGES]
)
def test_a_name_of_3000_characters_breaks_and_the_page_does_not_scroll_sideways(unfolded, address, name, width):
    page = unfolded(address(name), width)

    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("Math.max(0, ...[...document.querySelectorAll('.scroll')].map(region => region.scrollWidth))") < 4000
    assert page.evaluate("Math.max(0, ...[...document.querySelectorAll('svg text')].map(text => text.textContent.length))") <= 60
    assert page.evaluate("more => document.querySelector('main').textContent.includes(more)", MORE)
    assert page.logged == []


@pytest.mark.slow
def test_names_of_usual_length_stay_as_they_were_and_a_long_one_can_be_copied(unfolded, addresses, address):
    assert unfolded(addresses["comparison"]).locator("td .long, th .long").count() == 0
    texts = unfolded(address("comparison")).locator("td .long, th .long").all_text_contents()
    assert 3000 in [text.count("W") for text in texts]  # others are titles, which shorten a name
