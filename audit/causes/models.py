"""The models of a plan, in the order of training, and how many of them a budget allows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from audit.causes.plan import DOSE
from audit.errors import UsageError
from audit.records.causes import CausesPlan, Part

_PARTS: tuple[Part, ...] = ("fit", "intervention", "held back")
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
        *(_model(plan, "fit", dose, seed) for seed in plan.seeds for dose in plan.doses),
        *(_model(plan, "intervention", plan.arms_at, seed, arm) for seed in plan.seeds for arm in range(len(plan.arms))),
        *(_model(plan, "held back", dose, seed) for seed in plan.seeds for dose in plan.held_back),
    ]
    return tuple(models)


def _model(plan: CausesPlan, part: Part, dose: float, seed: int, arm: int | None = None) -> DoseModel:
    own = plan.arms[arm] if arm is not None else None
    # The drawing of the changed pairs varies with the seed, as the initial weights do: a seed is one repetition of everything random.
    drawn = (f"{plan.dose.rpartition('.')[0]}.seed={seed}",) if plan.dose == DOSE else ()
    overrides = (*plan.overrides, f"run.seed={seed}", *drawn, f"{plan.dose}={dose}", *(own.overrides if own else ()))
    slug = re.sub(r"[^a-z0-9]+", "-", own.name.lower()).strip("-")[:40] if own else ""
    name = f"intervention-{arm}-{slug}-seed-{seed}" if own else f"dose-{dose:g}-seed-{seed}"
    return DoseModel(name, part, own.name if own else None, dose, seed, overrides)


def affordable(plan: CausesPlan, seconds_each: float, budget_s: float) -> tuple[DoseModel, ...]:
    """Return the models that fit into a budget, in the order of training.

    Whole seeds first: all models of the first seed, then of the second. A seed that does not fit whole is left out, except the first, of
    which doses to fit come first. Raises `UsageError` if too few doses are left for the fit.
    """
    models, number = planned_models(plan), int(budget_s // seconds_each)
    of_seed = len(models) // len(plan.seeds)
    seeds, rest = plan.seeds[: number // of_seed], number % of_seed
    chosen = {model.name for model in models if model.seed in seeds}
    if not seeds:
        first = [
            model for part in ("fit", "held back", "intervention") for model in models if model.seed == plan.seeds[0] and model.part == part
        ]
        chosen = {model.name for model in first[:rest]}
        fitted = {model.dose for model in first[:rest] if model.part == "fit"}
        if len(fitted) <= degree_of(plan):
            why = f"at {seconds_each:.0f} s per model, {budget_s / 60:g} min allow {number} models"
            fix = f"a budget of at least {(degree_of(plan) + 1) * seconds_each / 60:.1f} min, or fewer steps"
            raise UsageError(f"the budget does not allow a {plan.fit} fit", why=why, fix=fix)
    return tuple(model for model in models if model.name in chosen)


def training_file(plan: CausesPlan, path: Path) -> str:
    """Return the recipe or the TOML file of the training; a file is looked for beside the plan first."""
    beside = path.parent / plan.run
    return str(beside) if beside.is_file() else plan.run
