"""Pages that several tests look at, made once, and a browser's visit to them."""

from functools import partial

import pytest

from reports.render import render, render_comparisons
from tests.support import comparison_samples, report_samples, whole_page
from tests.support.extension_pages import pages_with_appendix
from tests.support.made_once import made_once

PAGES = {
    "report": lambda: render(whole_page.whole()),
    "models": lambda: render(comparison_samples.two_models()),
    "comparison": lambda: render_comparisons(comparison_samples.skewed_and_plain()),
    "series": lambda: render_comparisons(comparison_samples.four_steps()),
    **pages_with_appendix(),
}


@pytest.fixture(scope="session")
def everything():
    return report_samples.everything()


@pytest.fixture(scope="session")
def addresses(tmp_path_factory):
    """Name of a page -> its address."""

    def make(folder):
        for name, draw in PAGES.items():
            (folder / f"{name}.html").write_text(draw(), "utf-8")

    folder = made_once(tmp_path_factory, "report-pages", make)
    return {name: (folder / f"{name}.html").as_uri() for name in PAGES}


EVERY_TIME = ("report", "comparison")
"""All pages share a style sheet and a script; what one of these two has, few others lack."""


@pytest.fixture(params=PAGES)
def every_name(request):
    """Each page in turn: for the tests that a mistake of one page alone would fail."""
    return request.param


@pytest.fixture(params=[name if name in EVERY_TIME else pytest.param(name, marks=pytest.mark.slow) for name in PAGES])
def name(request):
    """Two pages every time, each page every night."""
    return request.param


NOTHING_FOLDED = ("words",)


@pytest.fixture(
    params=[name if name in EVERY_TIME else pytest.param(name, marks=pytest.mark.slow) for name in PAGES if name not in NOTHING_FOLDED]
)
def folded_name(request):
    """Each page that has folded parts."""
    return request.param


@pytest.fixture
def visit(browser, addresses):
    """Return a function that opens a page, by its name or address, and notes what it asks for and what it logs."""
    contexts = []

    def opened(name, width=1280, *, unfolded=False, **settings):
        context = browser.new_context(viewport={"width": width, "height": 800}, **settings)
        contexts.append(context)
        page = context.new_page()
        page.asked, page.logged = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("console", lambda message: page.logged.append(message.text))
        page.on("pageerror", lambda error: page.logged.append(str(error)))
        page.on("dialog", lambda dialog: (page.logged.append(dialog.message), dialog.dismiss()))
        page.goto(addresses.get(name, name))
        if unfolded:
            page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true; })")
        return page

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture
def unfolded(visit):
    return partial(visit, unfolded=True)
