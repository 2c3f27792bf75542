"""Files of schema 1 are read, drawn and written again: made by the version before schema 2, cut to a few questions."""

import json
from pathlib import Path

import pytest

from audit.records import comparison, results
from reports.exports.junit import junit_xml
from reports.exports.markdown import comparison_markdown, summary_markdown
from reports.render import render, render_comparisons
from reports.text.notes import sentence
from tests.support.page_text import text_of

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="module")
def old():
    return results.from_json((DATA / "results_1.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def compared():
    return comparison.from_json((DATA / "comparison_1.json").read_text("utf-8"))


def numbers(value):
    """Every number of a JSON text, in order of size."""
    if isinstance(value, dict | list):
        return sorted(number for each in (value.values() if isinstance(value, dict) else value) for number in numbers(each))
    return [value] if isinstance(value, int | float) and not isinstance(value, bool) else []


def test_no_number_is_lost(old, compared):
    before = [json.loads((DATA / f"{name}_1.json").read_text("utf-8")) for name in ("results", "comparison")]
    after = [json.loads(text) for text in (results.to_json(old), comparison.to_json(compared))]
    for each in after[1]["comparisons"]:
        assert each.pop("excluded") == 0
    assert list(map(numbers, after)) == list(map(numbers, before))
    assert results.from_json(results.to_json(old)) == old


def test_an_audit_from_before_the_tolerance_in_ratio_had_none(old):
    assert old.settings.ratio_tolerance is None
    assert {finding.ratio_tolerance for audit in old.audits for finding in audit.findings} == {None}


def test_evidence_stands_in_its_containers(old):
    finding, record = old.audits[0].findings[0], old.audits[0].measurements[0]
    assert finding.gap.equivalence_bound is None or finding.gap.equivalence_bound > 0
    assert finding.evidence.effect_size.difference.value == pytest.approx(finding.gap.value)
    assert finding.evidence.label_noise.points[0].share == 0.01
    assert [each.others for each in finding.evidence.adjustment.pairs] == [("tone",), ("tone", "occupation")]
    assert (record.evidence.near_ties, len(record.evidence.calibration)) == (3, 2)
    assert old.audits[0].evidence.equalized_odds[0].outcome == "woman"
    assert old.audits[0].untrained_control.verdict == "inconclusive"


def test_sentences_become_notes_of_their_text_and_a_page_is_drawn(old):
    audit = old.audits[0]
    page = text_of(render(old))
    [warning] = audit.warnings
    assert sentence(warning) == "'tone': 62% of the decisions are near-ties; the model hardly tells these labels apart."
    assert "Gender 'person' is the drawing whose name states no gender." in page
    assert "Refused" not in page
    assert "The largest gap is 36.0 points." in page
    assert "The largest gap is 36.0 points." in junit_xml(old)
    assert "**Disparity · the one pre-specified question.** Less accurate for w" in summary_markdown(old)


def test_a_comparison_has_the_one_vocabulary_and_a_page_is_drawn(compared):
    [found] = compared.comparisons
    page = text_of(render_comparisons(compared))
    assert (found.verdict, found.direction) == ("disparity", "grew")
    assert [(change.verdict, change.direction) for change in found.changes] == [("disparity", "grew"), ("inconclusive", None)]
    assert "Two sides differ." in page
    assert "From step" in page
    assert "gap grew" in comparison_markdown(compared)
