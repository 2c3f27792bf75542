"""Compares the models of one run of the audit in its planned questions: the first with every other that has the same task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from audit.comparison.engine import compare
from audit.comparison.sides import Y_PRED, Y_TRUE, FinishedAudit, aligned, check_same_question, shared_probes
from audit.errors import AuditError, DataError
from audit.records.comparison import PairedModels
from audit.results import Results
from audit.types import Note, Settings


def has_several_models(results: Results) -> bool:
    """Whether some probe was used with several models; one without measurements has no answers to compare."""
    probes = [audit.probe.name for audit in results.audits if audit.measurements]
    return len(set(probes)) < len(probes)


def pair_models(sides: Callable[[], Sequence[FinishedAudit]], settings: Settings) -> PairedModels:
    """What changed between the first model that can be compared with another and each of these; notes about the others, but no error.

    `sides` reads the models. Exploratory questions are left to `audit.compare`: each takes as long as an audit's test.
    """
    try:
        planned = [_planned(side) for side in sides()]
        tried = [_comparable(first, [side for side in planned if side is not first]) for first in planned]
        together, notes = next((one for one in tried if len(one[0]) > 1), tried[0])
        if len(together) < 2:
            return PairedModels(0, (), notes)
        compared = compare(together, settings)
    except AuditError as error:
        return PairedModels(0, (), (_not_paired(error),))
    return PairedModels(compared.family, compared.comparisons, (*notes, *compared.notes))


def _comparable(first: FinishedAudit, others: Sequence[FinishedAudit]) -> tuple[list[FinishedAudit], tuple[Note, ...]]:
    """Return a side with those that answered the same questions about the same images, and why the others are left out."""
    together, notes = [first], []
    for side in others:
        try:
            _check_same_task(first, side)
        except AuditError as error:
            notes.append(_not_paired(error))
        else:
            together.append(side)
    return together, tuple(notes)


def _check_same_task(first: FinishedAudit, second: FinishedAudit) -> None:
    """Raise AuditError if two sides cannot be compared; without true answers, they need an answer in common."""
    both = [first, second]
    for probe in shared_probes(both)[0]:
        for measurement in check_same_question(probe, both):
            before, after = aligned(probe, measurement, both)
            if before[Y_TRUE].isna().all() and set(before[Y_PRED]).isdisjoint(after[Y_PRED]):
                raise DataError(f"{first.side.name} and {second.side.name} have no answer in common", fix="audit answers to one question")


def _not_paired(error: AuditError) -> Note:
    return Note("models_not_paired", {"why": error.what})


def _planned(side: FinishedAudit) -> FinishedAudit:
    """A side with its planned questions only, and not as a checkpoint of a run: in a series only the ends would be compared."""
    audits = {
        name: replace(audit, findings=tuple(finding for finding in audit.findings if finding.primary))
        for name, audit in side.audits.items()
    }
    return replace(side, audits=audits, side=replace(side.side, model=replace(side.side.model, run=None)))
