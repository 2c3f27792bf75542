"""Natural shift: images of several conditions, such as day and night; who is recognised less often outside the standard one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from audit.comparison.shifts import ShiftAsked, shift_record, shifts_judged_together
from audit.engine.analyses.gallery import check_attributes
from audit.engine.analyses.inputs import AnalysisInputs
from audit.errors import UsageError, nearest
from audit.plans import NaturalShiftPlan
from audit.records.analyses.natural_shift import NaturalShift
from audit.records.inputs import TextSet
from audit.types import Dataset, Probe, Settings

PLAN, FIELD, GENERATIVE = NaturalShiftPlan, "natural_shifts", False


def check(plans: Sequence[NaturalShiftPlan], probe: Probe, dataset: Dataset, settings: Settings) -> None:
    """Refuse what is wrong with the plans before a model sees an image; UsageError."""
    named = {measurement.name: measurement for measurement in probe.measurements}
    for plan in plans:
        where = f"natural shift {plan.question!r}"
        check_attributes(plan.question, (plan.column, *plan.by), dataset)
        if plan.measurement not in named:
            raise UsageError(f"no measurement {plan.measurement!r}", where=where, fix=nearest(plan.measurement, named))
        if named[plan.measurement].truth is None:
            raise UsageError("accuracy needs a true answer", where=where, fix="give the measurement a truth")
        if plan.standard not in dataset.levels[plan.column]:
            fix = nearest(plan.standard, dataset.levels[plan.column])
            raise UsageError(f"{plan.column!r} has no level {plan.standard!r}", where=where, fix=fix)
        if plan.column in plan.by:
            raise UsageError(f"{plan.column!r} holds the conditions and the groups", where=where, fix="compare by another attribute")
        if shared := [name for name in (plan.column, *plan.by) if name in dataset.several]:
            why = "an image counts in each group with its share"
            raise UsageError(f"{shared[0]!r} has several values an image", where=where, why=why, fix="name an attribute of one value")


def prompts(plan: NaturalShiftPlan) -> Iterator[tuple[TextSet, Sequence[str]]]:
    """Give no prompts: the measurement's are asked anyway."""
    yield from ()


def analyse(plans: Sequence[NaturalShiftPlan], inputs: AnalysisInputs) -> tuple[NaturalShift, ...]:
    """Return what each plan finds by each of its attributes, p adjusted over all conditions of all plans together."""
    found = [
        shift_record(
            ShiftAsked(plan.question, plan.measurement, plan.column, plan.standard, attribute), inputs.predictions[plan.measurement],
            inputs.dataset.levels, inputs.settings,
        )
        for plan in plans
        for attribute in plan.by or (None,)
    ]  # fmt: skip
    return shifts_judged_together(found, inputs.settings.alpha, limited=inputs.dataset.limited)
