"""The models of a plan, in the order of training, and how many of them a budget allows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from audit.errors import UsageError
from audit.extensions.causes.plan import without_group
from audit.extensions.causes.record import DOSE, CausesPlan, LeftOutGroup, Part, PlannedInfluence

_PARTS: tuple[Part, ...] = ("fit", "intervention", "left out", "held back")
"""In the order of training: held-back models are trained after their prediction was written."""
_DEGREES = {"linear": 1, "quadratic": 2}


@dataclass(frozen=True)
class DoseModel:
    """A model to train."""

    name: str
    part: Part
    arm: str | None
    dose: float
    seed: int
    overrides: tuple[str, ...]
    """All settings that differ from the recipe, in the order in which they apply."""


def degree_of(plan: CausesPlan) -> int:
    """The degree of the polynomial of the dose."""
    return _DEGREES[plan.fit]


def planned_models(plan: CausesPlan) -> tuple[DoseModel, ...]:
    """Return all models of a plan, in the order of training."""
    models = [
        *(_model(plan, "fit", (dose, seed), _kept_steps(plan, dose, seed)) for seed in plan.seeds for dose in plan.doses),
        *(_with_arm(plan, number, seed) for seed in plan.seeds for number in range(len(plan.arms))),
        *(_without_groups(plan, plan.influence) if plan.influence else ()),
        *(_model(plan, "held back", (dose, seed)) for seed in plan.seeds for dose in plan.held_back),
    ]
    return tuple(models)


def _model(plan: CausesPlan, part: Part, at: tuple[float, int], more: Sequence[str] = (), arm: str | None = None) -> DoseModel:
    """Return a model at a dose and seed; `more`: settings that come last."""
    dose, seed = at
    # The drawing of the changed pairs varies with the seed, as the initial weights do: a seed is one repetition of everything random.
    drawn = (f"{plan.dose.rpartition('.')[0]}.seed={seed}",) if plan.dose == DOSE else ()
    overrides = (*plan.overrides, f"run.seed={seed}", *drawn, f"{plan.dose}={dose}", *more)
    return DoseModel(f"dose-{dose:g}-seed-{seed}", part, arm, dose, seed, overrides)


def _kept_steps(plan: CausesPlan, dose: float, seed: int) -> tuple[str, ...]:
    """Settings of a model with all groups, of which influence needs the gradients on the way; they do not change its weights."""
    influence = plan.influence
    needed = influence is not None and dose == influence.at and seed in influence.seeds
    return (f"run.keep_every={influence.keep_every}", "run.keep_last=0") if influence is not None and needed else ()


def _with_arm(plan: CausesPlan, number: int, seed: int) -> DoseModel:
    arm = plan.arms[number]
    model = _model(plan, "intervention", (plan.arms_at, seed), arm.overrides, arm.name)
    return replace(model, name=f"intervention-{number}-{_slug(arm.name)}-seed-{seed}")


def _without_groups(plan: CausesPlan, influence: PlannedInfluence) -> Iterator[DoseModel]:
    for seed in influence.seeds:
        for number, group in enumerate(influence.groups):
            model = _model(plan, "left out", (influence.at, seed), leaving_out(group), without_group(group.name))
            yield replace(model, name=f"without-{number}-{_slug(group.name)}-seed-{seed}")


def leaving_out(group: LeftOutGroup) -> tuple[str, ...]:
    r"""Return the settings of the trainer that leave a group out.

    >>> leaving_out(LeftOutGroup("g", {"gender": "woman", "role": ["cook", "judge"]}, ('a "b"',)))
    ('data.leave_out={where={"gender"="woman","role"=["cook","judge"]},words=["a \\"b\\""]}',)
    """
    columns = ",".join(f"{_toml(name)}={_toml(values)}" for name, values in group.where.items())
    return (f"data.leave_out={{where={{{columns}}},words={_toml(list(group.words))}}}",)


def _toml(value: str | list[str]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))  # a string in JSON is one in TOML


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40]


def affordable(plan: CausesPlan, seconds_each: float, budget_s: float) -> tuple[DoseModel, ...]:
    """Return the models that fit into a budget, in the order of training.

    Whole seeds first: all models of the first seed, then of the second. A seed that does not fit whole is left out, except the first, of
    which doses to fit come first. Raises `UsageError` if too few doses are left for the fit.
    """
    models, number = planned_models(plan), int(budget_s // seconds_each)
    seeds, rest = _whole_seeds(plan, models, number)
    chosen = {model.name for model in models if model.seed in seeds}
    if not seeds:
        own = [model for model in models if model.seed == plan.seeds[0]]
        first = [model for part in ("fit", "held back", "intervention", "left out") for model in own if model.part == part]
        chosen = {model.name for model in first[:rest]}
        fitted = {model.dose for model in first[:rest] if model.part == "fit"}
        if len(fitted) <= degree_of(plan):
            why = f"at {seconds_each:.0f} s per model, {budget_s / 60:g} min allow {number} models"
            fix = f"a budget of at least {(degree_of(plan) + 1) * seconds_each / 60:.1f} min, or fewer steps"
            raise UsageError(f"the budget does not allow a {plan.fit} fit", why=why, fix=fix)
    return tuple(model for model in models if model.name in chosen)


def _whole_seeds(plan: CausesPlan, models: Sequence[DoseModel], number: int) -> tuple[list[int], int]:
    """Return the first seeds of which all models fit into a number, and how many models are left then."""
    seeds: list[int] = []
    for seed in plan.seeds:
        own = sum(model.seed == seed for model in models)
        if own > number:
            break
        seeds.append(seed)
        number -= own
    return seeds, number


def training_file(plan: CausesPlan, path: Path) -> str:
    """Return the recipe or the TOML file of the training; a file is looked for beside the plan first."""
    beside = path.parent / plan.run
    return str(beside) if beside.is_file() else plan.run
