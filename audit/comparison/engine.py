"""One comparison from start to end: from finished audits to changes. Each claim is counted in one pass over the images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from audit.comparison.caveats import caveats, circumstances
from audit.comparison.counts import clusters_by, count_changes
from audit.comparison.sides import FinishedAudit, aligned, check_same_question, distinct_names, identifiers, in_all, shared_probes
from audit.comparison.trajectory import Checkpoint, follow_claim
from audit.comparison.verdict import Circumstances, adjusted, overall, with_verdict
from audit.errors import UsageError
from audit.records.comparison import Change, Comparison, Series, SeriesAxis, Trajectory
from audit.statistics.paired.joint import JointCounts
from audit.types import Note, Settings

FEWEST_IN_SERIES = 3
"""Number of checkpoints from which on a series is recognised automatically."""


@dataclass(frozen=True)
class ComparedModels:
    """The result of `compare`."""

    sides: tuple[FinishedAudit, ...]
    comparisons: tuple[Comparison, ...]
    series: tuple[Series, ...]
    family: int
    notes: tuple[Note, ...]


@dataclass(frozen=True)
class _Pair:
    """Joint counts of two sides under one probe."""

    sides: tuple[FinishedAudit, FinishedAudit]
    circumstances: Circumstances
    joints: Mapping[str, JointCounts]
    """finding -> its counts."""
    comparison: Comparison
    """Before any correction, and without a verdict."""


def compare(
    sides: Sequence[FinishedAudit],
    settings: Settings,
    *,
    series: bool = False,
    axis: SeriesAxis | None = None,
    tolerance: float | None = None,
) -> ComparedModels:
    """Compare at least two finished audits on the images that all of them have.

    Checkpoints of one run (at least three of the same run, with different steps, or any number with `series`) are sorted by step and
    compared step by step, and the last is compared with the first; with `axis`, any models are, by their value on it. Otherwise every other
    side is compared with the first. The tolerance of a claim is that in the first audit; `tolerance` replaces it for claims that use the
    audit's default. Raises UsageError if there are fewer than two sides, no probe is shared, a series is requested for models that do not
    state their step, or the axis does not have a value for each model; DataError if the audits asked different questions or have different
    images.
    """
    names = distinct_names(sides)
    sides = [replace(side, side=replace(side.side, name=name)) for side, name in zip(sides, names, strict=True)]
    ordered = _along(axis, sides) if axis else _by_step(sides) if series or _is_series(sides) else None
    sides = ordered or sides
    probes, others = shared_probes(sides)
    measurements = {probe: check_same_question(probe, sides) for probe in probes}
    counted = [_counted(probe, measurements[probe], sides, settings, tolerance) for probe in probes]
    chosen = [pair for pairs in counted for pair in (pairs[-1:] if ordered else pairs)]
    corrected, family = adjusted([pair.comparison.changes for pair in chosen])
    comparisons = tuple(_decided(pair, changes) for pair, changes in zip(chosen, corrected, strict=True))
    series_found = tuple(_series(pairs, settings, axis.name if axis else None) for pairs in counted) if ordered else ()
    return ComparedModels(tuple(sides), comparisons, series_found, family, caveats(sides, probes, others, measurements))


# ---- a series --------------------------------------------------------------------------------------------------------------------------


def _is_series(sides: Sequence[FinishedAudit]) -> bool:
    """Whether the model records say that these are checkpoints of one run."""
    runs, steps = {side.side.model.run for side in sides}, {side.side.model.step for side in sides}
    return len(sides) >= FEWEST_IN_SERIES and len(runs) == 1 and None not in runs | steps and len(steps) == len(sides)


def _by_step(sides: Sequence[FinishedAudit]) -> list[FinishedAudit]:
    for side in sides:
        if side.side.model.step is None:
            raise UsageError(
                f"{side.side.name} does not say how many steps it was trained", where="--series",
                why="only checkpoints of contrastive.train carry their step",
                fix="give each model a number of your own, --series-axis dose=0,0.5,1, or leave --series out",
            )  # fmt: skip
    steps = [side.side.model.step or 0 for side in sides]
    if len(set(steps)) < len(steps):
        fix = "name each checkpoint once, or give each model a number of your own: --series-axis dose=0,0.5,1"
        raise UsageError("two checkpoints of the series are of the same step", where="--series", fix=fix)
    return sorted(sides, key=lambda side: side.side.model.step or 0)


def check_axis(axis: SeriesAxis, names: Sequence[str]) -> None:
    """Raise UsageError if an axis does not have one value for each model; `names` are those of the models."""
    if len(axis.values) != len(names):
        what, fix = f"{len(axis.values)} values of {axis.name!r} for {len(names)} models", "give one value for each model, in their order"
        raise UsageError(what, where="--series-axis", why=f"the models are {', '.join(names)}", fix=fix)


def _along(axis: SeriesAxis, sides: Sequence[FinishedAudit]) -> list[FinishedAudit]:
    check_axis(axis, [one.side.name for one in sides])
    placed = [replace(one, side=replace(one.side, position=value)) for one, value in zip(sides, axis.values, strict=True)]
    return sorted(placed, key=lambda one: one.side.position or 0.0)


def _series(pairs: Sequence[_Pair], settings: Settings, axis: str | None) -> Series:
    first = pairs[0].comparison
    claims = max(sum(change.primary for change in first.changes), 1)
    limited = any(pair.circumstances.limited for pair in pairs)
    runs = {side.side.model.run for pair in pairs for side in pair.sides}

    def follow(change: Change) -> Trajectory:
        steps = [_checkpoint(pairs[0], change.id, settings, after=False), *(_checkpoint(pair, change.id, settings) for pair in pairs)]
        return follow_claim(change, steps, settings, claims=claims, limited=limited)

    followed = [change for change in first.changes if all(change.id in pair.joints for pair in pairs)]
    run = runs.pop() if len(runs) == 1 else None
    return Series(first.probe, run, first.images, limited, claims, tuple(map(follow, followed)), axis)


def _checkpoint(pair: _Pair, finding: str, settings: Settings, *, after: bool = True) -> Checkpoint:
    joint, side = pair.joints[finding], pair.sides[after].side
    step = (side.model.step or 0) if side.position is None else side.position
    return Checkpoint(side.name, step, joint.groups, joint.units(after=after), joint.statuses(settings.min_group_size))


# ---- counting ------------------------------------------------------------------------------------------------------------------------


def _counted(
    probe: str, measurements: Sequence[str], sides: Sequence[FinishedAudit], settings: Settings, tolerance: float | None
) -> list[_Pair]:
    """The first side with every other one; all on the same images."""
    tables = {name: aligned(probe, name, sides) for name in measurements}
    ids = [identifiers(probe, side) for side in sides]
    shared = in_all(ids)
    pairs = []
    for position, after in enumerate(sides[1:], 1):
        both = len(in_all([ids[0], ids[position]]))
        audits = sides[0].audits[probe], after.audits[probe]
        own = {name: (table[0], table[position]) for name, table in tables.items()}
        joints, changes, not_compared = count_changes(audits, own, settings, len(sides) - 1)
        known = circumstances(audits, settings, joints)
        comparison = Comparison(
            probe=probe, before=sides[0].side.name, after=after.side.name, images=len(shared), only_before=len(ids[0]) - both,
            only_after=len(ids[position]) - both, missing_in_others=both - len(shared), cluster=clusters_by(audits) if changes else None,
            by_place=any(audit.data.numbered for audit in audits), limited=known.limited,
            changes=tuple(_tolerating(change, tolerance, sides[0]) for change in changes), not_compared=not_compared,
            verdict="inconclusive", direction=None, excluded=known.excluded, same_model=known.same_model,
        )  # fmt: skip
        pairs.append(_Pair((sides[0], after), known, joints, comparison))
    return pairs


def _tolerating(change: Change, tolerance: float | None, first: FinishedAudit) -> Change:
    """Change the tolerance of a claim, unless the probe set it."""
    if tolerance is None or change.tolerance != first.results.settings.tolerance:
        return change
    return replace(change, tolerance=tolerance)


def _decided(pair: _Pair, changes: Sequence[Change]) -> Comparison:
    done = tuple(with_verdict(change, pair.joints[change.id], pair.circumstances) for change in changes)
    verdict, direction = overall(done)
    return replace(pair.comparison, changes=done, verdict=verdict, direction=direction)
