"""Are the conclusions right? Simulated rates through the functions that `findings` and `decide_verdicts` call, on counts directly.

Each line gives a measurement over R simulated audits (seeded), its reference, and whether the criterion is met: coverage of the
intervals of rates and differences, wrong "disparity", power against its exact value, wrong "equivalent".
"""

import argparse
import time
from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy.stats import binom

from audit.evidence.adjustment import Strata, mantel_haenszel
from audit.evidence.base import Judged
from audit.evidence.calibration import calibration
from audit.evidence.effect_size import ratio
from audit.evidence.equalized_odds import odds_difference
from audit.evidence.label_noise import Rules, verdict_on
from audit.records.finding import Rate
from audit.statistics.counts import GroupedCounts
from audit.statistics.equivalence import equivalence_bound, reach
from audit.statistics.findings import decide_verdicts, findings
from audit.statistics.intervals import newcombe, wilson
from audit.statistics.metrics import METRICS
from audit.statistics.most_significant import max_standardized_difference, sampling_errors
from audit.statistics.multiplicity import holm
from audit.statistics.null import between_group_variance, gap_test, generator
from audit.statistics.units.cluster_units import ClusterUnits, WeightedUnits
from audit.statistics.units.clusters import ClusterTable, cluster_table, weighted_table
from audit.statistics.units.sampling_unit import ImageUnits, gap_interval
from audit.statistics.units.weighted import WeightedTable
from audit.statistics.verdict import negligible_below
from audit.types import Claim, LabelSet, Measurement, Predictions, Settings

RACES = np.array([2085, 1623, 1556, 1550, 1516, 1415, 1209])
GENDERS = np.array([[963, 830, 757, 773, 763, 680, 396], [1122, 793, 799, 777, 753, 735, 813]]).T
AGES = np.array([199, 1356, 1181, 3300, 2330, 1353, 796, 321, 118])
CELLS = np.maximum(1, np.rint(GENDERS[:, :, None] * AGES / 10_954)).astype(int)
"""FairFace's validation images by race, gender and age; the ages of each race and gender as those of all."""
GROUPS = {7: RACES, 14: GENDERS.ravel(), 126: CELLS.ravel()}
RULES = Rules(tolerance=0.05, alpha=0.05, level=0.05, fewest=30, draws=999)
FAILED: list[str] = []


def report(what: str, measured: float, beside: str, met: bool | None) -> None:
    """Print one line; None: shown without a criterion."""
    word = {True: "met", False: "NOT MET", None: ""}[met]
    print(f"  {what:<66} {measured:7.4f}   {beside:<46} {word}", flush=True)
    if met is False:
        FAILED.append(what)


# ---- intervals -------------------------------------------------------------------------------------------------------------------


def rates(source: np.random.Generator, runs: int) -> None:
    print("Coverage of the interval of a rate (Wilson), nominal .95: as its exact value, and .93 to .975 from n = 100 on")
    for n, p in [
        (5, 0.9),
        (10, 0.9),
        (30, 0.9),
        *((n, p) for n in (100, 118, 321, 1209, 2085) for p in (0.01, 0.05, 0.15, 0.5, 0.8, 0.9, 0.99)),
    ]:
        k = np.arange(n + 1)
        low, high = wilson(k, n, 0.05)
        mass = binom.pmf(k, n, p)
        exact = float(mass @ ((low <= p) & (p <= high)))
        bootstrap = float(mass @ ((binom.ppf(0.025, n, k / n) <= n * p + 1e-9) & (n * p - 1e-9 <= binom.ppf(0.975, n, k / n))))
        drawn = source.binomial(n, p, runs)
        held = float(((low <= p) & (p <= high))[drawn].mean())
        as_exact = abs(held - exact) <= 4 * np.sqrt(exact * (1 - exact) / runs)
        below, above = nearest(mass)
        asked = n >= 100 and above <= 0.975
        beside = f"exact {exact:.4f}, bootstrap {bootstrap:.4f}" + (f"; any: {below:.4f} or {above:.4f}" if n >= 100 and not asked else "")
        report(f"n = {n}, p = {p}", held, beside, bool(as_exact and (0.93 <= held <= 0.975 or not asked)))
    print("  The same, exact, for every rate from .0005 to .5 in steps of .0005: lowest and highest where any interval can be within")
    for n in (100, 118, 199, 321, 796, 1209, 2085):
        low, high = wilson(np.arange(n + 1), n, 0.05)
        every = []
        for p in np.arange(1, 1001) / 2000:
            mass = binom.pmf(np.arange(n + 1), n, p)
            every.append((float(mass @ ((low <= p) & (p <= high))), nearest(mass)[1] <= 0.975))
        possible = np.array([exact for exact, any_can in every if any_can])
        outside = int(((possible < 0.93) | (possible > 0.975)).sum())
        beside = f"to {possible.max():.4f}; {outside} of {len(possible)} outside, {1000 - len(possible)} that none can"
        report(f"n = {n}", float(possible.min()), beside, None)


