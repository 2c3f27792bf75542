"""Tables of clusters: every image counted once, and the variance between clusters."""

import numpy as np
import pytest
from statsmodels.genmod.cov_struct import Independence
from statsmodels.genmod.families import Gaussian
from statsmodels.genmod.generalized_estimating_equations import GEE

from audit.statistics.units.cluster_null import clustered_gap_test
from audit.statistics.units.clusters import ClusterTable, cluster_table, covariance
from tests.support.cluster_tables import nested


def rng(seed=0):
    return np.random.default_rng(seed)


def people(source, clusters, size, rate, correlation):
    """Clusters of random size whose members agree; returns events and images of each."""
    n = source.poisson(size - 1, clusters) + 1
    if correlation:
        weight = (1 - correlation) / correlation
        rate = source.beta(rate * weight, (1 - rate) * weight, clusters)
    return source.binomial(n, rate), n


def test_the_table_keeps_every_count_in_any_order_with_a_row_for_each_kind_of_cluster():
    source = rng()
    cluster, codes, event = source.integers(0, 300, 900), source.integers(0, 3, 900), source.random(900) < 0.4
    table = cluster_table(cluster, codes, event, 3)
    assert (table.totals[1] == np.bincount(codes)).all()
    assert (table.totals[0] == np.bincount(codes[event], minlength=3)).all()
    assert table.count.sum() == len(np.unique(cluster))
    order = source.permutation(900)
    again = cluster_table(cluster[order] + 5, codes[order], event[order], 3)
    for name in ("events", "n", "count"):
        assert (getattr(again, name) == getattr(table, name)).all()
    # Against the table without counting equals.
    wide = np.zeros((2, 300, 3), int)
    np.add.at(wide[1], (cluster, codes), 1)
    np.add.at(wide[0], (cluster[event], codes[event]), 1)
    present = wide[1].sum(axis=1) > 0
    np.testing.assert_allclose(covariance(table), covariance(ClusterTable(wide[0][present], wide[1][present], np.ones(present.sum(), int))))
    cluster = np.repeat(np.arange(50_000), 2)
    table = cluster_table(cluster, np.zeros(100_000, int), rng().random(100_000) < 0.5, 126)
    assert len(table.count) == 3
    assert table.count.sum() == 50_000


def test_variance_by_hand():
    """Three people: 2 of 2, 0 of 2, 1 of 2; rate 1/2, residuals 1, -1, 0 over 6: 3/2 x 2/36 = 1/12."""
    assert covariance(nested(([2, 0, 1], [2, 2, 2])))[0, 0] == pytest.approx(1 / 12)


def test_the_variance_equals_that_of_statsmodels():
    """A generalised estimating equation with independent working correlation has the same sandwich variance, but for C / (C - 1)."""
    k, n = people(rng(1), 60, 4, 0.4, 0.4)
    cluster = np.repeat(np.arange(60), n)
    event = np.concatenate([np.arange(m) < h for h, m in zip(k, n, strict=True)])
    fitted = GEE(event.astype(float), np.ones(len(event)), cluster, family=Gaussian(), cov_struct=Independence()).fit()
    table = cluster_table(cluster, np.zeros(len(event), int), event, 1)
    assert covariance(table)[0, 0] == pytest.approx(float(fitted.cov_params()[0, 0]) * 60 / 59, rel=1e-9)


def test_where_nothing_counts_there_is_no_cluster():
    nothing = np.zeros(0, int)
    table = cluster_table(nothing, nothing, nothing.astype(bool), 3)
    assert (table.n.shape, table.totals[1].tolist()) == ((0, 3), [0, 0, 0])


def resampled(table, draws, rng):
    """Rates of the groups from clusters drawn anew, among those that touch the same groups."""
    events, n = (np.zeros((draws, table.n.shape[1])) for _ in range(2))
    touched, place = np.unique(table.n > 0, axis=0, return_inverse=True)
    for number in range(len(touched)):
        kinds = place.ravel() == number
        drawn = rng.multinomial(table.count[kinds].sum(), table.count[kinds] / table.count[kinds].sum(), size=draws)
        events += drawn @ table.events[kinds]
        n += drawn @ table.n[kinds]
    return events / n


def test_resampled_clusters_have_the_variance_of_the_formula():
    k, n = people(rng(3), 80, 4, 0.3, 0.5)
    j, m = people(rng(4), 50, 2, 0.6, 0.2)
    table = nested((k, n), (j, m))
    drawn = resampled(table, 20_000, rng())
    assert drawn.mean(axis=0) == pytest.approx(table.totals[0] / table.totals[1], abs=0.005)
    assert np.cov(drawn.T)[0, 0] == pytest.approx(covariance(table)[0, 0], rel=0.08)
    assert np.cov(drawn.T)[1, 1] == pytest.approx(covariance(table)[1, 1], rel=0.08)


def found_by_dealing(table, gaps, shuffled=None):
    """Return the test of a table whose equally likely dealings have these gaps: p and mean of the null are those of the enumeration."""
    found = clustered_gap_test(table, 30_000, rng())
    assert found.p == pytest.approx(np.mean(np.array(gaps) >= found.gap - 1e-12), abs=0.01)
    assert found.null_mean == pytest.approx(np.mean(gaps), abs=0.01)
    assert shuffled in (None, found.shuffled)
    return found


def test_clusters_of_a_group_that_is_left_out_are_left_out():
    """20 sets that lie in a and b, and 4 people in c alone: without c the test is that of the 20 sets."""
    sets, everybody = (
        ClusterTable(np.array([[3, 1, 0], [1, 0, 0], [0, 0, 2]])[:kinds], np.array([[3, 3, 0], [2, 2, 0], [0, 0, 5]])[:kinds],
                     np.array([15, 5, 4])[:kinds])
        for kinds in (2, 3)
    )  # fmt: skip
    found, expected = (clustered_gap_test(each.of(np.array([0, 1])), 99, np.random.default_rng(0)) for each in (everybody, sets))
    assert found == expected
    assert everybody.of(np.array([0, 1])).count.tolist() == [15, 5]
