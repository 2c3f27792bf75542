"""From training data to a gap: trains models with different doses, audits each, fits a curve, and checks what it predicts.

Everything that is decided before the first model is recorded in `stated.json`; a model that is trained and audited is not done again.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pandas as pd
from pydantic import TypeAdapter

from audit.api.audit_output import PACKAGES, Clock, installed
from audit.api.audits import Audit, load
from audit.api.inputs import dataset_of, probes_of
from audit.api.lookup import planned_questions
from audit.errors import MachineError, UsageError, nearest
from audit.extensions.causes.exports import csv_table
from audit.extensions.causes.facts import Audited, causes_of, predict_held_back
from audit.extensions.causes.influence import Proxies, at_dose, influence_of, whole_seeds
from audit.extensions.causes.models import DoseModel, affordable, planned_models
from audit.extensions.causes.outcome import RateOutcome, rate_outcome
from audit.extensions.causes.page import render_causes
from audit.extensions.causes.plan import NO_INPUTS, PlanInputs, ReadPlan, read_plan
from audit.extensions.causes.record import (
    CAUSES,
    FILE,
    PREDICTION,
    PREDICTIONS,
    Causes,
    CausesPlan,
    DosePredictions,
    PlannedInfluence,
    PlannedRate,
)
from audit.extensions.causes.target import TARGET, check_measurement, write_target
from audit.extensions.causes.training import DoseTask, Engine, RayModels, audit_request, one_after_another, read_values, trainer, write_json
from audit.gates.parse import named_question
from audit.output.directory import write_text
from audit.types import Measurement, Probe
from audit.version import __version__
from reports.read import read_facts
from strictio.files import Lock
from strictio.folders import Folder

LOG = logging.getLogger("audit")
STATED, BUDGET, PAGE, TABLE = "stated.json", "budget.json", "report.html", "causes.csv"
CHECKED = "checked.json"
_STATED = TypeAdapter(CausesPlan)
_MAY_CHANGE = {"created", "sha256", "seeds", "arms", "title"}
"""Fields of a plan that may differ when a folder is continued: more seeds and arms do not change what is predicted of which outcome."""


@dataclass(frozen=True)
class CausesRun:
    """What the doses did, and the folder with its models, audits and page."""

    facts: Causes
    """The contents of `causes.json`."""
    directory: Path

    def to_html(self) -> str:
        """The page, self-contained."""
        return render_causes(self.facts)

    def models(self) -> pd.DataFrame:
        """One row per model: dose, seed, outcome with its interval over images, verdicts and capability."""
        return pd.DataFrame([
            {
                "model": model.name, "part": model.part, "intervention": model.arm, "dose": model.dose, "seed": model.seed,
                "outcome": model.outcome.value, "low": model.outcome.low, "high": model.outcome.high, "images": sum(model.images),
                "contrast_called": model.contrast_called, "verdict": model.verdict, "capability": model.capability,
            }
            for model in self.facts.models
        ])  # fmt: skip


def find_causes(
    plan: str | Path,
    out: str | Path,
    command: Sequence[str] = (),
    *,
    inputs: PlanInputs = NO_INPUTS,
    ray: RayModels | None = None,
) -> CausesRun:
    """Train and audit the models of a plan, one after another or several at once on a Ray cluster, and say what the doses did.

    Writes `causes.json`, `causes.csv` and `report.html` to the folder `out`, with all models and audits; the same call continues an
    interrupted run. `inputs`: code, data and other machines, which a plan cannot name by itself. Raises a subclass of AuditError.
    """
    clock, path, out = Clock(), Path(plan), Path(out)
    read = read_plan(path, clock.moment, inputs)
    if ray is not None and read.budget_min is not None:
        why = "models that are trained at the same time slow each other down, so one does not tell how many fit"
        raise UsageError("budget_min cannot be used with --engine ray", why=why, fix="leave one of them out")
    check_questions(read)
    folder = _opened(out)
    try:
        with Lock(folder, ".lock"), ray.engine() if ray else nullcontext(one_after_another) as engine:
            return CausesRun(_Plan(replace(read, plan=_stated(folder, read.plan)), path, folder, engine).facts(clock, command), out)
    except BlockingIOError as error:
        raise MachineError("another run is writing there", where=str(out), fix="wait for it, or name another --out") from error


def load_causes(directory: str | Path) -> CausesRun:
    """Load a finished run; raises `DataError` if its file is missing or invalid."""
    return CausesRun(read_facts(Path(directory), CAUSES, FILE.from_json, "vlm-audit causes"), Path(directory))


def check_questions(read: ReadPlan) -> None:
    """Raise errors of outcome, capability and question before the first model is trained; reads the attributes of the probe's images."""
    plan = read.plan
    request = audit_request(read, model="ckpt.pt")
    (probe,) = probes_of(request)
    questions = planned_questions(probe.measurements)
    named_question(plan.question, questions)
    if probe.load is None or probe.weights:
        why = "it looks at no image" if probe.load is None else "its images have weights"
        raise UsageError(f"the probe {probe.name!r} cannot be used for doses", why=why, fix="choose another probe")
    if plan.influence:
        check_measurement(_measurement(probe, plan.outcome))
    attributes = dataset_of(probe, request).attributes
    for planned in (plan.outcome, plan.capability):
        truth = _truth(probe, planned)
        answers = attributes.assign(y_true=attributes[truth], y_pred=None)
        rate_outcome(answers, planned, probe.cluster)


