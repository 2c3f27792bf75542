"""Reads the plan of ``vlm-audit causes``: doses, seeds, the outcome, the fit, and the arms, all decided before the first model."""

from __future__ import annotations

import datetime as dt
import hashlib
import shlex
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StrictFloat, StrictInt, StrictStr

from audit.errors import DataError, UnsafeError, UsageError, nearest
from audit.extensions.causes.record import DOSE, CausesPlan, LeftOutGroup, PlannedArm, PlannedInfluence, PlannedRate
from strictio.files import read_bytes
from strictio.schema import from_dict, record

_MOST_BYTES = 1 << 18
Dose = Annotated[StrictFloat, Field(ge=0, le=1)]
Values = Mapping[StrictStr, StrictStr | list[StrictStr]]
LEAST_GROUPS = 4
OPTIONS = (
    "image_column", "column", "encoding", "bins", "limit", "by", "ordered", "cluster", "nested", "weights", "no_inference", "harmless",
    "language", "what_if", "untrained_control", "alpha", "tolerance", "ratio_tolerance", "min_group_size", "seed", "draws", "log_format",
    "device", "dtype", "decode", "batch_size", "max_skip", "no_cache", "verify",
)  # fmt: skip
"""Options of an audit that a plan may set: none of them names a file, a folder, a URL, code or a place to send something to."""
TYPED = ("data", "image_root", "attributes_from")
"""Options of an audit that the person who runs a plan gives to the command."""
_LARGEST_GAPS = ("gap", "max-min", "max - min", "difference", "largest gap", "disparity")


@record
class TrainingTable:
    """``[training]``: a recipe or a TOML file, and settings that all models share."""

    run: StrictStr
    overrides: tuple[StrictStr, ...] = ()


@record
class AuditTable:
    """``[audit]``: a probe, and the finding whose verdict is followed."""

    probe: StrictStr
    question: StrictStr
    options: Mapping[StrictStr, Any] = field(default_factory=dict)
    """Further options of an audit, by their names in Python: ``draws = 999``. Only those in `OPTIONS`."""

    def __post_init__(self) -> None:
        if refused := [name for name in self.options if name not in OPTIONS]:
            named, typed = refused[0][:80], [name for name in TYPED if name in refused]
            why = "the command sets it, or it names a file, a URL or a place to write to, which only the command line may do"
            fix = f"leave it out, and give --{typed[0].replace('_', '-')} to the command" if typed else nearest(named, OPTIONS)
            raise UsageError(f"audit.options cannot set {named!r}", why=why, fix=fix)


@record
class OutcomeTable:
    """``[outcome]``: the rate of an answer in one group, or its signed difference between two."""

    measurement: StrictStr
    rate: Literal["accuracy", "planted answer"]
    of: Values
    minus: Values = field(default_factory=dict)
    where: Values = field(default_factory=dict)
    answers: Mapping[StrictStr, StrictStr] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.rate == "planted answer") != bool(self.answers):
            raise UsageError("outcome.answers has the planted answers", fix='set rate = "planted answer" and answers = {judge = "student"}')
        if self.rate == "accuracy" and not self.minus:
            why = "the accuracy of one group also depends on how well the model was trained"
            raise UsageError("outcome.minus is missing", why=why, fix='name the other group: minus = {gender = "man"}')
        if self.minus and self.minus == self.of:
            raise UsageError("outcome.of and outcome.minus are the same group")


@record
class CapabilityTable:
    """``[capability]``: the accuracy that an arm may cost; by default of all images."""

    measurement: StrictStr
    where: Values = field(default_factory=dict)


@record
class ArmTable:
    """``[[intervention]]``: training settings of an arm."""

    name: StrictStr
    overrides: tuple[StrictStr, ...]


@record
class GroupTable:
    """A group of captions: values of columns, words, or both."""

    where: Values = field(default_factory=dict)
    words: tuple[StrictStr, ...] = ()


@record
class InfluenceTable:
    """``[influence]``: groups of captions that are left out, one at a time, and how proxies are computed."""

    groups: Mapping[StrictStr, GroupTable]
    keep_every: Annotated[StrictInt, Field(ge=1)]
    at: Dose | None = None
    seeds: tuple[Annotated[StrictInt, Field(ge=0)], ...] | None = None
    batches: Annotated[StrictInt, Field(ge=1)] = 8

    def __post_init__(self) -> None:
        if len(self.groups) < LEAST_GROUPS:
            why = "a rank correlation over fewer groups has no interval"
            raise UsageError(f"influence.groups has {len(self.groups)} groups", why=why, fix=f"name at least {LEAST_GROUPS}")
        for name, group in self.groups.items():
            if not (group.where or group.words) or not all(map(str.strip, (name, *group.words))):
                fix = 'flags = {words = ["flag"]}, or "dark skin" = {where = {tone = "dark"}}'
                raise UsageError(f"influence.groups.{name} needs columns in where, or words", fix=fix)
        if len({name.strip() for name in self.groups}) < len(self.groups):
            raise UsageError("influence.groups need different names")


