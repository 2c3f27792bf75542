"""Data frames of an audit: values as they are in the results, whatever a group or an answer is called."""

from dataclasses import replace

import pytest

from reports.exports import frames
from tests.support import report_samples as samples


@pytest.fixture(scope="module")
def results():
    return samples.results(samples.emoji())


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
