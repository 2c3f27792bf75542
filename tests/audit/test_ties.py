"""What differs only by the order in which a sum was added counts as equal, in every test that counts draws."""

import numpy as np
import pytest

from audit.statistics.metrics import extremes
from audit.statistics.most_significant import most_significant_pair
from audit.statistics.null import ShuffledNull, sign_flip_p
from audit.statistics.resampling import exceedance_p, sequential_p
from audit.ties import first_largest, least_equal

SUM = 0.1 + 0.2
"""Larger than 0.3 by a rounding."""
ROUNDED = SUM - 0.3
"""0 but for a rounding."""


@pytest.mark.parametrize(("one", "other"), [(0.3, SUM), (SUM, 0.3), (0.0, ROUNDED), (ROUNDED, 0.0), (1e6 * SUM, 1e6 * 0.3)])
def test_equal_values_reach_each_other_and_others_do_not(one, other):
    assert one >= least_equal(other)
    assert one < least_equal(other + 1e-6 * max(1, other))


def test_a_tie_is_judged_by_the_size_of_what_was_added():
    """Of terms of a million, a sum of a ten-thousandth is a rounding; of terms of a millionth it is a value."""
    assert least_equal(1e-4, 1e6) < 0 < least_equal(1e-4, 1e-6)


def test_of_equal_values_the_first_leads():
    assert first_largest(np.array([0.3, SUM, 0.1])) == 0
    assert most_significant_pair(np.array([0.3, SUM, 0.0]), np.ones((3, 3))) == (0, 2)
    assert extremes(np.array([0.3, SUM, ROUNDED, 0.0])) == (0, 3)
    assert extremes(np.array([ROUNDED, 0.0, 0.3, SUM])) == (2, 1)


def test_a_p_from_draws_counts_ties_at_nothing():
    assert exceedance_p(np.array([0.0, ROUNDED, 0.3]), ROUNDED) == 1.0
    assert exceedance_p(np.array([0.0, ROUNDED, 0.3]), SUM) == 0.5
    assert sequential_p([np.array([0.0, ROUNDED])], ROUNDED) == 1.0


@pytest.mark.parametrize("seen", [0.0, ROUNDED])
def test_the_smallest_of_several_p_counts_them_too(seen):
    """Groups that are equal but for rounding: every shuffle is as extreme."""
    drawn = np.array([[0.0, 0.3], [ROUNDED, SUM], [0.0, 0.1]])
    combined, each = ShuffledNull(drawn).p(np.array([seen, 0.3]))
    assert each.tolist() == [1.0, 0.75]
    assert combined == 1.0
    many, _ = ShuffledNull(drawn).p(np.array([[seen, 0.3], [seen, 0.3]]))
    assert many.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4, 5], [1, 4, 2, 0, 3, 5]])
def test_signs_are_flipped_with_the_same_p_in_any_order(order):
    differences = np.array([0.1, -0.6, -0.7, 0.1, 0.6, 0.5])[order]
    assert sign_flip_p(differences, 99, np.random.default_rng(0)) == 1.0
