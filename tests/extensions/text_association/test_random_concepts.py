"""Random concepts: by hand, by a slow loop, and what is refused."""

import math

import numpy as np
import pytest

from audit.extensions.text_association.computation import random_concept_effects

WORDS = (np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]))


def test_four_concepts_by_hand():
    """Associations 1, 1, -1, -1 in sets of two: together or apart (d = ±2 / √(4 / 3) = ±1.732, 2 of 6 ways) or mixed (d = 0, 4 of 6)."""
    concepts = np.array([[1.0, 0], [2, 0], [0, 1], [0, 3]])
    found = random_concept_effects(concepts, (2, 2), WORDS, np.random.default_rng(0), draws=3000)
    assert set(np.abs(found).round(6)) == {0.0, round(2 / math.sqrt(4 / 3), 6)}
    assert np.mean(found == 0) == pytest.approx(4 / 6, abs=0.03)


def test_effects_equal_a_slow_loop_over_the_same_sets_and_ignore_lengths():
    concepts = np.random.default_rng(1).normal(size=(9, 2))
    found = random_concept_effects(concepts, (3, 2), WORDS, np.random.default_rng(2), draws=20)
    unit = concepts / np.linalg.norm(concepts, axis=1, keepdims=True)
    order = np.random.default_rng(2).permuted(np.tile(np.arange(9), (20, 1)), axis=1)
    for row, value in zip(order, found, strict=True):
        nearer = [float(unit[i, 0] - unit[i, 1]) for i in row[:5]]
        mean = sum(nearer) / 5
        deviation = math.sqrt(sum((each - mean) ** 2 for each in nearer) / 4)
        assert value == pytest.approx((sum(nearer[:3]) / 3 - sum(nearer[3:]) / 2) / deviation, abs=1e-12)
    np.testing.assert_allclose(random_concept_effects(5 * concepts, (3, 2), WORDS, np.random.default_rng(2), draws=20), found)


def test_equal_concepts_have_no_effect_and_too_few_are_refused():
    assert random_concept_effects(np.ones((4, 2)), (2, 2), WORDS, np.random.default_rng(0), draws=5).tolist() == [0.0] * 5
    for sizes in ((1, 2), (3, 2)):
        with pytest.raises(ValueError, match="no more than there are"):
            random_concept_effects(np.ones((4, 2)), sizes, WORDS, np.random.default_rng(0))
