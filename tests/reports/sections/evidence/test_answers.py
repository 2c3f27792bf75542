"""The section of answers given: shares worked by hand, shades that do not exaggerate, confusion only where something is true."""

import re
from dataclasses import replace

import pytest

from audit.records.counts import CountRecord
from reports.render import render
from reports.sections.context import audit_contexts
from reports.sections.evidence import answers
from reports.sections.evidence.answers import MOST_ANSWERS
from reports.table import Row
from tests.support import report_samples as samples


def results(record, **changed):
    everything = samples.everything()
    audit = everything.audits[0]
    measurement = replace(audit.measurements[0], name="occupation", truth="occupation" if record.truth else None)
    return replace(everything, audits=(replace(audit, measurements=(measurement,), counts=(record,), **changed),))


def views(found):
    return answers.view(audit_contexts(found)[0]) or ()


def by_gender(found):
    return next(each for each in views(found) if each.title.endswith("by gender"))


# gender (man, person, woman) x truth (cook, judge) x answer (cook, judge), 100 images a gender: men are all right, of the women's 50
# judges 20 are taken for cooks, of persons all.
BY_HAND = CountRecord("occupation", ("gender",), (("man", "person", "woman"),), ("cook", "judge"), True, (0, 3, 4, 6, 8, 10, 11),
                      (50, 50, 50, 50, 50, 20, 30), ())  # fmt: skip


@pytest.fixture(scope="module")
def view():
    return by_gender(results(BY_HAND))


def test_shares_are_those_of_the_counts(view):
    rows = {row.name: (row.n, [text for text, _ in row.cells]) for row in view.rows}

    assert rows == {"man": ("100", ["50.0", "50.0"]), "person": ("100", ["100.0", "0.0"]), "woman": ("100", ["70.0", "30.0"])}
    assert [text for text, _ in view.overall.cells] == ["73.3", "26.7"]
    # 50.0 is 23.3 below 73.3, 100 is 26.7 above, 70 is 3.3 below: of the darkest shade's 26.7 points, 3.5, 4 and half a quarter.
    assert [dict(zip(("cook", "judge"), (shade for _, shade in row.cells), strict=True))["cook"] for row in view.rows] == [
        "below-3", "above-4", "level",
    ]  # fmt: skip


def test_confusion_is_of_each_truth(view):
    assert view.confusion.overall.table.rows == (Row(("cook", "150", "100.0", "0.0")), Row(("judge", "150", "46.7", "53.3")))
    women = next(panel for panel in view.confusion.panels if panel.label == "woman")
    assert women.table.rows == (Row(("cook", "50", "100.0", "0.0")), Row(("judge", "50", "40.0", "60.0")))


def test_a_difference_below_the_tolerance_is_not_dark():
    even = CountRecord("occupation", ("gender",), (("man", "woman"),), ("cook", "judge"), False, (0, 1, 2, 3), (500, 500, 505, 495), ())
    view = by_gender(results(even))

    assert {shade for row in view.rows for _, shade in row.cells} == {"level"}
    assert view.confusion is None


def test_small_groups_are_hatched_and_empty_ones_are_not_there():
    few = CountRecord("occupation", ("gender",), (("man", "person", "woman"),), ("cook", "judge"), False, (0, 1, 4), (500, 500, 5), ())
    view = by_gender(results(few))

    assert [row.name for row in view.rows] == ["man", "woman"]
    assert {shade for _, shade in view.rows[1].cells} == {"hatched"}


def test_confusion_by_group_is_left_out_where_no_group_has_enough_images_of_any_truth():
    # 20 cooks and 20 judges of each gender: fewer than 30, and together 40.
    few = CountRecord("occupation", ("gender",), (("man", "woman"),), ("cook", "judge"), True, (0, 3, 4, 7), (20, 20, 20, 20), ())
    view, page = by_gender(results(few)), render(results(few))

    assert view.confusion.panels == ()
    assert view.confusion.overall.table.rows == (Row(("cook", "40", "100.0", "0.0")), Row(("judge", "40", "0.0", "100.0")))
    assert "Every group has too few images of each true answer" in page
    assert "The same numbers as tables" not in page


def test_what_is_the_same_for_every_attribute_is_told_once():
    # By tone as by gender no group has 30 images of a truth: the confusion of all images stands with the first of them only.
    few = CountRecord("occupation", ("gender", "tone"), (("man", "woman"), ("dark", "light")), ("cook", "judge"), True, (0, 3, 12, 15),
                      (20, 20, 20, 20), ())  # fmt: skip
    found = results(few)

    assert [each.title.rpartition(" ")[2] for each in views(found)] == ["gender", "tone"]
    assert [each.confusion is None for each in views(found)] == [False, True]


def test_more_answers_than_anybody_reads_are_left_to_the_slicer():
    many = tuple(f"word {i}" for i in range(MOST_ANSWERS + 1))
    found = results(CountRecord("occupation", ("gender",), (("man", "woman"),), many, False, (0, 30), (50, 50), ()))

    assert views(found) == ()
    assert 'id="a1-answers"' not in render(found)


def test_the_page_has_the_section_and_its_tables_without_script():
    page = render(results(BY_HAND))
    section = page.split('id="a1-answers"')[1].split("</section>")[0]

    assert "46.7" in section
    assert len(re.findall("<svg", section)) == 3
    assert section.count("<caption>") == 1 + 4