def nearest(mass: np.ndarray) -> tuple[float, float]:
    """Return the coverages nearest to .93 that an interval can have: the largest below, the smallest from there on.

    An interval covers a rate for some outcomes next to each other, so its coverage is the sum of their probabilities. If the second is
    above .975, no interval at all covers this rate in .93 to .975 of all samples.
    """
    sums = np.concatenate([[0.0], mass.cumsum()])
    ends = np.searchsorted(sums, sums + 0.93)  # the last places have too little behind them: to the end is below
    reaches = ends < len(sums)
    return float((sums[ends - 1] - sums).max()), float((sums[ends[reaches]] - sums[reaches]).min())


def differences(source: np.random.Generator, runs: int) -> None:
    print("Coverage of the interval of a difference (Newcombe), nominal .95")
    cases = [
        (8, 500, 0.9, 0.9),
        (30, 500, 0.95, 0.95),
        (100, 100, 0.5, 0.5),
        (100, 100, 0.9, 0.8),
        (200, 200, 0.8, 0.9),
        (396, 963, 0.05, 0.05),
    ]
    for n_1, n_2, p_1, p_2 in [*cases, (1209, 2085, 0.05, 0.08), (1000, 1000, 0.15, 0.10), (100, 2085, 0.2, 0.25)]:
        low, high = newcombe(source.binomial(n_1, p_1, runs), n_1, source.binomial(n_2, p_2, runs), n_2, 0.05)
        held = float(np.mean((low <= p_1 - p_2) & (p_1 - p_2 <= high)))
        exact = exact_difference(n_1, n_2, p_1, p_2, 0.05) if n_1 * n_2 < 1_500_000 else None
        as_exact = exact is None or abs(held - exact) <= 4 * np.sqrt(exact * (1 - exact) / runs)
        inside = 0.93 <= held <= 0.975 if min(n_1, n_2) >= 100 else True
        report(f"n = {n_1} and {n_2}, p = {p_1} and {p_2}", held, f"exact {exact:.4f}" if exact else "", bool(as_exact and inside))


def exact_difference(n_1: int, n_2: int, p_1: float, p_2: float, alpha: float) -> float:
    k_1, k_2 = np.arange(n_1 + 1)[:, None], np.arange(n_2 + 1)[None]
    low, high = newcombe(k_1, n_1, k_2, n_2, alpha)
    return float(binom.pmf(k_1, n_1, p_1).T[0] @ ((low <= p_1 - p_2) & (p_1 - p_2 <= high)) @ binom.pmf(k_2, n_2, p_2)[0])


def simultaneous(source: np.random.Generator, runs: int) -> None:
    print("Intervals of all pairs at once leave out 0 where no group differs: at most .07 of the files, in thin groups near 0 or 100 % too")
    uneven = np.rint(np.geomspace(30, 3000, 20)).astype(int)
    thin = [("20 of 30 to 3,000", uneven, 0.998), ("35, 400, 9,000", np.array([35, 400, 9000]), 0.002)]
    thin += [("40, 4,000", np.array([40, 4000]), 0.004)]
    ordinary = [("7 races", RACES, 0.15), ("9 ages", AGES, 0.05), ("10 of 40, 4,000", np.array([40] * 10 + [4000]), 0.01)]
    for name, n, rate in thin + ordinary:
        apart = [gap_interval(ImageUnits(source.binomial(n, rate), n), 0.05)[0] > 0 for _ in range(runs)]
        report(f"{name}, p = {rate}", float(np.mean(apart)), "", bool(np.mean(apart) <= 0.07))


# ---- verdicts --------------------------------------------------------------------------------------------------------------------


