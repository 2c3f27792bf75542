"""Answers given: a matrix of groups by answers and, where there are true answers, the confusion matrix of each group."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np

from audit.records.counts import CountRecord
from audit.records.results import AuditResult, MeasurementRecord
from audit.statistics.counts.crosstab import Crosstab, crosstab
from audit.types import UNKNOWN, Settings
from reports.charts.forest import cut, px
from reports.charts.grids import shade
from reports.sections.context import AuditContext
from reports.table import Row, Table
from reports.text import phrases
from reports.text.numbers import count, number, points

if TYPE_CHECKING:
    from jaxtyping import Float

TITLE, PLACE = "Answers given", 50

MOST_ANSWERS = 25
"""A matrix of more answers is wider than anybody reads; the counts are in results.json, and the slicer has each answer."""
_SIDE, _TOP, _LEFT = 112, 22, 4
_LONGEST = 17


def view(context: AuditContext) -> tuple[SimpleNamespace, ...] | None:
    """Return a matrix for each measurement and each single attribute that a pre-specified question is asked by.

    On a page of many findings confusion matrices are left to results.json and to the slicer.
    """
    audit, settings = context.audit, context.results.settings
    if audit.data.weights is not None:
        return None  # counts of images would seem to contradict the rates
    records = {record.measurement: record for record in audit.counts}
    found = (
        _answers(measurement, records[measurement.name], attribute, settings)
        for measurement in audit.measurements
        for attribute in _attributes(audit, measurement.name)
        if _fits(records.get(measurement.name), attribute)
    )
    return _without_repetition(found, brief=context.brief) or None


def _without_repetition(found: Iterable[SimpleNamespace], *, brief: bool) -> tuple[SimpleNamespace, ...]:
    """Return the matrices; where no group can be judged, the confusion is that of all images, the same for every attribute."""
    kept: list[SimpleNamespace] = []
    for each in found:
        again = each.confusion is not None and not each.confusion.panels and any(each.confusion == one.confusion for one in kept)
        kept.append(SimpleNamespace(**vars(each) | {"confusion": None}) if brief or again else each)
    return tuple(kept)


def _attributes(audit: AuditResult, measurement: str) -> Iterable[str]:
    asked = [finding.attributes for finding in audit.findings if finding.primary and finding.measurement == measurement]
    return dict.fromkeys(attributes[0] for attributes in asked if len(attributes) == 1)


def _fits(record: CountRecord | None, attribute: str) -> bool:
    return record is not None and bool(record.cells) and attribute in record.attributes and len(record.answers) <= MOST_ANSWERS


def _answers(measurement: MeasurementRecord, record: CountRecord, attribute: str, settings: Settings) -> SimpleNamespace:
    table = crosstab(record, attribute)
    given = table.n.sum(axis=1)
    overall = given.sum(axis=0)
    shares, reach = _differences(given, overall, settings)
    shown = [code for code, name in enumerate(table.answers) if name != UNKNOWN]
    rows = tuple(
        _row(level, given[i], [(j, _shade(shares[i, j], reach)) for j in shown]) for i, level in enumerate(table.levels) if given[i].sum()
    )
    return SimpleNamespace(
        title=f"{measurement.question} ({measurement.name}), by {phrases.attributes([attribute])}",
        answers=tuple(table.answers[j] for j in shown),
        rows=rows,
        overall=_row("all images", overall, [(j, "level") for j in shown]),
        reach=points(reach, 1),
        confusion=_confusion(table, settings) if record.truth and attribute != measurement.truth else None,
    )


def _row(name: str, counted: np.ndarray, shades: Sequence[tuple[int, str]]) -> SimpleNamespace:
    """Return how many images a group has, and of each answer the share of them that was given it, with its shade."""
    cells = tuple((_share(counted, answer), shaded) for answer, shaded in shades)
    return SimpleNamespace(name=name, n=count(int(counted.sum())), cells=cells)


def _share(counted: np.ndarray, answer: int) -> str:
    return number(float(counted[answer] / counted.sum()), 1)


def _differences(n: np.ndarray, overall: np.ndarray, settings: Settings) -> tuple[Float[np.ndarray, "g *a"], float]:
    """Return each group's shares less those of all images, NaN where too few to judge, and what gets the darkest shade.

    That is the largest of them, and no less than the tolerance: a difference that would not matter is not painted as one.
    """
    totals, all_total = n.sum(axis=-1, keepdims=True), overall.sum(axis=-1, keepdims=True)
    difference = n / np.maximum(totals, 1) - overall / np.maximum(all_total, 1)
    difference = np.where(totals >= max(settings.min_group_size, 2), difference, np.nan)
    largest = float(np.nanmax(np.abs(difference))) if np.isfinite(difference).any() else 0.0
    return difference, max(largest, settings.tolerance)


def _shade(difference: float, reach: float) -> str:
    return "hatched" if np.isnan(difference) else shade(difference, reach)


def _confusion(table: Crosstab, settings: Settings) -> SimpleNamespace | None:
    """Return the confusion matrix of all images, and of each group minus it unless every group has too few images of each truth."""
    truths = [i for i, name in enumerate(table.truths) if name != UNKNOWN]
    answered = [j for j, name in enumerate(table.answers) if name != UNKNOWN]
    n = table.n[:, truths][:, :, answered]
    if not n.sum():
        return None
    overall = n.sum(axis=0)
    shares, reach = _differences(n, overall, settings)
    names, columns = tuple(table.truths[i] for i in truths), tuple(table.answers[j] for j in answered)
    side = _SIDE // max(len(truths), len(answered))
    panels = tuple(
        _panel(_matrix(cut(level, _LONGEST), names, columns, n[i]), _squares(shares[i], reach, side))
        for i, level in enumerate(table.levels)
        if n[i].sum() and level != UNKNOWN
    )
    return SimpleNamespace(
        overall=_panel(_matrix("all images", names, columns, overall)),
        panels=panels if np.isfinite(shares).any() else (),
        reach=points(reach, 1),
    )


def _panel(table: Table, squares: tuple[tuple[str, str], ...] = ()) -> SimpleNamespace:
    return SimpleNamespace(label=table.caption, squares=squares, table=table)


def _squares(shares: np.ndarray, reach: float, side: int) -> tuple[tuple[str, str], ...]:
    """Return shade and path, one path a shade."""
    paths: dict[str, str] = {}
    for (row, column), difference in np.ndenumerate(shares):
        shaded = _shade(float(difference), reach)
        paths[shaded] = paths.get(shaded, "") + f"M{px(_LEFT + side * column)} {px(_TOP + side * row)}h{side - 1}v{side - 1}h{1 - side}z"
    return tuple(sorted(paths.items()))


def _matrix(label: str, names: tuple[str, ...], columns: tuple[str, ...], n: np.ndarray) -> Table:
    totals = n.sum(axis=1)
    rows = (
        Row((name, count(int(totals[i])), *(_share(n[i], j) if totals[i] else "" for j in range(n.shape[1]))))
        for i, name in enumerate(names)
    )
    return Table(f"{label}, confusion matrix", label, ("True answer", "n", *columns), tuple(rows))
