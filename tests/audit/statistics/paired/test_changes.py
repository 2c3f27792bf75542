"""Changes on the same images: numbers worked by hand, what must not matter, and how often a verdict is wrong."""

from dataclasses import replace
from math import comb
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import binom, multinomial

from audit.comparison.verdict import Circumstances, adjusted, overall, with_verdict
from audit.records.comparison import Change
from audit.statistics.null import generator
from audit.statistics.paired.changes import change_bound, changes_by_group, gap_change, pair_changes
from audit.statistics.paired.intervals import agresti_min
from audit.statistics.paired.joint import BOTH, ONLY_AFTER, ONLY_BEFORE, JointCounts, Kinds, change_ends, change_p, score_ends
from audit.types import Settings
from reports.exports.markdown import ordinary_spaces
from reports.text.changes import comparison_reason, reason

SETTINGS = Settings(draws=999)
CLEAR = Circumstances(SETTINGS, limited=False, excluded=0, same_model=False)


def why(change, circumstances=CLEAR, only_before=0):
    """The sentences of a change in a comparison of two audits with the same images, or with some more before."""
    comparison = SimpleNamespace(
        limited=circumstances.limited, same_model=circumstances.same_model, excluded=circumstances.excluded, only_before=only_before,
        only_after=0, missing_in_others=0,
    )  # fmt: skip
    return ordinary_spaces(reason(change, comparison, circumstances.settings))


def joint(*cells, names=None):
    """One row a group: right in both, only before, only after, in neither."""
    table = np.array(cells)
    groups = tuple((name,) for name in names or "abcdefg"[: len(table)])
    return JointCounts(groups, table, table.sum(axis=1))


def change_of(counts, settings=SETTINGS, *, better="high", primary=True, tolerance=0.05, name="m/accuracy/g"):
    by_group, of_all = changes_by_group(counts, settings)
    compared = counts.compared(settings.min_group_size)
    enough = len(compared.groups) > 1
    return Change(
        id=name, measurement="m", truth="t", metric="accuracy", outcome=None, attributes=("g",), better=better, primary=primary,
        tolerance=tolerance, verdict_before="inconclusive", verdict_after="inconclusive", overall=of_all, by_group=by_group,
        gap=gap_change(compared, settings, generator(settings.seed, name)) if enough else None,
        pairs=pair_changes(compared, settings.alpha) if enough else (), verdict="inconclusive", direction=None, beyond_tolerance=False,
        levelled_down=False,
    )  # fmt: skip


def judged(counts, circumstances=CLEAR, **claim):
    settings = circumstances.settings
    [[change]], _ = adjusted([[change_of(counts, settings, **claim)]])
    return with_verdict(change, counts, circumstances)


def turned(counts):
    """The same images with the two models exchanged."""
    return replace(counts, cells=counts.cells[:, [BOTH, ONLY_AFTER, ONLY_BEFORE, 3]])


# ---- by hand -------------------------------------------------------------------------------------------------------------------------


def test_one_group_has_mcnemars_p_and_the_paired_interval():
    # 1,556 images, 25 right only after, 10 only before: the numbers of the reference. 15 / 1556 = .00964.
    (cell, _), of_all = changes_by_group(joint([1000, 10, 25, 521], [100, 0, 0, 0]), SETTINGS)
    assert cell.p == pytest.approx(0.016674, abs=5e-7)
    assert (cell.low, cell.high) == pytest.approx((0.00209, 0.01716), abs=5e-6)
    assert cell.difference == pytest.approx(15 / 1556)
    assert (cell.gained, cell.lost, cell.before.events, cell.after.events) == (25, 10, 1010, 1025)
    assert cell.p_adjusted == pytest.approx(2 * 0.016674, abs=1e-6)  # Holm over the two groups; the other has p = 1
    assert (of_all.gained, of_all.lost, of_all.before.n) == (25, 10, 1656)


def test_a_group_without_a_changed_answer_has_p_one_and_an_interval_all_the_same():
    (cell, _), _ = changes_by_group(joint([50, 0, 0, 50], [100, 0, 0, 0]), SETTINGS)
    assert (cell.difference, cell.p) == (0.0, 1.0)
    # Agresti-Min with b = c = 0: 1.96 * sqrt(1) / 102 = .0192.
    assert (cell.low, cell.high) == pytest.approx((-0.019215, 0.019215), abs=1e-6)


