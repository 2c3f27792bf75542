"""The section of natural shifts: its sentences, its rows, its table, and what is not estimable."""

import csv
import io

import pytest

from audit.extensions.natural_shift.beside import read_points, with_other_models
from reports.exports.markdown import summary_markdown
from reports.exports.tables import csv_tables
from reports.render import render
from tests.extensions.natural_shift.test_natural_shift import PLANTED, five, judged, model, rows
from tests.support import report_samples as samples
from tests.support.page_text import text_of


def records():
    """Return analyses that fill every part of the section."""
    return five()[0].analyses["natural_shifts"]


@pytest.fixture(scope="module")
def beside():
    """The last of five models, beside the others."""
    return samples.results(with_other_models(five(), (), 0.05)[-1])


def words(results):
    return " ".join(text_of(render(results)).split())


def test_what_other_models_predict_is_said_and_shown(beside):
    page = words(beside)
    assert "Accuracy on images of ‘night’ goes from 75 % to 75 %, a change of 0.0 [−1.9, 1.9] points." in page
    assert "4 other models predict 60 %: effective robustness +15 [10, 21] points" in page
    assert "Who is lost at night? By group" in page
    assert "4,000 and 4,000" in page


def test_without_other_models_the_page_says_why_it_is_not_estimable():
    page = words(samples.results(with_other_models([model("m", 90, 40)], (), 0.05)[0]))
    said = "Effective robustness: not estimable: 0 other models with an accuracy between 0 and 100 % are known, and a line needs 4."
    assert page.count(said) == 1
    assert "Predicted" not in page


def test_groups_that_lose_unequally_are_not_planned_but_said():
    found = samples.results(five()[0].with_analyses({"natural_shifts": (judged(rows(PLANTED)),)}))
    said = (
        "Accuracy on images of ‘night’ goes from 84 % to 55 %, a change of −29 [−37, −20] points. Groups change unequally. Most "
        "significant: on images of ‘night’, b goes from 80 % to 30 %, and a goes from 90 % to 80 %; +40 [24, 54] points apart (adjusted p "
        "= .0010)."
    )
    assert said in words(found)
    assert "Not planned: Accuracy on images of" in summary_markdown(found)


def test_the_table_of_one_audit_is_what_another_reads(beside, tmp_path):
    """Of all images, and of both groups."""
    text = csv_tables(beside)["natural_shift.csv"]
    lines = list(csv.DictReader(io.StringIO(text)))
    assert [(row["attribute"], row["group"], row["condition"]) for row in lines[:2]] == [("", "", "night"), ("group", "a", "night")]
    (tmp_path / "natural_shift.csv").write_text(text)
    points = read_points(tmp_path / "natural_shift.csv")
    assert [(point.attribute, point.group) for point in points] == [("", ""), ("group", "a"), ("group", "b")]
    assert {(point.standard, point.shifted) for point in points} == {(0.75, 0.75)}
