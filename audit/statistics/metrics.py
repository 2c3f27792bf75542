"""The registry of rates, and their point estimates, which fairlearn's `MetricFrame` computes on the count table.

An outcome is a *set* of answers ("crime-related" is three labels); every rate of an outcome is one-vs-rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

import numpy as np
import pandas as pd

from audit.errors import UsageError, nearest
from audit.records.finding import CellStatus
from audit.statistics.counts import IMAGES, GroupedCounts
from audit.ties import first_largest
from audit.types import NO_ANSWER, UNKNOWN, Better, Claim, CodedAnswers, Group, Measurement, Predictions

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

Outcome = frozenset[str]
_ROUNDING = 1e-9
_FAIRLEARN = "https://fairlearn.org/v0.15/api_reference/generated/fairlearn.metrics"


@dataclass(frozen=True)
class Metric:
    """A rate: events among the images that count."""

    name: str
    better: Better
    source: str
    needs_truth: bool
    needs_outcome: bool
    denominator: Literal["all", "positive", "negative", "selected", "answered"]
    """Images that count: all; those whose true answer is, or is not, in the outcome; those whose answer is; those with a real answer."""
    event: Literal["correct", "selected", "missed", "positive"]
    """Which images are events: a right answer; an answer in, or not in, the outcome; a true answer in it."""


METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        metric.name: metric
        for metric in (
            Metric("accuracy", "high", "https://scikit-learn.org/stable/modules/model_evaluation.html#accuracy-score",
                   needs_truth=True, needs_outcome=False, denominator="all", event="correct"),
            Metric("selection_rate", "neither", f"{_FAIRLEARN}.selection_rate.html",
                   needs_truth=False, needs_outcome=True, denominator="all", event="selected"),
            Metric("true_positive_rate", "high", f"{_FAIRLEARN}.true_positive_rate.html",
                   needs_truth=True, needs_outcome=True, denominator="positive", event="selected"),
            Metric("false_negative_rate", "low", f"{_FAIRLEARN}.false_negative_rate.html",
                   needs_truth=True, needs_outcome=True, denominator="positive", event="missed"),
            Metric("false_positive_rate", "low", f"{_FAIRLEARN}.false_positive_rate.html",
                   needs_truth=True, needs_outcome=True, denominator="negative", event="selected"),
            Metric("true_negative_rate", "high", f"{_FAIRLEARN}.true_negative_rate.html",
                   needs_truth=True, needs_outcome=True, denominator="negative", event="missed"),
            Metric("precision", "high", "https://scikit-learn.org/stable/modules/model_evaluation.html#precision-recall-f-measure-metrics",
                   needs_truth=True, needs_outcome=True, denominator="selected", event="positive"),
            Metric("rate_among_answered", "neither", "https://arxiv.org/abs/2110.08193",  # the bias score of BBQ ignores non-answers
                   needs_truth=False, needs_outcome=True, denominator="answered", event="selected"),
            # The share of a group's images; with equally large groups in each gallery it orders models like Bias@K.
            Metric("retrieval_rate", "neither", f"{_FAIRLEARN}.selection_rate.html",
                   needs_truth=False, needs_outcome=True, denominator="all", event="selected"),
        )
    }
)  # fmt: skip


ERROR_RATES: Mapping[str, str] = MappingProxyType(
    {
        "true_positive_rate": "false_negative_rate",
        "true_negative_rate": "false_positive_rate",
        "false_negative_rate": "false_negative_rate",
        "false_positive_rate": "false_positive_rate",
    }
)
"""Rates given the true answer, and the error rate that says the same if there are two answers."""


def is_about_errors(metric: str) -> bool:
    """Whether a rate, or one minus it, is a rate of errors: of all images, or of those with one true answer."""
    return metric == "accuracy" or metric in ERROR_RATES


def confused_answers(metric: str, outcome: Sequence[str], answers: Iterable[str]) -> tuple[str, str] | None:
    """The true answer and the answer it is taken for, if `metric` is about errors and the `answers` that occur are only these two.

    Examples
    --------
    >>> confused_answers("true_positive_rate", ["cat"], ["cat", "dog"]), confused_answers("false_positive_rate", ["cat"], ["cat", "dog"])
    (('cat', 'dog'), ('dog', 'cat'))
    >>> confused_answers("true_positive_rate", ["cat"], ["cat", "dog", "bird"])
    """
    others = [answer for answer in answers if answer not in (*outcome, UNKNOWN)]
    if metric not in ERROR_RATES or len(outcome) != 1 or len(others) != 1:
        return None
    pair = outcome[0], others[0]
    return pair if ERROR_RATES[metric] == "false_negative_rate" else pair[::-1]


class AnswerRows(Protocol):
    """Answers and true answers: the part of `Predictions` that rates are computed from."""

    @property
    def y_pred(self) -> np.ndarray: ...

    @property
    def y_true(self) -> np.ndarray | None: ...


@dataclass(frozen=True)
class RowEvents:
    """Whether each image is counted in the denominator of a rate, and whether it is an event; every event is counted."""

    counted: Bool[np.ndarray, "n"]
    event: Bool[np.ndarray, "n"]


def row_events(predictions: AnswerRows, metric: Metric, outcome: Outcome | None) -> RowEvents:
    """Which images are counted by a metric, and which are its events; their sums by group are its `tally`."""
    if isinstance(predictions, CodedAnswers):
        return _coded_events(predictions, metric, outcome)
    truth = np.full(len(predictions.y_pred), "") if predictions.y_true is None else predictions.y_true
    return events_of(truth, predictions.y_pred, metric, outcome)


def _coded_events(coded: CodedAnswers, metric: Metric, outcome: Outcome | None) -> RowEvents:
    """Compute the events once per pair of true answer and answer, then look up the pair of each image."""
    truths = ("",) if coded.truths is None else coded.truths
    truth, answers = (grid.ravel() for grid in np.meshgrid(truths, coded.answers, indexing="ij"))
    pairs = events_of(truth, answers, metric, outcome)
    pair = coded.chosen.astype(np.int64) if coded.truth is None else coded.truth * len(coded.answers) + coded.chosen
    return RowEvents(pairs.counted[pair], pairs.event[pair])


def events_of(truth: np.ndarray, answers: np.ndarray, metric: Metric, outcome: Outcome | None) -> RowEvents:
    """Which rows are counted by a metric, and which are its events, given their true answers and answers."""
    everything = np.ones(len(answers), bool)
    known = truth != UNKNOWN if metric.needs_truth else everything
    if outcome is None:
        return RowEvents(known, known & (truth == answers))
    positive, selected = (np.isin(labels, list(outcome)) for labels in (truth, answers))
    kinds = {"all": everything, "positive": positive, "negative": ~positive, "selected": selected}
    counted = known & (_answered(answers) if metric.denominator == "answered" else kinds[metric.denominator])
    event = {"correct": positive == selected, "selected": selected, "missed": ~selected, "positive": positive}[metric.event]
    return RowEvents(counted, counted & event)


def _answered(answers: np.ndarray) -> Bool[np.ndarray, "n"]:
    """Whether each answer is a real one: none of `NO_ANSWER`."""
    commits: np.ndarray = np.logical_and.reduce([answers != label for label in NO_ANSWER])
    return commits


@dataclass(frozen=True)
class Tally:
    """Events and denominators of one metric."""

    groups: tuple[Group, ...]
    events: Int[np.ndarray, "g"]
    n: Int[np.ndarray, "g"]
    images: Int[np.ndarray, "g"]
    """Number of images of the group, whether they count for the metric or not."""
    weights: tuple[Float[np.ndarray, "g"], Float[np.ndarray, "g"]] | None = None
    """Sums of weights of the events, and of all images that count; None if every image counts once."""

    @property
    def parts(self) -> tuple[np.ndarray, np.ndarray]:
        """Numerator and denominator of the rate."""
        return self.weights or (self.events, self.n)

    def statuses(self, fewest: int) -> tuple[CellStatus, ...]:
        """Status of each group; a group of one image is never compared, since it has no variance."""
        conditions = [[UNKNOWN in group for group in self.groups], self.images == 0, self.n == 0, self.n >= max(fewest, 2)]
        return tuple(np.select(conditions, ["unknown", "absent", "not estimable", "ok"], "small").tolist())


def tally(counts: GroupedCounts, metric: Metric, outcome: Outcome | None) -> Tally:
    """Count the events and the denominator of a metric in each group."""
    rows = events_of(counts.table["y_true"].to_numpy(object), counts.table["y_pred"].to_numpy(object), metric, outcome)
    events, n, images = map(counts.by_group, (rows.event, rows.counted, np.ones(len(counts.table), bool)))
    weights = None
    if counts.measure != IMAGES:
        weights = counts.by_group(rows.event, counts.measure), counts.by_group(rows.counted, counts.measure)
    return Tally(counts.groups, events, n, images, weights)


@cache
def definitions() -> Mapping[str, Callable[..., Any]]:
    """Fairlearn's and scikit-learn's functions of the same names, whose rates ours equal: for a frame on rows, and for tests."""
    from fairlearn import metrics
    from sklearn.metrics import accuracy_score, precision_score

    rates = ("selection_rate", "true_positive_rate", "false_negative_rate", "false_positive_rate", "true_negative_rate")
    return {
        "accuracy": accuracy_score,
        "precision": partial(precision_score, zero_division=np.nan),
        "rate_among_answered": metrics.selection_rate,  # only over the rows that count
        "retrieval_rate": metrics.selection_rate,  # of "among the first k"
        **{name: getattr(metrics, name) for name in rates},
    }


@dataclass(frozen=True)
class Estimates:
    """Point estimates of one metric, as fairlearn defines it; meaningless if the denominator is 0, so mask before use."""

    by_group: Float[np.ndarray, "g"]
    """NaN for a group without images."""
    overall: float


class RateRequest(NamedTuple):
    """A rate by group, to be computed from a count table."""

    counts: GroupedCounts
    metric: Metric
    outcome: Outcome | None
    """None: the answers themselves are compared (accuracy)."""

    @property
    def counted(self) -> GroupedCounts:
        """The rows that may count: those with a true answer, or with a real one, if the metric needs it."""
        counts = self.counts.known_truth() if self.metric.needs_truth else self.counts
        return counts.answered() if self.metric.denominator == "answered" else counts


def point_estimates(counts: GroupedCounts, names: Sequence[str], outcome: Outcome | None) -> dict[str, Estimates]:
    """The point estimates of some metrics of one outcome."""
    return dict(zip(names, estimates_of([RateRequest(counts, METRICS[name], outcome) for name in names]), strict=True))


def estimates_of(requests: Sequence[RateRequest]) -> list[Estimates]:
    """The point estimates, by fairlearn's `MetricFrame` with the numbers of images, or their weights, as `sample_weight`.

    A frame costs 15 ms and each of its groups .6 ms, so there is one: its groups are those of all requests, and all images of each. Every
    rate is the share of events among what counts for its metric. They equal those of a frame on one row per image bit for bit if every
    image counts once: sums of integers are exact. Its bootstrap is never used, as it would resample rows of the table.
    """
    if not requests:
        return []
    sizes = [len(request.counts.groups) + 1 for request in requests]
    starts = np.cumsum([0, *sizes])
    parts = [part for start, request in zip(starts, requests, strict=False) for part in _events_by_code(start, request)]
    rates = _by_code(*(np.concatenate(columns) for columns in zip(*parts, strict=True))).reindex(range(starts[-1])).to_numpy(float)
    each = np.split(rates, starts[1:-1])
    return [Estimates(of_request[:-1], float(of_request[-1])) for of_request in each]


def _events_by_code(start: int, request: RateRequest) -> Iterator[tuple[np.ndarray, ...]]:
    """Code of the group, event, and how often it counts, for each row: once for the groups of a request, once for all its images."""
    group, y_true, y_pred, n = _coded(request.counted, request.outcome)
    metric = request.metric
    counted = {"positive": y_true, "negative": 1 - y_true, "selected": y_pred}.get(metric.denominator, np.ones_like(y_true))
    event = {"correct": y_true == y_pred, "selected": y_pred == 1, "missed": y_pred == 0, "positive": y_true == 1}[metric.event]
    yield start + group, event.astype(int), n * counted
    yield np.full_like(group, start + len(request.counts.groups)), event.astype(int), n * counted


def _by_code(codes: np.ndarray, event: np.ndarray, n: np.ndarray) -> pd.Series:
    """The rate of each code; NaN if no image of it counts."""
    if not len(codes):
        return pd.Series(dtype=float)
    from fairlearn.metrics import MetricFrame, selection_rate

    # 0 / 0 is expected; and to make each of its names an Arrow array would take a fifth of the time.
    with np.errstate(invalid="ignore"), pd.option_context("mode.string_storage", "python"):
        frame = MetricFrame(
            metrics={"rate": selection_rate}, y_true=event, y_pred=event, sensitive_features=pd.Series(codes, name="group"),
            sample_params={"rate": {"sample_weight": n}},
        )  # fmt: skip
    rates: pd.Series = frame.by_group["rate"]
    return rates


def _coded(counts: GroupedCounts, outcome: Outcome | None) -> tuple[Int[np.ndarray, "r"], ...]:
    """Group, true answer and answer as integers, and numbers of images: fairlearn treats the string "1" as not selected.

    Rows that are equal in one-vs-rest form are merged, since fairlearn's cost grows with the rows.
    """
    table = counts.table
    if outcome is not None:
        answers = [table[column].isin(outcome).to_numpy(np.int64) for column in ("y_true", "y_pred")]
    else:
        answers = np.split(pd.factorize(pd.concat([table["y_true"], table["y_pred"]]))[0], 2)
    rows, inverse = np.unique(np.column_stack([counts.codes, *answers]), axis=0, return_inverse=True)
    values = table[counts.measure].to_numpy()
    n = np.zeros(len(rows), values.dtype)
    np.add.at(n, inverse, values)
    return rows[:, 0], rows[:, 1], rows[:, 2], n


def check_estimates(finding: str, estimates: Estimates, tallied: Tally) -> None:
    """Compare what fairlearn computes with the counts from which intervals and tests follow.

    Raises ArithmeticError where they differ: then one of them is wrong, and no number of this finding can be relied on.
    """
    part, whole = (np.append(counts, counts.sum()) for counts in tallied.parts)
    defined = np.append(tallied.n, tallied.n.sum()) > 0
    values, ours = np.append(estimates.by_group, estimates.overall), part / np.where(defined, whole, 1)
    differ = defined & ~np.isclose(values, ours, rtol=0, atol=1e-12)
    if differ.any():
        at = int(differ.argmax())
        group = " x ".join((*tallied.groups, ("all images",))[at])
        raise ArithmeticError(f"{finding}: fairlearn computes {values[at]:.6g} for {group}, and the counts give {ours[at]:.6g}")


def gap_of_rates(estimates: Estimates, statuses: Sequence[CellStatus]) -> float:
    """The largest difference of fairlearn's rates of any two groups that are compared."""
    return float(np.ptp(estimates.by_group[[status == "ok" for status in statuses]]))


