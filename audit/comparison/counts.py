"""Joint counts of the claims of two audits, in one pass over the images per slicing, and the changes of each claim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from audit.comparison.sides import Y_PRED, Y_TRUE
from audit.naming import levels_of
from audit.records.comparison import Change, ComparedClaim
from audit.records.finding import Uncovered
from audit.records.inputs import undeclared_units
from audit.results import AuditResult, Finding, MeasurementRecord
from audit.statistics.counts import GroupedCounts, count_table, row_codes
from audit.statistics.metrics import (
    METRICS,
    Metric,
    Outcome,
    RateRequest,
    Tally,
    check_estimates,
    check_gap,
    confused_answers,
    estimates_of,
    gap_of_rates,
    row_events,
)
from audit.statistics.missing_truth import AnswerOf, TruthByAnswer, rows_by_answer
from audit.statistics.null import generator
from audit.statistics.paired.changes import changes_by_group, gap_change, pair_changes
from audit.statistics.paired.filled import FilledRates
from audit.statistics.paired.joint import BOTH, NEITHER, ONLY_AFTER, ONLY_BEFORE, JointCounts, cluster_kinds
from audit.types import UNKNOWN, Group, Note, Settings

if TYPE_CHECKING:
    from jaxtyping import Bool, Int

_BEFORE = "answer before"
"""Column that only joint tables have."""


def count_changes(
    audits: tuple[AuditResult, AuditResult], tables: Mapping[str, tuple[pd.DataFrame, pd.DataFrame]], settings: Settings, others: int
) -> tuple[dict[str, JointCounts], list[Change], tuple[Note, ...]]:
    """Count every claim of the first audit jointly with the second's answers, without any correction.

    Returns finding -> its counts, the change of every claim that can be paired, and the claims that cannot. `tables` has the answers to
    each measurement before and after, on the same images in the same order. If `others` models are compared with the first, a reversal
    must hold over all primary claims of all of them.
    """
    theirs = {finding.id: finding for finding in audits[1].findings}
    records = {record.name: record for record in audits[0].measurements}
    cluster = clusters_by(audits)
    if cluster is not None:
        tables = {name: (_with_clusters(before, after, cluster), after) for name, (before, after) in tables.items()}
    claims = max(sum(finding.primary for finding in audits[0].findings), 1) * others
    joints: dict[str, JointCounts] = {}
    changes: list[Change] = []
    refused: list[Note] = []
    counted: dict[tuple[str, tuple[str, ...]], pd.DataFrame] = {}
    questions: list[_Asked] = []
    for finding in audits[0].findings:
        undeclared = "rows_of_units" if cluster is None and any(undeclared_units(audit.data.notes) for audit in audits) else None
        code = _why_not(finding, theirs, tables) or undeclared or _why_shared(finding, audits) or _why_no_clusters(finding, tables, cluster)
        if code:
            # For exploratory selection rates a comparison has the error rates, so they are skipped without a note.
            refused += [Note(code, {"finding": finding.id, "metric": finding.metric})] if finding.primary or not finding.shares else []
            continue
        record, key = records[finding.measurement], (finding.measurement, finding.attributes)
        if key not in counted:
            by = tuple(dict.fromkeys((*finding.attributes, *([cluster] if cluster else []))))
            counted[key] = _joint_table(*tables[finding.measurement], by, record.truth)
        asked = _Asked(finding, record, counted[key])
        questions.append(asked)
        joints[finding.id] = asked.joint(cluster)
        change = _change(finding, theirs[finding.id], joints[finding.id], record.truth, settings, claims)
        missing = asked.missing_truth(change, joints[finding.id], settings, claims)
        changes.append(replace(change, confused=_confused(finding, record, audits), missing_truth=missing))
    _check(questions, joints, changes, settings)
    return joints, changes, tuple(refused)


def _confused(finding: Finding, record: MeasurementRecord, audits: tuple[AuditResult, AuditResult]) -> tuple[str, str] | None:
    """The two answers that a rate of errors is about; None if a model gave a third, or if an audit has no counts to tell."""
    counts = [count.answers for audit in audits for count in audit.counts if count.measurement == finding.measurement]
    if finding.outcome is None or len(counts) < len(audits):
        return None
    return confused_answers(finding.metric, record.outcomes[finding.outcome], dict.fromkeys(answer for own in counts for answer in own))


def _why_not(finding: Finding, theirs: Mapping[str, Finding], tables: Mapping[str, object]) -> str | None:
    if finding.id not in theirs or finding.measurement not in tables:
        return "only_first"
    metric = METRICS.get(finding.metric)
    if metric is None:
        return "unknown_metric"
    if finding.shares or theirs[finding.id].shares:
        return "equal_true_shares"
    return "selected_images" if metric.denominator in ("selected", "answered") else None


def _why_shared(finding: Finding, audits: tuple[AuditResult, AuditResult]) -> str | None:
    shared = {*audits[0].data.several, *audits[1].data.several}
    return "counted_by_share" if shared & set(finding.attributes) else None


def clusters_by(audits: tuple[AuditResult, AuditResult]) -> str | None:
    """The column that says which images belong together: if one audit has it, it applies to both."""
    return audits[0].data.cluster or audits[1].data.cluster


def _with_clusters(before: pd.DataFrame, after: pd.DataFrame, cluster: str) -> pd.DataFrame:
    return before.assign(**{cluster: after[cluster].array}) if cluster not in before and cluster in after else before


def _why_no_clusters(finding: Finding, tables: Mapping[str, tuple[pd.DataFrame, pd.DataFrame]], cluster: str | None) -> str | None:
    """Why images that come in clusters cannot be counted by cluster: otherwise every image would be treated as independent."""
    if cluster is None:
        return None
    column = tables[finding.measurement][0].get(cluster)
    if column is None:
        return "no_clusters"
    return "unknown_clusters" if (column == UNKNOWN).any() else None


def _joint_table(before: pd.DataFrame, after: pd.DataFrame, by: Sequence[str], truth: str | None) -> pd.DataFrame:
    """Count the images of each (attributes, true answer, answer before, answer after): the only pass over the images."""
    rows = before[list(by)].assign(**{_BEFORE: before[Y_PRED].array})
    true = None if truth is None else before[Y_TRUE].array
    return count_table(rows, true, after[Y_PRED].array, [*by, _BEFORE])


@dataclass(frozen=True)
class _Answers:
    """One side's answers in the rows of the joint table."""

    y_true: np.ndarray | None
    y_pred: np.ndarray


