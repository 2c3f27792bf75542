"""Weighted rates and their errors: by hand, against statsmodels, and what must not matter."""

from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy.stats import beta, binom

from audit.statistics.counts import IMAGES, WEIGHT, grouped_counts
from audit.statistics.findings import decide_verdicts, findings
from audit.statistics.intervals import wilson
from audit.statistics.metrics import METRICS, majority_baseline, point_estimates, tally
from audit.statistics.units.cluster_null import clustered_gap_test
from audit.statistics.units.cluster_units import WeightedUnits
from audit.statistics.units.clusters import weighted_table
from audit.statistics.units.weighted import WeightedTable, unseen_weight, weight_strata
from audit.types import Claim, LabelSet, Measurement, Predictions, Settings

ANSWERS = ("yes", "no")
CLAIMS = (Claim("accuracy", ("race",)), Claim("selection_rate", ("race", "sex"), "yes"), Claim("true_positive_rate", ("race",), "yes"))
ASKED = Measurement("m", "?", LabelSet("m", ANSWERS, {}), "none", CLAIMS, truth="y_true", outcomes={"yes": ("yes",)})
LEVELS = {"race": ("A", "B", "C"), "sex": ("f", "m")}
SETTINGS = Settings(draws=499)
OF_UNITS = ("clusters", "effective_clusters", "intracluster_correlation", "effective_n", "standard_error")


def answered(weight=None, n=600, seed=0, cluster=None):
    source = np.random.default_rng(seed)
    race, sex, truth = (source.choice(levels, n) for levels in (list("ABC"), list("fm"), list(ANSWERS)))
    right = source.random(n) < np.select([race == "A", race == "B"], [0.9, 0.8], 0.6)
    answer = np.where(right, truth, np.where(truth == "yes", "no", "yes"))
    attributes = pd.DataFrame({"race": race, "sex": sex})
    none = np.zeros((n, 0), np.float32)
    return Predictions(ANSWERS, ANSWERS, none, answer, truth, attributes, none[0], cluster=cluster, weight=weight)


def lognormal(n=600, seed=1):
    return np.random.default_rng(seed).lognormal(0, 0.8, n)


def found(predictions):
    return decide_verdicts(findings(ASKED, predictions, LEVELS, SETTINGS), SETTINGS, limited=False)[0]


def units(codes, event, weight, cluster=None):
    groups = int(codes.max()) + 1
    table, squares = weighted_table(cluster, codes, event, weight, groups)
    return WeightedUnits.by(WeightedTable(table, squares, np.bincount(codes)), clustered=cluster is not None)


def heavy_errors(n, heavy, ratio, errors):
    """Two groups of n images, `heavy` of which weigh so much more and hold all errors of the first group; the second has none."""
    weight = np.where(np.arange(n) < heavy, ratio, 1.0)
    event = np.ones(2 * n, bool)
    event[:errors] = False
    return units(np.repeat([0, 1], n), event, np.tile(weight, 2))


@pytest.mark.parametrize(("n", "heavy", "ratio"), [(2000, 10, 100.0), (500, 8, 20.0), (5000, 15, 200.0), (100, 5, 3.0)])
def test_heavy_images_without_an_error_do_not_show_equivalence(n, heavy, ratio):
    # Their errors would be 5 % of all weight, and in one of five files (of eight, of five) none of the few shows one.
    found = heavy_errors(n, heavy, ratio, errors=0)
    assert super(WeightedUnits, found).equivalence_bound(0.05) < 0.05
    assert found.equivalence_bound(0.05) > 0.05


@pytest.mark.slow
def test_at_the_tolerance_heavy_images_show_equivalence_in_at_most_seven_of_a_hundred_files():
    for n, heavy, ratio in ((2000, 10, 100.0), (500, 8, 20.0), (5000, 15, 200.0), (100, 5, 3.0)):
        rate = 0.05 * (n - heavy + heavy * ratio) / (heavy * ratio)
        wrong = sum(
            binom.pmf(errors, heavy, rate)
            for errors in range(heavy + 1)
            if heavy_errors(n, heavy, ratio, errors).equivalence_bound(0.05) < 0.05
        )
        assert wrong <= 0.07


@pytest.mark.slow
def test_equivalence_keeps_its_power_under_ordinary_weights():
    source, shown = np.random.default_rng(0), []
    for _ in range(150):
        found = units(np.repeat([0, 1], 500), source.random(1000) < 0.99, source.lognormal(0, 1, 1000))
        shown.append((super(WeightedUnits, found).equivalence_bound(0.05) < 0.05, found.equivalence_bound(0.05) < 0.05))
    before, now = np.mean(shown, axis=0)
    assert now >= 0.8
    assert now >= before - 0.03