def test_the_change_of_a_difference_adds_up_the_two_groups_intervals():
    counts = joint([80, 2, 10, 8], [70, 6, 1, 23])
    [pair] = pair_changes(counts, 0.05)
    rise, fall = (10 - 2) / 100, (1 - 6) / 100
    (low_1, high_1), (low_2, high_2) = agresti_min(10, 2, 100, 0.05), agresti_min(1, 6, 100, 0.05)
    assert pair.difference == pytest.approx(0.13)  # from .82 - .76 = .06 to .90 - .71 = .19
    assert (pair.before, pair.after) == pytest.approx((0.06, 0.19))
    assert pair.low == pytest.approx(0.13 - np.hypot(rise - low_1, high_2 - fall))
    assert pair.high == pytest.approx(0.13 + np.hypot(high_1 - rise, fall - low_2))
    assert (pair.low_adjusted, pair.high_adjusted) == pytest.approx((pair.low, pair.high))  # one pair: nothing to correct


def test_of_three_pairs_each_is_corrected_for_three():
    counts = joint([80, 2, 10, 8], [70, 6, 1, 23], [75, 5, 5, 15])
    two = joint([80, 2, 10, 8], [70, 6, 1, 23])
    pair = next(pair_change for pair_change in pair_changes(counts, 0.06) if (pair_change.first, pair_change.second) == (("a",), ("b",)))
    [corrected], [single] = pair_changes(two, 0.02), pair_changes(two, 0.06)
    assert (pair.low_adjusted, pair.high_adjusted) == pytest.approx((corrected.low, corrected.high))
    assert (pair.low, pair.high) == pytest.approx((single.low, single.high))


def test_the_gap_is_between_whoever_is_furthest_apart():
    # Before: .9 .8 .7, gap .2 of a and c. After: .9 .6 .7, gap .3 of a and b.
    gap = gap_change(joint([90, 0, 0, 10], [60, 20, 0, 20], [70, 0, 0, 30]), SETTINGS, np.random.default_rng(0))
    assert (gap.before.highest, gap.before.lowest, gap.after.lowest) == (("a",), ("c",), ("b",))
    assert (gap.before.value, gap.after.value, gap.difference) == pytest.approx((0.2, 0.3, 0.1))


def test_small_and_empty_groups_stay_outside():
    counts = joint([90, 0, 0, 10], [60, 20, 0, 20], [5, 0, 0, 5], [0, 0, 0, 0])
    change = judged(counts)
    assert [cell.before.status for cell in change.by_group] == ["ok", "ok", "small", "absent"]
    assert change.by_group[3].difference is None
    assert "Not compared: c (n = 10), d (n = 0)." in why(change)
    assert judged(joint([90, 0, 0, 10], [5, 0, 0, 5])).verdict == "not estimable"


# ---- verdicts ------------------------------------------------------------------------------------------------------------------------


def test_the_same_answers_are_no_change_that_matters_and_what_is_not_covered_is_said():
    change = judged(joint([600, 0, 0, 400], [900, 0, 0, 100]))
    assert (change.gap.difference, change.gap.p, change.verdict) == (0.0, 1.0, "equivalent")
    assert change.gap.low < 0 < change.gap.high  # no changed answer among a thousand is no certainty about the next
    assert change.gap.before.value == pytest.approx(0.3)
    assert "Not covered: 3 images in only one of the two audits." in why(change, only_before=3)


def test_few_images_cannot_show_the_absence_of_a_change_unless_it_is_the_same_model():
    counts = joint([20, 0, 0, 10], [25, 0, 0, 5])
    assert judged(counts).verdict == "inconclusive"
    assert judged(counts, replace(CLEAR, same_model=True)).verdict == "equivalent"


