"""Do the answers depend on the images? Compares them with a constant answer, and finds gaps that group composition alone explains.

Answers that do not depend on the images turn group composition into gaps: if every answer is "Male", accuracy by race is the share of men.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from audit.naming import ASKINGS, order_name
from audit.plans import RowQuestions
from audit.records.counts import CountRecord
from audit.records.finding import ClaimResult, Composition
from audit.records.inputs import AgainstConstant, ImageDependence, Responsiveness
from audit.statistics.counts import CellTable, grouped_counts, unpack
from audit.statistics.metrics import METRICS
from audit.statistics.null import generator
from audit.statistics.paired.joint import BOTH, NEITHER, ONLY_AFTER, ONLY_BEFORE, JointCounts, change_ends, change_p, cluster_kinds
from audit.statistics.units.cluster_units import ClusterUnits
from audit.statistics.units.clusters import cluster_table
from audit.statistics.units.sampling_unit import ImageUnits
from audit.statistics.units.standardized import SlicedRows, StandardizedUnits, at_equal_truth
from audit.types import SAME_ANSWER, UNCLEAR, UNKNOWN, Dataset, Group, Predictions, Settings

if TYPE_CHECKING:
    from jaxtyping import Bool, Int

MOSTLY = 0.95
"""With this share of one answer, rates of all others are within the usual tolerance in any group: equality then means nothing."""
DRAWS = 1999
"""Maximum number of shuffles for results that no verdict depends on."""
_EXPLAINED = 0.5
"""Largest remaining part of a gap that composition explains: a large gap may also lose its significance to small strata."""
RECOGNISED = 0.2
"""Answers are not called "no better" if their agreement may exceed that of a constant answer, or a guess, by this much."""
_ROUNDING = 1e-9


# ---- answers against one answer ------------------------------------------------------------------------------------------------------


def responsiveness(
    predictions: Mapping[str, Predictions], settings: Settings, questions: Mapping[str, RowQuestions | None] | None = None
) -> dict[str, Responsiveness]:
    """How the answers to each measurement depend on the images; without measurements that compare two ways to pose a question.

    `questions` says, for measurements whose questions differ between rows, which rows share a question.
    """
    of_rows = questions or {}
    aside = {named(name) for name in predictions for named in ASKINGS}
    measured = {name: prediction for name, prediction in predictions.items() if name not in aside and len(prediction.y_pred)}
    return {
        name: _of_measurement(name, prediction, predictions.get(order_name(name)), settings, of_rows.get(name))
        for name, prediction in measured.items()
    }


def _of_measurement(
    name: str, predictions: Predictions, order: Predictions | None, settings: Settings, questions: RowQuestions | None
) -> Responsiveness:
    images = predictions.images_of_rows
    commonest, share = _commonest(predictions.y_pred, predictions.answers, images)
    unclear = float(images[predictions.y_pred == UNCLEAR].sum() / images.sum()) if UNCLEAR in predictions.answers else None
    kept = None if order is None else float(np.mean(order.y_pred == SAME_ANSWER))
    against = against_constant(name, predictions, settings)
    record = Responsiveness(None, predictions.images, commonest, share, unclear, kept, against)
    return replace(record, code=_code(record, settings.alpha, questions and look_of_rows(predictions, questions, settings.alpha)))


def _code(record: Responsiveness, alpha: float, by_rows: ImageDependence | None) -> ImageDependence | None:
    against, kept = record.against_constant, record.same_in_another_order
    if by_rows in ("looks", "constant"):
        return by_rows
    if (record.unclear or 0.0) >= MOSTLY:
        return "unclear"
    if record.commonest_share >= MOSTLY and kept is not None and kept < 0.5:
        return "order"
    if against is None:
        # A model that rightly gives everyone the same answer cannot be distinguished from one that ignores the images.
        return "constant" if record.commonest_share == 1 else by_rows
    if against.accuracy > against.constant_accuracy and against.p <= alpha:
        return "looks"
    if record.commonest_share == 1:
        return "constant"
    if against.follows_truth_p is not None and against.follows_truth_p <= alpha:
        return "varies"
    return "undecided" if against.high is not None and against.high >= RECOGNISED else "no better"


def look_of_rows(predictions: Predictions, questions: RowQuestions, alpha: float) -> ImageDependence | None:
    """What answers to per-row questions say about the use of the images; None if they say nothing.

    If one role is right in every row, the texts do not reveal it: a model that is right more often than a guess (the interval of the rate
    lies above it) looks, otherwise it is "no better". Else, or if no better, the answers are "constant" if most rows share their
    question with another, and every question with several rows got one answer, regardless of its images.

    Examples
    --------
    Two questions, each about an image of either kind; the answers follow the question.

    >>> kinds, said = np.array(["a", "b", "a", "b"]), np.array(["a", "a", "b", "b"])
    >>> rows = pd.DataFrame(index=range(4))
    >>> given = Predictions(("a", "b"), ("a", "b"), np.zeros((4, 0), np.float32), said, kinds, rows, np.zeros(4, np.float32))
    >>> look_of_rows(given, RowQuestions((np.array([0, 0, 1, 1]),), 0.5), 0.05)
    'constant'
    """
    guessed = _against_a_guess(predictions, questions.guessed, alpha)
    if guessed != "looks" and any(_one_answer_each(reading, predictions.y_pred) for reading in questions.readings):
        return "constant"
    return guessed


def _one_answer_each(question: Int[np.ndarray, "n"], y_pred: np.ndarray) -> bool:
    """Whether most rows share their question with another, and every shared question got one answer."""
    rows = pd.DataFrame({"question": question, "answer": y_pred}).groupby("question")["answer"].agg(["size", "nunique"])
    shared = rows[rows["size"] > 1]
    return bool(2 * shared["size"].sum() >= len(y_pred) and (shared["nunique"] == 1).all())


def _against_a_guess(predictions: Predictions, guessed: float, alpha: float) -> ImageDependence | None:
    """Whether the only right role is chosen more often than by guessing; None if no role, or more than one, is right."""
    known = np.zeros(len(predictions.y_pred), bool) if predictions.y_true is None else predictions.y_true != UNKNOWN
    if predictions.y_true is None or len(pd.unique(predictions.y_true[known])) != 1:
        return None
    right = predictions.y_pred[known] == predictions.y_true[known]
    units: ImageUnits | ClusterUnits = ImageUnits(np.array([right.sum()]), np.array([len(right)]))
    if predictions.cluster is not None:
        units = ClusterUnits(cluster_table(predictions.cluster[known], np.zeros(len(right), np.int64), right, 1))
    low, high = (float(end[0]) for end in units.intervals(alpha))
    return "looks" if low > guessed else "undecided" if high >= guessed + RECOGNISED else "no better"


def _commonest(
    answers: np.ndarray, declared: Group, images: Int[np.ndarray, "n"], right: Bool[np.ndarray, "n"] | None = None
) -> tuple[str, float]:
    """The most frequent answer, and its share of the images that rows represent; of several, the one most often `right`, then the first
    declared.
    """
    codes, names = pd.factorize(answers)
    counts, hits = (_summed(codes, part, len(names)).tolist() for part in (images, images if right is None else images * right))
    often = dict(zip(map(str, names), zip(counts, hits, strict=True), strict=True))
    order = [*(name for name in declared if name in often), *sorted(set(often) - set(declared))]
    first = max(order, key=lambda name: often[name])
    return first, often[first][0] / int(images.sum())


def _summed(codes: Int[np.ndarray, "n"], images: Int[np.ndarray, "n"], length: int) -> Int[np.ndarray, "l"]:
    """Number of images of each code."""
    sums = np.zeros(length, np.int64)
    np.add.at(sums, codes, images)
    return sums


def against_constant(name: str, predictions: Predictions, settings: Settings) -> AgainstConstant | None:
    """Compare how often the answers, and the best constant answer, are right on the same images.

    Of equally frequent true answers, the one that the answers get right most often is compared: the constant answer that they resemble
    most. With two labels that is the one answered more often, regardless of their names. Exact McNemar test; if images come in clusters,
    whole clusters change sign together. None without true answers, or if all are the same: the model's answers then cannot be
    distinguished from a constant one, and all groups have the same true answers.

    Examples
    --------
    Four images, three of which show men: always "Male" is right for three. The answers are right for all four.

    >>> y = np.array(["Male", "Male", "Male", "Female"])
    >>> labels, rows = ("Female", "Male"), pd.DataFrame(index=range(4))
    >>> given = Predictions(labels, labels, np.zeros((4, 0), np.float32), y, y, rows, np.zeros(4, np.float32))
    >>> found = against_constant("gender", given, Settings())
    >>> found.constant, found.constant_accuracy, found.accuracy, found.only_answers, found.only_constant, found.p
    ('Male', 0.75, 1.0, 1, 0, 1.0)
    """
    known = np.zeros(len(predictions.y_pred), bool) if predictions.y_true is None else predictions.y_true != UNKNOWN
    if predictions.y_true is None or len(pd.unique(predictions.y_true[known])) < 2:
        return None
    y_true, y_pred, images = predictions.y_true[known], predictions.y_pred[known], predictions.images_of_rows[known]
    cluster = None if predictions.cluster is None else predictions.cluster[known]
    right = y_pred == y_true
    constant, share = _commonest(y_true, predictions.answers, images, right)
    would = y_true == constant
    cell = np.select([right & would, would, right], [BOTH, ONLY_BEFORE, ONLY_AFTER], NEITHER)
    cells = _summed(cell, images, 4)[None]
    kinds = None if cluster is None else cluster_kinds(pd.Series(cluster), cell, np.ones(len(cell), np.int64), 1)
    joint = JointCounts(((),), cells, cells.sum(axis=1), kinds)
    p = float(change_p(joint, settings)[0])
    low, high = (float(end[0]) for end in change_ends(joint, settings.alpha))
    total = int(images.sum())
    accuracy = int(images[right].sum()) / total
    better = accuracy > share and p <= settings.alpha
    given_most = y_pred == _commonest(y_pred, predictions.answers, images)[0]
    follows = None if better else _follows_truth_p(name, _Events(y_true, given_most, images), cluster, settings)
    only = int(cells[0, ONLY_AFTER]), int(cells[0, ONLY_BEFORE])
    codes, names = pd.factorize(y_true)
    recall = _summed(codes, images * right, len(names)) / _summed(codes, images, len(names))
    return AgainstConstant(total, accuracy, constant, share, *only, p, follows, low, high, float(recall.mean()) - 1 / len(names))


class _Events(NamedTuple):
    """True answers, whether the most frequent answer was predicted, and the number of images that each row represents."""

    y_true: np.ndarray
    event: Bool[np.ndarray, "n"]
    images: Int[np.ndarray, "n"]


def _follows_truth_p(name: str, rows: _Events, cluster: Int[np.ndarray, "n"] | None, settings: Settings) -> float | None:
    """The p of "the most frequent answer is equally frequent for all true answers"; None if there are too few clusters."""
    codes, names = pd.factorize(rows.y_true)
    if cluster is None:
        units = ImageUnits(_summed(codes, rows.images * rows.event, len(names)), _summed(codes, rows.images, len(names)))
        return units.null(min(settings.draws, DRAWS), generator(settings.seed, f"{name}/truth")).p
    clusters = ClusterUnits(cluster_table(cluster, codes.astype(np.int64), rows.event, len(names)))
    places = np.flatnonzero(clusters.enough())
    first, second = np.triu_indices(len(places), 1)
    # Pair by pair: shuffling as many clusters as persons may take minutes.
    return float(min(1.0, len(first) * clusters.p(places[first], places[second]).min())) if len(first) else None


# ---- group composition ---------------------------------------------------------------------------------------------------------------


def with_composition(findings: Sequence[ClaimResult], counts: Sequence[CountRecord], settings: Settings) -> tuple[ClaimResult, ...]:
    """Add the gap at equal group composition to the primary findings of accuracy."""
    cells = {record.measurement: unpack(record) for record in counts if record.truth}
    return tuple(
        replace(finding, composition=_composition(finding, cells[finding.measurement], settings))
        if finding.primary and finding.gap and finding.metric == "accuracy" and finding.outcome is None and finding.measurement in cells
        else finding
        for finding in findings
    )


def with_truth_tested(
    findings: Sequence[ClaimResult], predictions: Mapping[str, Predictions], looks: Mapping[str, Responsiveness], dataset: Dataset,
    settings: Settings,
) -> tuple[ClaimResult, ...]:  # fmt: skip
    """Add p within each truth to differences in accuracy without evidence that the answers depend on the images.

    If images come in clusters or have weights, true answers are made equally frequent by weights. Not for attributes with several values
    per image, nor if no true answer occurs in every group.
    """
    blind = {name for name, look in looks.items() if look.code not in (None, "looks")}
    return tuple(
        replace(finding, within_truth_p=_within_truth_p(finding, predictions[finding.measurement], dataset.levels, settings))
        if finding.measurement in blind and finding.metric == "accuracy" and finding.outcome is None
        and finding.gap and finding.gap.p <= settings.alpha and not set(dataset.several) & set(finding.attributes)
        else finding
        for finding in findings
    )  # fmt: skip


def _within_truth_p(finding: ClaimResult, predictions: Predictions, levels: Mapping[str, Group], settings: Settings) -> float | None:
    if predictions.y_true is None:
        return None
    independent = predictions.cluster is None and predictions.weight is None
    rows = None if independent else SlicedRows(predictions, levels, finding.attributes)
    counts = grouped_counts(predictions, finding.attributes, levels)
    judged = np.array([rate.status == "ok" for rate in finding.by_group])
    tallied, units = at_equal_truth(counts, METRICS["accuracy"], None, judged, rows)
    compared = np.flatnonzero(judged & (tallied.n > 0))
    if len(compared) < 2:
        return None
    return units.of(compared).null(settings.draws, generator(settings.seed, f"{finding.id}/within true answers")).p


def _composition(finding: ClaimResult, cells: CellTable, settings: Settings) -> Composition | None:
    """The gap at equal shares of the true answers; None if a group lacks one: its answers to it are unknown."""
    if not cells.has(finding.attributes) or finding.gap is None:
        return None
    groups, group_codes = cells.place(finding.attributes)
    compared = [groups.index(rate.group) for rate in finding.by_group if rate.status == "ok"]
    column = np.full(len(groups) + 1, -1)  # the last entry is that of -1: an unknown level
    column[compared] = np.arange(len(compared))
    truth, answer = np.asarray(cells.answered.y_true), cells.answered.y_pred
    kept = (column[group_codes] >= 0) & (truth != UNKNOWN)
    codes, names = pd.factorize(truth[kept], sort=True)  # sums and draws do not depend on the order of labels and rows
    n, right = np.zeros((2, len(names), len(compared)), np.int64)
    at = (codes, column[group_codes][kept])
    np.add.at(n, at, cells.n[kept])
    np.add.at(right, at, (cells.n * (truth == answer))[kept])
    if len(names) < 2 or not n.all():
        return None
    clustered = finding.overall.clusters is not None
    gap, p = standardized_gap(right, n, settings, None if clustered else finding.id)
    equal = p is not None and p > settings.alpha and gap <= _EXPLAINED * finding.gap.value
    return Composition(gap, p, finding.gap.p_adjusted <= settings.alpha and (equal or gap < _ROUNDING))


def standardized_gap(
    right: Int[np.ndarray, "y g"], n: Int[np.ndarray, "y g"], settings: Settings, name: str | None = None
) -> tuple[float, float | None]:
    """Gap of accuracy if every group had the pooled shares of true answers, ``sum_y w_y recall_g(y)``; and its p.

    Parameters
    ----------
    right, n : int[y, g]
        Right answers, and images, of each true answer in each group; every `n` at least 1.
    settings : Settings
        Seed and draws of the test.
    name : str, optional
        Name of the stream of shuffles: groups are shuffled within each true answer, and the most significant pair is tested. None: no test.

    Returns
    -------
    float, float or None
        The gap, and p (None without a test).

    Examples
    --------
    Always "Male" is right for 90 of 100 people in a group with 90 men, and for 10 of 100 in one with 10; at equal shares the gap is 0.

    >>> standardized_gap(np.array([[90, 10], [0, 0]]), np.array([[90, 10], [10, 90]]), Settings(), "accuracy")
    (0.0, 1.0)
    """
    units = StandardizedUnits(right, n, n.sum(axis=1) / n.sum())
    if name is None:
        return float(np.ptp(units.rates)), None
    null = units.null(min(settings.draws, DRAWS), generator(settings.seed, f"{name}/equal true answers"))
    return null.gap, null.p
