"""What the model answered: the error rates of two answers, a small matrix of shares, or the largest of many deviations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from audit.records.counts import CountRecord
from audit.results import AuditResult, MeasurementRecord
from audit.statistics.counts import Crosstab, crosstab
from audit.types import UNKNOWN, Settings
from reports.context import AuditContext
from reports.table import Row, Table
from reports.text import phrases
from reports.text.numbers import count, number

TITLE, PLACE = "What the model answered", 50

MOST_DEVIATIONS = 5
MOST_ANSWERS, MOST_GROUPS = 6, 20
"""A larger matrix would be unreadable: its largest deviations are shown, and the slicer has all answers."""


@dataclass(frozen=True)
class Deviation:
    """How much more or less often a group was given an answer than all images were; within one true answer if the truth is known."""

    group: str
    truth: str
    """Empty if every image counts."""
    answer: str
    n: int
    share: float
    overall: float


def view(context: AuditContext) -> tuple[Table, ...] | None:
    """Return one table per measurement and single attribute of a planned question."""
    audit, settings = context.audit, context.results.settings
    if audit.data.weights is not None:
        return None  # counts of images would seem to contradict the rates
    records = {record.measurement: record for record in audit.counts}
    tables = (
        _answers(measurement, records[measurement.name], attribute, settings)
        for measurement in audit.measurements
        for attribute in _attributes(audit, measurement.name)
        if _fits(records.get(measurement.name), attribute)
    )
    return tuple(table for table in tables if table) or None


def _attributes(audit: AuditResult, measurement: str) -> Iterable[str]:
    planned = [finding.attributes for finding in audit.findings if finding.primary and finding.measurement == measurement]
    return dict.fromkeys(attributes[0] for attributes in planned if len(attributes) == 1)


def _fits(record: CountRecord | None, attribute: str) -> bool:
    return record is not None and bool(record.cells) and attribute in record.attributes


def _answers(measurement: MeasurementRecord, record: CountRecord, attribute: str, settings: Settings) -> Table | None:
    table, fewest = crosstab(record, attribute), max(settings.min_group_size, 2)
    by = phrases.attributes([attribute])
    title = f"{measurement.question} By {by}" if measurement.question.endswith("?") else f"{measurement.question}, by {by}"
    has_truth = bool(record.truth) and attribute != measurement.truth
    answers, truths = _known(table.answers), _known(table.truths)
    if has_truth and len(answers) == len(truths) == 2:
        return _error_rates(title, table, fewest)
    if not has_truth and len(answers) <= MOST_ANSWERS and len(table.levels) <= MOST_GROUPS:
        return _shares(title, table)
    return _largest(
        title, sorted(_deviations(table, fewest, by_truth=has_truth), key=lambda deviation: -abs(deviation.share - deviation.overall))
    )


def _known(names: Iterable[str]) -> list[int]:
    return [code for code, name in enumerate(names) if name != UNKNOWN]


def _error_rates(title: str, table: Crosstab, fewest: int) -> Table:
    """Return how often each of two true answers was mistaken for the other, by group; groups with too few images are faint."""
    n = table.n[:, _known(table.truths)][:, :, [table.answers.index(table.truths[code]) for code in _known(table.truths)]]
    first, second = (table.truths[code] for code in _known(table.truths))
    groups = [(level, n[i]) for i, level in enumerate(table.levels) if level != UNKNOWN and n[i].sum()]
    rows = tuple(Row((level, *_wrong(counted)), faint=counted.sum(axis=1).min() < fewest) for level, counted in groups)
    columns = ("Group", f"‘{first}’ mistaken for ‘{second}’", "n", f"‘{second}’ mistaken for ‘{first}’", "n")
    return Table(
        f"{title}, errors", f"{title}: both error rates, in percent", columns, rows, (Row(("all images", *_wrong(n.sum(axis=0)))),)
    )


def _wrong(counted: np.ndarray) -> Iterator[str]:
    for truth in (0, 1):
        total = counted[truth].sum()
        yield number(float(counted[truth, 1 - truth] / total), 1) if total else "no images"
        yield count(int(total))


def _shares(title: str, table: Crosstab) -> Table:
    """Return the shares of the answers in each group."""
    counts, shown = table.n.sum(axis=1), _known(table.answers)
    groups = [*((level, counts[i]) for i, level in enumerate(table.levels) if counts[i].sum())]
    columns = ("Group", "n", *(table.answers[code] for code in shown))
    rows, (foot,) = (
        tuple(Row((name, count(int(n.sum())), *(number(float(n[code] / n.sum()), 1) for code in shown))) for name, n in part)
        for part in (groups, [("all images", counts.sum(axis=0))])
    )
    return Table(f"{title}, answers", f"{title}: share of each group that was given each answer, in percent", columns, rows, (foot,))


def _deviations(table: Crosstab, fewest: int, *, by_truth: bool) -> Iterator[Deviation]:
    """Yield the shares of the groups with enough images, with the share over all images."""
    truths = [(table.truths[code], table.n[:, code]) for code in _known(table.truths)] if by_truth else [("", table.n.sum(axis=1))]
    for truth, counted in truths:
        overall, totals = counted.sum(axis=0), counted.sum(axis=1)
        for level in [code for code in _known(table.levels) if totals[code] >= fewest]:
            for answer in [code for code in _known(table.answers) if not by_truth or table.answers[code] != truth]:
                share, of_all = counted[level, answer] / totals[level], overall[answer] / overall.sum()
                yield Deviation(table.levels[level], truth, table.answers[answer], int(totals[level]), float(share), float(of_all))


def _largest(title: str, deviations: list[Deviation]) -> Table | None:
    """Return the largest deviations; None if no group has enough images."""
    shown = deviations[:MOST_DEVIATIONS]
    if not shown:
        return None
    truth = ("True answer",) if shown[0].truth else ()
    rows = tuple(
        Row((
            deviation.group, *([deviation.truth] if truth else []), deviation.answer, count(deviation.n), number(deviation.share, 1),
            number(deviation.overall, 1), number(deviation.share - deviation.overall, 1, signed=True),
        ))
        for deviation in shown
    )  # fmt: skip
    what = "largest deviations of confusions" if truth else "largest deviations of answers"
    columns = ("Group", *truth, "Answer", "n", "Share", "All images", "Difference")
    return Table(f"{title}, deviations", f"{title}: the {len(shown)} {what} from all images, in percent", columns, rows)
