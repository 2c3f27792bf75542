"""What to do next: for every way in which an audit can end, the first screen says it in one to three sentences."""

from dataclasses import replace

import pytest

from audit.evidence.adjustment import Adjusted, Adjustment
from audit.evidence.label_noise import LabelNoise, TippingPoint
from audit.records.base import Estimate
from audit.records.finding import Composition, MoreImages, WithinClusters
from audit.records.gates import GateCheck, GateResult
from audit.results import FindingEvidence
from audit.types import Note
from reports.context import audit_contexts
from reports.exports.markdown import summary_markdown
from reports.exports.terminal.audits import audit_lines
from reports.render import render
from reports.sections.overview import overview
from reports.text.headline import headline_of
from reports.text.next_steps import MOST_STEPS, audit_steps
from tests.reports.text.test_errors import CELLS, WRONGLY, audited
from tests.reports.text.test_headline import BY_GENDER, looking, with_first
from tests.reports.text.test_replicates import replicated
from tests.reports.text.test_verdicts import BY_VERDICT_MIXES, audit_of
from tests.support import comparison_samples
from tests.support import report_samples as samples
from tests.support.asked import asked
from tests.support.page_text import text_of

COMPARE = "After changes, audit the same images and run `vlm-audit compare`."
MITIGATE = "Try `vlm-audit mitigate`, and `vlm-audit compare` after changes."
TRUST = "Read ‘Can it be trusted?’ before acting."


def steps(audit, **changes):
    results = replace(samples.results(audit), **changes)
    return [step.replace("\xa0", " ") for step in audit_steps(headline_of(audit, results.settings), audit, results)]


def first(verdict, **changes):
    return with_first(audit_of(verdict), **changes)


def test_a_disparity_names_group_and_answers_what_to_read_and_what_to_run():
    assert steps(first("disparity", exceeds_tolerance=True)) == [
        "Do not rely on these answers where errors for the group woman would do harm.", TRUST, MITIGATE,
    ]  # fmt: skip
    # A file of answers, a model without files and groups of several attributes cannot be mitigated.
    own = first("disparity", exceeds_tolerance=True)
    for kind in ("vlm-audit checkpoint 1", "Hugging Face CLIPModel", "open_clip CLIP, weights in a file"):
        assert steps(replace(own, model=replace(own.model, kind=kind)))[2] == MITIGATE
    for cannot in ({"kind": "plugin.py:Model"}, {"kind": "Hugging Face CLIPModel, from memory"}, {"dimensions": 0}):
        assert steps(replace(own, model=replace(own.model, **cannot)))[2] == COMPARE
    # With several questions, the answers are named; the group's noun is the probe's.
    assert steps(samples.fairface())[0] == "Have a person check every answer ‘crime-related’, or remove that option."


@pytest.mark.parametrize(
    ("metric", "better", "step"),
    [
        ("accuracy", "high", "Do not rely on these answers where errors for the group woman would do harm."),
        ("selection_rate", "low", "Have a person check every answer ‘cook’, or remove that option."),
        ("false_positive_rate", "low", "Have a person check every answer ‘cook’, or remove that option."),
        ("false_negative_rate", "low", "Do not rely on the answer ‘cook’ where errors for the group man would do harm."),
        ("precision", "high", "Do not rely on the answer ‘cook’ where errors for the group woman would do harm."),
        ("selection_rate", "high", "Do not rely on the answer ‘cook’ where getting it less often would harm the group woman."),
        ("selection_rate", "neither", "Do not use the answer ‘cook’ where it must not depend on gender."),
    ],
)
def test_what_not_to_rely_on_follows_from_which_side_is_worse(metric, better, step):
    outcome = None if metric == "accuracy" else "cook"
    assert steps(first("disparity", metric=metric, better=better, outcome=outcome))[0] == step


def test_where_no_two_groups_stand_out_no_group_is_named():
    diffuse = steps(first("disparity", diffuse=True, exceeds_tolerance=True))
    assert diffuse == ["Do not use these answers where they must not depend on gender.", TRUST, MITIGATE]


def test_if_two_answers_are_confused_the_wrong_one_is_named():
    # Of 1,000 Black men 145 are taken for women: the answer that misleads is ‘Female’, and for women taken for men it is ‘Male’.
    assert steps(audited("true_positive_rate", "high", CELLS))[0].startswith(
        "Do not rely on the answer ‘Female’ where errors for the group"
    )
    assert steps(audited("false_positive_rate", "low", WRONGLY))[0].startswith(
        "Do not rely on the answer ‘Male’ where errors for the group"
    )


