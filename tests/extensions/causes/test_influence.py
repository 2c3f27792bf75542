"""Groups left out one at a time: rank correlations by hand and against SciPy, what must not matter, and what a proxy may be called."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr

from audit.extensions.causes.influence import influence_of, rank_correlation, reliability, seed_agreement, spearman, whole_seeds
from audit.extensions.causes.models import affordable, planned_models
from audit.extensions.causes.record import FILE
from audit.records.base import Estimate
from tests.extensions.causes.samples import GROUPS, INFLUENCE, audited, plan, proxies, sample

EXACT = [-taken for taken in GROUPS.values()]


def test_a_rank_correlation_with_its_interval_by_hand():
    # Ranks 1 2 3 4 5 and 2 1 3 4 5: 1 - 6 * 2 / (5 * 24) = .9. z = 1.4722, its deviation ((1 + .405) / 2)^.5 = .83815.
    first, second = np.array([1.0, 2, 3, 4, 5]), np.array([20.0, 10, 30, 40, 50])
    made = rank_correlation(first, second, 0.05)
    assert made.value == 0.9
    assert (made.low, made.high) == pytest.approx((np.tanh(1.47222 - 1.95996 * 0.83815), np.tanh(1.47222 + 1.95996 * 0.83815)), abs=1e-4)


def test_rank_correlations_are_those_of_scipy_also_with_ties():
    rng = np.random.default_rng(0)
    for _ in range(20):
        first, second = rng.integers(0, 5, 9).astype(float), rng.integers(0, 5, 9).astype(float)
        assert spearman(first, second) == pytest.approx(spearmanr(first, second).statistic)


def test_the_interval_covers_the_correlation_of_the_population():
    rng, covered, inside = np.random.default_rng(1), 0, 6 / np.pi * np.arcsin(0.6 / 2)  # Spearman's of a normal with r = .6
    for _ in range(400):
        x = rng.normal(size=10)
        made = rank_correlation(x, 0.6 * x + 0.8 * rng.normal(size=10), 0.05)
        covered += made.low <= inside <= made.high
    assert 0.91 <= covered / 400 <= 0.99


def test_equal_values_have_no_order():
    assert spearman(np.ones(5), np.arange(5.0)) is None
    assert rank_correlation(np.arange(5.0), np.ones(5), 0.05) is None
    assert seed_agreement(np.ones((5, 2))) is None
    assert seed_agreement(np.ones((5, 1))) is None


def test_a_perfect_order_of_few_groups_is_not_certain():
    made = rank_correlation(np.arange(4.0), np.arange(4.0), 0.05)
    assert (made.value, made.high) == (1.0, 1.0)
    assert made.low < 0


def test_agreement_and_reliability_by_hand():
    # Seeds 1-2: .8; 1-3: 1 - 6 * 8 / 60 = .2; 2-3: -.4 (ranks 1324 and 2143: 1 + 4 + 4 + 1 = 10, 1 - 60 / 60 = 0).
    values = np.array([[1.0, 1, 2], [2, 3, 1], [3, 2, 4], [4, 4, 3]])
    each = [spearmanr(values[:, a], values[:, b]).statistic for a, b in ((0, 1), (0, 2), (1, 2))]
    assert seed_agreement(values) == pytest.approx(np.mean(each))
    assert reliability(0.5, 3) == pytest.approx(0.75)


@pytest.fixture(scope="module")
def made():
    of = plan(influence=INFLUENCE)
    return of, audited(of, np.random.default_rng(1))


def test_effects_are_differences_with_the_same_seed(made):
    of, models = made
    influence = influence_of(of, models, proxies(of, EXACT))
    assert [group.difference for group in influence.groups] == sorted(group.difference for group in influence.groups)
    first = influence.groups[0]
    assert first.group == "women in the planted roles"
    values = {one.model.name: one.outcome.value for one in models}
    expected = [values[f"without-0-women-in-the-planted-roles-seed-{seed}"] - values[f"dose-1-seed-{seed}"] for seed in (0, 1, 2)]
    assert [seed.difference for seed in first.seeds] == expected
    assert first.difference == pytest.approx(np.mean(expected))
    assert first.effect.high < 0  # planted: -30 points
    assert first.effect.value == pytest.approx(first.difference)
    assert influence.reliability > 0.8
    assert influence.ranks("difference") == (1, 2, 3, 4, 5, 6)


def test_neither_the_order_of_groups_nor_the_scale_of_a_proxy_matters(made):
    of, models = made
    values = [0.3, -0.2, 0.1, 0.5, -0.4, 0.0]
    whole = influence_of(of, models, proxies(of, values))
    order = [3, 0, 5, 1, 4, 2]
    groups = tuple(INFLUENCE.groups[g] for g in order)
    other = replace(of, influence=replace(INFLUENCE, groups=groups))
    # The similarity of a sample is its TracIn in reverse, which the order of groups would change: it is compared by the first proxy alone.
    shuffled = influence_of(other, models, proxies(other, [7 * values[g] for g in order]))
    assert shuffled.proxies[0].correlation == whole.proxies[0].correlation
    assert shuffled.agreement == whole.agreement
    assert [(group.group, group.difference, group.effect) for group in shuffled.groups] == [
        (group.group, group.difference, group.effect) for group in whole.groups
    ]


def test_a_proxy_explains_only_above_a_half_with_an_interval_above_0_and_a_reproducible_order(made):
    of, models = made
    influence = influence_of(of, models, proxies(of, EXACT))
    check = influence.proxies[0]
    assert check.correlation.value > 0.9
    assert influence.judgement(check) == "explains"
    for estimate in (Estimate(0.49, 0.2, 0.8), Estimate(0.7, -0.05, 0.9), Estimate(-0.9, -0.99, -0.5), None):
        assert influence.judgement(replace(check, correlation=estimate)) == "does not explain"
    for unreliable in (0.2, 0.0, None):  # the root of .2 is .45
        assert replace(influence, reliability=unreliable).judgement(check) == "cannot be judged"


def test_a_seed_counts_with_all_of_its_models_only(made):
    of, models = made
    trained = {(one.model.arm, one.model.seed): one for one in models if one.model.dose == 1.0 and one.model.part in ("fit", "left out")}
    assert whole_seeds(INFLUENCE, trained) == (0, 1, 2)
    del trained["without flags", 1]
    assert whole_seeds(INFLUENCE, trained) == (0, 2)
    assert influence_of(of, models, {}) is None
    assert influence_of(plan(), models, {}) is None


def test_models_of_a_plan_with_influence():
    of = plan(influence=replace(INFLUENCE, seeds=(1,)))
    models = planned_models(of)
    assert [model.part for model in models].count("left out") == 6
    assert {model.seed for model in models if model.part == "left out"} == {1}
    kept = [model.name for model in models if "run.keep_every=15" in model.overrides]
    assert kept == ["dose-1-seed-1"]
    others = [model for model in models if model.part != "left out"]
    assert [model.overrides for model in planned_models(plan())] == [
        tuple(part for part in model.overrides if "run.keep_" not in part) for model in others
    ]
    # Per seed 4 + 2 + 1 models, and 6 more for seed 1: two seeds take 20 models, not 14.
    assert {model.seed for model in affordable(of, 10, 199)} == {0}
    assert {model.seed for model in affordable(of, 10, 200)} == {0, 1}


@pytest.mark.slow
def test_the_facts_of_a_plan_without_influence_are_as_before():
    without, with_groups = json.loads(FILE.to_json(sample())), json.loads(FILE.to_json(sample(influence=INFLUENCE)))
    assert with_groups.keys() - without.keys() == {"influence"}
    assert with_groups["plan"].keys() - without["plan"].keys() == {"influence"}
    assert FILE.from_json(FILE.to_json(sample())) == sample()
