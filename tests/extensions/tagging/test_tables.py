"""Several labels an image in a file of external predictions: read as literals, audited by group, on the page."""

import json

import numpy as np
import pandas as pd
import pytest

import audit
from audit.errors import DataError, UsageError
from audit.predictions.texts import labels_of
from reports.render import render


def table(n=120):
    """Return 80 women and 40 men: every man has a suit and one woman in eight; hats at random; one image in ten has no label."""
    draw = np.random.default_rng(0)
    rows = []
    for number in range(n):
        male, empty = number % 3 == 0, number % 10 == 9
        labels = ["suit"] * (male or number % 8 == 1) + ["hat"] * int(draw.integers(2)) + ["face"]
        rows.append((f"i{number}", "Male" if male else "Female", "" if empty else "|".join(labels)))
    return pd.DataFrame(rows, columns=["id", "gender", "labels"])


@pytest.fixture(scope="module")
def found():
    return audit.audit(predictions=table(), tags="labels", draws=99).results


def test_labels_are_compared_by_group(found):
    (tagging,) = found.audits[0].analyses["taggings"]
    assert (tagging.rule, tagging.threshold, tagging.offered, tagging.sizes) == ("given", None, 3, (80, 40))
    suit = tagging.labels[0]
    rows = table()
    expected = tuple(int(rows.query(f"gender == {group!r}")["labels"].str.contains("suit").sum()) for group in ("Female", "Male"))
    assert (suit.label, suit.counts, suit.verdict, suit.most) == ("suit", expected, "signal", "Male")
    assert {label.label: label.verdict for label in tagging.labels} == {"suit": "signal", "hat": "no signal", "face": "no signal"}


def test_images_without_a_label_are_a_question_of_their_own_and_the_page_shows_both(found):
    assert found.audits[0].measurements[0].answer_counts == {"no label": 12, "some label": 108}
    page = render(found)
    assert "Each image has the labels that are in the file." in page
    assert "‘suit’" in page


def test_a_list_in_a_cell_and_the_order_of_rows_change_nothing(found):
    rows = table()
    cells = [cell.split("|") for cell in rows["labels"]]
    rows["labels"] = [repr(cell) if place % 2 else json.dumps(cell) for place, cell in enumerate(cells)]
    other = audit.audit(predictions=rows.sample(frac=1, random_state=1), tags="labels", draws=99).results
    assert other.audits[0].analyses["taggings"] == found.audits[0].analyses["taggings"]


def test_excluded_rows_take_their_labels_with_them():
    listed = tuple(f"i{number}" for number in range(0, 30, 3))
    left = audit.audit(predictions=table(), tags="labels", exclude=listed, draws=99).results.audits[0].analyses["taggings"][0]
    kept = audit.audit(predictions=table().query("id not in @listed"), tags="labels", draws=99).results.audits[0].analyses["taggings"][0]
    assert (left, left.sizes) == (kept, (80, 30))


def test_clustered_images_are_never_treated_as_independent():
    rows = table().assign(scene=[f"s{number // 2}" for number in range(120)])
    (tagging,) = (
        audit.audit(predictions=rows, tags="labels", attributes="gender", cluster="scene", draws=99).results.audits[0].analyses["taggings"]
    )
    assert (tagging.labels, tagging.reason.code) == ((), "gallery_of_units")


@pytest.mark.parametrize("cell", ["[1, 2]", "[suit", "['a', __import__('os')]", "[" * 5000, '{"a": 1}|[' + "x" * 30_000])
def test_cells_that_are_no_labels_are_refused_with_their_row_and_nothing_is_evaluated(cell):
    with pytest.raises(DataError) as refused:
        labels_of(cell, "row 3")
    assert refused.value.where == "row 3"


def test_a_column_without_labels_and_options_about_one_answer_are_refused():
    with pytest.raises(DataError, match="no row has a label"):
        audit.audit(predictions=table().assign(labels=""), tags="labels")
    with pytest.raises(UsageError, match="the label 'suits' of --outcome 'x' never occurs"):
        audit.audit(predictions=table(), tags="labels", outcome="x=suits")
    with pytest.raises(UsageError, match="'tagged' has the name of another question"):
        audit.audit(predictions=table(), tags="labels", outcome="tagged=suit")
    with pytest.raises(UsageError, match="no column 'tags'"):
        audit.audit(predictions=table(), tags="tags")