@record
class PlanFile:
    """The tables of a plan."""

    doses: tuple[Dose, ...]
    seeds: tuple[Annotated[StrictInt, Field(ge=0)], ...]
    fit: Literal["linear", "quadratic"]
    training: TrainingTable
    audit: AuditTable
    outcome: OutcomeTable
    title: StrictStr = "What in the training data made the gap"
    held_back: tuple[Dose, ...] = ()
    budget_min: Annotated[StrictFloat, Field(gt=0)] | None = None
    dose: StrictStr = DOSE
    interventions_at: Dose | None = None
    capability: CapabilityTable | None = None
    intervention: tuple[ArmTable, ...] = ()
    influence: InfluenceTable | None = None

    def __post_init__(self) -> None:
        needed = 3 if self.fit == "quadratic" else 2
        if len(set(self.doses)) < needed:
            raise UsageError(f"a {self.fit} fit needs at least {needed} doses", where="doses", fix="add doses, or choose another fit")
        for name in ("doses", "seeds", "held_back"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise UsageError(f"{name} has a value twice")
        if both := set(self.doses) & set(self.held_back):
            raise UsageError(f"dose {min(both):g} is both fitted and held back", fix="remove it from doses or from held_back")
        if any(not min(self.doses) < dose < max(self.doses) for dose in self.held_back):
            raise UsageError(
                "held_back has a dose outside of doses", why="a curve is not extrapolated", fix="hold back a dose between them"
            )
        if not self.seeds:
            raise UsageError("seeds is empty", fix="seeds = [0, 1]")
        if self.interventions_at is not None and self.interventions_at not in self.doses:
            raise UsageError("interventions_at is not one of the doses", fix=f"interventions_at = {max(self.doses)}")
        names = [arm.name.strip() for arm in self.intervention]
        if len(set(names)) < len(names) or not all(names):
            raise UsageError("interventions need different names", where="[[intervention]]")
        self._check_flags()
        if self.influence is not None:
            self._check_influence(self.influence, names)

    def _check_flags(self) -> None:
        overrides = [*self.training.overrides, *(word for arm in self.intervention for word in arm.overrides)]
        if flags := [word for word in (self.training.run, *overrides, self.dose) if word.lstrip().startswith("-")]:
            raise UsageError(f"{flags[0][:80]!r} is not a setting of the trainer", why="a plan sets no flags", fix="section.key=value")

    def _check_influence(self, table: InfluenceTable, arms: Sequence[str]) -> None:
        if table.at is not None and table.at not in self.doses:
            raise UsageError("influence.at is not one of the doses", fix=f"influence.at = {max(self.doses)}")
        seeds = self.seeds if table.seeds is None else table.seeds
        if not seeds or len(set(seeds)) < len(seeds) or not set(seeds) <= set(self.seeds):
            raise UsageError("influence.seeds must be some of seeds", why="models with all groups exist for these", fix="leave it out")
        if taken := sorted({without_group(name.strip()) for name in table.groups} & set(arms)):
            raise UsageError(f"an intervention is called {taken[0]!r}, as the models of influence are", fix="rename it")


@dataclass(frozen=True)
class PlanInputs:
    """What only the person who runs a plan may name: code, further files and folders, and other machines."""

    allow_probe: str | Path | None = None
    """The Python file that a plan may name as its probe. It is run."""
    allow_remote: bool = False
    """Whether the training may read data behind URLs or on the hub, and send its curves to Weights & Biases."""
    data: str | None = None
    """As of an audit; None: the probe's own."""
    image_root: str | Path | None = None
    """As of an audit."""
    attributes_from: str | Path | None = None
    """As of an audit."""


NO_INPUTS = PlanInputs()


@dataclass(frozen=True)
class ReadPlan:
    """A plan, and what it says beyond the outcome."""

    plan: CausesPlan
    budget_min: float | None
    audit_options: Mapping[str, Any]
    inputs: PlanInputs = NO_INPUTS

    @property
    def probe(self) -> str:
        """The probe that is asked: one that comes with the program, or the file that the command line allows."""
        return self.plan.probe if self.inputs.allow_probe is None else str(self.inputs.allow_probe)


def without_group(group: str) -> str:
    """The name of the arm that is trained without a group."""
    return f"without {group}"


def read_plan(path: Path, moment: dt.datetime, inputs: PlanInputs = NO_INPUTS) -> ReadPlan:
    """Read and check a plan.

    Raises `UsageError` for a setting that cannot be, `DataError` if the file cannot be read, `UnsafeError` if it names code that `inputs`
    does not allow.
    """
    try:
        content = read_bytes(path, _MOST_BYTES)
    except OSError as error:
        raise DataError(f"cannot read the plan {str(path)!r}", why=error.strerror, fix="name a TOML file") from error
    try:
        tables = tomllib.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path.name} is not TOML", why=str(error)[:200]) from error
    _refuse_largest_gap(tables)
    file_ = _parsed(tables, path.name)
    _check_probe(file_.audit.probe, path, inputs.allow_probe)
    return ReadPlan(_planned(file_, content, moment), file_.budget_min, file_.audit.options, inputs)