def no_disparity(source: np.random.Generator, runs: int) -> None:
    print('wrong "disparity": at most .07 of the audits; then the shares of the other verdicts')
    for groups, n in GROUPS.items():
        for p in (0.05, 0.15, 0.8):
            verdicts = [verdict_on(source.binomial(n, p), n, RULES, source) for _ in range(runs)]
            shares = {verdict: verdicts.count(verdict) / runs for verdict in ("disparity", "equivalent", "inconclusive")}
            compared = int((n >= 30).sum())
            beside = f"equivalent {shares['equivalent']:.3f}, inconclusive {shares['inconclusive']:.3f}"
            report(f"{groups} groups ({compared} of at least 30), p = {p}", shares["disparity"], beside, shares["disparity"] <= 0.07)
    many = np.mean([any_disparity(source) for _ in range(runs)])
    report(
        "audit of 12 claims (3 outcomes; race, gender, age, race x gender), Holm", float(many), "any claim a disparity", bool(many <= 0.07)
    )


def any_disparity(source: np.random.Generator) -> bool:
    """Plant three outcomes without a disparity in the 126 cells and slice each four ways."""
    cells = CELLS.reshape(7, 2, 9)
    claims = []
    for p in (0.05, 0.15, 0.8):
        events = source.binomial(cells, p)
        for axes in ((1, 2), (0, 2), (0, 1), (2,)):
            n, k = cells.sum(axis=axes).ravel(), events.sum(axis=axes).ravel()
            claims.append((k, n, gap_test(k, n, RULES.draws, source).p))
    adjusted = holm(np.array([p for _, _, p in claims]))
    return any(p <= 0.05 and equivalence_bound(k, n, 0.05) >= 0.05 for (k, n, _), p in zip(claims, adjusted, strict=True))


def through_findings(source: np.random.Generator) -> None:
    """The same counts row by row through `findings` and `decide_verdicts`: the same verdicts, with the same draws."""
    agreed, labels = [], ("yes", "no")
    claim = Claim("selection_rate", ("group",), "it")
    measurement = Measurement("m", "?", LabelSet("l", labels, {}), "p", (claim,), outcomes={"it": ("yes",)})
    for i in range(12):
        n, settings = GROUPS[(7, 14, 126)[i % 3]], Settings(draws=999)
        k = source.binomial(n, 0.15 + 0.04 * (np.arange(len(n)) == 0) * (i % 4))
        names = [f"g{g:03d}" for g in range(len(n))]
        y_pred = np.repeat(np.tile(labels, len(n)), np.stack([k, n - k], axis=1).ravel())
        rows = pd.DataFrame({"group": np.repeat(names, n)}, dtype="str")
        answered = Predictions(labels, labels, np.zeros((len(rows), 2), np.float32), y_pred, None, rows, np.zeros(len(rows), np.float32))
        found = findings(measurement, answered, {"group": tuple(names)}, settings)
        _, verdict = decide_verdicts(found, settings, limited=False)
        agreed.append(verdict == verdict_on(k, n, RULES, generator(0, found[0].id)))
    report("12 planted audits, row by row: verdict as on counts", float(np.mean(agreed)), "", all(agreed))


def power(source: np.random.Generator, runs: int) -> None:
    print("Power of the test behind a disparity (.05), against its exact value: within .05")
    rules = Rules(0.0, 0.05, 0.05, 30, 999)  # tolerance 0: nothing is equivalent
    for n, effects in (
        (np.full(2, 1000), (0.02, 0.03, 0.05)),
        (np.full(7, 300), (0.05, 0.08, 0.10)),
        (np.full(14, 400), (0.05, 0.07, 0.10)),
    ):
        for effect in effects:
            truth = np.where(np.arange(len(n)) == 0, 0.85 - effect, 0.85)
            found = float(np.mean([verdict_on(source.binomial(n, truth), n, rules, source) == "disparity" for _ in range(runs)]))
            expected = exact_power(truth, int(n[0]))
            report(
                f"{len(n)} groups of {n[0]}, p = .85, one {100 * effect:g} points lower",
                found,
                f"exact {expected:.4f}",
                abs(found - expected) <= 0.05,
            )