@dataclass(frozen=True)
class _Asked:
    """A claim and the joint table of its answers."""

    finding: Finding
    record: MeasurementRecord
    table: pd.DataFrame

    @property
    def metric(self) -> Metric:
        return METRICS[self.finding.metric]

    @property
    def outcome(self) -> Outcome | None:
        return None if self.finding.outcome is None else frozenset(self.record.outcomes[self.finding.outcome])

    @cached_property
    def groups(self) -> tuple[tuple[Group, ...], Int[np.ndarray, "r"]]:
        """The groups in display order, and the index of each row's group."""
        levels = levels_of(self.finding.attributes, [rate.group for rate in self.finding.by_group])
        return row_codes(self.table, self.finding.attributes, levels)

    def joint(self, cluster: str | None) -> JointCounts:
        """Its counts of (event before, event after)."""
        table, images, (groups, codes) = self.table, self.table["n"].to_numpy(), self.groups
        truth = None if self.record.truth is None else table["y_true"].to_numpy(object)
        before, after = (
            row_events(_Answers(truth, table[name].to_numpy(object)), self.metric, self.outcome) for name in (_BEFORE, "y_pred")
        )
        cell = np.select([before.event & after.event, before.event, after.event], [BOTH, ONLY_BEFORE, ONLY_AFTER], NEITHER)
        places, counted = codes * 4 + cell, np.where(before.counted, images, 0)
        cells = np.bincount(places, weights=counted, minlength=4 * len(groups)).reshape(-1, 4).astype(np.int64)
        of_group = np.bincount(codes, weights=images, minlength=len(groups)).astype(np.int64)
        return JointCounts(groups, cells, of_group, cluster_kinds(table[cluster], places, counted, len(groups)) if cluster else None)

    def missing_truth(self, change: Change, joint: JointCounts, settings: Settings, claims: int) -> Uncovered | None:
        """Where true answers are missing depending on either answer, or on whether both are the same, and what that may change."""
        places = [place for place, status in enumerate(joint.statuses(settings.min_group_size)) if status == "ok"]
        if change.gap is None or not self.metric.needs_truth:
            return None
        truth, (before, after) = TruthByAnswer(self.counts, np.array(places), settings.alpha), (self.table[_BEFORE], self.table["y_pred"])
        sides = [given if self.outcome is None else given.isin(self.outcome) for given in (before, after)]
        same = (sides[0] == sides[1]).to_numpy()
        one = truth.depends({
            **rows_by_answer(before, self.outcome, self.finding.outcome, "before"),
            **rows_by_answer(after, self.outcome, self.finding.outcome, "after"), AnswerOf(None, "both"): same,
        })  # fmt: skip
        if one is None:
            return None
        compared = joint.of(places)
        if self.metric.event == "correct":
            rates = FilledRates.of_accuracy(compared, truth.images(truth.lacking), truth.images(truth.lacking & ~same))
        else:
            would = [side.to_numpy() if self.metric.event == "selected" else ~side.to_numpy() for side in sides]
            cells = [truth.images(truth.lacking & part) for part in _by_cell(*would)]
            rates = FilledRates.of_errors(compared, np.stack(cells, axis=1))
        return replace(one, filled=rates.filled(compared, change, settings.alpha, claims))

    @property
    def counts(self) -> GroupedCounts:
        return GroupedCounts(self.table, *self.groups)

    def rates(self) -> tuple[RateRequest, RateRequest]:
        """Its rates before and after, to be computed from the answers of each side."""
        sides = self.table.drop(columns="y_pred").rename(columns={_BEFORE: "y_pred"}), self.table
        before, after = (RateRequest(GroupedCounts(side, *self.groups), self.metric, self.outcome) for side in sides)
        return before, after


