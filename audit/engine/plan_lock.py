"""Reads a plan lock and says how an audit differs from it, before any answer."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from audit.encoder import Value
from audit.engine.locked_table import table_deviations
from audit.errors import DataError
from audit.naming import finding_id
from audit.records.plan_lock import FILE, PRESENT, AuditLock, LockDeviation, LockedModel, LockedProbe, PlanLock
from audit.statistics.effects import asked_effects
from audit.types import Probe
from strictio.files import read_text

_STATED = ("schema_version", "stopping_rule", "who", "why", "created")
"""What a person states, and no run can contradict."""
_OF_AUDITS = ("models", "probes")
_WITHOUT_CLAIMS = ("gates", "texts", "exploratory", "family_size", "claims", "models")
"""Fields that make no claim exploratory; those below `claims` name theirs."""
_BY_MEASUREMENT = ("prompts", "questions")


@dataclass(frozen=True)
class HeldLock:
    """A lock as read from its file."""

    lock: PlanLock
    text: str
    """The file."""
    name: str

    @property
    def sha256(self) -> str:
        """Of the file."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def read_lock(path: Path) -> HeldLock:
    """Read a lock. Raises DataError if it cannot be read, or is not exactly what `vlm-audit plan` writes: its sha256 stands for it."""
    try:
        text = read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise DataError(f"cannot read the plan lock {str(path)!r}", why=why, fix=FILE.fix) from error
    lock = FILE.from_json(text)
    if FILE.to_json(lock) != text:
        why = "it is not in the form in which vlm-audit plan writes it, so it was edited"
        raise DataError(f"{str(path)!r} is not a plan lock", why=why, fix="restore the file, or plan again")
    return HeldLock(lock, text, path.name)


def restricted(probe: Probe, lock: AuditLock | None) -> Probe:
    """The probe with those claims planned that its lock plans, all others exploratory; without a lock as it is."""
    if lock is None:
        return probe
    measurements = tuple(
        replace(
            m,
            claims=tuple(replace(claim, primary=finding_id(m.name, claim) in lock.planned) for claim in m.claims),
            effects=tuple(replace(effect, primary=name in lock.planned) for name, effect in asked_effects(m)),
        )
        for m in probe.measurements
    )
    return replace(probe, measurements=measurements)


def run_deviations(locked: PlanLock, actual: PlanLock, probes: Collection[str]) -> tuple[LockDeviation, ...]:
    """The differences that concern the whole run: software, settings, gates, and probes that are not run; `probes` are those that are."""
    fields = {name: value for name, value in asdict(locked).items() if name not in (*_STATED, *_OF_AUDITS)}
    found = [_deviation(*difference, ()) for difference in _differences(fields, asdict(actual))]
    return (*found, *(LockDeviation(("probes", name), PRESENT, None) for name in locked.probes if name not in probes))


def audit_lock(locked: PlanLock, run: Sequence[LockDeviation], name: str, probe: LockedProbe, model: LockedModel) -> AuditLock:
    """How the audit of a model with a probe differs from the lock; `run` has the deviations of the whole run."""
    planned = locked.probes.get(name)
    if planned is None:
        return AuditLock((), (), (), (LockDeviation(("probes", name), None, PRESENT, "all"),))
    deviations = [
        *of_model(locked, model), *field_deviations(planned, fields_of(probe)), *table_deviations(planned.data.table, probe.data.table)
    ]  # fmt: skip
    return sorted_claims(planned, run, deviations, probe.claims, {*probe.claims, *probe.exploratory})


def fields_of(probe: LockedProbe) -> dict[str, Any]:
    """The fields of a probe, but for its table."""
    return asdict(replace(probe, data=replace(probe.data, table=None)))


def field_deviations(planned: LockedProbe, actual: Mapping[str, Any]) -> Iterator[LockDeviation]:
    """The fields of a probe that are not as locked."""
    return (_deviation(*difference, planned.claims) for difference in _differences(fields_of(planned), actual))


