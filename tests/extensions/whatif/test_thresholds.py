"""fairlearn's ThresholdOptimizer, fitted on one half and shown on the other."""

import numpy as np
import pytest

from audit.errors import DataError
from audit.extensions.whatif.thresholds import fit_thresholds


def planted(seed, n=4000):
    """Group 1's scores lie .2 lower at the same truth: a common threshold selects fewer of it."""
    source = np.random.default_rng(seed)
    codes, truth = source.integers(0, 2, n), source.random(n) < 0.5
    scores = np.clip(0.5 + 0.25 * np.where(truth, 1, -1) - 0.2 * codes + 0.15 * source.standard_normal(n), 0, 1)
    return scores, truth, codes


def gap(rate, codes):
    return abs(rate[codes == 0].mean() - rate[codes == 1].mean())


def test_the_gap_closes_on_the_other_half_and_the_seed_fixes_the_answers():
    scores, truth, codes = planted(0)
    shown_scores, shown_truth, shown_codes = planted(1)
    plain = shown_scores > 0.5
    fair = fit_thresholds(scores, truth, codes, "demographic_parity").answer(shown_scores, shown_codes, seed=0)
    assert gap(plain, shown_codes) > 0.15
    assert gap(fair, shown_codes) < 0.04
    equal = fit_thresholds(scores, truth, codes, "true_positive_rate_parity").answer(shown_scores, shown_codes, seed=0)
    assert gap(equal[shown_truth], shown_codes[shown_truth]) < 0.04 < gap(plain[shown_truth], shown_codes[shown_truth])
    fitted = fit_thresholds(*planted(2), "equalized_odds")
    scores, _, codes = planted(3)
    assert (fitted.answer(scores, codes, 5) == fitted.answer(scores, codes, 5)).all()
    assert fitted.answer(scores, codes, 5).dtype == bool


def test_a_group_with_one_truth_or_one_that_was_not_fitted_is_refused():
    scores, truth, codes = planted(4, 200)
    truth[codes == 1] = True
    with pytest.raises(DataError, match="group number 1"):
        fit_thresholds(scores, truth, codes, "demographic_parity")
    fitted = fit_thresholds(*planted(5, 400), "demographic_parity")
    with pytest.raises(DataError, match="group number 2"):
        fitted.answer(np.array([0.5]), np.array([2]), 0)
