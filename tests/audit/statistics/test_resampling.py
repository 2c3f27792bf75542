"""Resampled counts: their moments, what stays fixed, and the interval made from them."""

import numpy as np
import pytest
from scipy.stats import random_table

from audit.statistics.resampling import (
    dealt_one_by_one,
    exceedance_p,
    hull,
    resample_counts,
    shuffled_labels,
    shuffled_tables,
    spread_of_rates,
)


def test_every_replicate_keeps_the_size_of_each_group():
    counts = np.array([[7, 0, 3], [0, 0, 0], [100, 200, 700]])
    drawn = resample_counts(counts, 500, np.random.default_rng(0))
    assert (drawn.sum(axis=2) == [10, 0, 1000]).all()
    assert (drawn[:, 0, 1] == 0).all()  # what did not occur is not drawn
    # A group is drawn alike whether an empty one stands before it, and smoothed counts keep their total.
    alone, behind = (resample_counts(np.array(counts), 9, np.random.default_rng(3)) for counts in ([[5, 5]], [[0, 0], [5, 5]]))
    assert (alone[:, 0] == behind[:, 1]).all()
    assert (resample_counts(np.array([[0.3, 9.7]]), 50, np.random.default_rng(0)).sum(axis=2) == 10).all()


def test_moments_are_those_of_a_multinomial():
    """Of 1,000 images 300 in a cell: mean 300, variance 1,000 x .3 x .7 = 210; covariance with a cell of 500: -1,000 x .3 x .5."""
    drawn = resample_counts(np.array([[300, 500, 200]]), 40_000, np.random.default_rng(0))[:, 0]
    assert drawn.mean(axis=0) == pytest.approx([300, 500, 200], abs=0.5)
    covariance = np.cov(drawn.T)
    assert covariance[0, 0] == pytest.approx(210, rel=0.04)
    assert covariance[0, 1] == pytest.approx(-150, rel=0.06)


def test_exceedance_counts_the_observed_and_equals_up_to_rounding():
    null = np.array([0.1, 0.2, 0.1 + 0.2, 0.4])
    assert exceedance_p(null, 0.3) == 3 / 5
    assert exceedance_p(null, 1.0) == 1 / 5
    assert exceedance_p(null, 0.0) == 1.0


def test_an_undefined_rate_takes_no_part_in_the_spread_and_the_hull_holds_an_interval_and_its_mirror_image():
    assert spread_of_rates(np.array([[0.2, np.nan, 0.5], [0.2, 0.2, 0.2]])).tolist() == pytest.approx([0.3, 0.0])
    assert np.isnan(spread_of_rates(np.array([np.nan, np.nan])))
    # Deviations from -1 to 3: the percentile interval reaches 3 upwards, its mirror image 3 downwards.
    low, high = hull(10.0, np.linspace(-1, 3, 401), 0.0)
    assert (low, high) == pytest.approx((7.0, 13.0))


@pytest.mark.parametrize(
    ("rows", "columns"),
    [([30], [15, 15]), ([0, 30], [10, 11, 9]), ([5, 5, 5], [15]), ([30], [30]), ([3, 0, 4], [0, 5, 2]), ([8, 7], [0, 15])],
)
def test_shuffled_tables_keep_their_sums_and_hold_no_negative_count(rows, columns):
    drawn = shuffled_tables(np.array(rows), np.array(columns), 200, np.random.default_rng(0))
    assert (drawn >= 0).all()
    assert (drawn.sum(axis=2) == rows).all()
    assert (drawn.sum(axis=1) == columns).all()


def test_shuffled_tables_have_hypergeometric_cells():
    """Of 20 images, 8 of one kind, ten are dealt to either group: mean 4, variance 10 x .4 x .6 x 10 / 19 = 24 / 19."""
    cell = shuffled_tables(np.array([8, 12]), np.array([10, 10]), 40_000, np.random.default_rng(0))[:, 0, 0]
    assert (cell.mean(), cell.var()) == pytest.approx((4, 24 / 19), abs=0.03)


@pytest.mark.slow
def test_every_arrangement_of_labels_is_equally_likely():
    """30 arrangements of groups of 2, 1 and 2, 30,000 shuffles: chi-square on 29 degrees of freedom is below 58 in 999 of 1,000."""
    labels = shuffled_labels(np.array([2, 1, 0, 2]), 30_000, np.random.default_rng(1))
    assert (np.sort(labels, axis=1) == [0, 0, 1, 3, 3]).all()
    _, often = np.unique(labels, axis=0, return_counts=True)
    assert len(often) == 30
    assert ((often - 1000) ** 2 / 1000).sum() < 58


def test_shuffles_do_not_depend_on_how_many_are_made_at_once():
    """Groups of very different sizes; rows and columns without images change nothing, and tables count the labels."""
    rows, columns = np.array([1] * 500 + [0]), np.array([390, 0, 107, 3])
    together, apart, tables = (np.random.default_rng(5) for _ in range(3))
    labels = shuffled_labels(columns, 6, together)
    assert all(np.bincount(label, minlength=4).tolist() == columns.tolist() for label in labels)
    assert (labels == np.concatenate([shuffled_labels(columns, 2, apart) for _ in range(3)])).all()
    assert dealt_one_by_one(rows, columns)
    assert (shuffled_tables(rows, columns, 6, tables)[:, :500] == np.eye(4, dtype=int)[labels]).all()
    assert shuffled_labels(np.array([0, 0]), 2, together).shape == (2, 0)


def test_tables_are_those_of_scipy():
    rows, columns = np.array([300, 200, 0, 54]), np.array([154, 400])
    expected = random_table(rows[[0, 1, 3]], columns).rvs(size=50, random_state=np.random.default_rng(2))
    assert not dealt_one_by_one(rows, columns)
    tables = shuffled_tables(rows, columns, 50, np.random.default_rng(2))
    assert (tables[:, [0, 1, 3]] == expected).all()
    assert not tables[:, 2].any()