def _measurement(probe: Probe, planned: PlannedRate) -> Measurement:
    known = {measurement.name: measurement for measurement in probe.measurements}
    if planned.measurement not in known:
        raise UsageError(
            f"the probe has no measurement {planned.measurement!r}", where="outcome.measurement", fix=nearest(planned.measurement, known)
        )
    return known[planned.measurement]


def _truth(probe: Probe, planned: PlannedRate) -> str:
    measurement = _measurement(probe, planned)
    if measurement.truth is None:
        raise UsageError(f"the measurement {planned.measurement!r} has no true answers", fix="choose one that has")
    answers = {measurement.label_set.answers.get(label, label) for label in measurement.label_set.labels}
    if unknown := sorted(set(planned.answers.values()) - answers):
        raise UsageError(f"outcome.answers: {unknown[0]!r} is not an answer of the measurement", fix=nearest(unknown[0], answers))
    return measurement.truth


def _opened(out: Path) -> Folder:
    if out.is_dir() and any(out.iterdir()) and not (out / STATED).is_file():
        raise UsageError(f"--out {str(out)!r} holds other things", why=f"it has no {STATED} of an earlier run", fix="name a new folder")
    try:
        return Folder.of(out, make=True)
    except OSError as error:
        raise MachineError(
            "the folder cannot be written", where=str(out), why=error.strerror, fix="choose a folder you may write to"
        ) from error


def _stated(folder: Folder, plan: CausesPlan) -> CausesPlan:
    """Return the plan with the time at which it was first recorded; record it if it is new. Raises `UsageError` if it is another one."""
    if not folder.is_file(STATED):
        write_json(folder, STATED, _STATED.dump_python(plan, mode="json"))
        return plan
    before = read_values(folder, STATED, CausesPlan)
    old, new = (_STATED.dump_python(one, mode="json") for one in (before, plan))
    changed = [name for name in {**old, **new} if name not in _MAY_CHANGE and old.get(name) != new.get(name)]
    if changed:
        why = f"{changed[0]} was {str(old.get(changed[0]))[:120]}, and was recorded on {before.created}"
        raise UsageError(
            f"the plan changed: {changed[0]} is another one",
            why=why,
            fix="name a new folder: the outcome and the fit are stated beforehand",
        )
    return replace(plan, created=before.created)


