"""Effective robustness: by hand, against numpy's fit of logits, by what must not matter, and not estimable where it cannot be."""

import numpy as np
import pytest

from audit.extensions.natural_shift.effective_robustness import FEWEST_MODELS, Accuracy, baseline_fit

STANDARD = np.array([1 / 2, 2 / 3, 4 / 5, 8 / 9])
"""Odds 1, 2, 4, 8."""
HALF_THE_ODDS = np.array([1 / 3, 1 / 2, 2 / 3, 4 / 5])
MANY = 10**9


def test_a_model_on_the_line_has_none_and_one_above_it_what_it_is_above():
    """Odds halve under the shift: of 3/4 (odds 3) 3/5 is expected (odds 3/2). A model with 0.7 there has 0.1 more than that."""
    fit = baseline_fit(STANDARD, HALF_THE_ODDS)
    assert (fit.slope, fit.intercept) == pytest.approx((1.0, np.log(0.5)))
    assert fit.scatter == pytest.approx(0.0, abs=1e-9)
    on_it, above = (fit.expected(Accuracy(0.75, MANY), Accuracy(shifted, MANY), 0.05) for shifted in (0.6, 0.7))
    assert (on_it.predicted, on_it.value) == pytest.approx((0.6, 0.0), abs=1e-9)
    assert above.value == pytest.approx(0.1)
    assert 0 < above.low <= above.value <= above.high


def random_models(seed, models=30):
    rng = np.random.default_rng(seed)
    standard = rng.uniform(0.2, 0.95, models)
    logits = 0.8 * np.log(standard / (1 - standard)) - 0.7 + rng.normal(0, 0.2, models)
    return standard, 1 / (1 + np.exp(-logits))


@pytest.mark.parametrize("seed", range(5))
def test_the_line_is_numpys_fit_of_the_logits(seed):
    standard, shifted = random_models(seed)
    x, y = np.log(standard / (1 - standard)), np.log(shifted / (1 - shifted))
    slope, intercept = np.polyfit(x, y, 1)
    fit = baseline_fit(standard, shifted)
    np.testing.assert_allclose((fit.slope, fit.intercept), (slope, intercept), rtol=1e-10)
    predicted = 1 / (1 + np.exp(-(slope * np.log(0.6 / 0.4) + intercept)))
    found = fit.expected(Accuracy(0.6, MANY), Accuracy(0.5, MANY), 0.05)
    assert (found.predicted, found.value) == pytest.approx((predicted, 0.5 - predicted))


def test_the_interval_is_that_of_a_prediction():
    """Of 1,000 times eleven models of which the last is the new one, its interval holds 0 in 95 %."""
    held = 0
    for seed in range(1000):
        standard, shifted = random_models(seed, 11)
        found = baseline_fit(standard[:10], shifted[:10]).expected(Accuracy(standard[10], MANY), Accuracy(shifted[10], MANY), 0.05)
        held += found.low <= 0 <= found.high
    assert held / 1000 == pytest.approx(0.95, abs=0.02)


def test_neither_the_order_of_the_models_nor_exchanging_right_and_wrong_matters():
    """With errors in place of right answers every logit changes its sign, and so does effective robustness."""
    standard, shifted = random_models(3)
    fit, again = baseline_fit(standard, shifted), baseline_fit(standard[::-1], shifted[::-1])
    assert (again.slope, again.intercept, again.scatter) == pytest.approx((fit.slope, fit.intercept, fit.scatter))
    wrong = baseline_fit(1 - standard, 1 - shifted)
    right, turned = (each.expected(Accuracy(a, 500), Accuracy(b, 500), 0.05) for each, a, b in ((fit, 0.7, 0.6), (wrong, 0.3, 0.4)))
    assert (turned.value, turned.low, turned.high) == pytest.approx((-right.value, -right.high, -right.low))


def test_fewer_images_widen_the_interval():
    fit = baseline_fit(*random_models(4))
    many, few = (fit.expected(Accuracy(0.7, n), Accuracy(0.6, n), 0.05) for n in (10_000, 100))
    assert few.value == many.value
    assert few.high - few.low > many.high - many.low


def test_too_few_models_or_models_of_one_accuracy_make_no_line():
    assert baseline_fit(STANDARD[:3], HALF_THE_ODDS[:3]) is None
    assert baseline_fit(np.append(STANDARD[:3], 1.0), np.append(HALF_THE_ODDS[:3], 0.9)) is None
    assert baseline_fit(np.full(FEWEST_MODELS, 0.5), HALF_THE_ODDS) is None
    assert baseline_fit(np.zeros(0), np.zeros(0)) is None
    assert baseline_fit(STANDARD, HALF_THE_ODDS).expected(Accuracy(0.7, 100), Accuracy(1.0, 100), 0.05) is None
