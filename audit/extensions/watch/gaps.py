"""Tests every watched gap on the rows that were used so far: a pure function of the plan and the rows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from audit.errors import DataError
from audit.extensions.watch.betting import Rounds, log_wealth, rounds_of, simultaneous_interval
from audit.extensions.watch.record import (
    MOST_LATE,
    GapAlarm,
    GapWatch,
    GroupEvents,
    LateGroup,
    PairTest,
    UsedRows,
    WatchedQuestion,
    WatchPlan,
    WealthPoint,
)
from audit.naming import finding_id
from audit.statistics.metrics import METRICS, row_events
from audit.types import UNKNOWN, Predictions, Probe

if TYPE_CHECKING:
    from jaxtyping import Bool

MOST_POINTS = 200
"""Rows at which the curve of a gap is recorded, besides those where a test stood highest."""


def watched_questions(probe: Probe, rows: Mapping[str, Predictions]) -> tuple[WatchedQuestion, ...]:
    """The planned questions of a probe by one attribute, with the groups that occur; raises DataError if none has two groups."""
    questions = []
    for measurement in probe.measurements:
        attributes = rows[measurement.name].attributes
        for claim in measurement.claims:
            if not claim.primary or len(claim.by) != 1:
                continue
            levels = [str(level) for level in attributes[claim.by[0]].unique() if level != UNKNOWN]
            labels = () if claim.outcome is None else tuple(measurement.outcomes[claim.outcome])
            if levels:
                name = finding_id(measurement.name, claim)
                questions.append(
                    WatchedQuestion(name, measurement.name, claim.metric, claim.by[0], claim.outcome, labels, tuple(sorted(levels)))
                )
    if not any(question.tests for question in questions):
        why = "a gap is between two groups, and no planned question has two"
        raise DataError("the first rows show no gap that could be watched", why=why, fix="begin with rows of at least two groups")
    return tuple(questions)


def watch_gap(question: WatchedQuestion, rows: Predictions, plan: WatchPlan, used: Sequence[UsedRows]) -> GapWatch:
    """Test all pairs of groups of a question."""
    metric, outcome = METRICS[question.metric], frozenset(question.labels) if question.labels else None
    if metric.needs_truth and rows.y_true is None:
        raise DataError("no row has a true answer", why=f"the watch is about {question.id}", fix="give the column of true answers")
    found = row_events(rows, metric, outcome)
    group = rows.attributes[question.attribute].to_numpy(object)
    events = {level: found.counted & (group == level) for level in dict.fromkeys(group)}
    counts = {str(level): GroupEvents(str(level), int(inside.sum()), int((found.event & inside).sum())) for level, inside in events.items()}
    arrivals = late_arrivals(question, group)
    pairs = bets_on(question, group, found.counted, found.event, plan)
    compared = (*question.groups, *arrivals)
    tests = [pair.test(plan) for pair in pairs]
    return GapWatch(
        question=question,
        groups=tuple(counts.get(level, GroupEvents(level, 0, 0)) for level in compared),
        late=tuple(
            LateGroup(level, row + 1, _file(row + 1, used), plan.late_stake(question, place))
            for place, (level, row) in enumerate(arrivals.items(), 1)
        ),
        others=tuple(count for level, count in counts.items() if level not in compared),
        pairs=tuple(sorted(tests, key=lambda test: -test.log10_most)),
        curve=tuple(_curve(pairs, len(group))),
        alarm=_alarm(pairs, plan, used),
    )


def bets_on(
    question: WatchedQuestion, group: np.ndarray, counted: Bool[np.ndarray, "n"], event: Bool[np.ndarray, "n"], plan: WatchPlan
) -> list[PairBets]:
    """The bets on all pairs of groups of a question, from the rows in the order in which they came."""
    planned = [PairBets.of(pair, group, counted, event, plan.tolerance) for pair in combinations(question.groups, 2)]
    late: list[PairBets] = []
    before = list(question.groups)
    for place, (level, row) in enumerate(late_arrivals(question, group).items(), 1):
        since, stake = counted & (np.arange(len(group)) >= row), plan.late_stake(question, place)
        late += [PairBets.of((level, other), group, since, event, plan.tolerance, stake) for other in before]
        before.append(level)
    return [*planned, *late]


def late_arrivals(question: WatchedQuestion, group: np.ndarray) -> dict[str, int]:
    """The groups that were not in the first look, as many as are compared, in the order of their arrival -> index of their first row."""
    levels = [str(level) for level in dict.fromkeys(group) if level != UNKNOWN and level not in question.groups]
    return {level: int(np.flatnonzero(group == level)[0]) for level in levels[:MOST_LATE]}


def first_alarm(pairs: Sequence[PairBets], plan: WatchPlan) -> tuple[int, Bets] | None:
    """The row, counted from 1, at which a test reached the threshold for the first time, and its bets."""
    reached = []
    for bets in (bets for pair in pairs for bets in pair.both):
        over = np.flatnonzero(bets.log_wealth >= plan.log_threshold)
        reached += [(int(bets.rows[over[0]]) + 1, bets)] if len(over) else []
    return min(reached, key=lambda alarm: (alarm[0], -alarm[1].most), default=None)


@dataclass(frozen=True)
class Bets:
    """The bets that one group's rate exceeds another's."""

    first: str
    second: str
    differences: np.ndarray
    rows: np.ndarray
    """Index of the row, of all rows, that ended each round."""
    log_wealth: np.ndarray
    log_stake: float
    """Logarithm of the wealth at the beginning."""

    @property
    def most(self) -> float:
        return float(self.log_wealth.max(initial=self.log_stake))

    def after(self, rows: np.ndarray) -> np.ndarray:
        """The logarithm of the wealth after each number of rows."""
        return np.concatenate([[self.log_stake], self.log_wealth])[np.searchsorted(self.rows, rows, side="left")]


@dataclass(frozen=True)
class PairBets:
    """The bets on two groups, in both directions."""

    both: tuple[Bets, Bets]
    waiting: int

    @classmethod
    def of(
        cls,
        pair: tuple[str, str],
        group: np.ndarray,
        counted: Bool[np.ndarray, "n"],
        event: Bool[np.ndarray, "n"],
        tolerance: float,
        stake: float = 1.0,
    ) -> PairBets:
        rows = np.flatnonzero(counted & ((group == pair[0]) | (group == pair[1])))
        rounds: Rounds = rounds_of(group[rows] == pair[0], event[rows])
        last = int(rounds.rows[-1]) + 1 if len(rounds.rows) else 0
        ended = rows[rounds.rows]
        one, other = (
            Bets(*named, differences, ended, math.log(stake) + log_wealth(differences, tolerance), math.log(stake))
            for named, differences in ((pair, rounds.differences), (pair[::-1], -rounds.differences))
        )
        return cls((one, other), len(rows) - last)

    def test(self, plan: WatchPlan) -> PairTest:
        bets = max(self.both, key=lambda bets: bets.most)
        low, high = simultaneous_interval(bets.differences, plan.log_threshold - bets.log_stake)
        now = float(bets.log_wealth[-1]) if len(bets.log_wealth) else bets.log_stake
        return PairTest(
            bets.first, bets.second, len(bets.differences), self.waiting, math.exp(bets.log_stake), now / math.log(10),
            bets.most / math.log(10), low, high,
        )  # fmt: skip


def _curve(pairs: Sequence[PairBets], n: int) -> Iterator[WealthPoint]:
    """The largest wealth of all tests, at rows evenly spaced and where a test stood highest."""
    every = [bets for pair in pairs for bets in pair.both]
    peaks = [int(bets.rows[bets.log_wealth.argmax()]) + 1 for bets in every if len(bets.rows)]
    rows = np.unique([*np.linspace(0, n, MOST_POINTS + 1).astype(int), *peaks])
    largest = np.max([bets.after(rows) for bets in every] or [np.zeros(len(rows))], axis=0) / math.log(10)
    return (WealthPoint(int(row), float(wealth)) for row, wealth in zip(rows, largest, strict=True))


def _alarm(pairs: Sequence[PairBets], plan: WatchPlan, used: Sequence[UsedRows]) -> GapAlarm | None:
    """The first row at which a test reached the threshold, and the file that it is in."""
    first = first_alarm(pairs, plan)
    if first is None:
        return None
    row, bets = first
    return GapAlarm(row, _file(row, used), bets.first, bets.second)


def _file(row: int, used: Sequence[UsedRows]) -> str:
    """The file of a row, counted from 1 over all files."""
    stops = np.cumsum([rows.stop - rows.start for rows in used])
    return used[int(np.searchsorted(stops, row))].file
