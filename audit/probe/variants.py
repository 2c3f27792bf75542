"""Variants of a probe: with additional groups, milder corruptions, or without questions about a person's group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from audit.analyses.plans import HARMLESS, ImageConditionsPlan
from audit.errors import UsageError
from audit.naming import finding_id
from audit.types import Claim, Measurement, Probe

NOT_ASKED = "which group a model takes a person for: it was never asked to name one (--no-inference)"


def without_inference(probe: Probe) -> Probe:
    """Remove every measurement whose labels name groups of people, and everything that depends on those.

    The probe's replacements (`Probe.without_inference`) are added. Raises UsageError if no measurement is left.
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
        analyses=tuple(plan.without_inference() for plan in probe.analyses),
        paired=tuple(pair for pair in probe.paired if pair.measurement in names),
        # A curve whose default was removed says nothing about a remaining question.
        specifications=tuple(
            replace(plan, specifications=tuple(point for point in plan.specifications if not point.measurement.infers), default=0)
            for plan in probe.specifications
            if plan.default == 0 and not plan.specifications[0].measurement.infers
        ),
        published=tuple(table for table in probe.published if {cell.finding for row in table.rows for cell in row.ours if cell} <= ids),
        what_ifs=tuple(plan for plan in probe.what_ifs if plan.finding in ids),
        not_tested=(*probe.not_tested, NOT_ASKED),
    )


def with_harmless_corruptions(probe: Probe) -> Probe:
    """Replace the corruptions of ImageNet-C by our own, milder set; raises UsageError if the probe corrupts no images."""
    plans = tuple(_harmless(plan) if isinstance(plan, ImageConditionsPlan) else plan for plan in probe.analyses)
    if plans == probe.analyses:
        why = "it does not corrupt images as ImageNet-C does"
        raise UsageError(
            f"--harmless cannot be used with the probe {probe.name!r}", why=why, fix="leave it out, or take the probe robustness"
        )
    return replace(probe, analyses=plans)


def _harmless(plan: ImageConditionsPlan) -> ImageConditionsPlan:
    if plan.parameters == "harmless" or not plan.corruptions:
        return plan
    kinds = tuple(name for name in plan.corruptions if name in HARMLESS)
    return replace(plan, corruptions=kinds, parameters="harmless", normalized_by=None)


def by_attributes(probe: Probe, attributes: Sequence[str]) -> Probe:
    """Ask the questions of a probe by these attributes alone, and each of its planned questions by each of them.

    Prompt curves, published numbers and what-ifs about other attributes are left out. Rankings and other analyses stay as they are.
    """
    if not attributes:
        return probe
    named = {*attributes}
    measurements = tuple(_compared_by(measurement, attributes) for measurement in probe.measurements)
    ids = {finding_id(measurement.name, claim) for measurement in measurements for claim in measurement.claims}
    others = dict.fromkeys(name for measurement in probe.measurements for claim in measurement.claims for name in claim.by)
    left_out = [name for name in others if name not in named]
    entry = f"differences by {', '.join(left_out)}, by which the probe compares: other attributes were chosen"
    return replace(
        probe,
        measurements=measurements,
        specifications=tuple(plan for plan in probe.specifications if named.issuperset(plan.claim.by)),
        published=tuple(table for table in probe.published if {cell.finding for row in table.rows for cell in row.ours if cell} <= ids),
        what_ifs=tuple(plan for plan in probe.what_ifs if plan.finding in ids),
        not_tested=(*probe.not_tested, *([entry] if left_out else [])),
    )


def _compared_by(measurement: Measurement, attributes: Sequence[str]) -> Measurement:
    kept = {(claim.metric, claim.outcome, claim.by): claim for claim in measurement.claims if {*attributes}.issuperset(claim.by)}
    for claim in [claim for claim in measurement.claims if claim.primary] or measurement.claims:
        for name in attributes:
            kept.setdefault((claim.metric, claim.outcome, (name,)), replace(claim, by=(name,)))
    effects = tuple(effect for effect in measurement.effects if effect.by in attributes)
    return replace(measurement, claims=tuple(kept.values()), effects=effects)


def with_slices(probe: Probe, slices: Sequence[tuple[str, ...]]) -> Probe:
    """Add every planned question for additional groups (one tuple of attributes each), as exploratory.

    Groups that are too small are shown but not judged, however deep the intersection. A slicing that a question already has is not added
    again, regardless of the order of its attributes.
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
