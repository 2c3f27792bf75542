"""A page about several models: a picture of all of them first, then each against the first, then each audit collapsed."""

import re

import pytest

from reports.context import audit_contexts
from reports.render import render
from reports.sections.overview import overview
from tests.support import comparison_samples as samples
from tests.support.page_length import page_length
from tests.support.page_text import text_of

WRONG = {"fine": {"a": 1}, "skewed": {"b": 60}, "uneven": {"b": 30, "c": 2}}
"""Name -> wrong answers of 120 in each group: gaps of 1, 50 and 25 points in accuracy."""


@pytest.fixture(scope="module")
def results():
    return samples.several_models(WRONG)[0]


@pytest.fixture(scope="module")
def page(results):
    return render(results)


@pytest.fixture(scope="module")
def glance(results):
    return overview(audit_contexts(results))


def test_the_models_are_rows_the_worst_first_and_a_column_has_one_axis(glance):
    chart = glance.chart
    accuracy = next(column for column in chart.columns if column.title.startswith("Animal accuracy by group"))
    gaps = [float(cell.range.gap) for cell in accuracy.cells]

    assert [name for name, _ in chart.models] == ["skewed", "uneven", "fine"]
    assert gaps == sorted(gaps, reverse=True)
    assert [round(gap) for gap in gaps] == [50, 25, 1]
    # On one axis a lower rate lies further left, whichever the model.
    rates = [(cell.range.lower, float(cell.lower.rstrip("%"))) for cell in accuracy.cells]
    assert [place for _, place in sorted(rates)] == sorted(place for _, place in rates)


def test_the_affected_group_has_the_large_dot_only_if_a_disparity_was_found(glance):
    for column in glance.chart.columns:
        for cell in column.cells:
            assert ("6" in cell.radii) <= (cell.range.kind == "disparity")
    accuracy = next(column for column in glance.chart.columns if column.title.startswith("Animal accuracy by group"))
    assert accuracy.cells[0].radii == ("6", "3.5")  # skewed: b has the lower rate, and high is better
    assert accuracy.cells[0].range.groups.startswith("b 50")


def test_the_headline_says_in_how_many_models_and_between_which_gaps(glance):
    said = glance.headline.replace("\xa0", " ")

    counted = r": disparity in 2 of 3 models, \w[\w ]* in 1 of 3 models; "
    assert re.search(counted + r"the gap is between [\d.]+ points? \(fine\) and [\d.]+ points \(skewed\)\.$", said)
    assert glance.details[0].startswith("Worst is skewed. ")


def test_the_picture_comes_first_then_the_comparison_then_each_audit_collapsed(page):
    order = ['<figure class="multiples">', "Every question", ">Models compared</h2>", 'class="part audit-part">', '<article class="audit"']
    assert [page.index(part) for part in order] == sorted(page.index(part) for part in order)
    assert page.count('<details class="part audit-part">') == len(WRONG)
    assert page.count('<table class="marks moved">') == 2  # uneven and skewed against fine
    assert "skewed against fine · zoo" in text_of(page)


def test_each_collapsed_audit_has_its_own_appendix_and_the_page_has_what_all_share(page):
    audits, _, appendix = page.partition('<div id="appendix"')

    assert [audits.count(f'<div id="a{i}-data">') for i in (1, 2, 3)] == [1, 1, 1]
    assert "<summary><h3>Data</h3></summary>" not in appendix
    assert "<summary><h3>Method</h3></summary>" in appendix


def test_models_that_have_no_question_in_common_have_no_picture_and_stay_open():
    """Two audits of two probes: nothing stands in one column."""
    from tests.support import report_samples

    page = render(report_samples.everything())
    assert '<figure class="multiples">' not in page
    assert 'audit-part">' not in page


def test_a_model_that_cannot_be_judged_has_an_empty_cell_and_the_page_says_so():
    rows = samples.attributes(20)  # fewer than 30 images of each group
    results, _ = samples.several_models({"one": {"b": 6}, "two": {}}, rows=rows)
    page = text_of(render(results))

    assert "No question could be judged in two models." in page
    assert "Not estimable: 2" in page


@pytest.mark.browser
def test_three_models_fit_six_screens_with_a_picture_on_the_first(browser, page, tmp_path):
    (tmp_path / "report.html").write_text(page, "utf-8")
    length = page_length(browser, tmp_path / "report.html")
    seen = browser.new_page(viewport={"width": 1440, "height": 900})
    seen.goto((tmp_path / "report.html").as_uri())

    assert length.wide <= 6
    assert seen.locator("figure.multiples").bounding_box()["y"] < 450
    seen.set_viewport_size({"width": 320, "height": 700})
    assert seen.evaluate("document.documentElement.scrollWidth") <= 320
    seen.close()