def test_a_gap_that_shrank_by_a_gain_is_not_levelled_down_and_one_by_a_loss_is():
    gain = judged(joint([64, 0, 36, 0], [100, 0, 0, 0]))
    loss = judged(joint([64, 0, 0, 36], [64, 36, 0, 0]))
    assert (gain.direction, gain.levelled_down, gain.beyond_tolerance) == ("shrank", False, True)
    assert (loss.direction, loss.levelled_down) == ("shrank", True)
    assert "Levelled down" in why(loss)
    # Where a lower rate is better the same counts are a loss of the group with the lower rate; where neither is, nobody loses.
    assert not judged(joint([64, 0, 0, 36], [64, 36, 0, 0]), better="low").levelled_down
    assert judged(joint([64, 0, 36, 0], [100, 0, 0, 0]), better="low").levelled_down
    assert not judged(joint([64, 0, 0, 36], [64, 36, 0, 0]), better="neither").levelled_down
    assert not judged(joint([64, 0, 36, 0], [100, 0, 0, 0]), better="neither").levelled_down


def test_groups_that_change_places_are_reversed_even_if_the_gap_is_the_same():
    change = judged(joint([140, 40, 0, 20], [140, 0, 40, 20]))  # .9 and .7 become .7 and .9
    assert change.gap.difference == 0.0
    assert (change.verdict, change.direction) == ("disparity", "reversed")
    assert [pair.reversed for pair in change.pairs] == [True]
    assert "These groups changed places, after correction: a and b." in why(change)


def test_a_change_of_places_within_the_tolerance_does_not_matter_but_is_said():
    change = judged(joint([50_500, 600, 0, 48_900], [50_500, 0, 600, 48_900], names=("a", "b")), tolerance=0.05)
    assert change.verdict == "equivalent"
    assert "Groups changed places, within the tolerance." in why(change)


def test_the_gap_grew_mirrors_the_gap_shrank():
    counts = joint([64, 0, 36, 0], [100, 0, 0, 0], [97, 1, 1, 1])
    there, back = judged(counts), judged(turned(counts))
    assert (there.direction, back.direction) == ("shrank", "grew")
    assert back.gap.difference == -there.gap.difference
    assert (back.gap.low, back.gap.high, back.gap.p) == pytest.approx((-there.gap.high, -there.gap.low, there.gap.p), abs=1e-12)
    for one, other in zip(there.by_group, back.by_group, strict=True):
        assert (other.difference, other.low, other.high) == pytest.approx((-one.difference, -one.high, -one.low))
        assert other.p == one.p


def test_a_limited_run_cannot_tell():
    limited = replace(CLEAR, limited=True)
    change = judged(joint([64, 0, 36, 0], [100, 0, 0, 0]), limited)
    assert (change.verdict, change.beyond_tolerance) == ("inconclusive", False)
    assert why(change, limited).startswith("LIMITED RUN")


def test_the_absence_of_a_change_takes_the_ninety_percent_interval():
    # Two groups of 300 with 15 gained and 15 lost each: half width about z sqrt(30) / 300 + .5 / 300 for each, and sqrt(2) times that for
    # the pair: 4.48 points at 90 % (z = 1.645), 5.30 points at 95 % (z = 1.960); Tango's variance at the limit makes them 3 % wider.
    counts = joint([200, 15, 15, 70], [150, 15, 15, 120])
    assert 0.0448 <= change_bound(counts, 0.05) < 0.0467
    assert 0.0530 <= change_bound(counts, 0.025) < 0.0560


