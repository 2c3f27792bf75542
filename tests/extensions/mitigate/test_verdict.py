"""The verdict by hand: worse before better, and nothing better that random maps achieve."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from audit.extensions.mitigate.record import Capability, MapControl
from audit.extensions.mitigate.sentences import REASONS
from audit.extensions.mitigate.verdict import capability_code, decide_outcome
from audit.records.base import Estimate
from audit.records.comparison import Change
from audit.statistics.null import generator
from audit.statistics.paired.changes import changes_by_group, gap_change, pair_changes
from audit.statistics.paired.joint import JointCounts
from audit.types import Settings
from reports.text import notes

sentence = partial(notes.sentence, own=REASONS)
QUESTION = "kind/accuracy/side"
GROUPS = (("left",), ("right",))
SETTINGS = Settings(draws=999)


def change(cells, finding=QUESTION, better="high", p_adjusted=None, verdict="inconclusive"):
    """A change from the images of each group right in (both, only before, only after, neither)."""
    joint = JointCounts(GROUPS, np.array(cells), np.array(cells).sum(axis=1))
    by_group, overall = changes_by_group(joint, SETTINGS)
    gap = gap_change(joint, SETTINGS, generator(0, finding))
    if p_adjusted is not None:
        gap = replace(gap, p_adjusted=p_adjusted)
    return Change(
        finding, "kind", "kind", "accuracy", None, ("side",), better, True, 0.05, verdict_before="disparity", verdict_after="disparity",
        overall=overall, by_group=by_group, gap=gap, pairs=pair_changes(joint, 0.05), verdict=verdict, direction=None,
        beyond_tolerance=False, levelled_down=False,
    )  # fmt: skip


def cost(low=-0.01, high=0.01, margin=0.02):
    value = (low + high) / 2
    return Capability("kind", 1000, 0.8, 0.8 + value, Estimate(value, low, high), margin, capability_code(low, high, margin))


def controls(random=0.01, shuffled=0.01):
    kinds = {"random directions": random, "shuffled groups": shuffled}
    return tuple(MapControl(kind, (0.2,) * 99, p) for kind, p in kinds.items() if p is not None)


# 400 of 500 right and 300 of 500 before (20 points); after: of the right ones none lost, and 80 of the left 200 gained (4 points).
SMALLER = [[400, 0, 0, 100], [300, 0, 80, 120]]
SAME = [[400, 10, 10, 80], [300, 10, 10, 180]]
LARGER = [[400, 0, 80, 20], [300, 0, 0, 200]]
REVERSED = [[400, 0, 0, 100], [300, 0, 180, 20]]
LEVELLED = [[320, 80, 0, 100], [300, 0, 0, 200]]
STILL = [[450, 5, 5, 40], [440, 5, 5, 50]]


def decided(*changes, capability=None, **p):
    return decide_outcome(QUESTION, changes, cost() if capability is None else capability, controls(**p), 0.02, 0.05)


def codes(outcome):
    return outcome[0], [note.code for note in outcome[1]]


def test_smaller_beyond_both_controls_at_no_cost_is_better():
    assert codes(decided(change(SMALLER))) == ("better", [])
    assert codes(decided(change(SMALLER), change(STILL, "kind/accuracy/tone"))) == ("better", [])


def test_a_map_of_prompts_has_one_control_and_says_so():
    assert codes(decided(change(SMALLER), shuffled=None)) == ("better", ["no_shuffled_control"])


@pytest.mark.parametrize(
    ("given", "reasons"),
    [
        ({"random": 0.06}, ["random_as_small"]), ({"shuffled": 0.27}, ["shuffled_as_small"]),
        ({"random": 0.2, "shuffled": 0.3}, ["random_as_small", "shuffled_as_small"]),
        ({"capability": cost(-0.03, 0.01)}, ["capability_not_shown"]),
    ],
)  # fmt: skip
def test_what_is_missing_is_said(given, reasons):
    assert codes(decided(change(SMALLER), **given)) == ("no change shown", reasons)


def test_without_true_answers_nothing_is_better():
    assert codes(decide_outcome(QUESTION, [change(SMALLER)], None, controls(), 0.02, 0.05)) == ("no change shown", ["capability_unknown"])


def test_not_significant_after_correction_is_not_smaller():
    assert codes(decided(change(SAME))) == ("no change shown", ["gap_not_smaller"])
    assert codes(decided(change(SMALLER, p_adjusted=0.051))) == ("no change shown", ["gap_not_smaller"])
    assert codes(decided(change(STILL, "kind/accuracy/tone"))) == ("no change shown", ["gap_not_estimable"])


@pytest.mark.parametrize(
    ("cells", "reasons"), [(LARGER, ["gap_grew"]), (REVERSED, ["order_reversed"]), (LEVELLED, ["levelled_down"])]
)  # fmt: skip
def test_harms_of_the_question_and_of_any_other_planned_one(cells, reasons):
    assert codes(decided(change(cells))) == ("worse", reasons)
    outcome, notes = codes(decided(change(SMALLER), change(cells, "kind/accuracy/tone")))
    assert (outcome, notes) == ("worse", reasons)


def test_a_gap_that_grew_by_less_than_the_tolerance_is_no_harm_and_is_said():
    """On 100,000 images a group, half a point is significant, and shown to be below five points."""
    half_a_point = [[90_000, 100, 600, 9_300], [80_000, 100, 100, 19_800]]
    grown = change(half_a_point, "kind/accuracy/tone", verdict="equivalent")
    assert grown.gap.difference == pytest.approx(0.005)
    assert grown.gap.p <= 0.002
    assert codes(decided(change(SMALLER), grown)) == ("better", ["changed_within_tolerance"])
    assert codes(decided(change(SAME), grown)) == ("no change shown", ["gap_not_smaller", "changed_within_tolerance"])
    (said,) = decided(change(SMALLER), grown)[1]
    assert sentence(said).endswith("changed significantly, from 10.0% to 10.5%, and by less than the tolerance of 5%.")
    assert codes(decided(change(SMALLER), replace(grown, verdict="disparity"))) == ("worse", ["gap_grew"])


def test_a_gap_that_grew_without_being_shown_is_no_harm():
    assert codes(decided(change(SMALLER), change(LARGER, "kind/accuracy/tone", p_adjusted=0.06))) == ("better", [])


def test_levelling_down_needs_a_fall_beyond_the_margin_and_nobody_better_off():
    helped = [[320, 80, 0, 100], [300, 0, 40, 160]]
    assert codes(decided(change(helped)))[0] == "better"
    small = [[395, 5, 0, 100], [300, 0, 0, 200]]  # one point
    assert "levelled_down" not in codes(decided(change(small)))[1]
    errors = [[80, 0, 80, 340], [180, 0, 0, 320]]  # more errors in one group, where fewer are better
    assert codes(decided(change(errors, better="low"))) == ("worse", ["levelled_down"])
    assert codes(decided(change(errors, better="neither"))) == ("better", [])


@pytest.mark.slow
def test_levelling_down_is_shown_after_correction_over_the_groups_of_all_questions():
    """7 of 73 images lost: p = .016 by itself, .031 over two groups, .62 over the two groups of twenty questions."""
    fell = [[64, 7, 0, 2], [74, 0, 0, 2]]
    assert change(fell).by_group[0].p == pytest.approx(2 / 2**7)
    assert codes(decided(change(fell))) == ("worse", ["levelled_down"])
    others = [change(fell, f"kind/accuracy/chance {number}") for number in range(19)]
    assert codes(decided(change(fell), *others))[0] == "no change shown"
    assert codes(decided(change(LEVELLED), *others)) == ("worse", ["levelled_down"])


def test_lost_capability_is_worse():
    assert codes(decided(change(SMALLER), capability=cost(-0.08, -0.03))) == ("worse", ["capability_lost"])
    assert codes(decided(change(SMALLER), capability=cost(0.01, 0.09))) == ("better", [])  # higher


def test_600_images_do_not_show_equality_within_one_point():
    assert capability_code(-0.014, 0.012, 0.01) == "not shown"
    outcome = decided(change(SMALLER), capability=cost(-0.014, 0.012, 0.01))
    assert "not shown that the accuracy of kind fell by less than 1.0%" in " ".join(map(sentence, outcome[1]))


def test_every_reason_has_a_sentence_that_promises_nothing():
    outcomes = [
        decided(change(cells), capability=cost(*ends), random=p, shuffled=p)
        for cells in (SMALLER, SAME, LARGER, REVERSED, LEVELLED)
        for ends in ((-0.01, 0.01), (-0.08, -0.03), (-0.03, 0.01))
        for p in (0.01, 0.3)
    ]
    text = " ".join(sentence(note) for _, reasons in outcomes for note in reasons).lower()
    assert not {"debiased", "fair", "fixed", "unbiased"} & set(text.replace(".", " ").split())