def test_what_heavy_images_may_hold_unseen_by_hand():
    # Two images of weight 8, one with the event, and 16 of weight 1, all with it: half the weight each. The gap of 8 makes two strata.
    found = units(np.zeros(18, int), np.array([True, False] + [True] * 16), np.array([8.0, 8.0] + [1.0] * 16))
    (lower,), (higher,) = found.unscaled.unseen(0.05)
    # Without the event is one image of 8, of which .95 may be unseen. With it: c = 8 x .05 = .4 for the one of 8 alone is less than 1, so
    # all 17 may: c^17 = 8 x .05, and 8 + 16 - 17 c.
    assert float(higher) == pytest.approx(0.95 * 8 / 32)
    assert float(lower) == pytest.approx((24 - 17 * 0.4 ** (1 / 17)) / 32)


@pytest.mark.parametrize("n", [5, 60, 400])
def test_of_equal_images_the_unseen_rate_is_clopper_and_pearson_s_limit(n):
    (lower,), (higher,) = units(np.zeros(n, int), np.zeros(n, bool), np.full(n, 3.0)).unscaled.unseen(0.05)
    assert (float(lower), float(higher)) == (0.0, pytest.approx(beta.ppf(0.95, 1, n)))


@pytest.mark.parametrize("seed", range(3))
def test_no_other_rates_hide_more_weight_with_the_same_chance(seed):
    source = np.random.default_rng(seed)
    weight, images = source.lognormal(0, 1, 6), source.integers(1, 9, 6).astype(float)
    most = unseen_weight(weight, images, 0.05)
    rates = 1 - np.exp(np.log(0.05) * source.dirichlet(np.full(6, 0.3), 20_000) / images)  # the product of (1 - q) over all is .05
    assert 0.8 * most < float((rates @ (images * weight)).max()) <= most


def test_weights_are_one_stratum_up_to_a_gap_or_a_tenth():
    assert weight_strata(np.geomspace(1, 9, 8)).tolist() == [0] * 8
    assert weight_strata(np.array([1.0, 3.0, 5.0])).tolist() == [1, 0, 0]
    chained = np.repeat([100.0, 40.0, 15.0, 6.0, 2.5, 1.0], [10, 2, 2, 2, 2, 20])
    assert np.unique(weight_strata(chained), return_counts=True)[1].tolist() == [14, 4, 20]


def test_one_stratum_of_weights_changes_nothing():
    codes, event = np.repeat([0, 1], 300), np.random.default_rng(0).random(600) < 0.9
    found = units(codes, event, np.where(np.arange(600) % 2, 1.0, 2.0))
    assert found.equivalence_bound(0.05) == pytest.approx(super(WeightedUnits, found).equivalence_bound(0.05), abs=2e-3)


def plain(finding, without=OF_UNITS):
    """Return a finding without what is said of its units."""
    record = asdict(finding)
    for rate in (*record["by_group"], record["overall"]):
        for name in without:
            del rate[name]
    return record


def close(one, two, tolerance=1e-9):
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(close(one[name], two[name], tolerance) for name in one)
    if isinstance(one, list | tuple):
        return len(one) == len(two) and all(close(*pair, tolerance) for pair in zip(one, two, strict=True))
    return one == pytest.approx(two, rel=tolerance, abs=tolerance) if isinstance(one, float) else one == two


def test_by_hand():
    """Weights 1, 1, 2 of yes, no, yes: 3 of 4. Residuals .25, -.75 and twice .25: their squares are .875, over 4 squared. 16 / 6 images."""
    made = units(np.zeros(3, int), np.array([True, False, True]), np.array([1.0, 1.0, 2.0]))
    [group] = made.clustering()
    assert (made.events / made.n).tolist() == pytest.approx([0.75])
    assert group.standard_error == pytest.approx((0.875 / 16) ** 0.5)
    assert group.effective_n == pytest.approx(16 / 6)
    assert (group.clusters, group.effective_clusters) == (None, None)


def test_clusters_by_hand():
    """The two of weight 1 are one person: residuals of persons are -.5 and .5, squares .5, over 16; two persons, of weight 2 each."""
    made = units(np.zeros(3, int), np.array([True, False, True]), np.array([1.0, 1.0, 2.0]), np.array([7, 7, 3]))
    [group] = made.clustering()
    assert group.standard_error == pytest.approx((0.5 / 16) ** 0.5)
    assert (group.clusters, group.effective_clusters, group.effective_n) == (2, pytest.approx(2), pytest.approx(16 / 6))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("clustered", [False, True])
