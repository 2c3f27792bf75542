"""The curve of outcome against dose and its prediction interval: by hand, against statsmodels, and on planted doses."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t

from audit.extensions.causes.curve import DoseCurve
from audit.extensions.causes.facts import Audited, causes_of, predict_held_back
from audit.extensions.causes.models import planned_models
from audit.extensions.causes.outcome import RateOutcome
from audit.types import Settings
from tests.extensions.causes.samples import audited, plan, rate

DOSES = np.array([0.0, 0.25, 0.5, 0.75, 1.0])


@pytest.fixture
def audited_plan():
    """Rates that are 0 at dose 0, and vary over images elsewhere."""
    return plan(), audited(plan(), np.random.default_rng(7), slope=0.5)


def curve(outcome, dose, seed, degree=1, **more):
    return DoseCurve(np.asarray(dose, float), np.asarray(outcome, float), np.asarray(seed), degree, **more)


def test_a_line_through_four_models_by_hand():
    # Doses 0, 0, 1, 1 with outcomes 0, 2, 4, 6: the line is 1 + 4 dose.
    # Seeds 0 and 1 differ by 2 at both doses: the residuals are -1, 1, -1, 1.
    line = curve([0, 2, 4, 6], [0, 0, 1, 1], [0, 1, 0, 1])
    assert line.coefficients == pytest.approx([1, 4])
    parts = line.components
    # Sum of squares 4 with 2 degrees of freedom; with a mean of each seed it is 0 with 1: all of it is between seeds.
    assert (parts.df_within, parts.df_between) == (1, 1)
    assert (parts.within, parts.between) == (pytest.approx(0), pytest.approx(4))
    # Both seeds have both doses, so a seed moves the line as a whole: their expected mean square is 2 of_seed + within, and of_seed = 4/2.
    assert parts.size == pytest.approx(2)
    assert parts.of_seed == pytest.approx(2)
    # One more model of another seed at dose .5, where the line is the mean of the four models, two of each seed: 2 + 2/2 = 3, one df.
    predicted = line.predict(0.5, 0.05)
    assert predicted.value == pytest.approx(3)
    assert predicted.high - predicted.value == pytest.approx(12.7062 * 3**0.5, rel=1e-4)


def test_without_an_effect_of_the_seed_it_is_the_interval_of_ordinary_least_squares():
    sm = pytest.importorskip("statsmodels.api")
    rng = np.random.default_rng(3)
    dose, seed = np.tile(DOSES, 3), np.repeat([0, 1, 2], 5)
    checked = 0
    for degree in (1, 2):
        for _ in range(6):
            outcome = 0.1 + 0.4 * dose + rng.normal(0, 0.05, 15)
            fitted = curve(outcome, dose, seed, degree)
            if fitted.components.df_between:
                continue
            design = np.vander(dose, degree + 1, increasing=True)
            at = np.vander([0.6], degree + 1, increasing=True)
            frame = sm.OLS(outcome, design).fit().get_prediction(at).summary_frame(alpha=0.05)
            predicted = fitted.predict(0.6, 0.05)
            assert [predicted.value, predicted.low, predicted.high] == pytest.approx(
                frame[["mean", "obs_ci_lower", "obs_ci_upper"]].iloc[0]
            )
            checked += 1
    assert checked >= 3


def test_the_variances_of_seed_and_model_are_those_of_a_mixed_model():
    """For balanced data, restricted maximum likelihood equals the estimate by moments."""
    sm = pytest.importorskip("statsmodels.api")
    rng = np.random.default_rng(5)
    dose, seed = np.tile(DOSES, 6), np.repeat(np.arange(6), 5)
    outcome = 30 * dose + rng.normal(0, 10, 6)[seed] + rng.normal(0, 5, 30)
    parts = curve(outcome, dose, seed).components
    mixed = sm.MixedLM(outcome, sm.add_constant(dose), groups=seed).fit(reml=True)
    assert parts.within == pytest.approx(mixed.scale, rel=1e-3)
    assert parts.of_seed == pytest.approx(float(np.asarray(mixed.cov_re)[0, 0]), rel=1e-2)


def test_nothing_depends_on_the_order_or_the_unit_of_the_outcome():
    rng = np.random.default_rng(2)
    dose, seed, outcome = np.tile(DOSES, 2), np.repeat([4, 9], 5), rng.normal(size=10)
    order = rng.permutation(10)
    base, shuffled = curve(outcome, dose, seed), curve(outcome[order], dose[order], seed[order])
    scaled = curve(100 * outcome + 7, dose, 1 - seed)
    for at in (0.1, 0.6):
        one, other, hundred = (item.predict(at, 0.05) for item in (base, shuffled, scaled))
        assert (one.low, one.high) == pytest.approx((other.low, other.high))
        assert (hundred.low, hundred.high) == pytest.approx((100 * one.low + 7, 100 * one.high + 7))


def test_one_seed_has_no_prediction_interval():
    assert curve([0.0, 0.1, 0.3], [0, 0.5, 1], [0, 0, 0]).predict(0.25, 0.05) is None


def test_where_outcomes_vary_more_over_images_the_interval_is_wider_by_hand():
    # Variances over images 0 at dose 0 and 2 at dose 1, mean 1: at dose .75 1.5 is expected, .5 more; at dose .25 not more.
    outcome, dose, seed = [0, 2, 4, 6], [0, 0, 1, 1], [0, 1, 0, 1]
    line, usual = (curve(outcome, dose, seed, image_variance=variances) for variances in (np.array([0.0, 0, 2, 2]), None))
    for at, more in ((0.25, 0.0), (0.75, 0.5)):
        variance, df = usual.band(usual.weights(at), new_models=1.0)
        predicted = line.predict(at, 0.05)
        assert predicted.high - predicted.value == pytest.approx(t.ppf(0.975, df) * (variance + more) ** 0.5)


def test_held_back_models_are_judged_by_the_interval_that_was_written_before(audited_plan):
    planned, models = audited_plan
    fitted = [one for one in models if one.model.part == "fit"]
    written = predict_held_back(planned, fitted, "now")
    facts = causes_of(planned, models, (written, True), None)
    assert {held.interval for held in facts.held_back} == {written.doses[0].interval}
    assert next(point for point in facts.points if point.held_back).predicted == written.doses[0].interval


@pytest.mark.parametrize(("degree", "shape"), [(1, lambda dose: 0.05 + 0.4 * dose), (2, lambda dose: 0.5 * dose**2)])
@pytest.mark.parametrize("of_seed", [0.0, 0.04])
@pytest.mark.parametrize(("runs", "least"), [(40, 0.875), pytest.param(500, 0.93, marks=pytest.mark.slow)])
def test_prediction_intervals_cover_a_held_back_model(degree, shape, of_seed, runs, least):
    """Planted runs with unequal numbers of images: 95 % of the held-back models are expected inside."""
    rng, inside, doses = np.random.default_rng(11), [], np.array([0.0, 0.25, 0.5, 1.0])
    for _ in range(runs):
        shift = rng.normal(0, of_seed, 4)
        dose, seed = np.tile(doses, 3), np.repeat([0, 1, 2], 4)
        drawn = [
            rate(0.2 + shape(at) * 0.6 + shift[own] + rng.normal(0, 0.03), rng, int(rng.integers(60, 300)))
            for at, own in zip(dose, seed, strict=True)
        ]
        fitted = curve([one.value for one in drawn], dose, seed, degree, image_variance=np.array([one.variance for one in drawn]))
        held = rate(0.2 + shape(0.75) * 0.6 + shift[3] + rng.normal(0, 0.03), rng, int(rng.integers(60, 300)))
        predicted = fitted.predict(0.75, 0.05)
        inside.append(predicted.low <= held.value <= predicted.high)
    assert np.mean(inside) >= least


@pytest.mark.slow
@pytest.mark.parametrize("runs", [25, pytest.param(300, marks=pytest.mark.slow)])
def test_the_interval_over_seeds_and_images_covers_a_planted_change(runs):
    """Planted runs, whose models see the same images: an image that is hard for one is hard for all."""
    rng, of, covered, truth = np.random.default_rng(23), plan(held_back=(), fit="linear", arms=()), [], 0.3
    for _ in range(runs):
        hard = rng.random(165)  # of each image; 33 roles of 5 images
        hard = 0.5 * hard + 0.5 * np.repeat(hard[::5], 5)
        spread = rng.normal(0, 0.02, 3)

        def outcome(level, hard=hard):
            event = hard + rng.normal(0, 0.05, 165) < np.quantile(SUPERPOPULATION, level)
            influence = pd.Series((event - event.mean()) / 165).groupby(np.arange(165) // 5).sum()
            return RateOutcome(float(event.mean()), influence, (165,))

        def audited(model, spread=spread):
            level = 0.1 + truth * model.dose + spread[model.seed] + rng.normal(0, 0.02)
            return Audited(model, outcome(level), rate(0.9, rng), "inconclusive", "", Settings())

        models = [audited(model) for model in planned_models(of)]
        change = causes_of(of, models, (None, False), None).curve.change
        covered.append(change.low <= truth <= change.high)
    assert np.mean(covered) >= 0.92  # of 25 at most two are missed: a true 95 % misses three or more in one of eight tries


def _superpopulation():
    rng = np.random.default_rng(0)
    hard = rng.random(200_000)
    return 0.5 * hard + 0.5 * np.repeat(hard[::5], 5) + rng.normal(0, 0.05, 200_000)


SUPERPOPULATION = _superpopulation()
"""Difficulty of images, of which each planted run draws 33 roles."""
