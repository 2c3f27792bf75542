"""How long a page is: the main part is read in minutes, its print fits a folder, and a large audit still travels by mail."""

from pathlib import Path

import pytest

from reports.render import render
from tests.support import report_samples as samples
from tests.support.large_samples import many_groups
from tests.support.page_length import page_length

pytestmark = pytest.mark.browser
MOST_WORDS, MOST_SCREENS = 1_200, 4
MOST_MAIN_PAGES, MOST_APPENDIX_PAGES = 6, 15
MADE = {
    "emoji": lambda: samples.results(samples.with_evidence(samples.emoji())),
    "fairface": lambda: samples.results(samples.with_evidence(samples.fairface())),
    "limited": lambda: samples.results(samples.fairface(limited=True)),
    "60 groups x 15 questions": many_groups,
}


EVERY_TIME = ("emoji",)


@pytest.fixture(scope="module", params=[name if name in EVERY_TIME else pytest.param(name, marks=pytest.mark.slow) for name in MADE])
def measured(request, browser, tmp_path_factory):
    path: Path = tmp_path_factory.mktemp("length") / "report.html"
    path.write_text(render(MADE[request.param]()), "utf-8")
    return request.param, page_length(browser, path)


def test_the_main_part_is_short_on_screen_and_on_paper(measured):
    _, length = measured

    assert length.words <= MOST_WORDS
    assert length.wide <= MOST_SCREENS
    assert length.main_pages <= MOST_MAIN_PAGES


def test_the_appendix_is_folded_and_prints_on_few_pages_when_it_is_opened(measured):
    name, length = measured

    assert length.appendix_pages <= MOST_APPENDIX_PAGES
    # Folded, it adds a page: its list and the sign-off.
    assert length.pages <= length.main_pages + 1
    assert name != "fairface" or length.main_pages + length.appendix_pages <= 20


def test_sixty_groups_and_fifteen_questions_stay_below_600_kilobytes(measured):
    name, length = measured

    assert name != "60 groups x 15 questions" or 100 < length.kilobytes <= 600


@pytest.mark.slow
def test_a_page_of_two_audits_has_twice_the_room_at_most(browser, everything, tmp_path):
    (tmp_path / "report.html").write_text(render(everything), "utf-8")
    length = page_length(browser, tmp_path / "report.html")

    assert length.words <= 2 * MOST_WORDS
    assert length.wide <= 2 * MOST_SCREENS
    assert length.main_pages <= MOST_MAIN_PAGES
    assert length.appendix_pages <= MOST_APPENDIX_PAGES
