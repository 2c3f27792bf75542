"""Data frames of an audit: values as they are in the results, whatever a group or an answer is called."""

from dataclasses import replace

import pandas as pd
import pytest

from reports.exports import frames
from tests.support import report_samples as samples
from tests.support import what_if_samples as tried


@pytest.fixture(scope="module")
def results():
    audit = samples.emoji()
    return samples.results(replace(audit, what_ifs=(tried.asked(),)))


@pytest.mark.parametrize("name", ["=1+1", "007", "yes", "-5", "", "NaN"])
def test_a_group_keeps_its_name(results, name):
    audit = results.audits[0]
    finding = audit.findings[0]
    named = replace(finding, by_group=(replace(finding.by_group[0], group=(name,)), *finding.by_group[1:]))
    rates = frames.rates(replace(results, audits=(replace(audit, findings=(named,)),)))
    assert rates.group[0] == (name or "all images")  # the empty text is nobody's name
    assert rates.rate[0] == 0.98


def test_what_cannot_be_estimated_is_nan_in_a_column_of_numbers(results):
    audit = results.audits[0]
    only = next(finding for finding in audit.findings if finding.gap is None)
    gaps = frames.gaps(replace(results, audits=(replace(audit, findings=(only,)),)))
    assert gaps.gap.dtype == gaps.null_95.dtype == float
    assert gaps.gap.isna().all()
    assert gaps.primary.dtype == bool


def test_prompt_sensitivity_has_one_row_a_question_and_prompt_template(results):
    table = frames.prompt_sensitivity(results)
    curves = results.audits[0].specifications
    assert len(table) == sum(len(curve.points) for curve in curves)
    assert table[table.default].difference.tolist() == [curve.points[0].difference for curve in curves]
    assert set(table["first"]) == {" x ".join(curve.first) for curve in curves}


def test_what_ifs_say_what_they_were_aimed_at(results):
    table = frames.what_ifs(results)
    # Three settings, judged by gender, at which they were aimed, and by tone.
    assert table.groupby("finding").target.agg(["all", "size"]).to_numpy().tolist() == [[True, 3], [False, 3]]
    assert table.loc[table.target, ["gap_before", "gap", "accuracy_before", "accuracy"]].to_numpy().tolist() == [
        [0.3, 0.12, 0.9, 0.85], [0.3, 0.2, 0.9, 0.8], [0.3, 0.05, 0.9, 0.7],
    ]  # fmt: skip
    assert pd.isna(table.loc[table.method == "group-thresholds", "beats_random"]).all()
    assert table.ndcg.isna().all()


def test_what_ifs_have_the_quality_of_an_order_and_without_them_the_frame_is_empty(results):
    audit = results.audits[0]
    (asked, *_), point = audit.what_ifs, audit.what_ifs[0].target.points[0]
    ranked = replace(point, what_if=replace(point.what_if, ndcg=(0.9, 0.8)))
    changed = replace(asked, target=replace(asked.target, points=(ranked,)), other_attributes=())
    table = frames.what_ifs(replace(results, audits=(replace(audit, what_ifs=(changed,)),)))
    assert table[["ndcg_before", "ndcg", "ending"]].to_numpy().tolist() == [[0.9, 0.8, point.what_if.outcome]]
    # Without what-ifs the frame is empty and has its columns.
    nothing = frames.what_ifs(samples.results(samples.emoji()))
    assert (nothing.empty, {"method", "gap", "accuracy"} <= set(nothing.columns)) == (True, True)
