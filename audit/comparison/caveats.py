"""What a comparison depends on besides its counts: excluded images, and differences between the audits other than the models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from audit.comparison.sides import FinishedAudit
from audit.comparison.verdict import Circumstances
from audit.results import AuditResult
from audit.statistics.paired.joint import ONLY_AFTER, ONLY_BEFORE, JointCounts
from audit.types import Group, Note, Settings


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
