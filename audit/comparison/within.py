"""Compares the models of one run of the audit in its planned questions: the first with every other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from audit.comparison.engine import compare
from audit.comparison.sides import FinishedAudit, aligned, check_same_question, shared_probes
from audit.errors import AuditError
from audit.records.comparison import PairedModels
from audit.results import Results
from audit.types import Note, Settings


def has_several_models(results: Results) -> bool:
    """Whether some probe was used with several models; one without measurements has no answers to compare."""
    probes = [audit.probe.name for audit in results.audits if audit.measurements]
    return len(set(probes)) < len(probes)


def pair_models(sides: Callable[[], Sequence[FinishedAudit]], settings: Settings) -> PairedModels:
    """What changed between the first model and each other; a note for each that cannot be compared with the first, but no error.

    `sides` reads the models. Exploratory questions are left to `audit.compare`: each takes as long as an audit's test.
    """
    try:
        together, notes = _comparable([_planned(side) for side in sides()])
        if len(together) < 2:
            return PairedModels(0, (), notes)
        compared = compare(together, settings)
    except AuditError as error:
        return PairedModels(0, (), (_not_paired(error),))
    return PairedModels(compared.family, compared.comparisons, (*notes, *compared.notes))


def _comparable(sides: Sequence[FinishedAudit]) -> tuple[list[FinishedAudit], tuple[Note, ...]]:
    """Return the first side with those that answered the same questions about the same images, and why the others are left out."""
    first, *others = sides
    together, notes = [first], []
    for side in others:
        try:
            probes, _ = shared_probes([first, side])
            for probe in probes:
                for measurement in check_same_question(probe, [first, side]):
                    aligned(probe, measurement, [first, side])
        except AuditError as error:
            notes.append(_not_paired(error))
        else:
            together.append(side)
    return together, tuple(notes)


def _not_paired(error: AuditError) -> Note:
    return Note("models_not_paired", {"why": error.what})


def _planned(side: FinishedAudit) -> FinishedAudit:
    """A side with its planned questions only, and not as a checkpoint of a run: in a series only the ends would be compared."""
    audits = {
        name: replace(audit, findings=tuple(finding for finding in audit.findings if finding.primary))
        for name, audit in side.audits.items()
    }
    return replace(side, audits=audits, side=replace(side.side, model=replace(side.side.model, run=None)))
