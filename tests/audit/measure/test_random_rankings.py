"""What random rankings give: the values of the catalogue, and agreement with shuffles done one by one."""

import numpy as np
import pytest
from scipy.stats import hypergeom

from audit.measure.random_rankings import drawn_counts, drawn_groups, p_above, shared_draws, standard_errors, standardized
from audit.measure.ranking import max_skew_at_k, shares, skews

RACES = np.array([2085, 1556, 1516, 1550, 1415, 1209, 1623])  # FairFace's validation set
GENDERS = np.array([5162, 5792])
AGES = np.array([199, 1356, 1181, 3300, 2330, 1353, 796, 321, 118])


@pytest.mark.parametrize(
    ("sizes", "k", "mean", "upper"),
    [
        *[(RACES, 100, 0.31, 0.49), (RACES, 500, 0.15, 0.23), (RACES, 1000, 0.106, 0.168)],
        *[(GENDERS, 100, 0.077, 0.19), (GENDERS, 1000, 0.024, 0.061)],
        *[(AGES, 500, 0.28, 0.57), (AGES, 1000, 0.20, 0.40)],
    ],
)
def test_the_null_of_max_skew_on_fairface_is_the_published_one(sizes, k, mean, upper):
    drawn = np.nanmax(skews(drawn_counts(sizes, k, 9999, np.random.default_rng(0)), k, shares(sizes)), axis=1)
    assert drawn.mean() == pytest.approx(mean, rel=0.1)
    # Shares come in steps of one image: of a small group the next possible skew is a tenth away.
    assert np.percentile(drawn, 95) == pytest.approx(upper, rel=0.1)


def test_standard_errors_are_those_of_the_hypergeometric_law():
    sizes = np.array([30, 50, 120])
    expected = [hypergeom(200, n, 40).std() for n in sizes]
    np.testing.assert_allclose(standard_errors(sizes, 40), expected, rtol=1e-12)
    # 40 · 30 / 200 = 6 are due; 10 are four more.
    assert standardized(np.array([10, 10, 20]), sizes, 40)[0] == pytest.approx(4 / expected[0])


def test_groups_of_some_places_are_drawn_as_from_a_shuffle_of_all():
    """Five places of a gallery of 6 and 4: the number of the second group is hypergeometric, and every place is alike."""
    drawn = drawn_groups(np.array([6, 4]), 5, 20000, np.random.default_rng(1))
    law = hypergeom(10, 4, 5)
    for n in range(5):
        assert (drawn.sum(axis=1) == n).mean() == pytest.approx(law.pmf(n), abs=0.015)
    np.testing.assert_allclose(drawn.mean(axis=0), 0.4, atol=0.015)


def test_queries_that_find_the_same_images_are_equal_in_every_draw():
    sizes = np.array([12, 8])
    found = np.array([[0, 3, 5], [5, 0, 3], [7, 8, 9]])
    counts, diverged = shared_draws(found, sizes, shares(sizes), 500, np.random.default_rng(2))
    assert counts.shape == (500, 3, 2)
    assert (counts.sum(axis=-1) == 3).all()
    np.testing.assert_array_equal(counts[:, 0], counts[:, 1])
    assert (counts[:, 0] != counts[:, 2]).any()
    assert (diverged[:, 0] != diverged[:, 1]).any()  # the order counts


def test_the_mean_over_queries_agrees_with_shuffles_done_one_by_one():
    rng, sizes = np.random.default_rng(3), np.array([60, 30, 10])
    groups = np.repeat(list("abc"), sizes)
    scores = rng.normal(size=(4, 100))
    found = np.argsort(-scores, axis=1)[:, :20]
    counts, _ = shared_draws(found, sizes, shares(sizes), 2000, rng)
    fast = np.nanmax(skews(counts, 20, shares(sizes)), axis=-1).mean(axis=1)
    slow = []
    for _ in range(1000):
        shuffled = rng.permutation(groups)
        slow.append(np.mean([max_skew_at_k(query, shuffled, 20) for query in scores]))
    assert fast.mean() == pytest.approx(np.mean(slow), rel=0.03)
    assert np.percentile(fast, 95) == pytest.approx(np.percentile(slow, 95), rel=0.06)


def test_p_counts_the_draws_that_are_at_least_as_large_and_is_never_0():
    drawn = np.array([1.0, 2.0, 2.0, 3.0])
    np.testing.assert_allclose(p_above(np.array([4.0, 3.0, 2.0, 0.0, 2.0 + 1e-12]), drawn), [0.2, 0.4, 0.8, 1.0, 0.8])
