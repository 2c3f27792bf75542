"""Errors of clustered rates: by hand, against statsmodels, and what must not matter."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.special import ndtri, stdtrit

from audit.statistics.units.cluster_sums import as_normal, products, standardized_differences, sums_of_products
from audit.statistics.units.clusters import ClusterTable, cluster_table

FIRST, SECOND = np.array([0]), np.array([1])


def crossed(source, clusters=40):
    """Clusters of up to five images in each of two groups, as a table and image by image."""
    n = source.integers(0, 6, size=(clusters, 2))
    n[n.sum(axis=1) == 0] = 1
    rate = source.beta(1, 1, size=(clusters, 1)) * [0.6, 0.9]
    cluster, group = np.nonzero(n)
    counts = n[cluster, group]
    owner, code = np.repeat(cluster, counts), np.repeat(group, counts)
    event = source.random(len(owner)) < np.repeat(rate[cluster, group], counts)
    return cluster_table(owner, code, event, 2), owner, code, event


def test_summed_products_are_the_sum_of_products():
    """Three shuffles of eleven clusters with four parts each: equal to the bit, with events above images nowhere."""
    images = np.random.default_rng(3).integers(0, 9, (3, 11, 4))
    parts = np.stack([images // 2, images], axis=-1)
    np.testing.assert_array_equal(sums_of_products(parts), products(parts).sum(axis=1))
    assert sums_of_products(np.array([[[[1, 2]], [[3, 4]]]])).tolist() == [[4, 6, 1 + 9, 2 + 12, 4 + 16]]


def test_by_hand():
    """Four people with 2 images, right in 2, 1, 1, 0: residuals 1, 0, 0, -1 from the rate 1/2, times 4 / 3 for four clusters."""
    sums = ClusterTable(np.array([[2], [1], [0]]), np.full((3, 1), 2), np.array([1, 2, 1])).sums
    assert (sums.rates.tolist(), sums.effective_clusters.tolist(), sums.images_per_cluster.tolist()) == ([0.5], [4], [2])
    assert sums.residuals[0, 0] == pytest.approx(2)
    # Eight images at 1/2 have 8 / 4; but the four images that are right lie in 16 / (4 + 1 + 1) = 2.7 clusters, too few to tell: 2.
    assert sums.design_effects.tolist() == [2]


def test_a_design_effect_by_hand():
    """20 people with 2 images: 10 right in both, 10 in none. Residuals of 1 a person are 20; of images 40 / 4 = 10; times 20 / 19."""
    sums = ClusterTable(np.array([[2], [0]]), np.full((2, 1), 2), np.array([10, 10])).sums
    assert sums.design_effects[0] == pytest.approx(2 * 20 / 19)


def test_unequal_clusters_count_less():
    sums = ClusterTable(np.zeros((2, 1), int), np.array([[1], [50]]), np.array([50, 1])).sums
    assert sums.effective_clusters[0] == pytest.approx(100**2 / 2550)  # 51 names that tell as much as four


@pytest.mark.parametrize("seed", range(3))
def test_the_covariance_is_that_of_a_linear_and_of_a_logistic_model_with_clustered_errors(seed):
    table, owner, code, event = crossed(np.random.default_rng(seed))
    sums = table.sums
    ours = sums.residuals / np.outer(sums.n, sums.n)
    design, options = np.eye(2)[code], {"groups": owner, "use_correction": False}
    linear = sm.OLS(event.astype(float), design).fit(cov_type="cluster", cov_kwds=options)
    np.testing.assert_allclose(ours, linear.cov_params(), rtol=1e-8)
    logistic = sm.Logit(event.astype(float), design).fit(cov_type="cluster", cov_kwds=options, disp=0, tol=1e-12)
    slope = sums.rates * (1 - sums.rates)
    np.testing.assert_allclose(ours, logistic.cov_params() * np.outer(slope, slope), rtol=1e-8)


def test_t_of_a_pair_by_hand():
    """60 sets right only in the first group, 30 only in the second, 210 in both or in none."""
    both = np.array([[1, 1], [1, 0], [0, 1], [0, 0]])
    sums = ClusterTable(both, np.ones_like(both), np.array([150, 60, 30, 60])).sums
    p, q, own = 0.7, 0.6, 300 / 299
    correlation = (150 / 300 - p * q) / np.sqrt(p * (1 - p) * q * (1 - q))
    one, two = (m * (1 - m) * own / 300 for m in (0.675, 0.625))  # half-way to the pooled .65
    t, freedom = standardized_differences(sums, 0.65, FIRST, SECOND)
    assert t[0] == pytest.approx(0.1 / np.sqrt(one + two - 2 * correlation * np.sqrt(one * two)))
    assert freedom[0] == pytest.approx(299, rel=1e-3)  # all clusters are common: no more freedom than one group has


def test_separate_groups_add_their_freedom():
    table = ClusterTable(np.array([[2, 0], [0, 0], [0, 2], [0, 0]]), np.array([[2, 0], [2, 0], [0, 2], [0, 2]]), np.array([10, 10, 10, 10]))
    assert standardized_differences(table.sums, 0.5, FIRST, SECOND)[1][0] == pytest.approx(38)


def test_copies_of_every_image_change_no_t():
    table, *_ = crossed(np.random.default_rng(4))
    copied = ClusterTable(3 * table.events, 3 * table.n, table.count)
    for pooled in (0.3, 0.5):
        one, three = (standardized_differences(each.sums, pooled, FIRST, SECOND) for each in (table, copied))
        np.testing.assert_allclose(one, three)


@pytest.mark.parametrize("freedom", [2, 5, 19, 300])
@pytest.mark.parametrize("p", [0.1, 0.01, 0.001])
def test_t_becomes_the_normal_of_its_p(freedom, p):
    assert as_normal(stdtrit(freedom, 1 - p), freedom) == pytest.approx(ndtri(1 - p), rel=0.02 if freedom > 4 else 0.06)