# ---- the models and what they show -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Decided:
    """How many of the planned models a budget allows."""

    budget_min: float
    planned: tuple[str, ...]
    seconds_per_model: float
    chosen: tuple[str, ...]


@dataclass(frozen=True)
class _Gradients:
    """What the trainer computed for a seed, and of which model."""

    made_of: Mapping[str, object]
    proxies: Proxies


@dataclass(frozen=True)
class _Plan:
    read: ReadPlan
    path: Path
    folder: Folder
    engine: Engine

    @property
    def plan(self) -> CausesPlan:
        return self.read.plan

    def facts(self, clock: Clock, command: Sequence[str]) -> Causes:
        """Train and audit what is missing, and write the results."""
        models, settings = planned_models(self.plan), self._settings()
        if self.plan.influence:
            self._check_influence(self.plan.influence, models)
        chosen = self._afforded(models, settings)
        self._make([model for model in chosen if model.part != "held back"], settings, chosen)
        fitted = [self._audited(model) for model in chosen if model.part == "fit"]
        predictions = self._predicted(fitted, chosen, clock)
        self._make([model for model in chosen if model.part == "held back"], settings, chosen)
        audited = [self._audited(model) for model in chosen]
        facts = causes_of(self.plan, audited, predictions, self.read.budget_min)
        facts = replace(
            facts, tool=f"vlm-audit {__version__}", command=tuple(command),
            seconds={model.name: self._task(model, settings).seconds() for model in chosen},
            environment={name: installed(name) for name in PACKAGES} | {"python": sys.version.split()[0]}, timing=clock.timing(),
            left_out=tuple(model.name for model in models if model not in chosen),
            influence=influence_of(self.plan, audited, self._proxies(audited)),
        )  # fmt: skip
        write_text(CAUSES, FILE.to_json(facts), self.folder)
        write_text(TABLE, csv_table(facts), self.folder)
        write_text(PAGE, render_causes(facts), self.folder)
        return facts

    def _settings(self) -> Mapping[str | None, str]:
        """Check the settings of every arm with the trainer; return arm -> hash of its configuration at the first dose and seed."""
        first = {model.arm: model for model in reversed(planned_models(self.plan))}
        printed = {arm: self._checked(model) for arm, model in first.items()}
        return {arm: hashlib.sha256(text.encode()).hexdigest() for arm, text in printed.items()}

    def _afforded(self, models: Sequence[DoseModel], settings: Mapping[str | None, str]) -> tuple[DoseModel, ...]:
        """The models that the budget allows, timed on the first; the decision is kept, so that a resumed run decides the same."""
        if self.read.budget_min is None:
            return tuple(models)
        minutes, planned = self.read.budget_min, tuple(model.name for model in models)
        kept = read_values(self.folder, BUDGET, _Decided) if self.folder.is_file(BUDGET) else None
        if kept is None or (kept.budget_min, kept.planned) != (minutes, planned):
            self._make(models[:1], settings, models)
            each = sum(self._task(models[0], settings).seconds())
            kept = _Decided(minutes, planned, each, tuple(model.name for model in affordable(self.plan, each, minutes * 60)))
            write_json(self.folder, BUDGET, asdict(kept))
        chosen = tuple(model for model in models if model.name in kept.chosen)
        message = "budget: %g min allow %d of %d models at %.0f s per model (timed on the first)%s"
        left_out = [model.name for model in models if model not in chosen]
        which = f"; left out: {', '.join(left_out)}" if left_out else ""
        LOG.info(message, minutes, len(chosen), len(models), kept.seconds_per_model, which)
        return chosen

    def _make(self, models: Sequence[DoseModel], settings: Mapping[str | None, str], chosen: Sequence[DoseModel]) -> None:
        """Train and audit those that are not done."""
        tasks = [self._task(model, settings) for model in models]
        self.engine([task for task in tasks if not task.is_done()], chosen)

    def _task(self, model: DoseModel, settings: Mapping[str | None, str]) -> DoseTask:
        return DoseTask(self.read, self.path, self.folder.path, model, settings[model.arm])

    def _checked(self, model: DoseModel) -> str:
        """Return the configuration of a model as the trainer reads it; raises its error."""
        flags = ["--check"] if self.read.inputs.allow_remote else ["--check", "--local"]
        return trainer(self.read, self.path, [*model.overrides, "run.out=checked", *flags], f"training of {model.name}")

    def _path(self, model: DoseModel) -> Path:
        return self.folder.path / "models" / model.name

    def _check_influence(self, influence: PlannedInfluence, models: Sequence[DoseModel]) -> None:
        """Hand the outcome to the trainer, which counts the pairs of each group before the first model is trained."""
        own = self.folder.folder("influence", make=True)
        if own.is_file(CHECKED):
            return
        (probe,) = probes_of(request := audit_request(self.read, model="ckpt.pt"))
        write_target(self.plan, influence, (_measurement(probe, self.plan.outcome), dataset_of(probe, request)), own)
        base = next(model for model in models if (model.dose, model.seed, model.arm) == (influence.at, influence.seeds[0], None))
        write_json(own, CHECKED, json.loads(self._gradients([*base.overrides, "run.out=checked", "--check"], base.name)))

    def _proxies(self, audited: Sequence[Audited]) -> dict[int, Proxies]:
        """Compute the gradients of each seed that has all models, unless that is done; return seed -> proxies."""
        if self.plan.influence is None:
            return {}
        own, models = self.folder.folder("influence", make=True), at_dose(self.plan, audited)
        for seed in (seeds := whole_seeds(self.plan.influence, models)):
            base = models[None, seed].model
            made_of = {"overrides": list(base.overrides), "checkpoint": models[None, seed].checkpoint}
            if own.is_file(f"seed-{seed}.json") and read_values(own, f"seed-{seed}.json", _Gradients).made_of == made_of:
                continue
            LOG.info("gradients of the groups of captions, seed %d", seed)
            printed = self._gradients([*base.overrides, f"run.out={self._path(base)}"], base.name)
            write_json(own, f"seed-{seed}.json", {"made_of": made_of, "proxies": json.loads(printed)})
        return {seed: read_values(own, f"seed-{seed}.json", _Gradients).proxies for seed in seeds}

    def _gradients(self, arguments: Sequence[str], name: str) -> str:
        target = self.folder.path / "influence" / TARGET
        return trainer(self.read, self.path, [*arguments, f"--target={target}"], f"influence at {name}", "contrastive.influence")

    def _audited(self, model: DoseModel) -> Audited:
        audit = load(self._path(model) / "audit")
        outcome, capability = (self._rate(audit, planned) for planned in (self.plan.outcome, self.plan.capability))
        finding, result = audit.finding(self.plan.question), audit.results.audits[0]
        return Audited(model, outcome, capability, finding.verdict, result.model.sha256, audit.results.settings)

    def _rate(self, audit: Audit, planned: PlannedRate) -> RateOutcome:
        answers = audit.predictions()
        cluster = audit.results.audits[0].data.cluster
        return rate_outcome(answers[answers["measurement"] == planned.measurement], planned, cluster)

    def _predicted(self, fitted: Sequence[Audited], chosen: Sequence[DoseModel], clock: Clock) -> tuple[DosePredictions | None, bool]:
        """Return the predictions, and whether they are those that were written before any held-back model was trained."""
        made = predict_held_back(self.plan, fitted, clock.moment.isoformat(timespec="seconds"))
        if made is None:
            return None, False
        if self.folder.is_file(PREDICTION):
            kept = PREDICTIONS.from_json(self.folder.read(PREDICTION).decode(errors="replace"))
            if (kept.models, kept.doses) == (made.models, made.doses):
                return kept, True
        begun = any(self.folder.exists(f"models/{model.name}") for model in chosen if model.part == "held back")
        if not begun:
            write_text(PREDICTION, PREDICTIONS.to_json(made), self.folder)
        return made, not begun