def _by_cell(before: Bool[np.ndarray, "r"], after: Bool[np.ndarray, "r"]) -> tuple[Bool[np.ndarray, "r"], ...]:
    """The rows in each cell, in the order of `BOTH`, `ONLY_BEFORE`, `ONLY_AFTER` and `NEITHER`."""
    return before & after, before & ~after, after & ~before, ~before & ~after


def _check(questions: Sequence[_Asked], joints: Mapping[str, JointCounts], changes: Sequence[Change], settings: Settings) -> None:
    """Compare the rates of each side, the gaps and their changes with fairlearn's rates, as in an audit.

    Raises ArithmeticError where they differ.
    """
    estimates = iter(estimates_of([request for asked in questions for request in asked.rates()]))
    for change in changes:
        joint, before, after = joints[change.id], next(estimates), next(estimates)
        for own, events in ((before, joint.before), (after, joint.after)):
            check_estimates(change.id, own, Tally(joint.groups, events, joint.n, joint.images))
        if change.gap is not None:
            statuses = joint.statuses(settings.min_group_size)
            gaps = gap_of_rates(before, statuses), gap_of_rates(after, statuses)
            for gap, of_rates in ((change.gap.before.value, gaps[0]), (change.gap.after.value, gaps[1])):
                check_gap(change.id, gap, of_rates)
            check_gap(change.id, change.gap.difference, gaps[1] - gaps[0])


def _change(finding: Finding, theirs: Finding, joint: JointCounts, truth: str | None, settings: Settings, claims: int) -> Change:
    compared = joint.compared(settings.min_group_size)
    estimable = len(compared.groups) > 1
    by_group, of_all = changes_by_group(joint, settings)
    rng = generator(settings.seed, f"{finding.id}/change")
    return Change(
        **{field.name: getattr(finding, field.name) for field in fields(ComparedClaim) if field.name != "truth"},
        truth=truth, verdict_before=finding.verdict, verdict_after=theirs.verdict, overall=of_all, by_group=by_group,
        gap=gap_change(compared, settings, rng) if estimable else None,
        pairs=pair_changes(compared, settings.alpha, claims) if estimable else (),
        verdict="inconclusive" if estimable else "not estimable", direction=None, beyond_tolerance=False, levelled_down=False,
    )  # fmt: skip
