"""The sections beside the verdicts: every number of the results stands on the page, and what is not known is said in sentences."""

import re
from dataclasses import replace

import pytest

from audit.evidence.calibration import GroupCalibration, ReliabilityBin
from audit.evidence.threshold_curves import ThresholdCell, ThresholdPoint
from audit.records.base import Estimate
from audit.results import FindingEvidence, MeasurementEvidence
from audit.types import Claim
from reports.charts import panels
from reports.context import audit_contexts
from reports.evidence import adjustment, controls, effect_size, robustness, thresholds
from reports.render import render
from reports.text import evidence, numbers, phrases, sentences
from tests.support import report_samples as samples
from tests.support.page_text import text_of


@pytest.fixture(scope="module")
def audit():
    return samples.with_evidence(samples.emoji(), odd=True)


@pytest.fixture(scope="module")
def said(audit):
    return text_of(render(samples.results(audit)))


@pytest.fixture(scope="module")
def even():
    return samples.with_evidence(samples.emoji())


@pytest.fixture(scope="module")
def faces():
    return samples.with_evidence(samples.fairface())


def context_of(audit):
    return audit_contexts(samples.results(audit))[0]


# ---- controls ------------------------------------------------------------------------------------------------------------------------


def test_every_question_has_its_untrained_control_and_without_one_there_is_no_such_part(audit, even, said):
    by_tone = next(finding for finding in audit.findings if finding.id == "role/accuracy/tone")
    measured = f"{phrases.size(by_tone.gap)} 4 points [−3, 11]; 21 % of all images Inconclusive"

    assert measured.startswith("5")
    assert measured.replace("\u00a0", " ") in said
    assert "The same architecture and prompts, with 723,456 random weights (seed 0)" in said
    assert "The same architecture with untrained weights shows a disparity in 0 of 2 questions." in said
    assert controls.view(context_of(even)) is None


# ---- how firm ------------------------------------------------------------------------------------------------------------------------


def test_what_would_overturn_a_verdict_has_all_its_numbers(audit, said):
    shown = [finding for finding in audit.findings if finding.primary and finding.gap and finding.verdict == "disparity"]

    assert shown
    for finding in shown:
        noise = finding.evidence.label_noise
        tipping, kept = noise.tipping_point, " ".join(numbers.percent(point.kept) for point in noise.points)
        n, worst, share = phrases.rate_of(finding, tipping.worst).n, phrases.group(tipping.worst), numbers.percent(tipping.share, 1)
        assert f"becomes inconclusive {tipping.images} of {n} labels of {worst} ({share}) {kept}".replace("\u00a0", " ") in said


@pytest.mark.parametrize(
    ("verdicts", "decisions", "expected"),
    [
        ((None, None), (0, 0), "Rounding in the model’s number format could turn 0 decisions."),
        (("disparity", "inconclusive"), (3, 0), "Rounding in the model’s number format could turn 3 decisions. If all of them "
         "were flipped, every verdict would stay the same."),
        (("inconclusive", "inconclusive"), (1, None), "Rounding in the model’s number format could turn 1 decision. If all of "
         "them were flipped, 1 verdict would change: A."),
        ((None, None), (None, None), "How far rounding moves these scores is unknown."),
        ((None, None), (2, 0), "Rounding in the model’s number format could turn 2 decisions. What then becomes of the verdicts was not "
         "tried, because a limited run has none."),
    ],
)  # fmt: skip
def test_near_ties_in_a_sentence(verdicts, decisions, expected):
    base = samples.emoji()
    made = tuple(
        replace(finding, id=name, primary=True, verdict=verdict, evidence=FindingEvidence(near_ties=turned))
        for finding, name, verdict, turned in zip(base.findings[:2], "AB", ("disparity", "inconclusive"), verdicts, strict=True)
    )
    records = tuple(
        replace(record, evidence=MeasurementEvidence(near_ties=n)) for record, n in zip(base.measurements[:2], decisions, strict=True)
    )
    audit = replace(base, findings=made, measurements=records)

    assert evidence.near_ties_sentence(audit, {"A": "A", "B": "B"}) == expected


