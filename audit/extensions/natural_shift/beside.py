"""Effective robustness of every model of a run: adds the prediction of the line through the other models to its natural shifts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from audit.data.schema import Cells, quoted
from audit.data.table import read_cells
from audit.errors import DataError
from audit.extensions.natural_shift.effective_robustness import FEWEST_MODELS, Accuracy, baseline_fit
from audit.extensions.natural_shift.record import EffectiveRobustness, NaturalShift, ShiftedRate, ShiftResult
from audit.records.finding import Rate
from audit.results import AuditResult
from audit.types import Note

FIELD = "natural_shifts"
NEEDED = ("model", "standard", "shifted")
COLUMNS = (*NEEDED, "condition", "attribute", "group")
"""Columns of a table of other models, equal to those of an audit's ``tables/natural_shift.csv``."""


class ModelPoint(NamedTuple):
    """Accuracy of one model in both conditions."""

    model: str
    standard: float
    shifted: float
    condition: str = ""
    """The level that is compared with the standard one; empty: any."""
    attribute: str = ""
    group: str = ""
    """If both are empty: all images."""


def read_points(path: Path) -> tuple[ModelPoint, ...]:
    """Read the accuracies of other models from a table; raises DataError with the column or line of the error.

    A row without both accuracies is skipped: its group could not be estimated.
    """
    cells = read_cells(path)
    if lacking := [name for name in NEEDED if name not in cells.columns]:
        why = f"it has {', '.join(map(quoted, cells.columns))}"
        raise DataError(f"{cells.place} has no column {lacking[0]!r}", why=why, fix="a row for each model: model, standard, shifted")
    rows = range(len(cells.numbers))
    texts = {name: cells.columns.get(name, [""] * len(rows)) for name in COLUMNS}
    points = [_point(row, {name: (texts[name][row] or "").strip() for name in COLUMNS}, cells) for row in rows]
    return tuple(dict.fromkeys(point for point in points if point is not None))


def _point(row: int, words: dict[str, str], cells: Cells) -> ModelPoint | None:
    if not words["standard"] or not words["shifted"]:
        return None
    accuracies = {}
    for name in ("standard", "shifted"):
        try:
            value = float(words[name])
        except ValueError:
            value = -1.0
        if not 0 <= value <= 1:
            what = f"{name} is {words[name][:40]!r}: expected an accuracy from 0 to 1"
            raise DataError(what, where=f"{cells.place}, {cells.where(row)}", fix="write 72 % as 0.72")
        accuracies[name] = value
    return ModelPoint(words["model"], accuracies["standard"], accuracies["shifted"], words["condition"], words["attribute"], words["group"])


def with_other_models(audits: Sequence[AuditResult], baselines: Sequence[ModelPoint], alpha: float) -> list[AuditResult]:
    """Add the predictions from other models to each natural shift: those of the run with the same probe, and `baselines`."""
    return [
        audit.with_analyses(
            {FIELD: tuple(_shift(natural_shift, audit, audits, baselines, alpha) for natural_shift in audit.analyses[FIELD])}
        )
        for audit in audits
    ]


def _shift(
    shift: NaturalShift, audit: AuditResult, audits: Sequence[AuditResult], baselines: Sequence[ModelPoint], alpha: float
) -> NaturalShift:
    """The shift with the predictions from other models for all images and for each group, in each condition."""
    run = [point for other in audits if other is not audit and other.probe.name == audit.probe.name for point in _points(shift, other)]
    others = [point for point in (*run, *baselines) if point.model != audit.model.name]

    def beside(rate: ShiftedRate, condition: str) -> ShiftedRate:
        named = (shift.attribute or "", rate.group[0]) if rate.group else ("", "")
        alike = [point for point in others if point.condition in ("", condition) and (point.attribute, point.group) == named]
        return _estimated(rate, alike, alpha)

    def of(result: ShiftResult) -> ShiftResult:
        by_group = tuple(beside(rate, result.condition) for rate in result.by_group)
        return replace(result, overall=beside(result.overall, result.condition), by_group=by_group)

    return replace(shift, results=tuple(map(of, shift.results)))


def _points(shift: NaturalShift, other: AuditResult) -> Iterator[ModelPoint]:
    """Yield another model's accuracies for the same question."""
    question = (shift.question, shift.measurement, shift.column, shift.standard, shift.attribute)
    for natural_shift in other.analyses[FIELD]:
        if (
            natural_shift.question,
            natural_shift.measurement,
            natural_shift.column,
            natural_shift.standard,
            natural_shift.attribute,
        ) != question:
            continue
        for result in natural_shift.results:
            for rate in (result.overall, *result.by_group):
                group = (shift.attribute or "", rate.group[0]) if rate.group else ("", "")
                if rate.standard.value is not None and rate.shifted.value is not None:
                    yield ModelPoint(other.model.name, rate.standard.value, rate.shifted.value, result.condition, *group)


def _estimated(rate: ShiftedRate, points: Sequence[ModelPoint], alpha: float) -> ShiftedRate:
    if rate.standard.status != "ok":
        return rate
    standard, shifted = (np.array([getattr(point, name) for point in points], float) for name in ("standard", "shifted"))
    fit = baseline_fit(standard, shifted)
    own = _accuracy(rate.standard), _accuracy(rate.shifted)
    if fit is None:
        known = int(((standard > 0) & (standard < 1) & (shifted > 0) & (shifted < 1)).sum())
        few = Note("shift_few_models", {"models": known, "fewest": FEWEST_MODELS})
        return replace(rate, not_estimable=few if known < FEWEST_MODELS else Note("shift_one_accuracy"))
    expected = fit.expected(*own, alpha)
    if expected is None:
        return replace(rate, not_estimable=Note("shift_no_logit"))
    line = (fit.models, fit.slope, fit.intercept)
    return replace(
        rate, effective=EffectiveRobustness(expected.value, expected.low, expected.high, expected.predicted, *line), not_estimable=None
    )


def _accuracy(rate: Rate) -> Accuracy:
    return Accuracy(rate.value or 0.0, rate.n / (rate.design_effect or 1.0))