def _check_probe(named: str, plan: Path, allowed: str | Path | None) -> None:
    """Raise errors for a probe that is a file, unless it is the allowed one."""
    if allowed is None:
        if named.endswith(".py"):
            why = "a probe file is code, and only code that you name yourself is run"
            fix = f"read the file and, if you trust it, add --allow-probe {shlex.quote(named[:200])}"
            raise UnsafeError(f"the plan names a Python file as its probe: {named[:80]!r}", where=plan.name, why=why, fix=fix)
        return
    if not Path(allowed).is_file():
        raise UsageError(f"no probe file {str(allowed)!r}", where="--allow-probe", fix="name the probe file of the plan")
    if not any(place.is_file() and place.samefile(allowed) for place in (Path(named), plan.parent / named)):
        why = f"the probe of {plan.name} is {named[:80]!r}"
        raise UsageError(f"--allow-probe {str(allowed)!r} is not the plan's probe", why=why, fix="leave it out, or name that file")


def _parsed(tables: Mapping[str, Any], name: str) -> PlanFile:
    try:
        return from_dict(PlanFile, tables, "the plan")
    except UsageError as error:
        raise UsageError(error.what.replace("the plan.", ""), where=error.where or name, why=error.why, fix=error.fix) from error


def _refuse_largest_gap(tables: Mapping[str, Any]) -> None:
    outcome = tables.get("outcome")
    if isinstance(outcome, Mapping) and outcome.get("rate") in _LARGEST_GAPS:
        why = "the groups with the highest and the lowest rate may be others than those whose data were changed"
        fix = 'rate = "accuracy" with of = {gender = "man"} and minus = {gender = "woman"}, or rate = "planted answer"'
        raise UsageError("the largest gap of all groups cannot be the outcome", where="outcome.rate", why=why, fix=fix)


def _planned(file: PlanFile, content: bytes, moment: dt.datetime) -> CausesPlan:
    outcome = file.outcome
    capability = file.capability or CapabilityTable(outcome.measurement)
    return CausesPlan(
        title=file.title, run=file.training.run, overrides=file.training.overrides, dose=file.dose, doses=tuple(sorted(file.doses)),
        held_back=tuple(sorted(file.held_back)), seeds=file.seeds, fit=file.fit,
        arms=tuple(PlannedArm(arm.name.strip(), arm.overrides) for arm in file.intervention),
        arms_at=max(file.doses) if file.interventions_at is None else file.interventions_at, probe=file.audit.probe,
        question=file.audit.question,
        outcome=PlannedRate(outcome.measurement, outcome.rate, outcome.of, outcome.minus, outcome.where, outcome.answers),
        capability=PlannedRate(capability.measurement, "accuracy", {}, {}, capability.where, {}),
        sha256=hashlib.sha256(content).hexdigest(), created=moment.isoformat(timespec="seconds"),
        influence=_planned_influence(file, file.influence) if file.influence else None,
    )  # fmt: skip


def _planned_influence(file: PlanFile, table: InfluenceTable) -> PlannedInfluence:
    groups = (LeftOutGroup(name.strip(), group.where, group.words) for name, group in table.groups.items())
    at = max(file.doses) if table.at is None else table.at
    return PlannedInfluence(tuple(groups), at, table.seeds or file.seeds, table.keep_every, table.batches)