def test_an_outcome_is_whether_an_image_has_any_of_its_labels():
    found = audit.audit(predictions=table(), tags="labels", outcome=("worn:low=suit,hat", "faces=face"), draws=99)
    rows = table()
    worn = rows["labels"].str.contains("suit|hat")
    cells = {cell.group: (cell.events, cell.n) for cell in found.finding("worn/selection_rate[worn]/gender").by_group}
    expected = {
        (group,): (int((worn & (rows["gender"] == group)).sum()), int((rows["gender"] == group).sum())) for group in ("Female", "Male")
    }
    assert cells == expected
    assert found.finding("worn/selection_rate[worn]/gender").primary
    assert [measurement.name for measurement in found.results.audits[0].measurements] == ["tagged", "worn", "faces"]
    assert len(found.results.audits[0].analyses["taggings"][0].labels) == 3, "the labels are still compared one by one"
    assert "worn = suit, hat" in render(found.results)
    gate = audit.audit(predictions=rows, tags="labels", outcome="worn=suit,hat", fail_on="gap[worn/selection_rate[worn]/gender] > 0.05")
    assert gate.exit_code == 1


def test_an_image_without_labels_needs_no_confidence():
    rows = long_table()
    empty = rows["labels"] == ""
    assert empty.sum() == 12
    without = rows.assign(confidence=rows["confidence"].where(~empty))
    assert audit.audit(predictions=without, tags="labels", draws=99).results.audits[0].measurements[0].answer_counts["no label"] == 12


def long_table():
    """Return the table with one row an image and label, and a row without a label for images that have none."""
    rows = [(*row[:2], label, 0.9) for row in table().itertuples(index=False) for label in row[2].split("|")]
    return pd.DataFrame(rows, columns=["id", "gender", "labels", "confidence"])


def test_a_row_for_each_image_and_label_says_the_same_as_a_row_for_each_image(found):
    (tagging,) = found.audits[0].analyses["taggings"]
    numbered = long_table().assign(number=np.arange(len(long_table())))  # differs from row to row, and is nothing to slice by
    tables = long_table(), long_table().assign(confidence=90), long_table().drop(columns="confidence"), numbered
    for rows in tables:
        more = {"attributes": "gender"} if rows is numbered else {}
        read = audit.audit(predictions=rows.sample(frac=1, random_state=2), tags="labels", draws=99, **more).results.audits[0]
        assert (read.analyses["taggings"][0].labels, read.analyses["taggings"][0].sizes) == (tagging.labels, tagging.sizes)
        assert read.measurements[0].answer_counts == {"no label": 12, "some label": 108}


@pytest.mark.parametrize(
    ("change", "what", "where"),
    [
        ({"confidence": "sure"}, "'sure' is not a confidence", "column 'confidence', row 2 "),
        ({"confidence": 101}, "101.0 is not a confidence", "column 'confidence', row 2 "),
        ({"gender": "Female"}, "conflicting values for 'i0'", "column 'gender', row 2 "),
        ({"labels": "suit"}, "the label 'suit' of 'i0' twice", "column 'labels', row 2 "),
        ({"labels": "hat|face"}, "a cell of several labels", "column 'labels', row 2 "),
    ],
)
def test_rows_of_one_image_that_do_not_fit_together_are_refused_with_their_place(change, what, where):
    """The first image is a man with a suit, in two rows at least."""
    rows = long_table().astype(object)
    assert rows["id"].iloc[0] == rows["id"].iloc[1]
    assert rows["labels"].iloc[0] == "suit"
    for column, value in change.items():
        rows.loc[1, column] = value
    if isinstance(change.get("confidence"), int):
        rows = rows.astype({"confidence": float})
    rows = rows.astype({"confidence": str}) if isinstance(change.get("confidence"), str) else rows
    with pytest.raises(DataError) as refused:
        audit.audit(predictions=rows, tags="labels", draws=99)
    assert what in str(refused.value)
    assert where in refused.value.where
