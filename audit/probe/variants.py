"""A probe asked otherwise: by further groups, or without asking which group a person belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from audit.errors import UsageError
from audit.naming import finding_id
from audit.types import Claim, Measurement, Probe

NOT_ASKED = "which group a model takes a person for: it was never asked to name one (--no-inference)"


def without_inference(probe: Probe) -> Probe:
    """Return the probe without every measurement whose labels name a group of people, and without what rests on those.

    What the probe asks in their place (`Probe.without_inference`) is added. UsageError if nothing is left to ask.
    """
    kept = (*(measurement for measurement in probe.measurements if not measurement.infers), *probe.without_inference)
    if not kept and not probe.analyses:
        why = "every measurement asks which group a person belongs to"
        raise UsageError(
            f"probe {probe.name!r} cannot be asked with --no-inference", why=why, fix="leave the flag out, or take another probe"
        )
    names = {measurement.name for measurement in kept}
    ids = {finding_id(measurement.name, claim) for measurement in kept for claim in measurement.claims}
    return replace(
        probe,
        measurements=kept,
        without_inference=(),
        paired=tuple(pair for pair in probe.paired if pair.measurement in names),
        # A curve whose default is not asked says nothing about a question that is.
        specifications=tuple(
            replace(plan, specifications=tuple(point for point in plan.specifications if not point.measurement.infers), default=0)
            for plan in probe.specifications
            if plan.default == 0 and not plan.specifications[0].measurement.infers
        ),
        published=tuple(table for table in probe.published if {cell.finding for row in table.rows for cell in row.ours if cell} <= ids),
        what_ifs=tuple(plan for plan in probe.what_ifs if plan.finding in ids),
        not_tested=(*probe.not_tested, NOT_ASKED),
    )


def with_slices(probe: Probe, slices: Sequence[tuple[str, ...]]) -> Probe:
    """Return the probe with every pre-specified question also asked by further groups (one tuple of attributes each), as exploratory.

    Groups that are too small are shown and not judged, however deep the intersection. A slicing that a question has already is not added
    again, in whatever order its attributes are named.
    """
    return replace(probe, measurements=tuple(_sliced(measurement, slices) for measurement in probe.measurements)) if slices else probe


def _sliced(measurement: Measurement, slices: Sequence[tuple[str, ...]]) -> Measurement:
    counting = [claim for claim in measurement.claims if claim.primary] or measurement.claims
    claimed = {(claim.metric, claim.outcome, frozenset(claim.by)) for claim in measurement.claims}
    added: dict[tuple[str, str | None, frozenset[str]], Claim] = {}
    for claim in counting:
        for by in slices:
            key = (claim.metric, claim.outcome, frozenset(by))
            if key not in claimed:
                added.setdefault(key, replace(claim, by=by, primary=False))
    return replace(measurement, claims=(*measurement.claims, *added.values()))