def test_few_wrong_labels_that_could_overturn_a_gap_are_checked_first():
    tipping = TippingPoint(("woman",), ("man",), 4, 0.04, "significance")
    fragile = {"exceeds_tolerance": True, "evidence": FindingEvidence(label_noise=LabelNoise(tipping, ()))}

    assert steps(first("disparity", **fragile))[1] == "Check who is labelled woman: 4 wrong labels could overturn this."
    firm = FindingEvidence(label_noise=LabelNoise(replace(tipping, images=12, share=0.12), ()))
    assert steps(first("disparity", **{**fragile, "evidence": firm}))[1] == TRUST


def test_a_gap_that_may_be_within_the_tolerance_asks_whether_its_size_matters():
    undecided = steps(first("disparity", exceeds_tolerance=False))

    assert undecided[1] == "Audit more images of woman and man if a gap of 14 and one of 38 points would lead to different decisions."


def test_what_explains_a_gap_comes_before_acting_on_it():
    pair = Adjusted(("man",), ("woman",), ("tone",), 0.26, Estimate(-0.02, -0.1, 0.06), None, 0.4, 5, 0, 0, 3, "reversed")
    adjusted = first("disparity", evidence=FindingEvidence(adjustment=Adjustment((pair,), None)), exceeds_tolerance=True)
    assert steps(adjusted)[1] == "Decide whether your use needs the groups compared as they are or at equal tone."
    explained = first("disparity", composition=Composition(0.01, 0.4, explains=True), exceeds_tolerance=True)
    assert steps(explained)[1] == "Compare groups with equal shares of the true answers before you act."


def test_answers_without_truth_ask_for_true_answers():
    audit = first("disparity", metric="selection_rate", outcome="cook", better="neither")
    bare = replace(audit, probe=replace(audit.probe, name="predictions"), measurements=(replace(audit.measurements[0], truth=None),))

    assert steps(bare)[1] == "Add true answers to the file (column y_true): they show which group gets wrong ones."
    # A probe's questions may have no true answer, such as who looks trustworthy.
    assert steps(replace(bare, probe=audit.probe))[1] != steps(bare)[1]


def test_an_undecided_question_says_how_many_more_images_of_whom():
    needed = tuple(MoreImages((group,), images) for group, images in (("man", 90), ("woman", 1200)))

    assert steps(first("inconclusive", gap=replace(BY_GENDER.gap, more_images=needed))) == [
        "Audit about 1,200 more images of woman and 90 of man: enough to decide, with power 0.8, if the groups do not differ, or if the "
        "smallest group differs by 5 points.",
        "Until then, treat the groups neither as equal nor as unequal.",
    ]
    # Without such a number, the ends of the interval say whether more images are worth it.
    assert steps(first("inconclusive"))[0].startswith("Audit more images of woman and man if a gap of 14 and one of 38 points")
    clustered = first("inconclusive")
    clustered = replace(clustered, data=replace(clustered.data, cluster="person", clusters=40))
    assert steps(clustered)[0] == "Audit images from more clusters (by person): more images of the same ones add little."


def test_equal_groups_need_no_change_but_a_gate():
    equal = audit_of("equivalent", "equivalent")

    assert steps(equal) == [
        "Change nothing for these questions and groups.",
        "Add `--fail-on 'gap > 0.05'` to later audits, so that a larger gap does not go unnoticed.",
        "Read ‘What this cannot tell’ before you conclude more: other groups and questions were not tested.",
    ]
    # A gate is there already; and one limit does not fit two tolerances.
    assert len(steps(equal, gates=(GateResult("gap > 0.1", "held", ()),))) == 2
    assert len(steps(with_first(equal, tolerance=0.1))) == 2
    signal = replace(BY_GENDER, id="s", primary=False, verdict="signal", attributes=("tone",))
    signal = replace(signal, by_group=tuple(replace(cell, n=cell.n + 1) for cell in BY_GENDER.by_group))
    seen = steps(replace(equal, findings=(*equal.findings, signal)))
    assert seen[0] == "Plan the question by tone and test it on new images before you act on it."


