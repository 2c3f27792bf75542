"""One comparison from start to end: from finished audits to changes. Each claim is counted in one pass over the images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from audit.comparison.counts import clusters_by, count_changes
from audit.comparison.sides import FinishedAudit, aligned, check_same_question, distinct_names, identifiers, in_all, shared_probes
from audit.comparison.verdict import Circumstances, adjusted, overall, with_verdict
from audit.errors import UsageError
from audit.records.comparison import Change, ComparedClaim, Comparison, Point, Series, SeriesAxis, Trajectory
from audit.records.finding import CellStatus
from audit.results import AuditResult
from audit.statistics.null import generator
from audit.statistics.paired.changes import gap_ends, unit_rates
from audit.statistics.paired.joint import ONLY_AFTER, ONLY_BEFORE, JointCounts
from audit.statistics.units.sampling_unit import SamplingUnits
from audit.types import UNKNOWN, Group, Note, Settings

# What a comparison depends on besides its counts: excluded images, and differences between the audits other than the models.


def circumstances(audits: tuple[AuditResult, AuditResult], settings: Settings, joints: Mapping[str, JointCounts]) -> Circumstances:
    """The circumstances of the verdicts on two audits, before and after; `joints` has the counts of each finding."""
    unmoved = all(joint.cells[:, [ONLY_BEFORE, ONLY_AFTER]].sum() == 0 for joint in joints.values())
    return Circumstances(
        settings=settings,
        limited=any(audit.data.limited for audit in audits),
        excluded=max(sum(exclusion.count for exclusion in audit.data.exclusions) for audit in audits),
        same_model=audits[0].model.fingerprint == audits[1].model.fingerprint and unmoved,
    )


def caveats(
    sides: Sequence[FinishedAudit], probes: Sequence[str], others: Sequence[str], measurements: Mapping[str, Sequence[str]]
) -> tuple[Note, ...]:
    """Differences between the audits other than the models.

    `probes` are those that all sides answered, `others` those that only some did, or that have no answers; `measurements` those of each
    probe that all have.
    """
    notes = [
        Note("does_not_look", {"name": side.side.name, "measurements": names}) for side in sides if (names := _unresponsive(side, probes))
    ]
    for probe in others:
        of_all = all(probe in side.audits for side in sides)
        notes.append(Note("probe_without_answers" if of_all else "probe_of_some", {"probe": probe}))
    first = sides[0]
    for side in sides[1:]:
        settings = first.results.settings, side.results.settings
        rules = ("alpha", "tolerance", "ratio_tolerance", "min_group_size")
        differ = [name for name in rules if len({getattr(one, name) for one in settings}) > 1]
        notes += [Note("other_setting", {"name": side.side.name, "setting": name}) for name in differ]
        differ = [name for name in ("device", "dtype") if first.results.environment.get(name) != side.results.environment.get(name)]
        notes += [Note("other_environment", {"name": side.side.name, "part": name, "first": first.side.name}) for name in differ]
        for probe in probes:
            notes += _of_probe(probe, first, side, measurements[probe])
    if first.side.model.fingerprint in [side.side.model.fingerprint for side in sides[1:]]:
        notes.append(Note("same_model"))
    return tuple(note for position, note in enumerate(notes) if note not in notes[:position])


def _unresponsive(side: FinishedAudit, probes: Sequence[str]) -> Group:
    """The measurements without evidence that the answers depend on the images."""
    looked = ((record.name, record.responsiveness) for probe in probes for record in side.audits[probe].measurements)
    return tuple(name for name, responsiveness in looked if responsiveness and responsiveness.code not in (None, "looks", "undecided"))


def _of_probe(probe: str, first: FinishedAudit, second: FinishedAudit, shared: Sequence[str]) -> Iterator[Note]:
    audits: tuple[AuditResult, AuditResult] = first.audits[probe], second.audits[probe]
    names = {"first": first.side.name, "second": second.side.name}
    if audits[0].data.fingerprint != audits[1].data.fingerprint:
        code = "other_table_by_place" if any(audit.data.numbered for audit in audits) else "other_table"
        yield Note(code, {**names, "data": audits[0].data.name})
    first_cluster, second_cluster = (audit.data.cluster or "" for audit in audits)
    if first_cluster != second_cluster:
        clusters = {"first_cluster": first_cluster, "second_cluster": second_cluster, "cluster": first_cluster or second_cluster}
        yield Note("other_units", {**names, **clusters})
    if weights := {name: audit.data.weights for audit, name in zip(audits, names.values(), strict=True) if audit.data.weights}:
        yield Note("weights_not_compared", {"name": " and ".join(weights), "column": next(iter(weights.values()))})
    missing = dict.fromkeys(record.name for audit in audits for record in audit.measurements if record.name not in shared)
    for name in missing:
        yield Note("measurement_of_some", {"measurement": name})
    new = sorted({finding.id for finding in audits[1].findings} - {finding.id for finding in audits[0].findings})
    if new:
        yield Note("more_questions", {"name": second.side.name, "questions": tuple(new[:5])})


# A gap over the checkpoints of a run: when does it appear?


@dataclass(frozen=True)
class Checkpoint:
    """The counts of one claim at one step."""

    side: str
    step: int | float
    """Or the value on the axis of the series."""
    groups: tuple[Group, ...]
    units: SamplingUnits
    statuses: tuple[CellStatus, ...]


def follow_claim(like: Change, checkpoints: Sequence[Checkpoint], settings: Settings, *, claims: int, limited: bool) -> Trajectory:
    """Compute a claim for each of its checkpoints, by ascending step, on the same images.

    The bands are simultaneous over all primary `claims`, and over the pairs of groups of each. If a sample was audited nothing appears.
    """
    points = tuple(_point(checkpoint, like, settings, claims) for checkpoint in checkpoints)
    appears = None if limited else _first_lasting(points, lambda point: point.gap is not None and point.gap.low > like.tolerance)
    detectable = None if limited else _first_lasting(points, lambda point: point.p is not None and point.p <= settings.alpha)
    claim = {field.name: getattr(like, field.name) for field in fields(ComparedClaim)}
    return Trajectory(**claim, points=points, appears=appears, detectable=detectable, confused=like.confused)


def _point(checkpoint: Checkpoint, like: Change, settings: Settings, claims: int) -> Point:
    alpha = settings.alpha
    ok = np.array([i for i, status in enumerate(checkpoint.statuses) if status == "ok"], np.int64)
    gap = p = None
    if len(ok) > 1:
        compared = checkpoint.units.of(ok)
        gap = gap_ends([checkpoint.groups[i] for i in ok], compared, alpha / claims)
        # With the seed of the checkpoint's own audit, so that both show the same p.
        p = min(1.0, compared.null(settings.draws, generator(settings.seed, like.id)).p * (claims if like.primary else 1))
    rates = unit_rates(checkpoint.groups, checkpoint.units, checkpoint.statuses, alpha)
    everybody = checkpoint.units.together()
    [total] = unit_rates(((),), everybody, ("ok" if everybody.n[0] else "not estimable",), alpha)
    return Point(checkpoint.side, checkpoint.step, tuple(rate for rate in rates if UNKNOWN not in rate.group), total, gap, p)


def _first_lasting(points: Sequence[Point], holds: Callable[[Point], bool]) -> int | float | None:
    """The first step from which on it holds at every checkpoint: a bias that came and went did not appear there.

    With several models at one step, it must hold for all.
    """
    last_failure = max((point.step for point in points if not holds(point)), default=None)
    return min((point.step for point in points if last_failure is None or point.step > last_failure), default=None)


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
