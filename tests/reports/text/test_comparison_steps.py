"""What to do next after a comparison: for every way in which it can end, true of what the data show.

Of 120 images of each of three groups, those of b are wrong in 60 before.
"""

from dataclasses import replace

import pytest

from audit.records.gates import GateCheck, GateResult
from audit.types import Note
from reports.comparison.context import comparison_contexts
from reports.comparison.verdict import view
from reports.render import render_comparisons
from reports.text.comparison_headline import comparison_sentence
from reports.text.next_steps import MOST_STEPS, comparison_steps
from tests.reports.text.test_levelling import BOTH, GAINED, LOST, compared
from tests.reports.text.test_verdicts import CHANGED, comparison_of
from tests.support import comparison_samples as samples
from tests.support.page_text import text_of

SETTINGS = samples.SETTINGS
LEFT = "Read the audit of y: a gap by group is left."


def steps(facts):
    comparison = facts.comparisons[0]
    found = comparison_steps(comparison_sentence(comparison, facts.settings), comparison, facts)
    return [step.replace("\u00a0", " ") for step in found]


def changed(facts, **values):
    """Return the comparison with other values of its change."""
    (comparison,) = facts.comparisons
    return replace(facts, comparisons=(replace(comparison, changes=(replace(comparison.changes[0], **values),)),))


@pytest.mark.parametrize("verdicts", CHANGED, ids=lambda mix: "+".join(mix) or "nothing")
def test_every_mix_of_outcomes_has_one_to_three_steps(verdicts):
    facts = samples.skewed_and_plain()
    found = steps(replace(facts, comparisons=(comparison_of(facts, *verdicts),)))

    assert 1 <= len(found) <= MOST_STEPS
    assert all(step.endswith(".") for step in found)
    assert ("Plan the questions" in found[0]) == (not verdicts)


@pytest.mark.slow
def test_a_gap_that_shrank_at_the_cost_of_groups_is_no_reason_to_change():
    assert steps(compared(LOST)) == [
        "Find out why 2 groups got worse before you use y: that is the reason why the gap by group shrank.",
        LEFT,
    ]
    assert steps(compared(BOTH)) == [
        "Find out why 2 groups got worse before you use y: that is part of the reason why the gap by group shrank.",
    ]  # fmt: skip


@pytest.mark.slow
def test_a_gap_that_shrank_without_a_loss_is_one_and_what_is_left_is_named():
    assert steps(changed(compared(GAINED), verdict_after="disparity")) == [
        "Prefer y to x if the gap by group decides: it is smaller, paired by image.", LEFT,
    ]  # fmt: skip
    assert steps(changed(compared(GAINED), verdict_after="equivalent"))[1:] == []


def test_a_gap_that_grew_names_the_groups_that_got_worse():
    facts = samples.facts(("x", samples.result(samples.model("x"), {})), ("y", samples.result(samples.model("y"), {"b": 60, "c": 12})))
    grew = replace(facts, comparisons=(replace(facts.comparisons[0], changes=facts.comparisons[0].changes[:1]),))

    # All 360 images right before, 288 after.
    assert steps(grew) == [
        "Do not replace x with y where errors for the groups b and c would do harm.",
        "Decide whether y is worth what it loses over all images.",
    ]
    assert steps(changed(grew, better="neither"))[0] == "Do not replace x with y where answers must not depend on group."
    assert steps(changed(grew, attributes=("age",), by_group=ages(grew)))[0] == (
        "Do not replace x with y where errors for age 3-9 and age 10-19 would do harm."
    )


def ages(facts):
    names = {"a": "0-2", "b": "3-9", "c": "10-19"}
    cells = facts.comparisons[0].changes[0].by_group
    return tuple(replace(cell, before=replace(cell.before, group=(names[cell.before.group[0]],))) for cell in cells)


def test_a_gap_that_grew_because_others_improved_harms_no_group():
    """The best groups gained and the worst did not: "do not replace" would deny them the gain."""
    facts = changed(compared(GAINED), direction="grew")

    assert steps(facts) == ["Decide whether your use needs equal rates by group: the gap changed, but no group is shown to have got worse."]


def test_an_undecided_change_says_how_many_images_would_decide():
    facts = changed(compared(GAINED), verdict="inconclusive", direction=None)
    gap = facts.comparisons[0].changes[0].gap
    # A detectable change of 10 points, and a tolerance of 5: four times the 360 images.
    twice = changed(facts, gap=replace(gap, minimum_detectable=0.1), tolerance=0.05)

    assert steps(twice) == [
        "Audit about 1,400 images instead of 360: enough to detect a change of 5 points between two groups, with power 0.8.",
        "Until then, assume neither a change of the gap nor its absence.",
    ]
    enough = changed(facts, gap=replace(gap, minimum_detectable=0.04), tolerance=0.05)
    assert steps(enough)[0] == "Audit more images if a gap that grew and one that shrank would lead to different decisions."
    (comparison,) = twice.comparisons
    clustered = replace(twice, comparisons=(replace(comparison, cluster="person_id"),))
    assert steps(clustered)[0].startswith("Audit images from more clusters (by person id)")


@pytest.mark.slow
def test_unchanged_gaps_are_no_reason_to_choose_and_what_is_lost_is():
    same = changed(compared(GAINED), verdict="equivalent", direction=None)

    assert steps(same) == [
        "Choose between x and y by other properties: no gap changed by more than its tolerance.",
        "Read the audit of each: a gap that both have is no smaller.",
    ]
    worse = changed(compared(LOST), verdict="equivalent", direction=None)
    assert steps(worse)[0] == "Decide whether y is worth what it loses over all images."


def test_what_cannot_be_read_is_said_first():
    facts = compared(GAINED)
    (comparison,) = facts.comparisons
    blind = replace(facts, notes=(Note("does_not_look", {"name": "y", "measurements": ("animal",)}),))
    answers = tuple(replace(side, model=replace(side.model, parameters=0, dimensions=0)) for side in facts.sides)

    assert steps(blind) == ["Do not compare gaps with those of y.", "Check its input, then try other prompts or options."]
    assert steps(replace(blind, sides=answers))[1].startswith("Check that each answer is in the row of its own image")
    assert steps(replace(facts, comparisons=(replace(comparison, limited=True),))) == ["Run it on all images for a verdict."]
    assert steps(replace(facts, comparisons=(replace(comparison, same_model=True),)))[0].startswith("Check the two arguments")
    few = changed(facts, gap=None, verdict="not estimable", direction=None)
    assert steps(few) == ["Audit more images, or compare broader groups: at least two need 30 images that count."]


def test_a_breached_gate_comes_before_everything_else():
    facts = compared(GAINED)
    check = GateCheck("y", "zoo", "animal/accuracy/group", "breached", (), 0.1, 0.05, 0.2)
    gates = (GateResult("change > 0.02", "breached", (check,)),)

    assert steps(replace(facts, gates=gates))[0] == "Gate change > 0.02 is breached: do not release y on these results."


@pytest.mark.slow
def test_the_first_screen_prints_them_if_it_is_the_only_comparison():
    page = text_of(render_comparisons(compared(LOST)))
    assert "What to do next Find out why 2 groups got worse" in page
    assert page.index("What to do next") < page.index("The planned question Gap:")
    assert [view(context).steps for context in comparison_contexts(samples.three_models())] == [(), ()]