def test_rates_and_their_covariance_are_those_of_weighted_regression_with_robust_errors(seed, clustered):
    source, n = np.random.default_rng(seed), 200
    codes, weight, owner = source.integers(3, size=n), source.lognormal(0, 1, n), source.integers(40, size=n)
    event = source.random(n) < 0.7
    made = units(codes, event, weight, owner if clustered else None)
    how = {"cov_type": "cluster", "cov_kwds": {"groups": owner, "use_correction": False}} if clustered else {"cov_type": "HC0"}
    model = sm.WLS(event.astype(float), np.eye(3)[codes], weights=weight).fit(**how)
    sums = made.table.sums
    np.testing.assert_allclose(sums.rates, model.params, rtol=1e-8)
    np.testing.assert_allclose([each.standard_error for each in made.clustering()], model.bse, rtol=1e-8)
    np.testing.assert_allclose(sums.residuals / np.outer(sums.n, sums.n), model.cov_params(), rtol=1e-8, atol=1e-14)


def test_a_logistic_model_with_weights_has_the_same_errors():
    source, n = np.random.default_rng(5), 300
    codes, weight, event = source.integers(2, size=n), source.choice([0.5, 1.0, 4.0], n), source.random(n) < 0.3
    made = units(codes, event, weight)
    family = sm.families.Binomial()
    model = sm.GLM(event.astype(float), np.eye(2)[codes], family=family, var_weights=weight).fit(cov_type="HC0", tol=1e-13)
    rates = made.table.sums.rates
    np.testing.assert_allclose(rates, 1 / (1 + np.exp(-model.params)), rtol=1e-8)
    np.testing.assert_allclose([each.standard_error for each in made.clustering()], model.bse * rates * (1 - rates), rtol=1e-8)


def test_the_rest_is_weighted_across_its_groups():
    """Against B with 2 of 4 by weight and C with 0 of 12, the rest of A is 2 of 16, however B and C are scaled by themselves."""
    codes = np.array([0, 0, 1, 1, 2, 2])
    made = units(codes, np.array([1, 0, 1, 0, 0, 0], bool), np.array([1.0, 1.0, 2.0, 2.0, 6.0, 6.0])).with_rest()
    assert (made.events / made.n).tolist() == pytest.approx([0.5, 0.5, 0.0, 2 / 16, 1 / 14, 3 / 6])


@pytest.mark.slow
@pytest.mark.parametrize("weight", [np.ones(600), np.full(600, 0.3), "by race"])
def test_equal_weights_are_single_images_as_clusters_of_their_own(weight):
    given = answered()
    weight = given.attributes["race"].map({"A": 0.1, "B": 7.0, "C": 1 / 3}).to_numpy() if isinstance(weight, str) else weight
    for one, two in zip(found(replace(given, weight=weight)), found(replace(given, cluster=np.arange(600))), strict=True):
        if one.shares:
            continue  # at equal true shares images weigh unequally
        if len(set(weight)) > 1:  # what all images together have depends on the shares of the groups
            one, two = (replace(each, overall=each.overall, contrasts=()) for each in (one, two))
            two = replace(two, overall=one.overall)
        assert close(plain(one), plain(two))
        assert [rate.effective_n for rate in one.by_group] == pytest.approx([rate.n for rate in one.by_group])


@pytest.mark.slow
def test_equal_weights_in_clusters_are_clusters():
    cluster = np.random.default_rng(2).integers(150, size=600)
    with_weights, without = (found(answered(weight, cluster=cluster)) for weight in (np.full(600, 2.5), None))
    for one, two in zip(with_weights, without, strict=True):
        assert close(plain(one, OF_UNITS[3:]), plain(two, OF_UNITS[3:]))


@pytest.mark.slow
@pytest.mark.parametrize("cluster", [None, np.random.default_rng(3).integers(200, size=600)])
def test_neither_the_scale_nor_the_order_of_the_images_matters(cluster):
    given = answered(lognormal(), cluster=cluster)
    expected = found(given)
    order = np.random.default_rng(4).permutation(600)
    columns = {name: getattr(given, name) for name in ("scores", "y_pred", "y_true", "attributes", "cluster", "weight")}
    rows = {name: column.iloc[order] if name == "attributes" else column[order] for name, column in columns.items() if column is not None}
    assert [asdict(each) for each in found(replace(given, **rows))] == [asdict(each) for each in expected]
    for one, two in zip(found(replace(given, weight=given.weight * 1234.5)), expected, strict=True):
        assert close(asdict(one), asdict(two))


@pytest.mark.slow
def test_the_scale_within_a_group_changes_no_comparison():
    given = answered(lognormal())
    scale = given.attributes["race"].map({"A": 0.01, "B": 1.0, "C": 55.0}).to_numpy()
    one, two = (found(each)[0] for each in (given, replace(given, weight=given.weight * scale)))
    assert close(asdict(one.gap), asdict(two.gap))
    assert close([asdict(pair) for pair in one.pairs], [asdict(pair) for pair in two.pairs])


