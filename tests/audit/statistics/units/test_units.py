"""Images and clusters answer the same questions; clusters of one image each give nearly the same answers."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from audit.statistics.intervals import newcombe, wilson
from audit.statistics.metrics import METRICS, Tally
from audit.statistics.null import between_group_variance
from audit.statistics.units.cluster_units import FEWEST_CLUSTERS, ClusterUnits, SetUnits, UnitsOf, WeightedUnits
from audit.statistics.units.clusters import ClusterTable, cluster_table
from audit.statistics.units.sampling_unit import ImageUnits
from tests.support.answered import answered

EVENTS, N = np.array([80, 50, 66]), np.array([100, 80, 90])
FIRST, SECOND = np.array([0, 0, 1]), np.array([1, 2, 2])


CODES = np.repeat(np.arange(3), N)
EVENT = np.concatenate([np.arange(n) < k for k, n in zip(EVENTS, N, strict=True)])
SINGLES = ClusterUnits(cluster_table(np.arange(len(CODES)), CODES, EVENT, 3))
"""Every image in a cluster of its own."""


def copies(times):
    table = SINGLES.table
    return ClusterUnits(ClusterTable(times * table.events, times * table.n, table.count))


IMAGES = ImageUnits(EVENTS, N)


def test_images_are_wilson_and_newcombe_and_the_rest_are_all_others():
    np.testing.assert_array_equal(IMAGES.intervals(0.05), wilson(EVENTS, N, 0.05))
    np.testing.assert_array_equal(IMAGES.differences(FIRST, SECOND, 0.1), newcombe(EVENTS[FIRST], N[FIRST], EVENTS[SECOND], N[SECOND], 0.1))
    assert IMAGES.clustering() == (None, None, None)
    assert IMAGES.enough().all()
    rest = IMAGES.with_rest()
    assert rest.events.tolist() == [80, 50, 66, 116, 146, 130]  # 196 events less each
    assert rest.n.tolist() == [100, 80, 90, 170, 190, 180]
    assert (SINGLES.with_rest().events.tolist(), SINGLES.with_rest().n.tolist()) == (rest.events.tolist(), rest.n.tolist())


@pytest.mark.parametrize("units", [IMAGES, SINGLES])
def test_some_groups_and_all_images(units):
    assert (units.of(np.array([2, 0])).events.tolist(), units.of(np.array([2, 0])).n.tolist()) == ([66, 80], [90, 100])
    assert (units.together().events.tolist(), units.together().n.tolist()) == ([196], [270])


def test_clusters_of_one_image_are_images():
    single = SINGLES
    np.testing.assert_allclose(single.intervals(0.05), IMAGES.intervals(0.05), atol=3e-3)
    np.testing.assert_allclose(single.differences(FIRST, SECOND, 0.05), IMAGES.differences(FIRST, SECOND, 0.05), atol=4e-3)
    np.testing.assert_allclose(single.p(FIRST, SECOND), IMAGES.p(FIRST, SECOND), atol=8e-3)  # Student's t has wider tails
    assert single.variance() == pytest.approx(between_group_variance(EVENTS, N), abs=1e-12)
    ours, theirs = (units.null(9999, np.random.default_rng(1)) for units in (single, IMAGES))
    assert ours.gap == pytest.approx(theirs.gap)
    assert (ours.p, ours.upper) == pytest.approx((theirs.p, theirs.upper), abs=0.02)
    assert ours.chi2 is None


def test_copies_tell_nothing_new():
    for before, after in ((SINGLES, copies(7)), (SINGLES.with_rest(), copies(7).with_rest())):
        np.testing.assert_allclose(after.differences(FIRST, SECOND, 0.05), before.differences(FIRST, SECOND, 0.05))
        np.testing.assert_allclose(after.p(FIRST, SECOND), before.p(FIRST, SECOND))
    assert copies(7).variance() == pytest.approx(SINGLES.variance())
    for one, seven in zip(SINGLES.clustering(), copies(7).clustering(), strict=True):
        assert seven[:3] == pytest.approx((one.clusters, one.effective_clusters, 7 * one.design_effect))
        assert (one.intracluster_correlation, seven.intracluster_correlation) == (None, pytest.approx(1, abs=0.02))


def test_few_clusters_are_not_judged_and_of_one_nothing_is_known():
    table = ClusterTable(np.eye(2, dtype=int) * 3, np.eye(2, dtype=int) * 5, np.array([FEWEST_CLUSTERS, 1]))
    units = ClusterUnits(table)
    assert [each.clusters for each in units.clustering()] == [FEWEST_CLUSTERS, 1]
    assert units.enough().tolist() == [True, False]
    assert not ClusterUnits(ClusterTable(table.events, table.n, np.array([FEWEST_CLUSTERS - 1, 1]))).enough().any()
    assert [end[1] for end in units.intervals(0.05)] == [0.0, 1.0]
    # Fifteen names of which one has nearly all images tell less than fifteen.
    uneven = ClusterTable(np.zeros((2, 1), int), np.array([[1], [50]]), np.array([FEWEST_CLUSTERS, 1]))
    assert not ClusterUnits(uneven).enough().any()
    # Without events there is no gap and no alarm.
    none = ClusterUnits(ClusterTable(np.zeros((1, 2), int), np.ones((1, 2), int), np.array([40])))
    assert none.null(99, np.random.default_rng(0)).p == 1.0


def test_the_variance_between_groups_of_common_clusters_leaves_out_what_they_share():
    """Sets of two images that are both right or both wrong: the rates are equal whatever sampling does, and no spread is left."""
    table = ClusterTable(np.array([[1, 1], [0, 0]]), np.ones((2, 2), int), np.array([30, 10]))
    assert ClusterUnits(table).variance() == pytest.approx(0.0, abs=1e-15)


def test_farthest_is_the_end_of_the_widest_pair_on_either_side():
    # The pairs are 0 - 1, 0 - 2, 1 - 2; turned round, the same pairs have the other sign.
    sides = IMAGES.events[FIRST], IMAGES.n[FIRST], IMAGES.events[SECOND], IMAGES.n[SECOND]
    low, high = newcombe(*sides, 0.1, continuity=True)
    assert IMAGES.equivalence_bound(0.05) == max(*np.abs(low), *np.abs(high))
    assert IMAGES.of(np.array([2, 1, 0])).equivalence_bound(0.05) == pytest.approx(IMAGES.equivalence_bound(0.05))
    low, high = SINGLES.differences(FIRST, SECOND, 0.1)
    assert SINGLES.equivalence_bound(0.05) == max(*np.abs(low), *np.abs(high))


def test_predictions_with_clusters_are_counted_by_cluster():
    attributes = pd.DataFrame({"g": ["a", "a", "a", "b", "b", "b"]}, dtype="str")
    y_true, y_pred = np.array(["x", "x", "x", "x", "x", "unknown"]), np.array(["x", "y", "x", "x", "x", "x"])
    if_known = np.array([1, 1, 2, 3, 3, 3])  # the last image has no true answer and counts nowhere
    predictions = answered(y_pred, attributes, y_true, ("x", "y"), cluster=if_known)
    tally = Tally((("a",), ("b",)), np.array([2, 2]), np.array([3, 2]), np.array([3, 3]))
    units = UnitsOf(predictions, {"g": ("a", "b")})(("g",), METRICS["accuracy"], None, tally)
    assert isinstance(units, ClusterUnits)
    assert (units.events.tolist(), units.n.tolist(), [each.clusters for each in units.clustering()]) == ([2, 2], [3, 2], [2, 1])


def test_groups_of_a_set_are_compared_inside_it_by_its_own_attribute_alone():
    """Of clusters or weights, of crossed attributes and of any other, images are what they are without sets."""
    attributes = pd.DataFrame({"tone": ["dark", "light"] * 3, "size": ["s", "s", "l", "l", "s", "l"]}, dtype="str")
    y = np.array(["x", "y", "x", "x", "x", "y"])
    predictions = answered(y, attributes, np.full(6, "x"), ("x", "y"), sets={"tone": np.repeat(np.arange(3), 2)})
    levels = {"tone": ("dark", "light"), "size": ("s", "l")}

    def units(by, **changes):
        groups = tuple((level,) for level in levels[by[0]])
        right = np.array([(y[attributes[by[0]] == level] == "x").sum() for (level,) in groups])
        tally = Tally(groups, right, np.array([3, 3]), np.array([3, 3]))
        return UnitsOf(replace(predictions, **changes), levels)(by, METRICS["accuracy"], None, tally)

    assert isinstance(units(("tone",)), SetUnits)
    assert units(("tone",)).contrasts(np.array([0]), np.array([1])).tolist() == pytest.approx([(1 + 0 + 1) / 3])
    assert isinstance(units(("size",)), ImageUnits)
    assert isinstance(units(("tone", "size")), ImageUnits)
    clustered = units(("tone",), cluster=np.arange(6))
    assert (type(clustered), clustered.clustering()[0].clusters) == (ClusterUnits, 3)
    assert isinstance(units(("tone",), weight=np.ones(6)), WeightedUnits)