def check_gap(finding: str, gap: float, of_rates: float) -> None:
    """Compare a gap with that of fairlearn's rates, or its change with theirs; raises ArithmeticError where they differ."""
    if abs(of_rates - gap) > _ROUNDING:
        raise ArithmeticError(f"{finding}: fairlearn's rates differ by {of_rates:.6g}, and the gap is {gap:.6g}")


def majority_baseline(counts: GroupedCounts, outcome: Outcome | None, answers: Group) -> Int[np.ndarray, "g"] | Float[np.ndarray, "g"]:
    """Number of images of each group (or their weights) that a constant answer, the most frequent true answer overall, gets right.

    A tie goes to the answer that is declared first, or with an outcome to the outcome.
    """
    counts = counts.known_truth()
    if outcome is not None:
        positive = counts.table["y_true"].isin(outcome).to_numpy()
        inside, outside = (counts.by_group(mask, counts.measure) for mask in (positive, ~positive))
        return inside if inside.sum() >= outside.sum() else outside
    totals = counts.table.groupby("y_true")[counts.measure].sum()
    if totals.empty:
        return np.zeros(len(counts.groups), np.int64)
    order = [answer for answer in answers if answer in totals.index]
    commonest = totals.loc[order + [answer for answer in totals.index if answer not in order]].idxmax()
    return counts.by_group((counts.table["y_true"] == commonest).to_numpy(), counts.measure)


