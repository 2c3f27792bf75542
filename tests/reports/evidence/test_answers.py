"""What the model answered: shares and deviations worked by hand; two answers have error rates, many their largest deviations."""

from dataclasses import replace

import pytest

from audit.records.counts import CountRecord
from reports.context import audit_contexts
from reports.evidence import answers
from reports.render import render
from reports.table import Row
from tests.support import report_samples as samples


def results(record, **changed):
    everything = samples.everything()
    audit = everything.audits[0]
    measurement = replace(audit.measurements[0], name="role", truth="role" if record.truth else None)
    return replace(everything, audits=(replace(audit, measurements=(measurement,), counts=(record,), **changed),))


def by_gender(record):
    return next((table for table in answers.view(audit_contexts(results(record))[0]) or () if "By gender" in table.caption), None)


# gender (man, person, woman) x truth (cook, judge) x answer (cook, judge), 100 images a gender: men are all right, of the women's 50
# judges 20 are taken for cooks, of persons all.
BY_HAND = CountRecord("role", ("gender",), (("man", "person", "woman"),), ("cook", "judge"), True, (0, 3, 4, 6, 8, 10, 11),
                      (50, 50, 50, 50, 50, 20, 30), ())  # fmt: skip


def test_two_answers_have_both_error_rates():
    table = by_gender(BY_HAND)

    assert table.columns == ("Group", "‘cook’ mistaken for ‘judge’", "n", "‘judge’ mistaken for ‘cook’", "n")
    assert table.rows == (
        Row(("man", "0.0", "50", "0.0", "50")), Row(("person", "0.0", "50", "100.0", "50")), Row(("woman", "0.0", "50", "40.0", "50")),
    )  # fmt: skip
    assert table.foot == (Row(("all images", "0.0", "150", "46.7", "150")),)


def test_a_group_with_too_few_images_of_a_truth_is_faint():
    few = CountRecord("role", ("gender",), (("man", "woman"),), ("cook", "judge"), True, (0, 3, 4, 7), (500, 500, 500, 20), ())

    assert [row.faint for row in by_gender(few).rows] == [False, True]


def test_without_a_truth_few_answers_have_their_shares():
    shares = CountRecord("role", ("gender",), (("man", "person", "woman"),), ("cook", "judge"), False, (0, 1, 4), (30, 10, 5), ())
    table = by_gender(shares)

    # 30 and 10 of 40 men; 5 of 5 women; 35 of 45. Nobody is a person.
    assert table.rows == (Row(("man", "40", "75.0", "25.0")), Row(("woman", "5", "100.0", "0.0")))
    assert table.foot == (Row(("all images", "45", "77.8", "22.2")),)


def test_of_many_answers_the_five_largest_deviations_are_shown():
    # Three answers and their truth: 40 cooks, all right but for 10 women who are taken for judges; 40 judges and 40 pilots, all right.
    cells = {(0, 0, 0): 40, (0, 1, 1): 40, (0, 2, 2): 40, (1, 0, 0): 30, (1, 0, 1): 10, (1, 1, 1): 40, (1, 2, 2): 40}
    places, images = zip(*sorted((((level * 3) + truth) * 3 + answer, n) for (level, truth, answer), n in cells.items()), strict=True)
    record = CountRecord("role", ("gender",), (("man", "woman"),), ("cook", "judge", "pilot"), True, places, images, ())
    table = by_gender(record)

    assert len(table.rows) == 5
    # 10 of 40 women against 10 of 80 of all; for the men none of 40.
    assert {row.cells for row in table.rows[:2]} == {
        ("woman", "cook", "judge", "40", "25.0", "12.5", "+12.5"), ("man", "cook", "judge", "40", "0.0", "12.5", "−12.5"),
    }  # fmt: skip


def test_where_no_group_has_enough_images_of_a_truth_there_is_no_table():
    few = CountRecord("role", ("gender",), (("man", "woman"),), ("cook", "judge", "pilot"), True, (0, 4, 9, 13), (20,) * 4, ())

    assert by_gender(few) is None


@pytest.mark.slow
def test_the_page_has_the_part_and_its_tables_without_script():
    page = render(results(BY_HAND))
    part = page.split('id="a1-answers"')[1].split('<details class="part">')[0]

    assert "46.7" in part
    assert part.count("<caption>") == 1