@pytest.mark.slow_except(
    "sizes0-before0-after0-0.001", "sizes1-before1-after1-0.001", "sizes2-before2-after2-0.005", "sizes4-before4-after4-0.0"
)
@pytest.mark.parametrize(
    ("sizes", "before", "after", "churn"),
    [
        ((1000, 1000), (0.8, 0.8), (0.8, 0.75), 0.001),
        ((300, 300), (0.8, 0.8), (0.825, 0.775), 0.001),
        ((3000, 300), (0.8, 0.8), (0.8, 0.75), 0.005),
        ((300, 3000), (0.7, 0.7), (0.8, 0.75), 0.01),
        ((150, 3000), (0.8, 0.8), (0.825, 0.775), 0.0),
    ],
)
def test_at_the_tolerance_no_change_is_claimed_in_at_most_five_percent(sizes, before, after, churn):
    # The difference of the pair changes by exactly 5 points: "equivalent" is wrong. Summed over all outcomes but the rarest millionth.
    ends = []
    for n, rate, later in zip(sizes, before, after, strict=True):
        lost, gained = max(rate - later, 0) + churn, max(later - rate, 0) + churn
        events = np.argwhere(np.ones([int(binom.isf(1e-7, n, share)) + 2 for share in (gained, lost)], bool))
        mass = multinomial.pmf(np.column_stack([events, n - events.sum(axis=1)]), n, [gained, lost, 1 - gained - lost])
        events, mass = events[mass > 1e-9], mass[mass > 1e-9]
        kept = n - events.sum(axis=1)
        low, high = score_ends(joint(*np.column_stack([kept, events[:, 1], events[:, 0], 0 * kept]).tolist(), names=range(len(kept))), 0.1)
        ends.append((np.round((events[:, 0] - events[:, 1]) / n, 12), low, high, mass))
    (one, low_1, high_1, mass_1), (two, low_2, high_2, mass_2) = ends
    difference = one[:, None] - two
    low = difference - np.hypot((one - low_1)[:, None], high_2 - two)
    high = difference + np.hypot((high_1 - one)[:, None], two - low_2)
    assert float(mass_1 @ (np.maximum(high, -low) < 0.05) @ mass_2) <= 0.05


def test_the_bound_of_a_change_adds_up_the_score_limits_of_the_groups():
    counts = joint([700, 5, 35, 260], [260, 10, 2, 28])
    low, high = score_ends(counts, 0.1)
    change = np.array([30 / 1000, -8 / 300])
    upper = change[0] - change[1] + np.hypot(high[0] - change[0], change[1] - low[1])
    assert change_bound(counts, 0.05) == pytest.approx(upper)


def test_a_reversal_must_hold_over_all_pairs_and_claims():
    # .56 against .44 of 200, exchanged: intervals of 12 points +- 9.6 at 95 %, +- 13 at 99.5 %.
    counts = joint([80, 32, 8, 80], [80, 8, 32, 80])
    assert [pair.reversed for pair in pair_changes(counts, 0.05)] == [True]
    assert [pair.reversed for pair in pair_changes(counts, 0.05, comparisons=10)] == [False]
    third = joint([80, 32, 8, 80], [80, 8, 32, 80], [100, 0, 0, 100])
    assert [pair.reversed for pair in pair_changes(third, 0.05, comparisons=4)].count(True) == 0


def test_cannot_tell_says_what_could_have_been_found():
    change = judged(joint([70, 10, 14, 6], [70, 12, 8, 10]))
    assert change.verdict == "inconclusive"
    assert f"detect a change of {100 * change.gap.minimum_detectable:.1f} points" in why(change)
    # By hand: variances (24 + 1 - 16 / 102) / 102^2 and (20 + 1 - 16 / 102) / 102^2; one pair, so z = 1.960 + .842.
    assert change.gap.minimum_detectable == pytest.approx(2.8016 * np.sqrt((25 + 21 - 32 / 102) / 102**2), abs=1e-4)


def test_holm_runs_over_the_primary_changes_of_all_comparisons():
    counts = joint([80, 5, 12, 3], [80, 3, 2, 15])
    first, second = change_of(counts, name="a"), change_of(counts, name="b")
    outside = change_of(counts, name="c", primary=False)
    done, family = adjusted([[first, outside], [second]])
    p = sorted([first.gap.p, second.gap.p])
    assert family == 2
    assert sorted([done[0][0].gap.p_adjusted, done[1][0].gap.p_adjusted]) == pytest.approx([min(1, 2 * p[0]), min(1, max(2 * p[0], p[1]))])
    assert done[0][1].gap.p_adjusted == outside.gap.p


def test_only_the_adjusted_p_decides():
    counts = joint([64, 0, 36, 0], [100, 0, 0, 0])
    change = change_of(counts)
    picked = replace(change, gap=replace(change.gap, p_adjusted=0.2))
    assert change.gap.p < 0.05
    assert with_verdict(picked, counts, CLEAR).verdict == "inconclusive"


UNDECIDED, SAME, FEW = ("inconclusive", None), ("equivalent", None), ("not estimable", None)
GREW, SHRANK, REVERSED = (("disparity", direction) for direction in ("grew", "shrank", "reversed"))


