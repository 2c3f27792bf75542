"""How wrong labels would have to be to overturn a finding: of groups, by an adversary or at random; of the truth, by group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from audit.records.base import Verdict
from audit.records.finding import Finding, Gap, pair_of
from audit.records.label_noise import LabelErrors, LabelNoise, NoisePoint, TippingPoint
from audit.statistics.bounds import two_apart
from audit.statistics.equivalence import equivalence_bound, equivalence_ratio, ratio_reach, reach
from audit.statistics.evidence.inputs import EvidenceInputs, compared_counts
from audit.statistics.metrics import METRICS
from audit.statistics.most_significant import max_standardized_difference, sampling_errors
from audit.statistics.null import ShuffledNull, gap_p, generator, two_proportion_p
from audit.statistics.paired.swapped_labels import SwappedLabels
from audit.statistics.resampling import spread_of_rates
from audit.statistics.verdict import verdicts, within
from audit.types import Group

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

SHARES = (0.01, 0.02, 0.05, 0.1, 0.2)
REPEATS = 200
NOISE_DRAWS = 4999
"""At most as many shuffles for the null of a noise curve: all its tables share the error of one critical gap."""
_STEP = 1024
_ROUNDING = 1e-9
_BLOCK = 1 << 19
"""Pairs of groups that are looked at together."""


@dataclass(frozen=True)
class Rules:
    """What turns counts into a verdict."""

    tolerance: float
    alpha: float
    level: float
    """Raw p up to which the omnibus test rejects: alpha, or less where the claim is one of several."""
    fewest: int
    """Images that a group needs."""
    draws: int
    ratio_tolerance: float | None = None


def by_finding(inputs: EvidenceInputs) -> dict[str, LabelNoise]:
    """Return tipping point, noise curve and unequal label errors of each primary finding."""
    answers = {record.name: len(record.answer_counts) for record in inputs.result.measurements}
    looked = [finding for finding in inputs.findings if finding.primary and finding.gap and not finding.unresponsive]
    noises = [(each, noise) for each in looked if (noise := _of_finding(each, inputs))]
    return {each.id: replace(noise, truth=_of_truth(each, answers[each.measurement])) for each, noise in noises}


def _of_finding(finding: Finding, inputs: EvidenceInputs) -> LabelNoise | None:
    gap, settings = finding.gap, inputs.settings
    assert gap is not None  # noqa: S101  (only findings with a gap are looked at)
    # Holm multiplied the raw p; the same factor gives the level that the raw p is held against.
    level, rng = settings.alpha * gap.p / gap.p_adjusted, generator(settings.seed, f"{finding.id}/noise")
    ends, events, n = _told(finding, gap)
    if gap.within:
        swapped = SwappedLabels.of(finding, inputs.compared_units(finding), level, settings.alpha)
        return swapped.noise(*ends, SHARES, REPEATS, rng) if swapped else None
    # The groups stay those that were compared: one of 30 images that loses a label is judged all the same.
    rules = Rules(finding.tolerance, settings.alpha, level, 2, min(settings.draws, NOISE_DRAWS), finding.ratio_tolerance)
    groups, all_events, all_n = compared_counts(finding)
    points, pairs = label_noise_curve(all_events, all_n, rules, rng), len(groups) * (len(groups) - 1) // 2
    return LabelNoise(tipping_point(ends, events, n, settings.alpha / pairs) if finding.verdict == "disparity" else None, points)


def _told(finding: Finding, gap: Gap) -> tuple[tuple[Group, Group], tuple[int, int], tuple[int, int]]:
    """Return the pair that a finding tells of, the worse group first, with its events and its images."""
    groups, events, n = compared_counts(finding)
    high, low = pair_of(gap)
    worst, other = (low, high) if finding.better == "high" else (high, low)
    places = [groups.index(worst), groups.index(other)]
    (k, k_other), (of, of_other) = events[places].tolist(), n[places].tolist()
    return (worst, other), (k, k_other), (of, of_other)


def _of_truth(finding: Finding, answers: int) -> LabelErrors | None:
    metric, gap = METRICS[finding.metric], finding.gap
    if not metric.needs_truth or gap is None or finding.verdict != "disparity":
        return None
    ends, events, n = _told(finding, gap)
    w, w_other = wrong = (n[0] - events[0], n[1] - events[1]) if metric.better == "high" else events
    leaves = metric.denominator in ("positive", "negative")
    images, flattered = (f(wrong, n, finding.tolerance, leaves=leaves) for f in (unequal_errors, flattering_errors))
    if images is None:
        return None
    rates, possible = (1 - w / n[0], 1 - w_other / n[1]), 2 if finding.outcome else answers
    independent = independent_errors(*rates, finding.tolerance, possible) if metric.name == "accuracy" else None
    return LabelErrors(*ends, images, images / n[0], independent, flattered)


def unequal_errors(wrong: tuple[int, int], n: tuple[int, int], tolerance: float, *, leaves: bool) -> int | None:
    """Fewest true labels of the first group that, if wrong, leave it no farther than `tolerance` above the other in wrong answers.

    Parameters
    ----------
    wrong, n : (int, int)
        Wrong answers, and images that count, of the group with the larger share of them and of the other.
    tolerance : float
        Difference that would not matter, 0 to 1.
    leaves : bool
        Whether an image whose label is corrected counts no more: a miss of a true positive rate was no positive then.

    Returns
    -------
    int | None
        None where the difference is within the tolerance as it is.

    Notes
    -----
    Which labels are wrong is not known, so the case most favourable to the model is taken: every wrong label stands at an answer that
    disagrees with it and is right, and all labels of the other group are right. Any other labels explain less of the difference: a wrong
    label at an answer that agrees with it flatters the model. So the number over n is the *smallest* difference of the two error rates
    that can explain it. Of x corrected labels the share of wrong answers is ``(w - x) / n``, or ``(w - x) / (n - x)`` where they leave; of
    accuracy x / n is the gap less the tolerance, in whole images, and wrong labels of both groups shift both shares alike: only the
    difference of the error rates matters.

    Examples
    --------
    Wrong in 20 of 100 and in 7 of 100, tolerance 5 points: 8 labels leave 12 of 100. Where they leave, 10 leave 10 of 90.

    >>> unequal_errors((20, 7), (100, 100), 0.05, leaves=False), unequal_errors((20, 7), (100, 100), 0.05, leaves=True)
    (8, 10)
    """
    x = np.arange(wrong[0] + 1)
    left = (wrong[0] - x) / np.maximum(n[0] - x * leaves, 1)
    within_tolerance = left - wrong[1] / n[1] <= tolerance + _ROUNDING
    first = int(within_tolerance.argmax())
    return first if first > 0 else None


def flattering_errors(wrong: tuple[int, int], n: tuple[int, int], tolerance: float, *, leaves: bool) -> int | None:
    """Fewest true labels of the second group that, if wrong, leave the first no farther than `tolerance` above it in wrong answers.

    As in `unequal_errors`, but each stands at an answer that agrees with it. None where not even all of these are enough.

    Examples
    --------
    >>> flattering_errors((20, 7), (100, 100), 0.05, leaves=False), flattering_errors((20, 7), (100, 100), 0.05, leaves=True)
    (8, 54)
    """
    y = np.arange(n[1] - wrong[1] + 1)
    other = (wrong[1] + y * (not leaves)) / np.maximum(n[1] - y * leaves, 1)
    enough = wrong[0] / n[0] - other <= tolerance + _ROUNDING
    return int(enough.argmax()) if enough.any() else None


def independent_errors(worst: float, other: float, tolerance: float, answers: int) -> float | None:
    """Difference of label error rates that explains a difference of accuracy when labels are wrong whatever was answered.

    Of true accuracy t and an error rate e, answers agree with the labels in ``a = t (1 - e) + (1 - t) e / (K - 1)``: a wrong label is each
    of the other K - 1 answers alike often, one of which may be the wrong answer given. With the other group's labels right, t of the worst
    must be ``p = other - tolerance``, so ``e = (p - a) / (p K / (K - 1) - 1 / (K - 1))``.

    Returns
    -------
    float | None
        None where p is no better than guessing: no error rate below that of labels drawn by lot explains it then.

    Examples
    --------
    Two answers, .8 against .95: true accuracy .9 shows as .9 (1 - e) + .1 e = .8 at e = .125.

    >>> round(independent_errors(0.8, 0.95, 0.05, 2), 4), independent_errors(0.3, 0.54, 0.05, 2)
    (0.125, None)
    """
    target, others = other - tolerance, max(answers - 1, 1)
    slope = target * (others + 1) / others - 1 / others
    rate = (target - worst) / slope if slope > 0 else np.inf
    return float(rate) if rate < others / (others + 1) else None


def verdict_on(events: Int[np.ndarray, "g"], n: Int[np.ndarray, "g"], rules: Rules, rng: np.random.Generator) -> Verdict:
    """Apply the rules of a verdict to bare counts: the answer of `findings` and `decide_verdicts`.

    Examples
    --------
    >>> rules = Rules(tolerance=0.05, alpha=0.05, level=0.05, fewest=30, draws=999)
    >>> verdict_on(np.array([900, 700]), np.array([1000, 1000]), rules, np.random.default_rng(0))
    'disparity'
    """
    ok = n >= max(rules.fewest, 2)
    events, n = events[ok], n[ok]
    enough = len(n) > 1
    bound = equivalence_bound(events, n, rules.alpha) if enough else np.inf
    ratio = equivalence_ratio(events, n, rules.alpha) if enough and rules.ratio_tolerance is not None else None
    close = within(bound, rules.tolerance, ratio, rules.ratio_tolerance)
    p = gap_p(events, n, rules.draws, rng) if enough and not close else np.nan
    apart = enough and two_apart(events, n, rules.alpha)
    found: Verdict = verdicts(close, p, rules.level, len(n), apart=apart).item()
    return found


def tipping_point(groups: tuple[Group, Group], events: tuple[int, int], n: tuple[int, int], level: float) -> TippingPoint | None:
    """Fewest images of the worst group that, wrongly labelled, make the difference to another group up.

    An adversary moves images, each of the kind that makes the worst group worse, from the worst group (the first) into the other. If the
    worst group has the higher rate these are events, otherwise images without the event. The difference stands while the raw p of the
    two rates is at most `level`. None where nothing stands that could be overturned, or no number of such images overturns it.

    Examples
    --------
    Table 6 of the CLIP paper, non-human: 40 of 1,556 labels.

    >>> found = tipping_point((("Black",), ("Indian",)), (224, 115), (1556, 1516), 0.05)
    >>> found.images, round(found.share, 3), found.turned
    (40, 0.026, 'significance')
    """
    kinds = events if events[0] * n[1] > events[1] * n[0] else (n[0] - events[0], n[1] - events[1])
    if two_proportion_p(*(np.array([x]) for x in (kinds[0], n[0], kinds[1], n[1])))[0] > level:
        return None
    for start in range(1, min(kinds[0], n[0] - 1) + 1, _STEP):
        moved = np.arange(start, min(start + _STEP, kinds[0] + 1, n[0]))
        k_1, n_1, k_2, n_2 = kinds[0] - moved, n[0] - moved, kinds[1] + moved, n[1] + moved
        turned = k_1 * n_2 <= k_2 * n_1
        overturned = turned | (two_proportion_p(k_1, n_1, k_2, n_2) > level)
        if overturned.any():
            first = int(overturned.argmax())
            how: Literal["sign", "significance"] = "sign" if turned[first] else "significance"
            return TippingPoint(*groups, int(moved[first]), float(moved[first] / n[0]), how)
    return None


def label_noise_curve(
    events: Int[np.ndarray, "g"], n: Int[np.ndarray, "g"], rules: Rules, rng: np.random.Generator, shares: Sequence[float] = SHARES
) -> tuple[NoisePoint, ...]:
    """How often, of 200 draws a share, the verdict stays what it is when that share of the group labels is replaced at random.

    A wrong label is another group's, in proportion to the images of the others; whether it is wrong depends on nothing else. Of two
    equal groups with a share eps of wrong labels the expected gap is (1 - 2 eps) times the gap.
    """
    tables = [(events[None], n[None])]
    p = [_p_values(*tables[0], rules, rng)]
    for share in shares:
        tables.append(relabel(events, n, share, REPEATS, rng))
        p.append(_p_values(*tables[-1], rules, rng))
    all_events, all_n = (np.concatenate(each) for each in zip(*tables, strict=True))
    found = _verdicts(all_events, all_n, np.concatenate(p), rules)
    relabelled = found[1:].reshape(len(shares), REPEATS)
    return tuple(NoisePoint(share, float(np.mean(each == found[0]))) for share, each in zip(shares, relabelled, strict=True))


def _verdicts(events: Int[np.ndarray, "b g"], n: Int[np.ndarray, "b g"], p: Float[np.ndarray, "b"], rules: Rules) -> np.ndarray:
    """Apply `verdict_on` to many tables at once: str[b]."""
    ok = n >= max(rules.fewest, 2)
    groups, rates = ok.sum(axis=1), np.where(ok, events / np.maximum(n, 1), np.nan)
    close = np.zeros(len(n), bool)
    # A gap of the tolerance or more is never within it: only the others need every pair.
    narrow = np.flatnonzero((spread_of_rates(rates) < rules.tolerance) & (groups > 1))
    for part in np.array_split(narrow, max(1, len(narrow) * n.shape[1] ** 2 // _BLOCK)):
        close[part] = _within(events[part], n[part], ok[part], rules)
    first_two = np.argsort(~ok, axis=1, kind="stable")[:, :2]
    apart = two_apart(np.take_along_axis(events, first_two, axis=1), np.take_along_axis(n, first_two, axis=1), rules.alpha)
    return verdicts(close, p, rules.level, groups, apart=apart)


def _within(events: Int[np.ndarray, "b g"], n: Int[np.ndarray, "b g"], ok: Bool[np.ndarray, "b g"], rules: Rules) -> Bool[np.ndarray, "b"]:
    """Whether every pair of the groups that are compared is within the tolerances, in each table."""
    first, second = np.triu_indices(n.shape[1], 1)
    trials, both = np.maximum(n, 1), ok[:, first] & ok[:, second]
    sides = events[:, first], trials[:, first], events[:, second], trials[:, second]
    bound = np.where(both, reach(*sides, rules.alpha), 0.0).max(axis=1)
    # A pair beyond the tolerance in points settles it: the ratio takes a search, and few tables need it.
    searched = (bound < rules.tolerance) & (rules.ratio_tolerance is not None)
    k_1, n_1, k_2, n_2 = (side[searched] for side in sides)
    ratio = np.ones(len(n))
    ratio[searched] = np.where(both[searched], ratio_reach(k_1, n_1, k_2, n_2, rules.alpha), 1.0).max(axis=1)
    return within(bound, rules.tolerance, ratio, rules.ratio_tolerance)


def _p_values(
    events_of: Int[np.ndarray, "b g"], n_of: Int[np.ndarray, "b g"], rules: Rules, rng: np.random.Generator
) -> Float[np.ndarray, "b"]:
    """Return the share of shuffles whose most significant pair is as significant as that of each table of one total, itself included.

    All of them are held against one null, drawn at their mean group sizes: relabelling moves the sizes by a few images, and
    the null with them by far less than 1,000 draws can tell (200 tables with a null of their own each would take a hundred times as long).
    """
    known, n, total = n_of >= max(rules.fewest, 2), np.rint(n_of.mean(axis=0)).astype(int), events_of.sum(axis=1).mean()
    ok = n >= max(rules.fewest, 2)
    compared, rates = n[ok], np.where(known, events_of / np.maximum(n_of, 1), np.nan)[:, ok]
    # Rounded mean sizes may hold an image fewer than there are: no more events than images.
    events = min(round(total * compared.sum() / max(n.sum(), 1)), int(compared.sum()))
    if len(compared) < 2 or events in (0, int(compared.sum())):
        return np.ones(len(rates))
    errors = sampling_errors(compared)
    null = rng.multivariate_hypergeometric(compared, events, size=rules.draws, method="marginals") / compared

    def statistics(rates: Float[np.ndarray, "b g"]) -> Float[np.ndarray, "b 2"]:
        # A rate that is not known takes no part: it is where it is expected.
        squares = compared * np.nan_to_num(rates - events / compared.sum()) ** 2
        return np.stack([max_standardized_difference(rates, errors), squares.sum(axis=1)], axis=1)

    return ShuffledNull(statistics(null)).p(statistics(rates))[0]


def relabel(
    events: Int[np.ndarray, "g"], n: Int[np.ndarray, "g"], share: float, repeats: int, rng: np.random.Generator
) -> tuple[Int[np.ndarray, "b g"], Int[np.ndarray, "b g"]]:
    """Give each image, with probability `share`, the label of another group. Images and events in all stay what they are."""
    sizes = np.asarray(n, float)
    moved = []
    for counts in (events, n - events):
        stay = np.repeat(counts[None], repeats, axis=0)
        for group, count in enumerate(counts):
            others = np.where(np.arange(len(n)) == group, 0.0, sizes)
            leaving = rng.binomial(count, share, size=repeats) if others.sum() else np.zeros(repeats, int)
            stay[:, group] -= leaving
            stay += rng.multinomial(leaving, others / max(others.sum(), 1.0))
        moved.append(stay)
    return moved[0], moved[0] + moved[1]
