"""The same images under several conditions: by hand, by a slow loop, by what must not matter, and against planted fragility."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from audit.analyses.conditions import ConditionsAsked, conditions_record, judged_together
from audit.analyses.records import Condition
from audit.errors import DataError, UsageError
from audit.statistics.paired.joint import JointCounts
from audit.statistics.paired.unequal_changes import unequal_changes
from audit.types import UNKNOWN, Predictions, Settings

LEVELS = {"group": ("a", "b", "c")}
ASKED = ConditionsAsked("Who loses?", "images", "shape", ("group",))
PLAIN, BLURRED = Condition("unchanged"), Condition("blur 1", "blur", 1.0)
SETTINGS = Settings(draws=199, min_group_size=2)


def predictions(groups, right, truth=None, cluster=None, weight=None):
    """Answers that are right where `right` says so."""
    truth = np.full(len(groups), "x") if truth is None else np.asarray(truth)
    table = pd.DataFrame({"group": list(groups)}, index=[f"{i}" for i in range(len(groups))], dtype="str")
    answers = np.where(np.asarray(right, bool), truth, "y")
    return Predictions(("x", "y"), ("x", "y"), np.empty((0, 2)), answers, truth, table, np.empty(0), cluster=cluster, weight=weight)


def record(before, *after, asked=ASKED, settings=SETTINGS):
    conditions = [(PLAIN, before), *((replace(BLURRED, name=f"blur {i}", strength=float(i)), each) for i, each in enumerate(after, 1))]
    return conditions_record(asked, conditions, LEVELS, settings)


def test_eight_images_by_hand():
    """a: 4 of 4 right, then 2; b: 2 of 4 right, then 2, one gained and one lost. The change differs by 50 points."""
    found = record(predictions("aaaabbbb", [1, 1, 1, 1, 1, 1, 0, 0]), predictions("aaaabbbb", [1, 1, 0, 0, 1, 0, 1, 0]))
    assert found.images == 8
    assert [(rate.group, rate.events, rate.n, rate.value, rate.status) for rate in found.baseline_by_group] == [
        (("a",), 4, 4, 1.0, "ok"), (("b",), 2, 4, 0.5, "ok"), (("c",), 0, 0, None, "absent"),
    ]  # fmt: skip
    assert (found.baseline_overall.events, found.baseline_overall.value) == (6, 0.75)
    assert (found.baseline_gap.highest, found.baseline_gap.lowest, found.baseline_gap.value) == (("a",), ("b",), 0.5)
    (result,) = found.results
    assert [(each.gained, each.lost, each.difference) for each in result.by_group] == [(0, 2, -0.5), (1, 1, 0.0), (0, 0, None)]
    assert (result.overall.difference, result.overall.after.value, result.gap.value) == (-0.25, 0.5, 0.0)
    assert (result.pair.first, result.pair.second, result.pair.difference) == (("b",), ("a",), 0.5)
    assert result.pair.low_adjusted <= result.pair.low < 0 < result.pair.high  # eight images show nothing
    assert 0.1 < result.p <= 1
    assert result.p_adjusted == result.p
    assert result.verdict is None


@pytest.mark.slow
def test_the_permutation_p_is_that_of_every_deal():
    """Six images, (lost, lost, kept) against (kept, kept, kept): of C(6, 3) = 20 deals 4 + 4 put both losses into one group."""
    lost = JointCounts((("a",), ("b",)), np.array([[1, 2, 0, 0], [3, 0, 0, 0]]), np.array([3, 3]))
    p = [unequal_changes(lost, 4999, np.random.default_rng(seed)).p for seed in range(3)]
    assert np.mean(p) == pytest.approx(8 / 20, abs=0.01)


def slow(before, after, groups):
    """The statistic by loops over images, as its docstring says it."""
    change = {g: [int(b) - int(a) for a, b, own in zip(before, after, groups, strict=True) if own == g] for g in sorted(set(groups))}
    best = 0.0
    for one in change:
        for two in change:
            errors = []
            for g in (one, two):
                mean = sum(change[g]) / len(change[g])
                errors.append((sum((d - mean) ** 2 for d in change[g]) + 1) / len(change[g]) ** 2)
            means = [sum(change[g]) / len(change[g]) for g in (one, two)]
            best = max(best, abs(means[0] - means[1]) / sum(errors) ** 0.5)
    return best


def test_the_statistic_equals_a_slow_loop():
    from audit.statistics.paired import unequal_changes as module

    rng = np.random.default_rng(5)
    for _ in range(20):
        groups = rng.choice(["a", "b", "c"], 60, p=[0.6, 0.3, 0.1])
        before, after = rng.random(60) < 0.8, rng.random(60) < 0.6
        cells = np.array([
            [np.sum((groups == g) & (before == b) & (after == a)) for b, a in ((True, True), (True, False), (False, True), (False, False))]
            for g in sorted(set(groups))
        ])  # fmt: skip
        joint = JointCounts(tuple((g,) for g in sorted(set(groups))), cells, cells.sum(axis=1))
        observed, _ = module._largest(module._single(joint).net.sums)
        assert float(observed) == pytest.approx(slow(before, after, groups), rel=1e-12)


def fragile(n, lost, seed=0):
    """Groups of `n` images of which 80 % are right before, and of those right a share `lost` is wrong after."""
    rng = np.random.default_rng(seed)
    groups = [g for g, many in zip("abc", n, strict=True) for _ in range(many)]
    before = rng.random(len(groups)) < 0.8
    share = np.array([lost["abc".index(g)] for g in groups])
    return groups, before, before & ~(rng.random(len(groups)) < share)


def test_a_fragile_group_is_found_and_named():
    groups, before, after = fragile((150, 90, 40), (0.02, 0.02, 0.5))
    (found,) = judged_together([record(predictions(groups, before), predictions(groups, after))], 0.05, limited=False)
    (result,) = found.results
    assert (result.verdict, result.pair.second, found.tests) == ("signal", ("c",), 1)
    assert result.pair.low_adjusted > 0
    (limited,) = judged_together([found], 0.05, limited=True)
    assert limited.results[0].verdict == "no signal"


@pytest.mark.slow
def test_equal_fragility_is_seldom_called_unequal():
    """Groups of unequal size and other rates before, all losing the same in points: 3 of 60 alarm on average."""
    alarms = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        groups = ["a"] * 200 + ["b"] * 60
        rate = np.where(np.array(groups) == "a", 0.9, 0.5)
        drawn = rng.random(260)
        before, after = drawn < rate, drawn < rate - 0.2
        alarms += record(predictions(groups, before), predictions(groups, after), settings=Settings(draws=99)).results[0].p <= 0.05
    assert alarms <= 10


def test_what_must_not_matter():
    groups, before, after = fragile((60, 40, 0), (0.1, 0.4, 0))
    found = record(predictions(groups, before), predictions(groups, after))
    order = np.random.default_rng(1).permutation(100)
    shuffled = [np.array(groups)[order], before[order], after[order]]
    assert record(predictions(*shuffled[:2]), predictions(shuffled[0], shuffled[2])) == found
    unchanged = record(predictions(groups, before), predictions(groups, before)).results[0]
    assert unchanged.p == 1.0
    assert {each.difference for each in unchanged.by_group} == {0.0, None}
    both = record(predictions(groups, before), predictions(groups, after), predictions(groups, before))
    assert both.results[0] == found.results[0]  # a further condition moves nothing but the correction


def test_a_group_that_is_too_small_is_shown_and_not_judged():
    groups, before, after = fragile((60, 40, 5), (0.0, 0.0, 1.0))
    found = record(predictions(groups, before), predictions(groups, after), settings=Settings(draws=99))
    assert [rate.status for rate in found.baseline_by_group] == ["ok", "ok", "small"]
    assert found.results[0].by_group[2].difference < 0
    assert found.results[0].p == 1.0
    alone = record(predictions("aaaa", [1, 1, 1, 0]), predictions("aaaa", [1, 1, 1, 0]))
    assert alone.reason.code == "conditions_few_groups"
    assert alone.results[0].p is None


def test_clusters_change_together():
    """20 people of 10 images: two fragile people of b lose all; as images this is beyond chance, as people it is not."""
    groups = ["a"] * 100 + ["b"] * 100
    before, after = np.ones(200, bool), np.ones(200, bool)
    after[100:120] = False
    people = np.repeat(np.arange(20), 10)
    settings = Settings(draws=499, min_group_size=10)
    images = record(predictions(groups, before), predictions(groups, after), settings=settings)
    clusters = record(predictions(groups, before, cluster=people), predictions(groups, after), settings=settings)
    assert images.results[0].p == 0.002
    assert clusters.results[0].p is None
    assert clusters.baseline_by_group[0].status == "small"
    groups, people = ["a"] * 200 + ["b"] * 200, np.repeat(np.arange(40), 10)
    before, after = np.ones(400, bool), np.ones(400, bool)
    after[200:220] = False
    clusters = record(predictions(groups, before, cluster=people), predictions(groups, after), settings=settings)
    assert clusters.results[0].p > 0.2


def test_an_outcome_and_unknown_truth():
    """Of an outcome the share that is given it; of accuracy the images whose truth is unknown do not count."""
    truth = ["x", "x", UNKNOWN, "x", "x", "x"]
    before, after = predictions("aaabbb", [1, 1, 1, 1, 1, 1], truth), predictions("aaabbb", [0, 1, 1, 1, 1, 1], truth)
    assert [rate.n for rate in record(before, after).baseline_by_group] == [2, 3, 0]
    asked = replace(ASKED, metric="selection_rate", outcome="yes", answers=("x",))
    assert [each.difference for each in record(before, after, asked=asked).results[0].by_group][:2] == [-1 / 3, 0.0]


def test_other_images_and_other_denominators_are_refused():
    one, two = predictions("aabb", [1, 1, 1, 1]), predictions("aab", [1, 1, 1])
    with pytest.raises(DataError, match="3 images, the baseline 4"):
        record(one, two)
    with pytest.raises(UsageError, match="precision cannot be compared"):
        record(one, one, asked=replace(ASKED, metric="precision", outcome="yes", answers=("x",)))
    weighted = record(replace(one, weight=np.ones(4)), one)
    assert weighted.reason.code == "conditions_of_weights"
    assert weighted.results[0].p is None