COMPARED = [
    ([SHRANK, GREW], ("disparity", "mixed")), ([SHRANK, REVERSED, GREW], REVERSED), ([SHRANK, UNDECIDED], SHRANK), ([GREW, SAME], GREW),
    ([SAME, SAME], SAME), ([SAME, UNDECIDED], UNDECIDED), ([FEW], FEW),
]  # fmt: skip


@pytest.mark.parametrize(("found", "expected"), COMPARED)
def test_the_verdict_of_a_comparison(found, expected):
    base = change_of(joint([80, 5, 12, 3], [80, 3, 2, 15]))
    exploratory = replace(base, primary=False, verdict="disparity", direction="grew")
    changes = (*(replace(base, verdict=verdict, direction=direction) for verdict, direction in found), exploratory)
    comparison = SimpleNamespace(changes=changes, limited=False, only_before=0, only_after=0, missing_in_others=0, excluded=0)
    assert overall(changes) == expected
    assert comparison_reason(comparison, SETTINGS).startswith(f"Of {len(found)} planned gap")


def test_no_sentence_says_fixed_or_fair():
    cases = [
        joint([64, 0, 36, 0], [100, 0, 0, 0]), joint([64, 0, 0, 36], [64, 36, 0, 0]), joint([140, 40, 0, 20], [140, 0, 40, 20]),
        joint([600, 0, 0, 400], [900, 0, 0, 100]), joint([70, 10, 14, 6], [70, 12, 8, 10]), joint([5, 0, 0, 5], [5, 0, 0, 5]),
    ]  # fmt: skip
    said = [why(judged(counts)).lower() for counts in cases]
    assert not any(word in words for words in said for word in ("fixed", "fair"))


# ---- images that belong together ------------------------------------------------------------------------------------------------------


def clustered(cells, names=None):
    """From cells[cluster][group][4]; clusters that are alike are counted as the engine counts them."""
    cells = np.array(cells)
    kinds, often = np.unique(cells.reshape(len(cells), -1), axis=0, return_counts=True)
    total = cells.sum(axis=0)
    groups = tuple((name,) for name in names or "abcdefg"[: len(total)])
    return JointCounts(groups, total, total.sum(axis=1), Kinds(kinds.reshape(-1, *cells.shape[1:]), often))


def test_a_cluster_is_one_case_whatever_the_number_of_its_images():
    # 20 clusters of 5 images a group. In group a three clusters gain all their images: 2 of 2^3 sign patterns are as extreme.
    rises, stays = [0, 0, 5, 0], [5, 0, 0, 0]
    counts = clustered([[rises if c < 3 else stays, stays] for c in range(20)])
    (cell, other), _ = changes_by_group(counts, SETTINGS)
    assert cell.p == 0.25  # McNemar on 15 images would say .00006
    assert (cell.gained, cell.difference, cell.before.clusters) == (15, 0.15, 20)
    assert cell.low < 0  # Agresti-Min on 100 images would say [.07, .23]
    assert other.p == 1.0


def test_clusters_of_a_group_that_is_left_out_are_left_out():
    """Twenty clusters in each of three groups; of the first two nothing is to be told from the third's."""
    cells = np.zeros((60, 3, 4), int)
    cells[np.arange(60), np.repeat([0, 1, 2], 20)] = [3, 1, 2, 1]
    two = clustered(cells).of([0, 1])
    assert two.kinds.often.sum() == 40
    alone = clustered(cells[:40, :2])
    assert gap_change(two, SETTINGS, generator(0, "x")) == gap_change(alone, SETTINGS, generator(0, "x"))
    assert two.units(after=True).null(999, generator(0, "x")).p <= 1.0  # it stopped at clusters without an image


def test_a_change_in_every_cluster_is_shown():
    rises, stays = [3, 0, 2, 0], [5, 0, 0, 0]
    change = judged(clustered([[rises, stays] for _ in range(20)]))
    assert change.direction == "shrank"
    assert change.by_group[0].p == pytest.approx(0.001)  # 1 / (draws + 1): none of 999 draws turns 20 coins alike
    assert judged(clustered([[rises, stays] for _ in range(14)])).verdict == "not estimable"  # too few clusters to judge