def test_a_model_that_recognises_nothing_has_no_gaps_to_read():
    blind = looking(audit_of("not estimable"), "no better")
    blind = replace(blind, findings=tuple(replace(finding, unresponsive="no better") for finding in blind.findings))
    do_not = "Do not read gaps between groups from these answers."

    invalid = [do_not, "Choose a probe of things that this model was trained to recognise: `vlm-audit run --list-probes`."]
    assert steps(blind) == invalid
    # Even a disparity is no reason to act if the probe is not a valid test of the model.
    assert steps(looking(audit_of("disparity", "not estimable"), "no better")) == invalid
    of_file = replace(blind, model=replace(blind.model, parameters=0, dimensions=0), probe=replace(blind.probe, name="predictions"))
    assert steps(of_file) == [
        do_not, "Check that each answer is in the row of its own image, and that answers and labels are spelled alike.",
    ]  # fmt: skip


@pytest.mark.extension("endpoint")
def test_more_refusals_for_one_group_are_read():
    (step, *_) = steps(asked("disparity", "inconclusive", refusal=700))

    assert step == "Read replies counted as ‘refusal’ for the group man: other prompts may get answers."


@pytest.mark.extension("endpoint")
def test_without_answers_the_answer_log_is_read():
    (step,) = steps(asked("inconclusive", "inconclusive", refusal=1000))

    assert step.startswith("Read some replies in the answer log, change prompts or options")


def test_too_few_images_a_sample_and_unplanned_questions_say_what_is_missing():
    assert steps(audit_of("not estimable")) == ["Audit more images, or compare broader groups: at least two need 30 images that count."]
    assert steps(audit_of("inconclusive", limited=True)) == ["Run it on all images for a verdict."]
    (planned,) = steps(audit_of())
    assert planned.startswith("Plan the questions that matter to you")


@pytest.mark.slow
def test_breached_gates_and_replicates_come_first():
    audit = audit_of("disparity", "equivalent")
    check = GateCheck(audit.model.name, audit.probe.name, "q0", "breached", (Note.of("r"),))
    gate = GateResult("gap > 0.05", "breached", (check,))

    assert steps(audit, gates=(gate,))[0] == "Gate gap > 0.05 is breached: do not release this model on these results."
    assert steps(audit, gates=(gate, gate))[0] == "2 gates are breached: do not release this model on these results."
    held = replace(gate, outcome="held", checks=(replace(check, outcome="held"),))
    assert steps(audit, gates=(held,)) == steps(audit)
    results = replicated()
    one = results.audits[1]
    assert audit_steps(headline_of(one, results.settings), one, results)[0] == "Decide by all 3 replicates together, not by this one."


@pytest.mark.parametrize("mix", BY_VERDICT_MIXES, ids=" ".join)
def test_every_mix_of_verdicts_has_one_to_three_steps_and_the_page_shows_them(mix):
    audit = audit_of(*mix)
    said = steps(audit)

    assert 1 <= len(said) <= MOST_STEPS
    assert all(step.endswith(".") for step in said)
    page, written = render(samples.results(audit)), summary_markdown(samples.results(audit))
    steps_ = page.partition('<div class="next">')[2].partition("</div>")[0]
    assert "".join(text_of(steps_).split()) == "".join("".join(["What to do next", *said]).replace("`", "").split())
    assert "What to do next:" in audit_lines(samples.results(audit))
    assert said[0][:30] in written.replace("\xa0", " ")


def test_within_clusters_the_gap_is_theirs():
    within = WithinClusters(50, 0, 0.26, 0.05, None)
    assert steps(first("disparity", gap=replace(BY_GENDER.gap, within=within)))[0].endswith("errors for the group woman would do harm.")


# ---- several models ------------------------------------------------------------------------------------------------------------------


OPEN = "Open the audit of a model below for what to do about it."
SMALLER = "if this gap decides: it is smaller, paired by image."
ALIKE = "Do not choose by this gap: paired by image, none of the others differs detectably from old."
REVERSED = "Look at b and c before you choose between old and new: they change places."
LEVELLED = "Do not prefer new to old by this gap alone: it is smaller because the best group is worse off."
RAISED = "Decide whether your use needs equal rates: this gap is larger in new, but no group is shown to be worse off."
NONE = "Do not use any of these models where errors must not depend on group: both gaps exceed the tolerance."