def power_of_uneven_groups(source: np.random.Generator, runs: int) -> None:
    print("The same where groups are as large as FairFace's, against its large-sample value; the widest gap alone would detect far fewer")
    rules = Rules(0.0, 0.05, 0.05, 30, 999)
    for name, n, place in (("ages, 20-29 of 3300", AGES, 3), ("ages, 60-69 of 321", AGES, 7), ("races, Middle Eastern of 1209", RACES, 6)):
        for effect in (0.02, 0.03, 0.05):
            truth = np.where(np.arange(len(n)) == place, 0.15 + effect, 0.15)
            events = [source.binomial(n, truth) for _ in range(runs)]
            found = float(np.mean([verdict_on(event, n, rules, source) == "disparity" for event in events]))
            expected, widest = normal_power(truth, n, source)
            beside = f"large samples {expected:.4f}; widest gap {widest:.4f}"
            report(f"{name}, p = .15, {100 * effect:g} points higher", found, beside, abs(found - expected) <= 0.05)


def normal_power(truth: np.ndarray, n: np.ndarray, source: np.random.Generator) -> tuple[float, float]:
    """Return the power of the most significant pair, and of the widest gap, for independent normal rates (200,000 draws)."""
    pooled, errors = float(truth @ n / n.sum()), sampling_errors(n)
    null = source.normal(pooled, np.sqrt(pooled * (1 - pooled) / n), (200_000, len(n)))
    real = source.normal(truth, np.sqrt(truth * (1 - truth) / n), null.shape)
    most_significant, widest = (
        float(np.mean(of(real) >= np.quantile(of(null), 0.95)))
        for of in (lambda rates: max_standardized_difference(rates, errors), lambda rates: np.ptp(rates, axis=1))
    )
    return most_significant, widest


def exact_power(truth: np.ndarray, n: int) -> float:
    """Return the chance that the permutation test rejects at .05, of groups of n images each, summed over all outcomes.

    Given the number of all events, the shuffled range of the groups' events has the law that independent binomials of one rate have given
    that sum. Both laws, of the range and the sum together, come from the chance that all groups lie in one window of outcomes.
    """
    centre, error = n * truth, np.sqrt(n * truth * (1 - truth)).max()
    k = np.arange(max(0, int((centre - 8 * error).min())), min(n, int((centre + 8 * error).max())) + 1)
    null, real = (range_and_sum(rates, n, k) for rates in (np.full(len(truth), truth.mean()), truth))
    total = np.maximum(null[-1], 1e-300)
    p = 1 - np.vstack([np.zeros_like(total), null[:-1]]) / total  # row r: chance of a range of r or more, given the sum
    return float((np.diff(real, axis=0, prepend=0.0) * (p <= 0.05)).sum())


def range_and_sum(rates: np.ndarray, n: int, k: np.ndarray) -> np.ndarray:
    """Return the chance that the range of the groups' events is at most r (row) and their sum is s (column, above the least)."""
    different, times = np.unique(rates, return_counts=True)
    mass, length = binom.pmf(k, n, different[:, None]), len(rates) * len(k)
    inside = [np.zeros(length)]
    for width in range(1, len(k) + 1):
        starts = np.arange(1 - width, len(k))[:, None]
        window = (starts <= np.arange(len(k))) & (np.arange(len(k)) < starts + width)
        sums = np.prod([np.fft.rfft(window * each, length) ** many for each, many in zip(mass, times, strict=True)], axis=0)
        inside.append(np.fft.irfft(sums.sum(axis=0), length))
    # A range of r lies in width - r windows of a width: one window more each time, so the difference counts every outcome once.
    return np.diff(inside, axis=0)


def equivalence(source: np.random.Generator, runs: int) -> None:
    print('"equivalent" where groups differ by the tolerance of 5 points: at most .05; within a point of the ends of the scale .055')
    for n_1, n_2 in [(118, 3300), (199, 2330), (300, 300), (300, 3000), (396, 1122), (1000, 1000), (1209, 2085), (2000, 2000)]:
        rates = np.arange(0, 381) / 400
        wrong = np.maximum(*(exact_equivalent(*sizes, rates, rates + 0.05) for sizes in ((n_1, n_2), (n_2, n_1))))
        inner = (rates >= 0.01) & (rates <= 0.94)
        worst = rates[inner][wrong[inner].argmax()]
        beside = f"p = {worst:.4f} and {worst + 0.05:.4f}; towards the ends {wrong[~inner].max():.4f}"
        met = bool(wrong[inner].max() <= 0.05 and wrong.max() <= 0.055)
        report(f"2 groups of {n_1} and {n_2}, exact, worst of rates from .01 to .99", float(wrong[inner].max()), beside, met)
    for groups, n in GROUPS.items():
        truth = np.where(np.arange(len(n)) == int(n.argmin()), 0.15, 0.10) if groups < 126 else np.where(np.arange(len(n)) == 4, 0.15, 0.10)
        verdicts = [verdict_on(source.binomial(n, truth), n, RULES, source) for _ in range(runs)]
        wrong = verdicts.count("equivalent") / runs
        report(
            f"{groups} groups, p = .10, one 5 points higher", wrong, f"disparity {verdicts.count('disparity') / runs:.3f}", wrong <= 0.05
        )