def test_adjusted_differences_stand_beside_their_tracks(audit, said):
    found = next(finding for finding in audit.findings if finding.id == "role/accuracy/gender").evidence.adjustment.pairs[0]
    within = numbers.difference(found.difference.value, found.difference.low, found.difference.high).replace("\u00a0", " ")

    assert (
        f"man − woman at equal tone +26 {within} {numbers.p_value(found.p)} 2 man − woman at equal tone × role +26".replace("\u00a0", " ")
        in said
    )
    assert "2, 1 the other way; 7 images in 2 others" in said
    assert "alone would give a gap of" in said


def test_sizes_of_effect(said, audit):
    effect = next(finding for finding in audit.findings if finding.id == "role/accuracy/gender").evidence.effect_size
    ratio = numbers.factor(effect.ratio.value, effect.ratio.low, effect.ratio.high).replace("\u00a0", " ")

    assert f"man / woman {ratio}" in said
    assert f"{effect.cohens_h:.2f}" in said


@pytest.mark.slow
def test_four_fifths_is_context_and_says_what_chance_does(faces):
    found = next(finding for finding in faces.findings if finding.evidence.four_fifths)
    row = next(row for row in effect_size.view(context_of(faces)).rows if row.cells[0] == sentences.title(found, faces))
    expected = (
        f"{found.evidence.four_fifths.ratio:.2f}, below; by chance below in {numbers.percent(found.evidence.four_fifths.share_by_chance)}"
    )

    assert row.cells[-1] == expected
    assert "the four-fifths rule" in text_of(render(samples.results(faces))).lower()


def test_small_groups_have_their_shrunk_rate_next_to_the_raw_one(audit, said):
    finding = next(finding for finding in audit.findings if finding.evidence.shrinkage)
    small = finding.evidence.shrinkage.rates[0]
    shrunk = numbers.rate(small.shrunk, small.low, small.high).replace("\u00a0", " ")

    assert f"{small.events} of {small.n}" in said
    assert shrunk in said
    assert "Shrunk: the rate of a small group borrows from the others" in said or "Shrunk: the rates of the groups vary no more" in said


@pytest.mark.slow
def test_lists_are_corrected_on_the_card_of_a_signal(faces):
    listed = next(finding for finding in faces.findings if finding.evidence.family_correction)
    terms = dict(phrases.facts(listed))

    assert terms[f"p within its list of {listed.evidence.family_correction.size} alone"].endswith("(max-T)")
    assert "all are in tables/gaps.csv) Signal Comparison" in text_of(render(samples.results(faces)))


def test_a_finding_without_a_gap_has_no_row():
    base = samples.emoji()
    nothing = samples.finding("role", Claim("accuracy", ("gender",)), "high", {("man",): (3, 5), ("woman",): (2, 4)})
    context = context_of(samples.with_evidence(replace(base, findings=(nothing,))))

    assert [section.view(context) for section in (controls, robustness, adjustment, effect_size)] == [None] * 4


# ---- small charts --------------------------------------------------------------------------------------------------------------------


def test_a_reliability_panel_puts_the_calibrated_on_the_diagonal():
    # .5 sure and right half the time stands in the middle: x 64, y 80.
    middle = ReliabilityBin(0.4, 0.5, 20, 0.5, Estimate(0.5, 0.3, 0.7))
    few = ReliabilityBin(0.5, 0.6, 3, None, None)
    panel = panels.reliability_panel(GroupCalibration(("a",), 23, None, None, None, (middle, few)))

    assert (panel.dots, panel.intervals, panel.remark) == ("M64 80h0", "M64 103V57", "")
    assert panels.reliability_panel(GroupCalibration(("a",), 3, None, None, None, (few,))).remark == "too few images"