def of_models(wrong, change=lambda results: results, **planted):
    results, _ = comparison_samples.several_models(wrong, **planted)
    return [step.replace("\xa0", " ") for step in overview(audit_contexts(change(results))).steps]


@pytest.mark.slow_except("wrong2-expected2", "wrong3-expected3", "wrong4-expected4", "wrong5-expected5")
@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"old": {"b": 60}, "new": {"b": 6}}, [f"Prefer new to old {SMALLER}"]),
        ({"old": {"b": 6}, "new": {"b": 60}, "third": {"b": 50}}, [f"Prefer old to new and third {SMALLER}"]),
        ({"old": {"b": 60}, "new": {"b": 59}}, [NONE, ALIKE]),
        ({"old": {"b": 60}, "new": {"c": 60}}, [NONE, REVERSED]),
        ({"old": {"b": 60}, "new": {"a": 60, "b": 60, "c": 60}}, [LEVELLED]),
        ({"old": {"a": 60, "b": 60, "c": 60}, "new": {"b": 60}}, [RAISED]),
    ],
)  # fmt: skip
def test_which_model_to_prefer_follows_from_the_paired_comparison_with_the_first(wrong, expected):
    steps = of_models(wrong)

    assert [step for step in steps[:-1] if "only it passes" not in step] == expected
    assert steps[-1] == OPEN
    assert len(steps) <= MOST_STEPS


def test_the_one_model_that_passes_in_every_question_is_named():
    def fine(results):
        audits = tuple(
            replace(audit, verdict="equivalent", findings=tuple(replace(one, verdict="equivalent") for one in audit.findings))
            if audit.model.name == "new"
            else audit
            for audit in results.audits
        )
        return replace(results, audits=audits)

    preferred = "Prefer new if gaps decide: only it passes the equivalence test in every question."
    assert of_models({"old": {"b": 60}, "new": {}}, fine)[0] == preferred


def test_models_that_all_pass_are_chosen_by_something_else_and_undecided_ones_need_images():
    same = {"old": {}, "new": {}}

    def verdict(code):
        return lambda results: replace(results, audits=tuple(every(audit, code) for audit in results.audits))

    def every(audit, code):
        return replace(audit, verdict=code, findings=tuple(replace(one, verdict=code) for one in audit.findings))

    properties = "Choose by other properties: in this question, every gap passes the equivalence test."
    assert of_models(same, verdict("equivalent"))[0] == properties
    assert of_models(same, verdict("inconclusive"))[0].startswith("Audit ")


@pytest.mark.slow
def test_a_model_that_recognises_nothing_and_one_that_breached_a_gate_are_not_to_be_chosen():
    def blind(results):
        *others, last = results.audits
        findings = tuple(replace(one, verdict="not estimable", unresponsive="constant") for one in last.findings)
        check = GateCheck("old", "zoo", last.findings[0].id, "breached", (Note.of("It holds."),))
        gates = (GateResult("gap > 0.1", "breached", (check,)),)
        return replace(results, audits=(*others, replace(last, verdict="not estimable", findings=findings)), gates=gates)

    steps = of_models({"old": {"b": 60}, "fair": {"b": 6}, "blind": {}}, blind)
    assert steps[0] == "Do not release old on these results: a gate is breached."
    assert steps[1] == "Do not choose blind by these results: the row in the chart says why."


def test_models_with_other_tasks_are_to_be_audited_apart():
    def colours(results):
        *others, last = results.audits
        record = replace(last.measurements[0], labels=("red", "blue"), answer_counts={"red": 200, "blue": 160})
        accuracy = tuple(one for one in last.findings if one.metric == "accuracy")
        return replace(results, audits=(*others, replace(last, measurements=(record,), findings=accuracy)), paired_models=None)

    steps = of_models({"old": {"b": 60}, "new": {"b": 50}, "third": {}}, colours)
    assert steps[0] == "Do not use old and new where errors must not depend on group: both gaps exceed the tolerance."
    assert steps[1] == "Audit the models with the same task together, without the others: then they are compared, paired by image."


def test_of_a_sample_the_only_step_is_the_whole():
    assert of_models({"old": {"b": 60}, "new": {}}, limited=True) == ["Run it on all images for a verdict."]


def test_a_page_without_a_common_question_has_the_steps_of_each_audit():
    assert of_models({"old": {"b": 60}, "new": {}}, rows=comparison_samples.attributes(20)) == []
