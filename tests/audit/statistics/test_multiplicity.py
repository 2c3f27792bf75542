"""Adjusted p-values against golden numbers and two other libraries."""

import numpy as np
import pytest
from scipy.stats import false_discovery_control
from statsmodels.stats.multitest import multipletests

from audit.statistics.multiplicity import benjamini_hochberg, holm

P = np.array([0.001, 0.008, 0.039, 0.041, 0.042, 0.06, 0.074, 0.205])
ORDER = np.array([5, 2, 7, 0, 3, 6, 1, 4])
RANDOM = [np.random.default_rng(seed).beta(0.3, 1, size=1 + 3 * seed) for seed in range(20)]


@pytest.mark.parametrize(
    ("adjust", "expected", "atol"),
    [
        (holm, [0.008, 0.056, 0.234, 0.234, 0.234, 0.234, 0.234, 0.234], 1e-12),
        (benjamini_hochberg, [0.008, 0.032, 0.0672, 0.0672, 0.0672, 0.08, 0.0846, 0.205], 5e-5),
    ],
)
def test_golden_in_any_order(adjust, expected, atol):
    np.testing.assert_allclose(adjust(P), expected, atol=atol)
    np.testing.assert_allclose(adjust(P[ORDER]), np.array(expected)[ORDER], atol=atol)


@pytest.mark.parametrize("p", RANDOM, ids=len)
def test_holm_equals_statsmodels_and_benjamini_hochberg_scipy(p):
    np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1], atol=1e-12)
    np.testing.assert_allclose(benjamini_hochberg(p), false_discovery_control(p), atol=1e-12)


@pytest.mark.parametrize("adjust", [holm, benjamini_hochberg])
def test_one_comparison_needs_no_correction_and_none_gives_none(adjust):
    assert adjust(np.array([0.03])).tolist() == [0.03]
    assert adjust(np.array([])).tolist() == []
