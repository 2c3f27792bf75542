"""A page about several models: a picture of all of them first, then each against the first, then each audit collapsed."""

import re
from dataclasses import replace

import pytest

from reports.context import audit_contexts
from reports.environment import environment
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


def column(glance, title):
    return next(column for column in glance.chart.columns if column.title.startswith(title))


@pytest.mark.slow
def test_the_models_are_rows_the_worst_first_and_all_columns_have_one_axis(glance):
    gaps = [float(cell.gap) for cell in column(glance, "Animal accuracy by group").cells]

    assert [model.name for model in glance.chart.models] == ["skewed", "uneven", "fine"]
    assert [round(gap) for gap in gaps] == [50, 25, 1]
    # On one axis a larger gap lies further right, whichever the question; and the tolerance is equally wide.
    cells = [cell for column in glance.chart.columns for cell in column.cells]
    places = [(float(cell.gap), float(cell.marks.x.rstrip("%"))) for cell in cells]
    assert [place for _, place in sorted(places)] == sorted(place for _, place in places)
    assert len({cell.marks.band_width for cell in cells}) == 1


@pytest.mark.slow
def test_every_mark_of_the_chart_has_its_meaning_below_it(glance, page):
    meanings = dict(glance.chart.legend)
    cells = [cell for column in glance.chart.columns for cell in column.cells]

    assert {cell.verdict for cell in cells} <= set(meanings)
    assert meanings["estimate"].startswith("gap and its 95\xa0% interval")
    assert meanings["tolerance"] == "tolerance of 5\xa0points"
    assert ("bound" in meanings) == any(cell.marks.bound for cell in cells)
    legend = page[page.index('<p class="legend">') : page.index("<figcaption>")]
    assert all(words in legend for words in meanings.values())


def test_gaps_beside_each_other_have_equally_many_decimals_and_a_bracketed_interval(glance):
    for cells in (*(column.cells for column in glance.chart.columns), *(row.cells for row in glance.rows)):
        assert len({len(cell.gap.partition(".")[2]) for cell in cells}) == 1
        assert all(re.fullmatch(r"\[[−\d.]+,\xa0[\d.]+\]|at most [\d.]+", cell.interval) for cell in cells)


def test_the_first_screen_says_task_images_and_tolerance(glance, page):
    said = glance.details[-1].replace("\xa0", " ")

    assert said == (
        "Task: “Which animal?”, 3 possible answers (cat, dog and bird); the same 360 images for all. "
        "Groups shown to differ by less than the tolerance of 5 points and, for low error rates, a factor of 1.25 are equivalent."
    )
    assert [column.images.replace("\xa0", " ") for column in glance.chart.columns] == ["n = 360", "n = 120", "n = 360"]


def test_the_headline_says_in_how_many_models_and_which_have_the_largest_and_smallest_gap(glance):
    said = glance.headline.replace("\xa0", " ")

    differs = r" by group in 2 of 3 models, \w[\w ]* in 1"
    assert re.search(rf" differs{differs}; the gap is largest in skewed \([\d.]+ points\) and smallest in fine \([\d.]+ points?\)\.$", said)
    assert glance.details[0].startswith("In skewed: ")
    assert glance.counts[0] == ("disparity", "Disparity in 2 of 3 models")


@pytest.mark.slow
def test_columns_of_two_probes_name_the_probe_and_the_count_is_of_audits():
    wrong = {"one": {"b": 60}, "two": {"b": 30}, "three": {}}
    audited = [samples.result(samples.model(model), errors, name=name) for model, errors in wrong.items() for name in ("zoo", "farm")]
    glance = overview(audit_contexts(samples.results(*audited)))

    assert {column.title.rpartition(" (")[2] for column in glance.chart.columns} == {"zoo)", "farm)"}
    assert len({row.question for row in glance.rows}) == len(glance.rows)
    assert glance.counts[0] == ("disparity", "Disparity in 4 of 6 audits")


def test_the_tolerance_names_its_ratio_where_low_rates_have_one(results):
    audits = tuple(
        replace(audit, findings=tuple(replace(finding, ratio_tolerance=1.25) for finding in audit.findings)) for audit in results.audits
    )
    said = overview(audit_contexts(replace(results, audits=audits))).details[-1].replace("\xa0", " ")

    assert said.endswith(
        "Groups shown to differ by less than the tolerance of 5 points and, for low rates, a factor of 1.25 are equivalent."
    )


def changed(audit, **changes):
    return replace(audit, measurements=(replace(audit.measurements[0], **changes),))


def test_models_that_choose_between_other_answers_share_no_question(results):
    """As three files of answers read together: two about animals, one about colours, of the same images and columns."""
    animals, colours = dict.fromkeys(("cat", "dog", "bird"), 120), {"red": 200, "blue": 160}
    labels = (*animals, *colours)
    first, second, third = (changed(audit, labels=labels, answer_counts=animals) for audit in results.audits)
    accuracy = tuple(finding for finding in third.findings if finding.metric == "accuracy")
    third = replace(changed(third, answer_counts=dict.fromkeys(animals, 0) | colours), findings=accuracy)
    glance = overview(audit_contexts(replace(results, audits=(first, second, third))))

    other = next(model for model in glance.chart.models if model.name == third.model.name)
    assert other.instead.startswith("Other questions (answers blue and red). ")
    assert "models with this task" in glance.headline
    assert third.model.name not in glance.headline
    asked = [row for row in glance.rows if row.question.startswith("Is accuracy")]
    assert [[cell is None for cell in row.cells] for row in asked] == [[False, False, True], [True, True, False]]


def test_a_model_that_recognises_nothing_has_its_reason_in_place_of_a_gap(results):
    blind = next(audit for audit in results.audits if audit.model.name == "fine")
    findings = tuple(replace(finding, verdict="not estimable", unresponsive="constant") for finding in blind.findings)
    blind = replace(blind, findings=findings, verdict="not estimable")
    audits = tuple(blind if audit.model.name == "fine" else audit for audit in results.audits)
    glance = overview(audit_contexts(replace(results, audits=audits)))

    last = glance.chart.models[-1]
    assert (last.name, bool(last.instead)) == ("fine", True)
    assert all(column.cells[-1].marks is None for column in glance.chart.columns)
    assert "fine" not in glance.headline
    assert "smallest in uneven" in glance.headline


def test_a_name_may_break_after_an_underscore():
    marks = environment().get_template("base/marks.html").module

    assert str(marks.name("Latino_Hispanic <b>")) == "Latino_<wbr>Hispanic &lt;b&gt;"


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


@pytest.mark.slow
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
    assert "Not estimable in both models" in page


@pytest.mark.slow
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
