"""Compares the models of one run of the audit in its planned questions: the first with every other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from audit.comparison.engine import compare
from audit.comparison.sides import FinishedAudit
from audit.errors import AuditError
from audit.records.comparison import PairedModels
from audit.results import Results
from audit.types import Note, Settings


def has_several_models(results: Results) -> bool:
    """Whether some probe was used with several models; one without measurements has no answers to compare."""
    probes = [audit.probe.name for audit in results.audits if audit.measurements]
    return len(set(probes)) < len(probes)


def pair_models(sides: Callable[[], Sequence[FinishedAudit]], settings: Settings) -> PairedModels:
    """What changed between the first model and each other; if they cannot be compared, a note, but no error.

    `sides` reads the models. Exploratory questions are left to `audit.compare`: each takes as long as an audit's test.
    """
    try:
        compared = compare([_planned(side) for side in sides()], settings)
    except AuditError as error:
        return PairedModels(0, (), (Note("models_not_paired", {"why": error.what}),))
    return PairedModels(compared.family, compared.comparisons, compared.notes)


def _planned(side: FinishedAudit) -> FinishedAudit:
    """A side with its planned questions only, and not as a checkpoint of a run: in a series only the ends would be compared."""
    audits = {
        name: replace(audit, findings=tuple(finding for finding in audit.findings if finding.primary))
        for name, audit in side.audits.items()
    }
    return replace(side, audits=audits, side=replace(side.side, model=replace(side.side.model, run=None)))
