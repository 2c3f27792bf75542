"""What the page says of an audit follows from what was audited: a model, answers from a file, images in clusters, small pictures."""

from dataclasses import fields, replace

import pytest

from audit import results as facts
from audit.results import AuditEvidence, FindingEvidence, MeasurementEvidence
from audit.types import Note
from reports.render import render
from reports.text import sentences
from tests.support import report_samples as samples
from tests.support.page_text import text_of


def external(audit):
    """The same answers, as `--predictions` has them: no model was loaded and nothing was asked by prompt."""
    told = (Note("no_model_loaded", {"file": "answers.csv"}),)
    model = replace(audit.model, name="answers.csv", kind="external predictions", parameters=0, dimensions=0, notes=told)
    without = tuple(
        replace(record, prompts=dict.fromkeys(record.labels, ()), preset="external predictions") for record in audit.measurements
    )
    source = replace(audit.probe, name="predictions", source="Claims by rule.")
    return samples.results(replace(audit, model=model, measurements=without, probe=source, untrained_control=None, specifications=()))


def test_of_answers_from_a_file_the_page_says_that_nothing_was_asked():
    results = external(samples.emoji())
    said = text_of(render(results))

    assert "Audit of the answers in answers.csv" in said
    assert "with the predictions probe" not in said
    assert "The answers were read from answers.csv; the prompts behind them are unknown" in said
    assert "Every text that the model received" not in said
    assert "Labels and prompts of" not in said
    assert "Every image gets one answer: the one in the file of predictions. Answers are counted" in said
    assert "Claims by rule. Licence" in said


def test_of_a_model_the_page_says_how_its_answers_came_about():
    said = text_of(render(samples.results(samples.emoji())))

    assert "Every image gets one answer: the label whose prompt is closest to it. Answers are counted" in said
    assert "Every text that the model received" in said
    # The method says what the p is of.
    assert "p = (1 + number of shuffles at least as extreme) / (shuffles + 1)" in said
    assert "from the largest lower to the largest upper end of any pair" in said


def test_a_group_in_clusters_says_in_how_many():
    audit = samples.emoji()
    found = audit.findings[0]
    of = {("woman",): 20, ("man",): 19, ("person",): 18}
    clustered = replace(found, by_group=tuple(replace(cell, clusters=of[cell.group]) for cell in found.by_group))
    said = sentences.headline(clustered, audit).replace("\xa0", " ")

    assert "for woman (n = 100 in 20 clusters) against 98.0 % [93.0, 99.4] for man (n = 100 in 19 clusters)" in said


def test_the_footer_says_whether_the_page_has_pictures():
    audit = samples.emoji()
    shown = replace(audit, examples=(facts.Example("role", "/9j/4AAQ"),))

    assert "works offline, no images." in text_of(render(samples.results(audit)))
    said = text_of(render(samples.results(shown)))
    assert "works offline, with small images of the data (--include-examples)." in said
    assert "This report contains 1 small copy of them (--include-examples), without file names." in said


@pytest.fixture(scope="module")
def clustered():
    audit = samples.emoji()
    return replace(audit, data=replace(audit.data, clusters=20, cluster="role"))


def test_what_the_clusters_do_to_the_numbers_is_said_where_there_are_clusters(clustered):
    plain, said = (text_of(render(samples.results(each))) for each in (samples.emoji(), clustered))

    for words in (
        "300 images in 20 clusters (by role)",
        "Clusters If the data identify clusters of images",
        "Intervals and p-values in this section count images, not clusters",
    ):
        assert words in said
        assert words not in plain


EVIDENCE = {
    "effect_size": "Cohen’s h", "four_fifths": "four-fifths", "shrinkage": "shrunk rates", "family_correction": "list of words",
    "adjustment": "Mantel-Haenszel", "label_noise": "wrong labels, chosen", "near_ties": "near-ties", "calibration": "calibration",
    "equalized_odds": "equalized odds", "score_spread": "spread of scores", "threshold_curves": "confidence thresholds",
}  # fmt: skip
"""What the page calls each kind of evidence."""


def test_all_that_is_left_out_because_of_clusters_is_named(clustered):
    """Every kind of evidence has a name here, and each name is on the page; so is the reason."""
    said = text_of(render(samples.results(clustered)))
    left_out = said[said.index("Left out, because of the clusters:") :].partition("Fingerprint")[0]

    assert {field.name for each in (FindingEvidence, MeasurementEvidence, AuditEvidence) for field in fields(each)} == set(EVIDENCE)
    more = ("equal opportunity", "odds ratio", "chi-square", "max-T", "adjustment for other attributes", "at random")
    assert [name for name in (*EVIDENCE.values(), *more) if name not in left_out] == []
    assert "They treat images as independent" in left_out
    assert "Left out, because of the clusters" not in text_of(render(samples.results(samples.emoji())))


def test_the_method_of_clusters_has_no_entry_for_what_is_left_out(clustered):
    images = samples.emoji()
    images = samples.with_evidence(images)
    per_image = ("Lists of words", "Mislabelled images", "If near-ties were flipped", "Adjusted for other attributes", "Shrunk rates")
    per_image += ("Calibration",)
    per_image += ("Effect sizes", "Equal opportunity, equalized odds")
    alone, both = (render(samples.results(*audits)).partition('id="method"')[2] for audits in ((clustered,), (clustered, images)))

    assert [term for term in per_image if f"<dt>{term}</dt>" in alone] == []
    assert [term for term in per_image if f"<dt>{term}</dt>" not in both] == []
    assert "corrected for its list twice" not in alone
    assert all(f"<dt>{term}</dt>" in alone for term in ("Joint test across prompt templates", "Many questions", "Small and unknown groups"))
    assert "Evidence that treats images as independent is left out of such an audit" in alone


def test_prompt_sensitivity_is_said_to_count_images_only_where_there_are_any(clustered):
    without = replace(clustered, specifications=())

    assert "Prompt sensitivity still counts images." in text_of(render(samples.results(clustered)))
    assert "Prompt sensitivity still counts images." not in text_of(render(samples.results(without)))


def test_the_running_header_of_many_models_stays_short():
    audit = samples.emoji()
    hashes = [f"{place:x}" * 64 for place in range(1, 7)]
    many = [replace(audit, model=replace(audit.model, name=each[:1], sha256=each)) for each in hashes]

    assert '@top-right { content: "111111111111 222222222222 333333333333 +3"; }' in render(samples.results(*many))


def test_prompt_templates_under_which_nothing_could_be_estimated_are_named_and_not_tabled():
    audit = samples.fairface()
    curve = audit.specifications[0]
    nothing = dict.fromkeys(("difference", "low", "high", "gap", "p"))
    none = dict.fromkeys(("median", "smallest", "largest", "share_same_sign", "share_detected", "joint_p", "shares"))
    empty = replace(curve, points=tuple(replace(point, **nothing) for point in curve.points), **none)
    said = text_of(render(samples.results(replace(audit, specifications=(empty,)))))
    of_first = [point for point in curve.points if point.preset == curve.points[0].preset]

    assert "The prompt templates that were tried" in said
    assert "not estimable not estimable not estimable" not in said
    assert f"{of_first[0].preset}: {of_first[0].variant}" in said
    assert said.count("(the default)") == 1