def restated(recorded: LockDeviation, locked: Mapping[str, Any], claims: Mapping[str, Any] | tuple[str, ...] = ()) -> LockDeviation:
    """A recorded deviation, with the value that the lock has, and the questions that it concerns."""
    value: Any = locked
    for name in recorded.field:
        value = value.get(name) if isinstance(value, Mapping) else None
    return replace(_deviation(recorded.field, value, recorded.actual, claims), rows=recorded.rows)


def sorted_claims(
    planned: LockedProbe, run: Sequence[LockDeviation], deviations: Sequence[LockDeviation], claims: Collection[str],
    asked: Collection[str],
) -> AuditLock:  # fmt: skip
    """Which of the locked claims are still planned; `claims` are those that the probe plans, `asked` all that it asks."""
    deviating: set[str] = set()
    for deviation in (*run, *deviations):
        deviating |= set(planned.claims if deviation.claims == "all" else deviation.claims)
    return AuditLock(
        planned=tuple(claim for claim in planned.claims if claim in claims and claim not in deviating),
        exploratory=tuple(claim for claim in planned.claims if claim in asked and (claim in deviating or claim not in claims)),
        not_asked=tuple(claim for claim in planned.claims if claim not in asked),
        deviations=tuple(deviations),
    )


def with_named_model(lock: AuditLock, model: LockedModel) -> AuditLock:
    """The lock of an audit whose model has another name in the results: its deviation names it so."""
    deviations = (
        replace(one, actual=_named(model)) if one.field == ("models",) and one.actual is not None else one for one in lock.deviations
    )
    return replace(lock, deviations=tuple(deviations))


def models_not_run(locked: PlanLock, models: Sequence[LockedModel]) -> tuple[LockDeviation, ...]:
    """The locked models that were not audited."""
    named = () if locked.models == "any" else locked.models
    return tuple(LockDeviation(("models",), model.name, None) for model in named if not any(_same(model, other) for other in models))


def of_model(locked: PlanLock, model: LockedModel) -> Iterator[LockDeviation]:
    """The deviation of a model that the lock does not name."""
    if locked.models != "any" and not any(_same(model, other) for other in locked.models):
        yield LockDeviation(("models",), tuple(map(_named, locked.models)), _named(model), "all")


def _same(one: LockedModel, other: LockedModel) -> bool:
    """A file may have another name; a model without a hash is known by its name alone."""
    return (one.sha256, one.form) == (other.sha256, other.form) and bool(one.sha256 or one.name == other.name)


def _named(model: LockedModel) -> str:
    return " · ".join(filter(None, (model.name, model.sha256, model.form)))


def _deviation(path: tuple[str, ...], locked: object, actual: object, claims: Mapping[str, Any] | tuple[str, ...]) -> LockDeviation:
    return LockDeviation(path, _value(locked), _value(actual), _concerned(path, claims))


def _concerned(path: tuple[str, ...], claims: Mapping[str, Any] | tuple[str, ...]) -> Any:
    """The claims that a difference makes exploratory."""
    if path[0] == "claims" and len(path) > 2:
        return (path[1],)
    if path[0] in _BY_MEASUREMENT and isinstance(claims, Mapping):
        return tuple(name for name, claim in claims.items() if claim.measurement == path[1])
    return () if path[0] in _WITHOUT_CLAIMS else "all"


def _value(value: object) -> Value | None:
    if isinstance(value, Mapping):
        return PRESENT
    if isinstance(value, list | tuple):
        return tuple(str(part) for part in value)
    return value if value is None or isinstance(value, str | int | float) else str(value)


def _differences(locked: Mapping[str, Any], actual: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[Any, Any, Any]]:
    """Path, locked and actual value of every field that differs; of a part that one side lacks only the part."""
    for name in locked if not path else dict.fromkeys((*locked, *actual)):
        before, now = locked.get(name), actual.get(name)
        if isinstance(before, Mapping) and isinstance(now, Mapping):
            yield from _differences(before, now, (*path, name))
        elif before != now:
            yield (*path, name), before, now