def test_a_threshold_panel_runs_from_all_answered_to_the_fewest():
    def point(threshold, coverage, rate):
        cell = ThresholdCell(("a",), 100, 50, 10, coverage, rate, None)
        return ThresholdPoint(threshold, coverage, None, None, (cell,))

    curve = (
        point(0.0, 1.0, Estimate(0.2, 0.1, 0.3)), point(0.4, 0.75, Estimate(0.2, 0.1, 0.3)), point(0.5, 0.6, None),
        point(0.9, 0.5, Estimate(0.1, 0.0, 0.2)),
    )  # fmt: skip
    panel = panels.threshold_panel(curve, 0, 0.4)

    # Rates .2, .2 and .1 of a scale to .4: half, half and a quarter of the way up from 138 to 22; 75 % answered is half way across.
    assert panel.line == "M6 80L64 80L122 109"
    assert panel.dots.count("M") == 3


def test_all_prompt_templates_together_and_across_which_the_spread_comes_from_where(said):
    assert "shuffled in the same way for all templates: p = .012." in said
    assert (
        "Across the 8 combinations of 4 prompt templates (name v2, person v2, picture v2, all three v2) × 2 variants (‘66 names’, "
        "‘names x tone, summed’), 60 % of the spread comes from the prompt template, 30 % from the variant and 10 % from their interaction."
    ) in said
    # Of every prompt template; and older results do not say of which.
    curve = samples.with_evidence(samples.emoji()).specifications[0]
    asked = [point for point in curve.points if point.variant in curve.shares.variants and point.preset in curve.shares.presets]
    whole = replace(curve, points=tuple(asked))
    older = replace(curve, shares=replace(curve.shares, presets=(), variants=()))

    assert "Across all 8 combinations of 4 prompt templates" in sentences.curve_sentence(whole, samples.SETTINGS).replace("\u00a0", " ")
    assert "Of the spread, 60 % comes from the prompt template" in sentences.curve_sentence(older, samples.SETTINGS).replace("\u00a0", " ")


# ---- confidence ----------------------------------------------------------------------------------------------------------------------


def test_calibration_of_every_group_stands_in_its_table(audit, said):
    assert any(record.evidence.calibration for record in audit.measurements)
    for record in audit.measurements:
        for found in record.evidence.calibration:
            for group in found.groups:
                error = numbers.rate(group.error.value, group.error.low, group.error.high)
                chance = numbers.percent(group.error_by_chance, 1)
                assert f"{phrases.group(group.group)} {group.n} {error} {chance}".replace("\u00a0", " ") in said


def test_thresholds_show_rate_answered_and_unequal_abstention(audit, said):
    curve = audit.evidence.threshold_curves[0]
    cells = [point.by_group[0] for point in curve.points]
    row = " ".join(
        f"{numbers.percent(cell.rate.value, numbers.decimals(cell.rate.low, cell.rate.high))} ({cell.answered})" for cell in cells
    )
    gaps = " ".join(numbers.NOT_ESTIMABLE if point.gap is None else numbers.points(point.gap, 1) for point in curve.points)

    assert f"{phrases.group(cells[0].group)} {row}".replace("\u00a0", " ") in said
    assert f"largest gap {gaps}".replace("\u00a0", " ") in said
    assert "largest gap in the share answered" in said
    # Odds that cannot be estimated are so in words.
    assert "gender 8 points [3, 13] .0020 not estimable not estimable person" in said


def test_thresholds_are_shown_of_disparities(even):
    disparities = {sentences.title(finding, even) for finding in even.findings if finding.primary and finding.verdict == "disparity"}

    assert {view.title for view in thresholds.view(context_of(even))} == disparities


def test_an_audit_without_evidence_has_none_of_its_parts():
    parts = re.findall("<h3>(.*?)</h3>", render(samples.results(samples.emoji())).partition('id="appendix"')[2])

    assert parts == [
        "Exploratory comparisons", "Counterfactual pairs", "Prompt sensitivity", "Data", "Exact prompts", "Model", "Method", "Reproduce",
        "Glossary", "Requirements",
    ]  # fmt: skip


@pytest.mark.slow
def test_of_many_exploratory_comparisons_the_first_have_a_row_and_the_file_that_has_all_is_named():
    audit = samples.large()
    page = render(samples.results(audit))
    table = page.partition("<caption>Exploratory comparisons (40 of 90; all are in tables/gaps.csv)</caption>")[2].partition("</table>")[0]

    assert sum(not finding.primary for finding in audit.findings) == 90
    assert table.count('<th scope="row">') == 40