def exact_equivalent(n_1: int, n_2: int, p_1: np.ndarray, p_2: np.ndarray) -> np.ndarray:
    """Return how often two groups are called equivalent, for each pair of rates."""
    k_1, k_2 = np.arange(n_1 + 1), np.arange(n_2 + 1)
    called = reach(k_1[:, None], n_1, k_2[None], n_2, 0.05) < 0.05
    return np.einsum("ip,ij,jp->p", binom.pmf(k_1[:, None], n_1, p_1), called, binom.pmf(k_2[:, None], n_2, p_2), optimize=True)


def negligible(source: np.random.Generator, runs: int) -> None:
    print(
        "An error rate of 1 %, a fifth of the tolerance, is called negligible (no ratio is asked): at most .05 of audits, in clusters .07"
    )
    sizes = np.unique(np.geomspace(298, 20_000, 60).astype(int))
    passes = [float(binom.cdf(most_negligible(int(n)), n, 0.01)) for n in sizes]
    worst = int(np.argmax(passes))
    report(f"independent images, exact, worst of {len(sizes)} sizes from 298 on", passes[worst], f"n = {sizes[worst]}", max(passes) <= 0.05)
    for clusters, images, correlation in [(40, 50, 0.05), (40, 50, 0.3), (100, 20, 0.5), (300, 5, 0.3), (400, 10, 0.1), (60, 100, 1.0)]:
        weight = (1 - correlation) / correlation
        rate = source.random((runs, clusters)) < 0.01 if correlation == 1 else source.beta(0.01 * weight, 0.99 * weight, (runs, clusters))
        events, n = source.binomial(images, rate), np.full((clusters, 1), images)
        units = (ClusterUnits(ClusterTable(event[:, None], n, np.ones(clusters, int))) for event in events)
        share = float(np.mean([is_negligible(clusters * images, unit) for unit in units]))
        report(f"{clusters} clusters of {images} images, correlation {correlation}", share, "", share <= 0.07)
    for n, heavy, times in [(1500, 0, 0), (3000, 0, 0), (10_000, 0, 0), (2000, 100, 3), (20_000, 200, 20)]:
        share = float(np.mean([is_negligible(n, weighted(n, heavy, times, source)) for _ in range(runs)]))
        design = f"{heavy} that weigh {times} hold all errors" if heavy else "lognormal (1)"
        report(f"weights of {n:,} images: {design}", share, "", share <= 0.07)


def weighted(n: int, heavy: int, times: int, source: np.random.Generator) -> WeightedUnits:
    """Draw one group whose weighted error rate is 1 %; without heavy images every image has it."""
    weight = np.where(np.arange(n) < heavy, float(times), 1.0) if heavy else source.lognormal(0, 1, n)
    rate = np.where(np.arange(n) < heavy, 0.01 * weight.sum() / weight[:heavy].sum(), 0.0) if heavy else np.full(n, 0.01)
    table, squares = weighted_table(None, np.zeros(n, int), source.random(n) < rate, weight, 1)
    return WeightedUnits.by(WeightedTable(table, squares, np.array([n])), clustered=False)


def most_negligible(n: int) -> int:
    """Return the most errors of n images with which an error rate is negligible; -1 if it is not even without errors."""
    return next(k for k in range(n) if not is_negligible(n, ImageUnits(np.array([k]), np.array([n])))) - 1


def is_negligible(images: int, units: ImageUnits | ClusterUnits) -> bool:
    value, known = float(units.events[0] / units.n[0]), units.clustering()[0]
    of_units = {} if known is None else known._asdict()
    rate = Rate(("a",), images, round(value * images), value, 0.0, 1.0, "ok", **of_units)
    return negligible_below(Claim("false_positive_rate", ("a",), "x"), METRICS["false_positive_rate"], [rate], 0.05, 0.05) is not None


# ---- supporting evidence ---------------------------------------------------------------------------------------------------------


