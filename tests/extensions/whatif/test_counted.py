"""What-ifs where images come in clusters: every interval, p, noise floor and cost counts clusters, and few of them say nothing."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import fisher_exact
from statsmodels.stats.contingency_tables import mcnemar

from audit.errors import DataError
from audit.extensions.whatif.compare import Tried, furthest_pair, what_if
from audit.statistics.intervals import newcombe
from audit.statistics.metrics import METRICS
from audit.statistics.paired.counted import Judge, control_gaps
from audit.statistics.paired.intervals import agresti_min
from audit.statistics.units.cluster_units import FEWEST_CLUSTERS
from audit.types import UNKNOWN, Note, Settings
from tests.support.answered import answered

PAIR = (("a",), ("b",))
ANSWERS = np.array([["yes", "yes"], ["yes", "no"], ["no", "yes"], ["no", "no"]])


def whole(clusters, size=10):
    """Group -> (clusters all yes before and after, yes to no, no to yes, all no), each of `size` images: predictions and their judge."""
    group = np.repeat(list(clusters), [size * sum(four) for four in clusters.values()])
    answers = np.concatenate([np.repeat(ANSWERS, size * np.array(four), axis=0) for four in clusters.values()])
    rows = pd.DataFrame({"g": group, "cluster": [f"c{row // size}" for row in range(len(group))]})
    before, after = (answered(side, rows, np.repeat("yes", len(group))) for side in answers.T)
    levels = {"g": tuple(clusters)}
    return before, after, Judge("f", METRICS["selection_rate"], frozenset({"yes"}), ("g",), levels, Settings(draws=1999), "cluster")


def tried(before, after, **given):
    return Tried("method", "setting", (Note("nothing"),), True, before, after, **given)


def test_what_chance_gives_and_the_interval_of_a_gap_are_counted_by_cluster():
    """All images of a cluster are answered alike: 12 of 20 clusters against 6 of 20, not 120 of 200 images against 60 of 200."""
    before, after, by = whole({"a": (12, 0, 0, 8), "b": (6, 0, 0, 14)})
    found = what_if(tried(before, after), PAIR, by)
    assert found.gap.value == pytest.approx(0.3)
    assert found.p == pytest.approx(fisher_exact([[12, 8], [6, 14]]).pvalue, abs=0.03)  # .11
    assert found.null_95 == pytest.approx(0.3)  # 12 against 6: the fifth most extreme of a hundred deals
    assert [each.clusters for each in found.by_group] == [20, 20]
    alone = what_if(tried(before, after), PAIR, replace(by, cluster=None))
    assert (alone.p, alone.null_95 < 0.12, alone.by_group[0].clusters) == (1 / 2000, True, None)
    # The interval: 20 clusters a group that are all yes or all no tell as much as 20 images, with Student's quantile.
    low, high = newcombe(12, 20, 6, 20, 0.05)
    assert (found.pair_after.low, found.pair_after.high) == (pytest.approx(low, abs=0.04), pytest.approx(high, abs=0.04))
    assert found.pair_after.low < low < 0
    for each in (found.gap_before, found.gap):  # a gap is never below 0
        assert (each.low, each.high) == (0.0, pytest.approx(high, abs=0.04))


def test_no_longer_told_from_chance_is_said_of_clusters():
    """18 of 20 clusters against 6, then 12 against 6: p of .0002, then of .11. Of single images even the second would be certain."""
    before, after, by = whole({"a": (12, 6, 0, 2), "b": (6, 0, 0, 14)})
    assert what_if(tried(before, after), PAIR, by).outcome == "indistinguishable"
    assert what_if(tried(before, after), PAIR, replace(by, cluster=None)).outcome == "smaller"


def test_a_cost_is_counted_by_cluster():
    """Of 40 clusters 6 turn wrong and 2 right: as certain as 8 changed of 40 images, not as 80 of 400."""
    before, after, by = whole({"a": (9, 3, 1, 7), "b": (9, 3, 1, 7)})
    found = what_if(tried(before, after), PAIR, by).utility
    low, high = agresti_min(2, 6, 40, 0.05)
    assert (found.n, found.change.value) == (400, pytest.approx(-0.1))
    assert (found.change.low, found.change.high) == (pytest.approx(low, abs=0.02), pytest.approx(high, abs=0.02))
    assert found.p == pytest.approx(mcnemar([[0, 6], [2, 0]], exact=True).pvalue)  # .29: each cluster changes sign as a whole
    alone = what_if(tried(before, after), PAIR, replace(by, cluster=None)).utility
    assert (alone.change.low, alone.change.high, alone.p < 0.001) == (*agresti_min(20, 60, 400, 0.05), True)
    # No answer changed in 40 clusters: about as open as in 40 images, not as in 400.
    before, after, by = whole({"a": (10, 0, 0, 10), "b": (10, 0, 0, 10)})
    found = what_if(tried(before, after), PAIR, by)
    assert found.utility.change.value == found.change.value == 0
    assert found.utility.change.high == pytest.approx(agresti_min(0, 0, 40, 0.05)[1], abs=0.01)
    assert found.change.low < 0 < found.change.high


def test_images_of_one_cluster_are_not_as_many_cases():
    """80 of the 400 of group a lose their event, all in 4 of its 20 clusters: far less certain than 80 single images."""
    before, after, by = whole({"a": (6, 4, 0, 10), "b": (6, 0, 0, 14)}, size=20)
    alone = what_if(tried(before, after), PAIR, replace(by, cluster=None))
    together = what_if(tried(before, after), PAIR, by)
    assert together.change.value == alone.change.value == pytest.approx(-0.2)
    assert together.change.high - together.change.low > 1.5 * (alone.change.high - alone.change.low)
    assert together.change_p > alone.change_p
    assert together.pair_after.high - together.pair_after.low > 1.5 * (alone.pair_after.high - alone.pair_after.low)
    # Clusters of one image each are images.
    for each in (before, after):
        each.attributes["cluster"] = [str(row) for row in range(800)]
    single = what_if(tried(before, after), PAIR, by)
    assert (single.change.low, single.change.high) == pytest.approx((alone.change.low, alone.change.high), abs=0.015)
    assert (single.p, single.null_95) == (pytest.approx(alone.p, abs=0.03), pytest.approx(alone.null_95, abs=0.01))


@pytest.mark.parametrize(("cells", "few"), [((0, 13, 0, 1), 14), ((0, 13, 0, 2), 15)])
def test_in_fewer_than_15_clusters_nothing_can_be_judged(cells, few):
    """From 13 of 14 clusters to none, and 0 of 20 in the other group: clear, and still not for a group in 14 clusters."""
    assert FEWEST_CLUSTERS == 15
    before, after, by = whole({"a": cells, "b": (0, 0, 0, 20)})
    assert furthest_pair(before, before, by) == (None if few < 15 else PAIR)
    assert by.too_few() == Note("too_few_clusters", {"images": 30, "clusters": 15, "cluster": "cluster"})
    if few < 15:
        with pytest.raises(DataError, match="too few images of a"):
            what_if(tried(before, after), PAIR, by)
    else:
        assert what_if(tried(before, after), PAIR, by).gap_before.value == pytest.approx(13 / few)


def test_a_group_in_few_clusters_is_left_out_where_two_others_are_judged():
    before, after, by = whole({"a": (12, 0, 0, 8), "b": (6, 0, 0, 14), "c": (14, 0, 0, 0)})
    found = what_if(tried(before, after), PAIR, by)
    assert (found.gap.value, found.not_compared, found.outcome) == (pytest.approx(0.3), (("c",),), "unchanged")
    assert furthest_pair(before, after, by) == PAIR
    assert control_gaps(lambda _: after, by, 3, np.random.default_rng(0)) == pytest.approx((0.3,) * 3)


def test_clusters_of_groups_that_are_left_out_do_not_matter():
    """20 people in both groups, and three others in a third one only: what chance gives is that of the 20."""
    group = np.concatenate([np.tile(np.repeat(["a", "b"], 2), 20), np.repeat("c", 30)])
    cluster = np.concatenate([np.repeat([f"p{i}" for i in range(20)], 4), np.repeat(["x", "y", "z"], 10)])
    before, after, by = whole({"a": (7, 0, 0, 1), "b": (1, 0, 0, 1), "c": (1, 0, 0, 0)})
    rows = pd.DataFrame({"g": group, "cluster": cluster})
    answers = np.where((group == "a") & (np.arange(110) < 60), "yes", "no")
    both = [replace(each, attributes=rows, y_pred=answers) for each in (before, after)]
    found = what_if(tried(*both), PAIR, by)
    alone = what_if(tried(*(replace(each, attributes=rows[:80], y_pred=answers[:80], y_true=each.y_true[:80]) for each in both)), PAIR, by)
    assert found.not_compared == (("c",),)
    assert (found.gap, found.p, found.null_95) == (alone.gap, alone.p, alone.null_95)


def test_an_image_of_no_known_cluster_is_a_case_of_its_own():
    before, after, by = whole({"a": (12, 0, 0, 8), "b": (6, 0, 0, 14)})
    for each in (before, after):
        each.attributes["cluster"] = UNKNOWN
    found, alone = (what_if(tried(before, after), PAIR, replace(by, cluster=cluster)) for cluster in ("cluster", None))
    assert [each.clusters for each in found.by_group] == [200, 200]
    assert found.null_95 == pytest.approx(alone.null_95, abs=0.0201)  # of gaps that move in steps of .005 to .01