def resolve(measurement: Measurement, claim: Claim, predictions: Predictions | CodedAnswers) -> tuple[Metric, Outcome | None]:
    """The metric and the outcome that a claim names.

    Raises UsageError if either does not exist, an outcome includes an impossible answer, or the metric needs what is missing.
    """
    where = f"measurement {measurement.name!r}"
    if claim.metric not in METRICS:
        raise UsageError(f"no metric {claim.metric!r}", where=where, fix=nearest(claim.metric, METRICS))
    metric = METRICS[claim.metric]
    if metric.needs_truth and predictions.y_true is None:
        raise UsageError(f"{metric.name} needs a true answer", where=where, fix="name the attribute that holds it")
    if claim.outcome is None:
        if metric.needs_outcome:
            raise UsageError(f"{metric.name} needs an outcome", where=where, fix=nearest("", measurement.outcomes))
        return metric, None
    if claim.outcome not in measurement.outcomes:
        raise UsageError(f"no outcome {claim.outcome!r}", where=where, fix=nearest(claim.outcome, measurement.outcomes))
    outcome = frozenset(measurement.outcomes[claim.outcome])
    impossible = sorted(outcome - set(predictions.answers))
    if impossible or not outcome:
        raise UsageError(f"outcome {claim.outcome!r} names {', '.join(impossible) or 'no answer'}", where=where,
                         why="only what the model can answer makes an outcome", fix=nearest("", predictions.answers))  # fmt: skip
    return metric, outcome


def extremes(rates: Float[np.ndarray, "g"]) -> tuple[int, int]:
    """Indices of the highest and the lowest rate: of equals the first and the last, so that they never coincide."""
    return first_largest(rates), len(rates) - 1 - first_largest(-rates[::-1])
