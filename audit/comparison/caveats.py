"""What a comparison must own up to: images outside it, and what differs between the audits beside the models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from audit.comparison.verdict import Circumstances
from audit.statistics.paired.joint import ONLY_AFTER, ONLY_BEFORE, JointCounts

if TYPE_CHECKING:
    from audit.comparison.sides import FinishedAudit
    from audit.records.results import AuditResult
    from audit.types import Settings


def circumstances(
    probe: str, sides: tuple[FinishedAudit, FinishedAudit], settings: Settings, outside: tuple[int, int], joints: Mapping[str, JointCounts]
) -> Circumstances:
    """Return what the verdicts of two sides must own up to.

    Parameters
    ----------
    probe : str
    sides : (Audited, Audited)
        Before and after.
    settings : Settings
        Of the comparison.
    outside : (int, int)
        Images that only one of the two has, and that both have but a third side has not.
    joints : mapping of str to JointCounts
        finding -> its counts.
    """
    (before, after), (only_one, elsewhere) = sides, outside
    audits = before.audits[probe], after.audits[probe]
    said = [f"{only_one:,} image{'s' if only_one > 1 else ''} that only one of the two audits has"] if only_one else []
    said += [f"{elsewhere:,} image{'s' if elsewhere > 1 else ''} that a third audit has not"] if elsewhere else []
    left_out = max(sum(exclusion.count for exclusion in audit.data.exclusions) for audit in audits)
    said += [f"up to {left_out:,} image{'s' if left_out > 1 else ''} that an audit itself left out"] if left_out else []
    unmoved = all(joint.cells[:, [ONLY_BEFORE, ONLY_AFTER]].sum() == 0 for joint in joints.values())
    return Circumstances(
        settings=settings,
        limited=any(audit.data.limited for audit in audits),
        not_covered="; ".join(said) or None,
        same_model=before.side.model.fingerprint == after.side.model.fingerprint and unmoved,
    )


def notes(
    sides: Sequence[FinishedAudit], probes: Sequence[str], others: Sequence[str], measurements: Mapping[str, Sequence[str]]
) -> tuple[str, ...]:
    """Say what differs between the audits beside the models.

    Parameters
    ----------
    sides : sequence of Audited
    probes, others : sequence of str
        Probes that every side answered, and those that only some did.
    measurements : mapping of str to sequence of str
        probe -> the measurements that every side has.
    """
    said = [f"Probe {probe!r} was put to some of the models only; it is not compared." for probe in others]
    first = sides[0]
    for each in sides[1:]:
        differ = [name for name in ("alpha", "tolerance", "min_group_size") if _setting(first, name) != _setting(each, name)]
        said += [f"The audit of {each.side.name} has another {name}; here that of this comparison holds." for name in differ]
        differ = [name for name in ("device", "dtype") if first.results.environment.get(name) != each.results.environment.get(name)]
        said += [f"{each.side.name} ran with another {name} than {first.side.name}." for name in differ]
        for probe in probes:
            said += _probe_notes(probe, first, each, measurements[probe])
    if first.side.model.fingerprint in [each.side.model.fingerprint for each in sides[1:]]:
        said.append("Two sides are the same model, read the same way.")
    return tuple(dict.fromkeys(said))


def _setting(each: FinishedAudit, name: str) -> object:
    return getattr(each.results.settings, name)


def _probe_notes(probe: str, first: FinishedAudit, each: FinishedAudit, shared: Sequence[str]) -> list[str]:
    audits: tuple[AuditResult, AuditResult] = first.audits[probe], each.audits[probe]
    notes = []
    if audits[0].data.fingerprint != audits[1].data.fingerprint:
        by = "place in the file" if any(audit.data.numbered for audit in audits) else "identifier"
        notes.append(
            f"{first.side.name} and {each.side.name} read different label tables of {audits[0].data.name!r}; images are matched by "
            f"{by}, and their labels agree."
        )
    notes += _case_notes(first.side.name, each.side.name, audits)
    names = [record.name for audit in audits for record in audit.measurements if record.name not in shared]
    notes += [f"Measurement {name!r} is not in every audit; it is not compared." for name in dict.fromkeys(names)]
    new = sorted({finding.id for finding in audits[1].findings} - {finding.id for finding in audits[0].findings})
    return notes + [f"{each.side.name} was also asked {', '.join(new[:5])}, which the first was not."] * bool(new)


def _case_notes(first: str, second: str, audits: tuple[AuditResult, AuditResult]) -> list[str]:
    """Say that two audits do not count the same as one case."""
    columns = [audit.data.cluster for audit in audits]
    if columns[0] == columns[1]:
        return []
    cases = ["each image" if column is None else f"all images of one {column!r}" for column in columns]
    here = cases[1] if columns[0] is None else cases[0]
    return [f"The audit of {first} counts {cases[0]} as one case, that of {second} {cases[1]}; here {here} count as one."]