@pytest.mark.slow
def test_a_weight_counts_as_so_many_images_in_a_rate_and_not_in_its_interval():
    """Twice the weight is the rate of two copies, but the interval of fewer images."""
    given = answered(np.random.default_rng(6).integers(1, 4, 600).astype(float))
    copies = np.repeat(np.arange(600), given.weight.astype(int))
    rows = {name: getattr(given, name)[copies] for name in ("scores", "y_pred", "y_true")}
    doubled = replace(given, attributes=given.attributes.iloc[copies], weight=None, **rows)
    for one, two in zip(found(given), found(doubled), strict=True):
        for weighted, copied in zip(one.by_group, two.by_group, strict=True):
            assert weighted.value == pytest.approx(copied.value, abs=1e-12)
            assert weighted.low < copied.low
            assert weighted.high > copied.high
            assert weighted.baseline == (None if copied.baseline is None else pytest.approx(copied.baseline))


def test_no_interval_is_narrower_than_that_of_the_effective_number():
    """Whatever weights the few events have: 3 in 100 images whose weights are small by chance."""
    weight = np.ones(100)
    weight[:3] = 0.01
    made = units(np.zeros(100, int), np.arange(100) < 3, weight)
    [group] = made.clustering()
    assert group.effective_n == pytest.approx(97.06, abs=0.01)
    assert group.standard_error < (made.events[0] / made.n[0] / 97) ** 0.5 / 5  # by itself it would promise a narrow interval
    assert made.intervals(0.05)[1][0] > wilson(0, group.effective_n, 0.05)[1]


def test_a_group_of_effectively_few_images_is_shown_and_not_judged():
    weight = np.ones(600)
    given = answered(weight)
    in_c = np.flatnonzero(given.attributes["race"] == "C")
    weight[in_c[:20]] = 1000.0
    finding = found(given)[0]
    assert [rate.status for rate in finding.by_group] == ["ok", "ok", "small"]
    assert finding.by_group[2].n > 150
    assert finding.by_group[2].effective_n == pytest.approx(20, rel=0.03)


def test_the_count_table_adds_up_weights_and_fairlearn_takes_them():
    given = answered(lognormal())
    counts = grouped_counts(given, ("race",), LEVELS)
    assert (counts.measure, int(counts.table[IMAGES].sum()), counts.table[WEIGHT].sum()) == (WEIGHT, 600, pytest.approx(given.weight.sum()))
    for name in ("accuracy", "true_positive_rate", "false_positive_rate", "selection_rate", "precision"):
        outcome = None if name == "accuracy" else frozenset(["yes"])
        tallied = tally(counts, METRICS[name], outcome)
        estimates = point_estimates(counts, [name], outcome)[name]
        np.testing.assert_allclose(estimates.by_group, tallied.parts[0] / tallied.parts[1], atol=1e-12)
        assert tallied.n.dtype == np.int64
    baseline = majority_baseline(counts, None, ANSWERS)
    heavier = "yes" if given.weight[given.y_true == "yes"].sum() > given.weight[given.y_true == "no"].sum() else "no"
    in_a = (given.attributes["race"] == "A").to_numpy()
    assert baseline[0] == pytest.approx(given.weight[in_a & (given.y_true == heavier)].sum())


def test_of_thousands_of_weights_those_within_a_few_percent_are_dealt_together():
    """The p is that of dealing each by itself, within the error of the draws: .4 and .45 of 1,999 shuffles are 3 standard errors apart."""
    source = np.random.default_rng(0)
    codes, weight, event = source.integers(3, size=2500), source.lognormal(0, 0.8, 2500), source.random(2500) < 0.7
    made = units(codes, event, weight)
    together, alone = made.permuted(), made.table
    assert len(made.of(np.array([0, 1])).permuted().count) == np.isin(codes, [0, 1]).sum()  # of fewer each is dealt by itself
    assert len(np.unique(np.round(together.n[together.n > 0], 9))) < 250
    np.testing.assert_allclose(together.n, alone.n, rtol=1 / 32)
    coarse, exact = (clustered_gap_test(alone, 1999, np.random.default_rng(1), permuted) for permuted in (together, None))
    assert (coarse.gap, coarse.most_significant) == (exact.gap, exact.most_significant)
    assert abs(coarse.p - exact.p) < 0.05
    assert coarse.upper == pytest.approx(exact.upper, rel=0.1)


def test_without_an_event_in_a_group():
    given = answered(lognormal())
    silent = replace(given, y_pred=np.full(600, "no"))
    shown = found(silent)[1]
    assert shown.gap.value == 0
    assert shown.gap.p == 1
    assert all(rate.low == 0 < rate.high for rate in shown.by_group)