def test_clusters_whose_answers_are_all_equal_do_not_make_the_gaps_change_a_certainty():
    """30 clusters of two images a group, none of which is answered otherwise; of ten times as many, less is left open."""
    few, many = (
        gap_change(clustered(np.tile([[[2, 0, 0, 0], [1, 0, 0, 1]]], (n, 1, 1))), SETTINGS, np.random.default_rng(0)) for n in (30, 300)
    )
    assert (few.difference, few.p) == (0.0, 1.0)
    assert few.low == -few.high
    assert 0.05 < few.high < 0.3
    assert few.high > 3 * many.high > 0


def test_clusters_that_all_change_alike_have_an_interval_around_the_change_that_leaves_out_none():
    """Before, both groups are right; after, the second is wrong in each of 30 clusters: the gap grows from 0 to 1, and no draw differs."""
    found = gap_change(clustered(np.tile([[[2, 0, 0, 0], [0, 2, 0, 0]]], (30, 1, 1))), SETTINGS, np.random.default_rng(0))
    assert (found.difference, found.high) == (1.0, 1.0)
    assert 0.6 < found.low < 1
    assert found.p < 0.01


def test_clusters_of_one_image_are_images():
    rng = np.random.default_rng(1)
    cells = np.zeros((200, 2, 4), int)
    for image in range(200):
        cells[image, image % 2, rng.choice(4, p=[0.6, 0.05, 0.15, 0.2])] = 1
    counts = clustered(cells)
    (cell, _), _ = changes_by_group(counts, SETTINGS)
    (plain, _), _ = changes_by_group(replace(counts, kinds=None), SETTINGS)
    # The same but for Student's quantile (1.984 for 1.960) and n - 1.
    assert (cell.low, cell.high) == pytest.approx((plain.low, plain.high), abs=0.004)
    assert cell.p == pytest.approx(plain.p, abs=0.02)


def test_clusters_that_span_groups_change_together():
    # Every cluster gains or loses as many images in both groups: their difference does not move. But 20 clusters do not show that no
    # cluster would move it: the correlation is 1 - 2 x 3.84 / 23.84 = .678, and the interval narrows by the root of its complement.
    up, down = [0, 0, 5, 0], [0, 5, 0, 0]
    together = clustered([[up, up] if c < 10 else [down, down] for c in range(20)])
    apart = clustered([[up, down] if c < 10 else [down, up] for c in range(20)])
    [tied], [loose] = pair_changes(together, 0.05), pair_changes(apart, 0.05)
    independent = np.hypot(*(change_ends(together, 0.05)[1]))
    assert (tied.low, tied.high) == pytest.approx((-(0.3223**0.5) * independent, 0.3223**0.5 * independent), abs=1e-3)
    assert loose.high > 2 * tied.high


def test_equal_sizes_of_change_are_flipped_together_as_single_clusters_would_be():
    net = np.array([5] * 12 + [-5] * 4 + [2] * 3 + [0])
    cells = np.zeros((20, 1, 4), int)
    cells[np.arange(20), 0, np.where(net > 0, ONLY_AFTER, ONLY_BEFORE)] = np.abs(net)
    exact = (
        sum(abs(5 * (2 * k - 16) + 2 * (2 * m - 3)) >= 46 - 1e-9 and comb(16, k) * comb(3, m) for k in range(17) for m in range(4)) / 2**19
    )  # the sum of the net changes is 5 * 8 + 2 * 3 = 46
    assert change_p(clustered(cells), Settings(draws=20_000))[0] == pytest.approx(exact, abs=0.004)


@pytest.mark.parametrize(("runs", "most"), [(40, 0.1), pytest.param(200, 0.07, marks=pytest.mark.slow)])
def test_without_a_change_few_clustered_comparisons_alarm(runs, most):
    # 20 clusters of 5 images a group; a cluster's answers go together, before and after.
    rng, settings, alarms, sure = np.random.default_rng(11), Settings(draws=199), 0, 0
    for _ in range(runs):
        strength = rng.beta(4, 1, size=(20, 3, 1))
        shares = np.concatenate([strength * 0.85, strength * 0.15, strength * 0.15, 1 - 1.15 * strength], axis=2).clip(0)
        shares /= shares.sum(axis=2, keepdims=True)
        change = judged(clustered(rng.multinomial(5, shares)), replace(CLEAR, settings=settings))
        alarms += change.verdict == "disparity"
        sure += change.verdict == "equivalent"
    assert alarms / runs <= most
    assert sure / runs <= 0.05  # 20 cases a group can show little