def beside(source: np.random.Generator, runs: int) -> None:
    print("Supporting evidence: coverage of nominal .95 unless stated otherwise")
    spread = np.array([between_group_variance(source.binomial(RACES, 0.05), RACES) for _ in range(runs)])
    errors = float(spread.mean() / (spread.std() / np.sqrt(runs)))
    report("mean of the corrected variance without a difference", errors, "standard errors, within 3", abs(errors) < 3)
    right = float(np.mean(source.binomial(500, 0.2, runs) > source.binomial(500, 0.128, runs)))
    report("right sign of a difference of 3 standard errors", right, "at least .99", right >= 0.99)
    for name, held, upper in (
        ("ratio, .12 of 400 against .10 of 500", ratios(source, runs), 0.975),
        ("common difference of 4 strata", common_differences(source, runs), 0.975),
        ("rate of 60 people, 4 images each, correlation .5", clustered(source, runs), 0.975),
        ("calibration error of a calibrated model, 500 images", calibrated(source, runs), 1.0),
        ("equalised odds without a gap, 7 groups of 100 + 100", odds(source, runs), 1.0),
    ):
        share = float(np.mean(list(held)))
        report(name, share, f".93 to {upper}", 0.93 <= share <= upper)


def ratios(source: np.random.Generator, runs: int) -> Iterator[bool]:
    for k_1, k_2 in source.binomial([400, 500], [0.12, 0.1], (runs, 2)):
        yield between(ratio(k_1, 400, k_2, 500, 0.05), 1.2)


def odds(source: np.random.Generator, runs: int) -> Iterator[bool]:
    groups = tuple((f"g{i}",) for i in range(7))
    table = pd.DataFrame({"y_true": np.tile(["1", "1", "0", "0"], 7), "y_pred": np.tile(["1", "0", "1", "0"], 7)})
    for _ in range(runs):
        right = source.binomial(100, [[0.8, 0.2]] * 7)
        counts = GroupedCounts(table.assign(n=np.stack([right, 100 - right], axis=2).ravel()), groups, np.repeat(np.arange(7), 4))
        yield between(odds_difference(counts, frozenset({"1"}), Settings(draws=399), "m").equalised_odds, 0.0)


def between(estimate: object, truth: float) -> bool:
    return estimate.low <= truth <= estimate.high  # type: ignore[attr-defined]


def common_differences(source: np.random.Generator, runs: int) -> Iterator[bool]:
    n, truth = np.array([[150, 200], [60, 90], [300, 40], [25, 30]]), np.array([[0.2, 0.1], [0.4, 0.3], [0.7, 0.6], [0.5, 0.4]])
    for _ in range(runs):
        yield between(mantel_haenszel(Strata((("a",), ("b",)), ("age",), source.binomial(n, truth), n, 0), 0, 1, 0.05).difference, 0.1)


def clustered(source: np.random.Generator, runs: int) -> Iterator[bool]:
    for _ in range(runs):
        person = np.repeat(np.arange(60), 4)
        event = source.random(240) < source.beta(0.7, 0.3, 60)[person]
        low, high = ClusterUnits(cluster_table(person, np.zeros(240, int), event, 1)).intervals(0.05)
        yield bool(low[0] <= 0.7 <= high[0])


def calibrated(source: np.random.Generator, runs: int) -> Iterator[bool]:
    for _ in range(runs):
        confidence = source.beta(4, 1.2, 500)
        judged = Judged((("a",),), np.zeros(500, int), confidence, source.random(500) < confidence)
        yield between(calibration(judged, Settings(draws=399), "m")[0].error, 0.0)


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("--runs", type=int, default=1000, help="simulated audits per line (default: %(default)s)")
    parse.add_argument("--seed", type=int, default=0)
    given = parse.parse_args()
    source, started = np.random.default_rng(given.seed), time.perf_counter()
    print(f"seed {given.seed}, {given.runs} simulated audits per line; intervals of rates and differences {20 * given.runs}\n")
    rates(source, 20 * given.runs)
    differences(source, 20 * given.runs)
    simultaneous(source, 2 * given.runs)
    no_disparity(source, given.runs)
    through_findings(source)
    power(source, given.runs)
    power_of_uneven_groups(source, given.runs)
    equivalence(source, given.runs)
    negligible(source, 2 * given.runs)
    beside(source, given.runs)
    print(f"\n{time.perf_counter() - started:.0f} s; " + (f"not met: {'; '.join(FAILED)}" if FAILED else "every criterion met"))


if __name__ == "__main__":
    main()
