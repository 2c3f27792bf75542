"""One comparison from start to end: finished audits in, changes out. Each claim is counted in one pass over the images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from audit.comparison.caveats import caveats, circumstances
from audit.comparison.counts import clusters_by, count_changes
from audit.comparison.sides import FinishedAudit, aligned, check_same_question, distinct_names, identifiers, shared_probes
from audit.comparison.trajectory import Checkpoint, follow_claim
from audit.comparison.verdict import Circumstances, adjusted, overall, with_verdict
from audit.errors import UsageError
from audit.records.comparison import Change, Comparison, Series, Trajectory

if TYPE_CHECKING:
    from audit.statistics.paired.joint import JointCounts
    from audit.types import Note, Settings

FEWEST_IN_SERIES = 3
"""Checkpoints from which on a series is recognised by itself."""


@dataclass(frozen=True)
class ComparedModels:
    """What `compare` returns."""

    sides: tuple[FinishedAudit, ...]
    comparisons: tuple[Comparison, ...]
    series: tuple[Series, ...]
    family: int
    notes: tuple[Note, ...]


@dataclass(frozen=True)
class _Pair:
    """Two sides under one probe, counted."""

    probe: str
    before: FinishedAudit
    after: FinishedAudit
    circumstances: Circumstances
    only_before: int
    only_after: int
    missing_in_others: int
    images: int
    joints: Mapping[str, JointCounts]
    """finding -> its counts."""
    changes: tuple[Change, ...]
    not_compared: tuple[Note, ...]


def compare(sides: Sequence[FinishedAudit], settings: Settings, *, series: bool = False, tolerance: float | None = None) -> ComparedModels:
    """Compare at least two finished audits on the images that all of them have.

    Checkpoints of one run (at least three of the same run, with different steps, or any with `series`) are put in the order of their
    steps, followed step by step, and the last is compared with the first. Else every other is compared with the first. What a claim
    tolerates is its own, as in the first audit; `tolerance` replaces that of the claims that follow the audit's.

    Raises
    ------
    UsageError
        If there are fewer than two, no probe is shared, or a series is asked of models that do not state their step.
    DataError
        If the audits asked different questions or show different images.
    """
    names = distinct_names(sides)
    sides = [replace(each, side=replace(each.side, name=name)) for each, name in zip(sides, names, strict=True)]
    ordered = _by_step(sides) if series or _is_series(sides) else None
    sides = ordered or sides
    probes, others = shared_probes(sides)
    measurements = {probe: check_same_question(probe, sides) for probe in probes}
    counted = [_counted(probe, measurements[probe], sides, settings, tolerance) for probe in probes]
    chosen = [pair for pairs in counted for pair in (pairs[-1:] if ordered else pairs)]
    corrected, family = adjusted([pair.changes for pair in chosen])
    return ComparedModels(
        sides=tuple(sides),
        comparisons=tuple(_decided(pair, changes) for pair, changes in zip(chosen, corrected, strict=True)),
        series=tuple(_series(pairs, settings) for pairs in counted) if ordered else (),
        family=family,
        notes=caveats(sides, probes, others, measurements),
    )


# ---- a series --------------------------------------------------------------------------------------------------------------------------


def _is_series(sides: Sequence[FinishedAudit]) -> bool:
    """Whether the model records say that these are checkpoints of one run."""
    runs, steps = {each.side.model.run for each in sides}, {each.side.model.step for each in sides}
    return len(sides) >= FEWEST_IN_SERIES and len(runs) == 1 and None not in runs | steps and len(steps) == len(sides)


def _by_step(sides: Sequence[FinishedAudit]) -> list[FinishedAudit]:
    for each in sides:
        if each.side.model.step is None:
            raise UsageError(
                f"{each.side.name} does not say how many steps it was trained", where="--series",
                why="only checkpoints of contrastive.train carry their step", fix="leave --series out: all are compared with the first",
            )  # fmt: skip
    steps = [each.side.model.step or 0 for each in sides]
    if len(set(steps)) < len(steps):
        raise UsageError("two checkpoints of the series are of the same step", where="--series", fix="name each checkpoint once")
    return sorted(sides, key=lambda each: each.side.model.step or 0)


def _series(pairs: Sequence[_Pair], settings: Settings) -> Series:
    first = pairs[0]
    claims = max(sum(change.primary for change in first.changes), 1)
    limited = any(pair.circumstances.limited for pair in pairs)
    runs = {each.side.model.run for pair in pairs for each in (pair.before, pair.after)}

    def follow(change: Change) -> Trajectory:
        steps = [_checkpoint(first, change.id, settings, after=False), *(_checkpoint(pair, change.id, settings) for pair in pairs)]
        return follow_claim(change, steps, settings, claims=claims, limited=limited)

    followed = [change for change in first.changes if all(change.id in pair.joints for pair in pairs)]
    return Series(first.probe, runs.pop() if len(runs) == 1 else None, first.images, limited, claims, tuple(map(follow, followed)))


def _checkpoint(pair: _Pair, finding: str, settings: Settings, *, after: bool = True) -> Checkpoint:
    joint, side = pair.joints[finding], pair.after if after else pair.before
    step = side.side.model.step or 0
    return Checkpoint(side.side.name, step, joint.groups, joint.units(after=after), joint.statuses(settings.min_group_size))


# ---- counting ------------------------------------------------------------------------------------------------------------------------


def _counted(
    probe: str, measurements: Sequence[str], sides: Sequence[FinishedAudit], settings: Settings, tolerance: float | None
) -> list[_Pair]:
    """Return the first side with every other one; all on the same images."""
    tables = {name: aligned(probe, name, sides) for name in measurements}
    found = [identifiers(probe, each) for each in sides]
    shared = found[0]
    for other in found[1:]:
        shared = shared if shared.equals(other) else shared[shared.isin(other)]
    pairs = []
    for place, after in enumerate(sides[1:], 1):
        both = len(found[0]) if found[0].equals(found[place]) else int(found[0].isin(found[place]).sum())
        only = (len(found[0]) - both, len(found[place]) - both)
        own = {name: (each[0], each[place]) for name, each in tables.items()}
        counted = count_changes((sides[0].audits[probe], after.audits[probe]), own, settings, len(sides) - 1)
        known = circumstances(probe, (sides[0], after), settings, counted.joints)
        changes = tuple(_tolerating(change, tolerance, sides[0]) for change in counted.changes)
        pairs.append(
            _Pair(probe, sides[0], after, known, *only, both - len(shared), len(shared), counted.joints, changes, counted.not_compared)
        )
    return pairs


def _tolerating(change: Change, tolerance: float | None, first: FinishedAudit) -> Change:
    """Return the change with another tolerance, where its own is the audit's and not one that the probe set for it."""
    if tolerance is None or change.tolerance != first.results.settings.tolerance:
        return change
    return replace(change, tolerance=tolerance)


def _decided(pair: _Pair, changes: Sequence[Change]) -> Comparison:
    done = tuple(with_verdict(change, pair.joints[change.id], pair.circumstances) for change in changes)
    verdict, direction = overall(done)
    audits = pair.before.audits[pair.probe], pair.after.audits[pair.probe]
    return Comparison(
        probe=pair.probe,
        before=pair.before.side.name,
        after=pair.after.side.name,
        images=pair.images,
        only_before=pair.only_before,
        only_after=pair.only_after,
        missing_in_others=pair.missing_in_others,
        cluster=clusters_by(audits) if done else None,
        by_place=any(audit.data.numbered for audit in audits),
        limited=pair.circumstances.limited,
        changes=done,
        not_compared=pair.not_compared,
        verdict=verdict,
        direction=direction,
        excluded=pair.circumstances.excluded,
        same_model=pair.circumstances.same_model,
    )