# ---- how often it is wrong -----------------------------------------------------------------------------------------------------------


def drawn(before, after, churn, n, rng):
    """Counts of two models with the given rates that agree but for what their rates demand, and a share of the images either way."""
    before, after = np.array(before), np.array(after)
    lost, gained = np.maximum(before - after, 0) + churn, np.maximum(after - before, 0) + churn
    shares = np.stack([before - lost, lost, gained, 1 - before - gained], axis=1)
    return joint(*(rng.multinomial(images, share) for images, share in zip(n, shares, strict=True)))


def verdicts(runs, *planted):
    """What became of the gap, or else the verdict."""
    rng, settings = np.random.default_rng(7), Settings(draws=399)
    changes = [judged(drawn(*planted, rng), replace(CLEAR, settings=settings)) for _ in range(runs)]
    return [change.direction or change.verdict for change in changes]


@pytest.mark.parametrize(
    "planted",
    [
        ([0.8] * 3, [0.8] * 3, 0.08, [100] * 3),
        ([0.6] * 7, [0.9] * 7, 0.02, [200] * 7),  # everybody rises: the gap of chance alone becomes smaller
        ([0.9, 0.8, 0.7], [0.8, 0.7, 0.6], 0.05, [100] * 3),  # a gap that stays while everybody falls
        ([0.05] * 5, [0.05] * 5, 0.02, [500] * 5),
    ],
)
@pytest.mark.parametrize(("runs", "most"), [(100, 0.11), pytest.param(1000, 0.07, marks=pytest.mark.slow)])
def test_without_a_change_of_the_gap_few_alarm(planted, runs, most):
    # A true 5 % passes either limit in 2 of 1,000 tries.
    found = verdicts(runs, *planted)
    assert sum(each in ("grew", "shrank", "reversed") for each in found) / runs <= most


@pytest.mark.slow
def test_the_interval_of_the_change_knows_that_a_gap_is_biased_upwards():
    # No gap in either model, but rates of .6 before and .9 after: chance alone gives 12 points before and 7 after, a "change" of -4.
    # The bootstrap adds that bias once more: its percentile interval holds the truth, 0, in .85 of these draws, ours in .94.
    rng, held = np.random.default_rng(3), 0
    for _ in range(150):
        gap = gap_change(drawn([0.6] * 7, [0.9] * 7, 0.02, [200] * 7, rng), Settings(draws=199), rng)
        held += gap.low <= 0 <= gap.high
    assert held / 150 >= 0.88


@pytest.mark.slow
def test_at_the_tolerance_no_change_is_claimed_seldom():
    # The difference of the pair changes by exactly the tolerance of .05: claiming that it is less is wrong.
    found = verdicts(300, [0.8, 0.8], [0.8, 0.75], 0.05, [1000] * 2)
    assert found.count("equivalent") / 300 <= 0.08


@pytest.mark.slow
def test_planted_changes_are_found():
    assert verdicts(40, [0.97, 0.72, 0.97], [0.99, 0.98, 0.99], 0.005, [100] * 3).count("shrank") >= 39
    assert verdicts(40, [0.98, 0.98, 0.98], [0.97, 0.72, 0.97], 0.005, [100] * 3).count("grew") >= 39
    assert verdicts(40, [0.9, 0.7], [0.7, 0.9], 0.05, [200] * 2).count("reversed") >= 39
    assert verdicts(40, [0.9, 0.8], [0.9, 0.8], 0.01, [2000] * 2).count("equivalent") >= 39


def test_the_absence_of_a_change_needs_every_pair():
    # The gap stays .2 between a and c while b falls from .9 to .72: nothing is "no change" here.
    counts = joint([900, 0, 0, 100], [720, 180, 0, 100], [700, 0, 0, 300])
    assert change_bound(counts, 0.05) >= 0.05
    assert judged(counts).verdict == "inconclusive"
    assert "changed unequally" in why(judged(counts))
